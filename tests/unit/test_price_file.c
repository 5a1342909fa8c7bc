#include "config_help.h"

#include <time.h>

#include "price/catalog.h"
#include "price/price.h"

#define USD INT64_C(1000000000000)

static int compile(const char *yaml, struct lg_buf *out,
		   struct lg_config_error *err)
{
	const char *files[] = {dir.prices};

	put_text(dir.prices, yaml);
	return lg_config_compile_catalog(files, 1, out, err);
}

/* -- every field wrong in turn ----------------------------------------------
 */

/* An entry with every key, each on a line of its own; line 4 and on. */
static const char *const good[] = {
	"provider: p",
	"model: m",
	"match: [a, \"b*\", {starts_with: c, ends_with: d}, {pattern: \"#\"}]",
	"variant: hd/1024x1792",
	"id: p/m",
	"price_version: \"2026-08\"",
	"effective_at: 2026-01-01",
	"expires_at: 2026-12-31T23:59:59Z",
	"time_of_day: {from: \"16:30\", to: \"00:30\"}",
	"context_window: 1000",
	"max_output_tokens: 100",
	"minimum_seconds: 10",
	"tiers: [{above_tokens: 5, input_per_1m: 2}]",
	"service_tiers: {batch: 0.5, fast: {input_per_1m: 9}}",
	"geo: {us: 1.1, regional: 1.2}",
	"estimate: true",
	"notes: some text",
	"source: a page",
	"operator: somebody",
	"added_at: 2026-11-22T12:00:00Z",
	"input_per_1m: 1",
};

#define NGOOD (sizeof(good) / sizeof(good[0]))
#define NOT_SHOWN "\x01" /* the value is no scalar */

/* value: what the message must show. */
static const struct {
	const char *line, *value;
} wrong[] = {
	{"provider: P", "P"},
	{"provider: \"\"", ""},
	{"provider: [x]", NOT_SHOWN},
	{"model: \"\"", ""},
	{"model: {a: b}", NOT_SHOWN},
	{"model: \"a\\nb\"", NOT_SHOWN},
	{"match: \"[a]\"", "[a]"},
	{"match: {regex: x}", "x"},
	{"match: {}", NOT_SHOWN},
	{"match: [[a]]", NOT_SHOWN},
	{"match: {equals: [a]}", NOT_SHOWN},
	{"variant: HD", "HD"},
	{"variant: a b", "a b"},
	{"id: \"\"", ""},
	{"id: []", NOT_SHOWN},
	{"price_version: []", NOT_SHOWN},
	{"price_version: \"\"", ""},
	{"effective_at: 2026-13-01", "2026-13-01"},
	{"effective_at: 2026-02-29", "2026-02-29"},
	{"effective_at: tomorrow", "tomorrow"},
	{"expires_at: 2026-01-01T25:00:00Z", "2026-01-01T25:00:00Z"},
	{"expires_at: []", NOT_SHOWN},
	{"time_of_day: 16:30", "16:30"},
	{"time_of_day: {from: \"24:00\", to: \"00:30\"}", "24:00"},
	{"time_of_day: {from: \"1:00\", to: \"00:30\"}", "1:00"},
	{"time_of_day: {from: \"16:30\"}", NOT_SHOWN},
	{"time_of_day: {from: \"16:30\", till: \"1\"}", NOT_SHOWN},
	{"context_window: -1", "-1"},
	{"context_window: many", "many"},
	{"context_window: 1.5", "1.5"},
	{"context_window: 99999999999999999999", "99999999999999999999"},
	{"max_output_tokens: -1", "-1"},
	{"max_output_tokens: 1e6", "1e6"},
	{"minimum_seconds: -1", "-1"},
	{"minimum_seconds: 86401", "86401"},
	{"tiers: 5", "5"},
	{"tiers: [5]", "5"},
	{"tiers: [{above_tokens: -5}]", "-5"},
	{"tiers: [{above_tokens: 5, input_per_1m: x}]", "x"},
	{"tiers: [{above_tokens: 5, inputs: 1}]", NOT_SHOWN},
	{"tiers: [{above_tokens: 5}, {above_tokens: 4}]", NOT_SHOWN},
	{"tiers: [{}, {}, {}, {}, {}]", NOT_SHOWN},
	{"service_tiers: 0.5", "0.5"},
	{"service_tiers: {batch: 0}", "0"},
	{"service_tiers: {batch: -1}", "-1"},
	{"service_tiers: {batch: 101}", "101"},
	{"service_tiers: {batch: half}", "half"},
	{"service_tiers: {batch: 0.1234567}", "0.1234567"},
	{"service_tiers: {standard: 1}", "1"},
	{"service_tiers: {Batch: 1}", "Batch"},
	{"service_tiers: {batch: {input_per_1m: x}}", "x"},
	{"service_tiers: {batch: {context_window: 1}}", "1"},
	{"service_tiers: {batch: [1]}", NOT_SHOWN},
	{"geo: us", "us"},
	{"geo: {us: 0}", "0"},
	{"geo: {us: dear}", "dear"},
	{"geo: {us: 1.0000001}", "1.0000001"},
	{"geo: {\"[us]\": 1.1}", "1.1"},
	{"geo: {us: [1.1]}", NOT_SHOWN},
	{"estimate: maybe", "maybe"},
	{"estimate: 1", "1"},
	{"unpriced: maybe", "maybe"},
	{"notes: []", NOT_SHOWN},
	{"source: {a: b}", NOT_SHOWN},
	{"operator: []", NOT_SHOWN},
	{"operator: \"\"", ""},
	{"added_at: now", "now"},
	{"colour: red", NOT_SHOWN},
	{"input_per_1g: 1", NOT_SHOWN},
	{"request_per_token: 1", NOT_SHOWN},
	{"input_per_1: 1", NOT_SHOWN},
	{"second_per_token: 1", NOT_SHOWN},
	{"input_per_hour: 1", NOT_SHOWN},
};

