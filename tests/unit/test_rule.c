/* Which budgets count a call, and what their counters are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "config/config.h"
#include "guard/rule.h"

static struct lg_buf image;

static void make(struct lg_rule *r, const char *scope, const char *period,
		 int each)
{
	struct lg_budget_text b = {
		.name = "b",
		.scope = scope,
		.period = period,
		.limit_usd = "1",
		.hard = -1,
		.each = each,
	};
	struct lg_config_error err;
	const struct lg_image *img;

	lg_buf_fini(&image);
	lg_buf_init(&image, 1 << 20);
	assert_int_equal(lg_config_compile_budgets(&b, 1, &image, &err), 0);
	img = (const struct lg_image *)(const void *)image.p;
	lg_rule_init(r, img,
		     LG_IMG_ARRAY(img, img->budgets, struct lg_img_budget),
		     "UTC", 0);
}

static void make_row(struct lg_row *row)
{
	lg_row_init(row);
	strcpy(row->project, "shop");
	strcpy(row->user, "Ann");
	strcpy(row->key, "0123456789ab");
	strcpy(row->model_requested, "gpt-4o-mini");
	strcpy(row->model, "gpt-4o-mini-2024-07-18");
	strcpy(row->provider, "openai");
	strcpy(row->endpoint, "/v1/chat/completions");
	strcpy(row->tags, "red\x1f"
			  "blue");
	strcpy(row->phase, "infer");
	strcpy(row->run_id, "r1");
	strcpy(row->conversation, "c1");
	strcpy(row->comm, "python3");
	strcpy(row->exe, "/usr/bin/python3.11");
	row->uid = 1000;
}

static bool matches(const char *scope, const struct lg_row *row)
{
	struct lg_rule_hit hit;
	struct lg_rule r;

	make(&r, scope, "monthly", 0);
	return lg_rule_match(&r, row, LG_SLICE("canon-4o"), 0, &hit);
}

static void test_scopes(void **state)
{
	static const struct {
		const char *scope;
		bool yes;
	} cases[] = {
		{"global", true},
		{"project:shop", true},
		{"project:SHOP", true},
		{"project:sho", false},
		{"project:s*p", true},
		{"user:Ann", true},
		{"user:Bob", false},
		{"key:0123456789ab", true},
		{"key:0123*", true},
		{"model:gpt-4o-mini", true},
		{"model:gpt-4o*", true},
		{"model:*2024-07-18", true},
		{"model:canon-*", true},
		{"model:claude*", false},
		{"provider:openai", true},
		{"provider:anthropic", false},
		{"endpoint:/v1/chat/*", true},
		{"endpoint:/v1/messages", false},
		{"tag:red", true},
		{"tag:blue", true},
		{"tag:redblue", false},
		{"phase:infer", true},
		{"phase:train", false},
		{"run:r1", true},
		{"run:r2", false},
		{"conversation:c1", true},
		{"process:python3", true},
		{"process:python3.11", true},
		{"process:/usr/bin/*", true},
		{"process:node", false},
		{"uid:1000", true},
		{"uid:0", false},
		{"project:shop & model:gpt-4o*", true},
		{"project:shop & model:claude*", false},
		{"project:shop & user:Ann & tag:blue", true},
	};
	struct lg_row row;

	(void)state;
	make_row(&row);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (matches(cases[i].scope, &row) != cases[i].yes)
			fail_msg("%s", cases[i].scope);
}

/* A row cuts long names: a budget that means one of them holds it. */
static void test_long_names(void **state)
{
	static const char *const names[] = {
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abc",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789\xc3"
		"\xa4\xe2\x82\xac",
	};
	struct lg_row row;
	char scope[200];

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t more = 0; more < 40; more++) {
			size_t n = (size_t)sprintf(
				scope, "project:%s%.*s", names[i], (int)more,
				"yyyyyyyyyyyyyyyyyyyyyyyyyyyy"
				"yyyyyyyyyyyyyyyyyyyy");

			make_row(&row);
			lg_slice_copy((struct lg_slice){scope + 8, n - 8},
				      row.project, sizeof(row.project));
			assert_true(matches(scope, &row));
			strcpy(scope + n, "*");
			assert_true(matches(scope, &row));
			scope[20] ^= 1;
			assert_false(matches(scope, &row));
			scope[20] ^= 1;
			/* shorter than the field it was not cut */
			row.project[60] = '\0';
			assert_false(matches(scope, &row));
		}
	make_row(&row);
	assert_true(matches("key:0123456789abcdef", &row));
	assert_false(matches("key:0123456789acbdef", &row));
	assert_false(matches("project:shopping", &row));
}

