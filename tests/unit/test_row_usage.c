/* What a row keeps of a call's usage: enough to price it again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/row.h"

static uint64_t seed = 88172645463325252u;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static const enum lg_bucket unshown[] = {
	LG_BUCKET_RESERVED_TOKENS,
};

static bool is_shown(unsigned b)
{
	return b != LG_BUCKET_RESERVED_TOKENS;
}

static void draw(struct lg_usage *u)
{
	uint64_t which = next();

	memset(u, 0, sizeof(*u));
	for (unsigned b = 0; b < LG_BUCKETS; b++)
		if (is_shown(b) && which >> b & 1)
			lg_usage_set(u, (enum lg_bucket)b,
				     next() >> (next() % 40 + 24));
	u->flags = LG_USAGE_PRESENT;
}

static void through_text(const struct lg_row *in, struct lg_row *out)
{
	static char line[LG_ROW_LINE_MAX];
	struct lg_buf b;

	lg_buf_init_fixed(&b, line, sizeof(line));
	assert_int_equal(lg_row_format(in, &b), 0);
	assert_int_equal(lg_row_parse((struct lg_slice){b.p, b.len - 1}, out),
			 0);
}

static void test_there_and_back(void **state)
{
	static struct lg_row a, b;
	struct lg_usage in, out;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		draw(&in);
		lg_row_init(&a);
		strcpy(a.id, "X");
		lg_row_set_usage(&a, &in);
		through_text(&a, &b);
		assert_memory_equal(a.units, b.units, sizeof(a.units));
		assert_true(lg_row_usage(&b, &out));
		for (unsigned k = 0; k < LG_BUCKETS; k++) {
			if (in.n[k] != out.n[k])
				print_error("%s\n",
					    lg_bucket_name((enum lg_bucket)k));
			assert_int_equal(in.n[k], out.n[k]);
		}
		assert_int_equal(lg_usage_input(&in), lg_usage_input(&out));
		assert_int_equal(lg_usage_output(&in), lg_usage_output(&out));
	}
	assert_false(is_shown(unshown[0]));
}

/* Absent stays absent where the row has a key for it. */
static void test_null_is_not_zero(void **state)
{
	static struct lg_row r;
	struct lg_usage u = {.flags = LG_USAGE_PRESENT};

	(void)state;
	lg_usage_set(&u, LG_BUCKET_INPUT, 5);
	lg_usage_set(&u, LG_BUCKET_OUTPUT, 0);
	lg_usage_set(&u, LG_BUCKET_REASONING, 0);
	lg_row_init(&r);
	lg_row_set_usage(&r, &u);
	assert_true(r.cache_read_tokens == LG_ROW_ABSENT);
	assert_int_equal(r.reasoning_tokens, 0);
	assert_true(lg_row_usage(&r, &u));
	assert_true(u.has & 1u << LG_BUCKET_REASONING);
	assert_false(u.has & 1u << LG_BUCKET_CACHE_READ);
	assert_int_equal(r.cache_hit, LG_CACHE_NONE);
}

static void test_contradictions(void **state)
{
	static struct lg_row r;
	struct lg_usage u;

	(void)state;
	lg_row_init(&r);
	assert_false(lg_row_usage(&r, &u)); /* no counts */
	r.input_tokens = 10;
	r.output_tokens = 10;
	assert_true(lg_row_usage(&r, &u));
	r.cache_read_tokens = 11;
	assert_false(lg_row_usage(&r, &u));
	assert_int_equal(u.has, 0);
	r.cache_read_tokens = 4;
	r.reasoning_tokens = 11;
	assert_false(lg_row_usage(&r, &u));
	r.reasoning_tokens = 1;
	r.units[lg_row_unit_by_name(LG_SLICE("audio_cache_read_tokens"))] = 5;
	assert_false(lg_row_usage(&r, &u)); /* more than was read */
	r.units[lg_row_unit_by_name(LG_SLICE("audio_cache_read_tokens"))] =
		UINT64_MAX;
	r.units[lg_row_unit_by_name(LG_SLICE("image_cache_read_tokens"))] =
		UINT64_MAX;
	assert_false(lg_row_usage(&r, &u));
	lg_row_init(&r);
	r.kind = LG_ROW_ADJUST;
	r.input_tokens = r.output_tokens = 1;
	assert_false(lg_row_usage(&r, &u)); /* differences are no usage */
}

static void test_provider_cost(void **state)
{
	static struct lg_row r;
	struct lg_usage u;

	(void)state;
	lg_row_init(&r);
	r.input_tokens = r.output_tokens = 1;
	assert_true(lg_row_usage(&r, &u));
	assert_false(u.flags & LG_USAGE_PROVIDER_COST);
	r.provider_cost_pusd = 77;
	assert_true(lg_row_usage(&r, &u));
	assert_true(u.flags & LG_USAGE_PROVIDER_COST);
	assert_int_equal(u.provider_cost_pusd, 77);
}

static void test_unit_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LG_ROW_UNITS; i++)
		assert_int_equal(
			lg_row_unit_by_name(lg_slice_str(lg_row_unit_name(i))),
			i);
	assert_string_equal(lg_row_unit_name(LG_ROW_UNITS), "");
	assert_int_equal(lg_row_unit_by_name(LG_SLICE("input")), LG_ROW_UNITS);
	assert_int_equal(lg_row_unit_by_name(LG_SLICE("")), LG_ROW_UNITS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_null_is_not_zero),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_provider_cost),
		cmocka_unit_test(test_unit_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