/* The file with one line of the entry replaced (or added) by `line`. */
static unsigned put_wrong(char *yaml, size_t cap, const char *line)
{
	size_t key = strcspn(line, ":") + 1, n;
	unsigned at = 0;

	n = (size_t)snprintf(yaml, cap, "catalog: 1\nprices:\n  -\n");
	for (unsigned i = 0; i < NGOOD; i++) {
		const char *put = good[i];

		if (!strncmp(put, line, key)) {
			put = line;
			at = 4 + i;
		}
		n += (size_t)snprintf(yaml + n, cap - n, "    %s\n", put);
	}
	if (!at) {
		at = 4 + NGOOD;
		snprintf(yaml + n, cap - n, "    %s\n", line);
	}
	return at;
}

/* file:line, key, value, and why. */
static void check_refusal(const char *yaml, const char *line, unsigned at,
			  const char *value)
{
	struct lg_config_error err;
	char where[160], key[64], shown[128];
	struct lg_buf out;

	lg_buf_init(&out, 0);
	assert_int_equal(compile(yaml, &out, &err), -EINVAL);
	snprintf(where, sizeof(where), "%s:%u: ", dir.prices, at);
	snprintf(key, sizeof(key), "%.*s", (int)strcspn(line, ":"), line);
	if (strncmp(err.text, where, strlen(where)))
		fail_msg("%s: says %s, not %s", line, err.text, where);
	if (value[0] != NOT_SHOWN[0]) {
		snprintf(shown, sizeof(shown), "value \"%s\": ", value);
		if (!strstr(err.text, shown) && !strstr(err.text, value))
			fail_msg("%s: %s does not show %s", line, err.text,
				 shown);
	}
	assert_true(strlen(err.text) > strlen(where) + 12);
	assert_string_equal(err.file, dir.prices);
	lg_buf_fini(&out);
}

