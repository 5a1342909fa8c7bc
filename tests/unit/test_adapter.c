/* What all adapters share: costs, compact JSON, splits, facts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "llm/adapter.h"

static struct lg_value value(enum lg_value_type type, const char *text)
{
	struct lg_slice s = lg_slice_str(text);

	return (struct lg_value){.type = type, .text = s, .len = s.len};
}

static void test_cost(void **state)
{
	static const struct {
		const char *text;
		int64_t pusd;
		bool bad;
	} want[] = {
		{"0", 0, false},
		{"0.00417", 4170000000, false},
		{"1.4e-07", 140000, false},
		{"1.4E-7", 140000, false},
		{"12e+2", INT64_C(1200000000000000), false},
		{"0.0000000000005", 0, false},
		{"0.0000000000015", 2, false},
		{"0.0000000000025", 2, false},
		{"0.00000000000250000000000000000000001", 3, false},
		{"0.0000000000005000000000000000000000000000000001", 1, false},
		{"0.0050030000000000005", 5003000000, false},
		{"1e-400", 0, false},
		{"0e99999999999999999999", 0, false},
		{"9000000", INT64_C(9000000000000000000), false},
		{"9300000", 0, true},
		{"1e20", 0, true},
		{"1e9999999999999", 0, true},
		{"123456789012345678901234567890", 0, true},
		{"-0.5", 0, true},
	};
	struct lg_value v;
	int64_t pusd;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(*want); i++) {
		v = value(LG_VALUE_NUMBER, want[i].text);
		pusd = -1;
		if ((lg_value_cost(&v, &pusd) != 0) != want[i].bad)
			fail_msg("%s", want[i].text);
		if (!want[i].bad && pusd != want[i].pusd)
			fail_msg("%s: %lld", want[i].text, (long long)pusd);
	}
	v = value(LG_VALUE_STRING, "1");
	assert_true(lg_value_cost(&v, &pusd) < 0);
	v = value(LG_VALUE_NUMBER, "1");
	v.truncated = true;
	assert_true(lg_value_cost(&v, &pusd) < 0);
}

static void test_compact(void **state)
{
	struct lg_value v =
		value(LG_VALUE_RAW, "{ \"a b\" :\n [1, \"\\\" \\\\\" , 2 ] }");
	char out[32];

	(void)state;
	assert_int_equal(lg_value_compact(&v, out, sizeof(out)), 21);
	assert_string_equal(out, "{\"a b\":[1,\"\\\" \\\\\",2]}");
	assert_int_equal(lg_value_compact(&v, out, 22), 21);
	assert_int_equal(lg_value_compact(&v, out, 21), 0);
	assert_string_equal(out, "");
	v.truncated = true;
	assert_int_equal(lg_value_compact(&v, out, sizeof(out)), 0);
}

static void test_split(void **state)
{
	struct lg_usage u = {.has = 0};
	uint64_t rest = 10;

	(void)state;
	assert_true(lg_usage_split(&rest, 4, &u, LG_BUCKET_CACHE_READ));
	assert_false(lg_usage_split(&rest, 7, &u, LG_BUCKET_REASONING));
	assert_int_equal(rest, 0);
	assert_int_equal(u.n[LG_BUCKET_CACHE_READ], 4);
	assert_int_equal(u.n[LG_BUCKET_REASONING], 6);
}

static void apply(struct lg_facts *f, int id, const char *text)
{
	struct lg_value v = value(LG_VALUE_STRING, text);

	lg_facts_apply(f, id, &v);
}

static void test_facts(void **state)
{
	struct lg_facts f;
	struct lg_value huge = {.type = LG_VALUE_STRING, .len = UINT64_MAX};

	(void)state;
	lg_facts_init(&f);
	assert_int_equal(f.n, 1);
	f.json_ok = true;
	assert_int_equal(lg_facts_input_estimate(&f), 0);
	apply(&f, LG_FACT_SAFETY_ID, "s");
	apply(&f, LG_FACT_USER, "u");
	apply(&f, LG_FACT_SAFETY_ID, "t");
	assert_string_equal(f.user, "u");
	apply(&f, LG_FACT_TOOL_TYPE, "function");
	assert_false(f.server_tools);
	apply(&f, LG_FACT_TOOL_TYPE, "something_new");
	assert_true(f.server_tools);
	apply(&f, LG_FACT_URL, "DATA:image/png;base64,");
	assert_false(f.remote_refs);
	apply(&f, LG_FACT_URL, "https://a.example/");
	assert_true(f.remote_refs);
	lg_facts_apply(&f, LG_FACT_TEXT, &huge);
	lg_facts_apply(&f, LG_FACT_TEXT, &huge);
	assert_int_equal(f.prompt_bytes, LG_COUNTER_MAX);
	assert_true(lg_facts_input_estimate(&f) > LG_COUNTER_MAX / 4);
}

static void test_estimates(void **state)
{
	struct lg_answer a;
	struct lg_facts f;

	(void)state;
	lg_answer_init(&a);
	assert_int_equal(lg_answer_output_estimate(&a), 0);
	a.delivered_bytes = 1;
	assert_int_equal(lg_answer_output_estimate(&a), 1);
	a.delivered_bytes = 4001;
	assert_int_equal(lg_answer_output_estimate(&a), 1001);
	lg_facts_init(&f);
	f.body_bytes = 400;
	f.prompt_bytes = 7;
	assert_int_equal(lg_facts_input_estimate(&f), 115);
	f.json_ok = true;
	f.images = 2;
	assert_int_equal(lg_facts_input_estimate(&f), 3 + 2400);
}

static void test_round(void **state)
{
	static const struct {
		const char *text;
		uint64_t n;
		bool bad;
	} want[] = {
		{"27", 27, false},    {"26.6", 27, false}, {"8.47", 8, false},
		{"0.5", 0, false},    {"1.5", 2, false},   {"1e2", 100, false},
		{"2.51e0", 3, false}, {"-1", 0, true},	   {"1e40", 0, true},
	};
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		struct lg_value v = value(LG_VALUE_NUMBER, want[i].text);

		n = 99;
		if ((lg_value_round(&v, &n) != 0) != want[i].bad)
			fail_msg("%s", want[i].text);
		if (!want[i].bad && n != want[i].n)
			fail_msg("%s: %llu", want[i].text,
				 (unsigned long long)n);
	}
}

/* What a request for pictures or sound will probably use, and at most. */
static void test_expect(void **state)
{
	static const struct {
		const char *model, *quality, *size;
		uint64_t characters, file_bytes, n;
		bool sound, bounded;
		enum lg_bucket bucket;
		uint64_t likely, most;
	} want[] = {
		{"dall-e-3", "hd", "1024x1792", 0, 0, 2, false, true,
		 LG_BUCKET_IMAGES, 2, 2},
		{"dall-e-3", "hd", "1024x1792", 0, 0, 2, false, true,
		 LG_BUCKET_IMAGE_OUTPUT, 0, 0},
		{"gpt-image-1", "low", "1024x1024", 0, 0, 3, false, true,
		 LG_BUCKET_IMAGE_OUTPUT, 816, 816},
		{"gpt-image-1-mini", "", "", 0, 0, 1, false, true,
		 LG_BUCKET_IMAGE_OUTPUT, 4160, 6240},
		{"gpt-image-9", "medium", "", 0, 0, 1, false, false,
		 LG_BUCKET_IMAGE_OUTPUT, 1056, 1584},
		{"my-deployment", "", "", 0, 0, 1, false, false,
		 LG_BUCKET_IMAGES, 1, 1},
		{"tts-1", "", "", 900, 0, 1, true, true, LG_BUCKET_CHARACTERS,
		 900, 900},
		{"gpt-4o-mini-tts", "", "", 900, 0, 1, true, false,
		 LG_BUCKET_AUDIO_OUTPUT, 1250, 1250},
		{"whisper-1", "", "", 0, 160001, 1, true, false,
		 LG_BUCKET_SECONDS, 11, 11},
		{"gpt-4o-transcribe", "", "", 0, 160000, 1, true, false,
		 LG_BUCKET_AUDIO_INPUT, 100, 100},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		const struct lg_dialect *d =
			want[i].sound ? &lg_openai_audio : &lg_openai_images;
		struct lg_usage likely = {.n = {0}}, most = {.n = {0}};
		struct lg_facts f;

		lg_facts_init(&f);
		strcpy(f.model, want[i].model);
		strcpy(f.quality, want[i].quality);
		strcpy(f.size, want[i].size);
		f.characters = want[i].characters;
		f.file_bytes = want[i].file_bytes;
		f.n = (uint32_t)want[i].n;
		d->expect(&f, false, &likely);
		assert_int_equal(d->expect(&f, true, &most), want[i].bounded);
		if (likely.n[want[i].bucket] != want[i].likely ||
		    most.n[want[i].bucket] != want[i].most)
			fail_msg("%s: %llu %llu", want[i].model,
				 (unsigned long long)likely.n[want[i].bucket],
				 (unsigned long long)most.n[want[i].bucket]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_compact),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_estimates),
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_expect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