/* What nobody said belongs to no pattern, not even to '*'. */
static void test_unsaid(void **state)
{
	struct lg_row row;

	(void)state;
	make_row(&row);
	row.project[0] = row.tags[0] = row.conversation[0] = '\0';
	assert_false(matches("project:*", &row));
	assert_false(matches("tag:*", &row));
	assert_false(matches("conversation:*", &row));
	assert_true(matches("user:*", &row));
}

static bool same(struct lg_hash128 a, struct lg_hash128 b)
{
	return a.a == b.a && a.b == b.b;
}

static void test_each(void **state)
{
	struct lg_rule_hit ann, bob, red, blue;
	struct lg_rule r;
	struct lg_row row;

	(void)state;
	make_row(&row);
	make(&r, "user:*", "daily", 1);
	assert_true(lg_rule_match(&r, &row, LG_SLICE(""), 0, &ann));
	assert_string_equal(ann.value, "Ann");
	assert_false(lg_rule_match(&r, &row, LG_SLICE(""), 1, &bob));
	strcpy(row.user, "Bob");
	assert_true(lg_rule_match(&r, &row, LG_SLICE(""), 0, &bob));
	assert_false(same(ann.id, bob.id));
	assert_false(same(ann.id, r.id));
	/* one counter a tag */
	make(&r, "tag:*", "daily", 1);
	assert_true(lg_rule_match(&r, &row, LG_SLICE(""), 0, &red));
	assert_true(lg_rule_match(&r, &row, LG_SLICE(""), 1, &blue));
	assert_false(lg_rule_match(&r, &row, LG_SLICE(""), 2, &blue));
	assert_string_equal(red.value, "red");
	/* a name, not its pattern, is what is counted */
	make(&r, "model:*", "daily", 1);
	assert_true(lg_rule_match(&r, &row, LG_SLICE("canon-4o"), 0, &red));
	assert_string_equal(red.value, "canon-4o");
	make(&r, "user:* & project:shop", "daily", 1);
	assert_true(lg_rule_match(&r, &row, LG_SLICE(""), 0, &red));
	assert_string_equal(red.value, "Bob");
}

static void test_identity(void **state)
{
	struct lg_rule_hit one, two;
	struct lg_rule a, b;
	struct lg_row row;

	(void)state;
	make_row(&row);
	make(&a, "global", "monthly", 0);
	make(&b, "global", "daily", 0);
	assert_false(same(a.id, b.id));
	make(&b, "project:x", "monthly", 0);
	assert_false(same(a.id, b.id));
	make(&b, "global", "monthly", 0);
	assert_true(same(a.id, b.id));
	lg_rule_init(&b, b.img, b.b, "Europe/Berlin", 0);
	assert_false(same(a.id, b.id));
	lg_rule_init(&b, b.img, b.b, "UTC", 6);
	assert_false(same(a.id, b.id));
	/* each run is a counter of its own */
	make(&a, "global", "run", 0);
	assert_true(lg_rule_match(&a, &row, LG_SLICE(""), 0, &one));
	strcpy(row.run_id, "r2");
	assert_true(lg_rule_match(&a, &row, LG_SLICE(""), 0, &two));
	assert_false(same(one.id, two.id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_unsaid),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