static void test_each_field_wrong(void **state)
{
	struct lg_config_error err;
	static char yaml[8192];
	struct lg_buf out;

	(void)state;
	lg_buf_init(&out, 0);
	put_wrong(yaml, sizeof(yaml), "input_per_1m: 1");
	if (compile(yaml, &out, &err))
		fail_msg("%s", err.text);
	lg_buf_fini(&out);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		unsigned at = put_wrong(yaml, sizeof(yaml), wrong[i].line);

		check_refusal(yaml, wrong[i].line, at, wrong[i].value);
	}
}

static const char *const tokens[] = {
	"input",	"cached_input", "cache_write_5m",     "cache_write_1h",
	"output",	"reasoning",	"audio_input",	      "citation",
	"audio_output", "image_input",	"audio_cached_input", "training",
	"image_output", "video_input",	"image_cached_input", "video_output",
};
static const char *const pieces[] = {
	"request", "web_search", "file_search", "code_execution", "grounding",
	"image",   "second",	 "character",	"page",		  "search_unit",
};
static const char *const no_rates[] = {"-1",   "abc", "1e30", "nan",
				       "0x10", "1,5", "",     "$1",
				       "--1",  "1e",  "inf",  "1.2.3"};

static void each_unit(const char *name, bool is_token)
{
	static const char *const units[] = {"1m", "1k", "token", "1"};
	char line[96], value[64], yaml[512];

	for (unsigned u = 0; u < 4; u++) {
		if (u == (is_token ? 3u : 2u))
			continue;
		for (size_t k = 0; k < sizeof(no_rates) / sizeof(no_rates[0]);
		     k++) {
			snprintf(value, sizeof(value), "%s", no_rates[k]);
			snprintf(line, sizeof(line), "%s_per_%s: \"%s\"", name,
				 units[u], value);
			snprintf(yaml, sizeof(yaml),
				 "prices:\n  - provider: p\n    model: m\n"
				 "    %s\n",
				 line);
			check_refusal(yaml, line, 4, value);
		}
	}
}

static void test_each_rate_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		each_unit(tokens[i], true);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		each_unit(pieces[i], false);
}

static const struct {
	const char *yaml, *line;
	unsigned at;
	const char *value;
} heads[] = {
	{"catalog: 2\nprices: []\n", "catalog: 2", 1, "2"},
	{"catalog: 1\nprovider: A b\n", "provider: A b", 2, "A b"},
	{"price_version: []\n", "price_version: []", 1, NOT_SHOWN},
	{"source: {}\n", "source: {}", 1, NOT_SHOWN},
	{"prices: 5\n", "prices: 5", 1, "5"},
	{"providers: {a: b}\n", "providers: {", 1, NOT_SHOWN},
	{"models: []\n", "models: []", 1, NOT_SHOWN},
	{"providers:\n  - provider: p\n    fallback: [A]\n", "fallback: [", 3,
	 "A"},
	{"providers:\n  - provider: p\n    fallback: [{geo: {us: 1}}]\n",
	 "fallback: [", 3, NOT_SHOWN},
	{"providers:\n  - provider: p\n    fallback: [a, b, c, d, e, f, g, h, "
	 "i, j, k, l, m, n, o, p, q]\n",
	 "fallback: [", 3, NOT_SHOWN},
	{"providers:\n  - provider: p\n    geo: {us: x}\n", "geo: {", 3, "x"},
	{"providers:\n  - provider: p\n    service_tiers: [a]\n",
	 "service_tiers: [", 3, NOT_SHOWN},
	{"providers:\n  - provider: p\n    fine_tuned_input_per_1m: x\n",
	 "fine_tuned_input_per_1m: x", 3, "x"},
	{"providers:\n  - provider: p\n    fine_tuned_context: 1\n",
	 "fine_tuned_context: 1", 3, NOT_SHOWN},
	{"providers:\n  - provider: p\n    web_search_per_1k: -1\n",
	 "web_search_per_1k: -1", 3, "-1"},
	{"providers:\n  - provider: p\n    colour: red\n", "colour: red", 3,
	 NOT_SHOWN},
	{"provider: p\nprices:\n  - model: m\n", "prices:", 3, "m"},
	{"provider: p\nprices:\n  - {model: m, unpriced: true,\n"
	 "     input_per_1m: 1}\n",
	 "unpriced:", 3, "m"},
	{"provider: p\nprices:\n  - {model: m, input_per_1m: 1,\n"
	 "     input_per_1k: 1}\n",
	 "input_per_1k: 1", 4, "1"},
	{"provider: p\nprices:\n  - {model: m, input_per_1m: 1, effective_at: "
	 "2026-02-01,\n     expires_at: 2026-02-01}\n",
	 "expires_at:", 3, "m"},
	{"provider: p\nprices:\n  - {model: m, operator: contains,\n"
	 "     input_per_1m: 1}\n",
	 "operator:", 3, "contains"},
	{"provider: p\nprices:\n  - {model: m, tier: batch, input_per_1m: 1,\n"
	 "     service_tiers: {flex: 1}}\n",
	 "service_tiers:", 3, "batch"},
};

static void test_each_head_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		check_refusal(heads[i].yaml, heads[i].line, heads[i].at,
			      heads[i].value);
}

/* -- units, zero and absent --------------------------------------------------
 */

static struct lg_price look(const struct lg_buf *b, const char *model,
			    int64_t at_ms)
{
	struct lg_catalog c = {{(const void *)b->p}, 1};
	struct lg_price_query q = {.provider = LG_SLICE("p"),
				   .model = lg_slice_str(model),
				   .at_ms = at_ms};
	struct lg_price p;

	lg_price_lookup(&c, &q, &p);
	return p;
}

static void test_units_are_exact(void **state)
{
	struct lg_config_error err;
	struct lg_buf out;
	struct lg_price a, b, c;

	(void)state;
	lg_buf_init(&out, 0);
	if (compile("provider: p\nprices:\n"
		    "- {model: a, input_per_1m: 0.003625, output_per_1m: 0,"
		    " request_per_1m: 5000, second_per_1m: 100}\n"
		    "- {model: b, input_per_1k: 0.000003625, output_per_1k: 0,"
		    " request_per_1k: 5, second_per_1k: 0.1}\n"
		    "- {model: c, input_per_token: 3.625e-9,"
		    " output_per_token: 0e0, request_per_1: 0.005,"
		    " second_per_hour: 0.36}\n",
		    &out, &err))
		fail_msg("%s", err.text);
	a = look(&out, "a", 0);
	b = look(&out, "b", 0);
	c = look(&out, "c", 0);
	assert_memory_equal(a.rate, b.rate, sizeof(a.rate));
	assert_memory_equal(a.rate, c.rate, sizeof(a.rate));
	assert_int_equal(a.rate[LG_BUCKET_INPUT], INT64_C(3625000000));
	assert_int_equal(a.rate[LG_BUCKET_OUTPUT], 0);
	assert_int_equal(a.rate[LG_BUCKET_CACHE_READ], LG_RATE_ABSENT);
	assert_int_equal(a.rate[LG_BUCKET_REQUESTS], 5000 * USD);
	assert_int_equal(a.rate[LG_BUCKET_SECONDS], 100 * USD);
	lg_buf_fini(&out);
}

/* billing reports of one model by both rules, each on its day */
static void test_a_step_that_came_later(void **state)
{
	struct lg_usage u = {.flags = LG_USAGE_PRESENT};
	struct lg_config_error err;
	struct lg_cost cost;
	struct lg_price p;
	struct lg_buf out;

	(void)state;
	lg_buf_init(&out, 0);
	if (compile("provider: p\nprices:\n"
		    "- {model: m, input_per_1m: 1.25, cached_input_per_1m: "
		    "0.625, output_per_1m: 10}\n"
		    "- {model: m, effective_at: 2026-01-01, input_per_1m: 1.25,"
		    " cached_input_per_1m: 0.125, output_per_1m: 10, tiers: "
		    "[{above_tokens: 200000, input_per_1m: 2.5,"
		    " cached_input_per_1m: 0.25, output_per_1m: 15}]}\n",
		    &out, &err))
		fail_msg("%s", err.text);
	lg_usage_set(&u, LG_BUCKET_INPUT, 262960 - 257955);
	lg_usage_set(&u, LG_BUCKET_CACHE_READ, 257955);
	lg_usage_set(&u, LG_BUCKET_OUTPUT, 1744);
	p = look(&out, "m", INT64_C(1767225599999));
	lg_price_cost(&p, &u, &cost);
	assert_int_equal(cost.total_pusd, INT64_C(184918125000));
	p = look(&out, "m", INT64_C(1767225600000));
	lg_price_cost(&p, &u, &cost);
	assert_int_equal(cost.total_pusd, INT64_C(103161250000));
	lg_buf_fini(&out);
}

/* A model that is only named is unknown, but its window is not. */
static void test_unpriced(void **state)
{
	struct lg_config_error err;
	struct lg_price p;
	struct lg_buf out;

	(void)state;
	lg_buf_init(&out, 0);
	if (compile("provider: p\nprices:\n"
		    "- {model: m, unpriced: true, context_window: 77}\n"
		    "- {model: dear, input_per_1m: 9, context_window: 99}\n",
		    &out, &err))
		fail_msg("%s", err.text);
	p = look(&out, "m", 0);
	assert_int_equal(p.how, LG_PRICE_CEILING);
	assert_null(p.entry);
	assert_int_equal(p.context_window, 77);
	assert_int_equal(p.rate[LG_BUCKET_INPUT], 9 * USD);
	lg_buf_fini(&out);
}

/* -- large ones
 * ---------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void test_many_entries(void **state)
{
	enum { N = 5000 };
	const char *files[] = {dir.prices};
	FILE *f = fopen(dir.prices, "w");
	struct lg_config_error err;
	struct lg_buf out;
	int64_t ms;

	(void)state;
	assert_non_null(f);
	fputs("prices:\n", f);
	for (int i = 0; i < N; i++)
		fprintf(f,
			"- {provider: p%s, model: m-%d, match: [\"m-%d-*\", "
			"a-%d], input_per_1m: %d, output_per_1m: 2,"
			" service_tiers: {batch: 0.5}}\n",
			i % 2 ? "" : "2", i, i, i, i);
	assert_int_equal(fclose(f), 0);
	lg_buf_init(&out, 0);
	ms = now_ms();
	if (lg_config_compile_catalog(files, 1, &out, &err))
		fail_msg("%s", err.text);
	ms = now_ms() - ms;
	/* bench_price wants 200; sanitizers and loaded machines are slower */
	if (ms > 3000)
		fail_msg("%lld ms", (long long)ms);
	assert_int_equal(lg_image_check(out.p, out.len), 0);
	for (int i = 1; i < N; i += 2) {
		char name[32];
		struct lg_price p;

		snprintf(name, sizeof(name), i % 4 == 1 ? "a-%d" : "m-%d-x", i);
		p = look(&out, name, 0);
		assert_int_equal(p.rate[LG_BUCKET_INPUT], i * USD);
	}
	lg_buf_fini(&out);
}

/* -- what holds for every price
 * -------------------------------------------------- */

static uint64_t seed = 88172645463325252u;

static uint64_t next(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static struct lg_usage any_usage(void)
{
	struct lg_usage u = {.flags = LG_USAGE_PRESENT};

	for (unsigned i = 0; i < 1 + next(6); i++)
		lg_usage_set(&u, (enum lg_bucket)next(LG_BUCKET_TRAINING),
			     next(400000));
	return u;
}

/* Where nobody said the place, the bound is that of the dearest. */
static void test_bound_of_places(void **state)
{
	static const char *const at[] = {"", "us", "global"};
	struct lg_catalog c = {
		{(const struct lg_image *)(const void *)lg_catalog_image}, 1};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct lg_price_query q = {.provider = LG_SLICE("anthropic"),
					   .model = LG_SLICE("claude-opus-5"),
					   .geo = lg_slice_str(at[i]),
					   .at_ms = INT64_C(1795305600000)};
		struct lg_price p;

		lg_price_lookup(&c, &q, &p);
		/* at the rate of an hour-long write: $10 a million */
		assert_int_equal(lg_price_worst(&p, 100000, 0),
				 i < 2 ? 11 * USD / 10 : USD);
	}
}

static const char *const tiers[] = {"", "batch", "fast", "priority",
				    "batch+fast"};
static const char *const places[] = {"", "us", "us-east5", "global"};

/* No call costs more than its bound, or less than nothing; halves add up. */
static void check_properties(const struct lg_price *p, const char *what)
{
	struct lg_usage u = any_usage();
	uint64_t in = lg_usage_input(&u), out = lg_usage_output(&u);
	struct lg_cost cost, less;
	struct lg_usage v = u;
	int64_t worst = lg_price_worst(p, in, out);

	lg_price_cost(p, &u, &cost);
	if (cost.total_pusd < 0 || cost.total_pusd > worst ||
	    cost.input_pusd + cost.output_pusd != cost.total_pusd)
		fail_msg("%s: %lld, bound %lld", what,
			 (long long)cost.total_pusd, (long long)worst);
	/* with less output it does not cost more */
	v.n[LG_BUCKET_OUTPUT] /= 2;
	lg_price_cost(p, &v, &less);
	assert_true(less.total_pusd <= cost.total_pusd);
	assert_true(less.input_pusd == cost.input_pusd);
	/* and nothing costs nothing, but for the fee of a request */
	v = (struct lg_usage){.has = 1u << LG_BUCKET_REQUESTS};
	lg_price_cost(p, &v, &less);
	assert_int_equal(less.total_pusd, 0);
}

static void test_properties(void **state)
{
	struct lg_catalog c = {
		{(const struct lg_image *)(const void *)lg_catalog_image}, 1};
	const struct lg_image *img = c.img[0];
	const struct lg_img_price *e =
		LG_IMG_ARRAY(img, img->prices, struct lg_img_price);
	unsigned n = 0;

	(void)state;
	for (uint32_t i = 0; i < img->prices.n; i++) {
		struct lg_price_query q = {
			.provider = lg_img_text(img, e[i].provider),
			.model = lg_img_text(img, e[i].model),
			.tier = lg_slice_str(tiers[next(5)]),
			.geo = lg_slice_str(places[next(4)]),
			.variant = lg_img_text(img, e[i].variant),
			.at_ms = INT64_C(1767225600000) +
				 (int64_t)next(33000000000),
		};
		struct lg_price p;

		lg_price_lookup(&c, &q, &p);
		assert_true(p.how != LG_PRICE_UNKNOWN);
		if (p.entry && e[i].tier.len == 0)
			assert_true(lg_slice_eq(
				lg_img_text(img, p.entry->model), q.model));
		for (int k = 0; k < 4; k++)
			check_properties(&p, q.model.p);
		n++;
	}
	assert_true(n > 1500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_field_wrong),
		cmocka_unit_test(test_each_rate_wrong),
		cmocka_unit_test(test_each_head_wrong),
		cmocka_unit_test(test_units_are_exact),
		cmocka_unit_test(test_a_step_that_came_later),
		cmocka_unit_test(test_unpriced),
		cmocka_unit_test(test_many_entries),
		cmocka_unit_test(test_properties),
		cmocka_unit_test(test_bound_of_places),
	};

	return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
