#include "config_help.h"

#include "price/catalog.h"
#include "price/price.h"

#define USD INT64_C(1000000000000)
#define DAY(n) (INT64_C(1767225600000) + (n)*INT64_C(86400000)) /* 2026 */

static struct lg_catalog shipped(void)
{
	return (struct lg_catalog){
		{(const struct lg_image *)(const void *)lg_catalog_image}, 1};
}

/* A catalog of the given text alone, and the same before the shipped one. */
static struct lg_catalog own(struct lg_buf *out, const char *yaml)
{
	const char *files[] = {dir.prices};
	struct lg_config_error err;

	put_text(dir.prices, yaml);
	lg_buf_init(out, 0);
	if (lg_config_compile_catalog(files, 1, out, &err))
		fail_msg("%s", err.text);
	assert_int_equal(lg_image_check(out->p, out->len), 0);
	return (struct lg_catalog){
		{(const struct lg_image *)(const void *)out->p}, 1};
}

static struct lg_price look(const struct lg_catalog *c, const char *provider,
			    const char *model, const char *tier, int64_t at_ms)
{
	struct lg_price_query q = {.provider = lg_slice_str(provider),
				   .model = lg_slice_str(model),
				   .tier = lg_slice_str(tier),
				   .at_ms = at_ms};
	struct lg_price p;

	lg_price_lookup(c, &q, &p);
	return p;
}

static const char *id(const struct lg_price *p)
{
	return p->entry ? lg_img_text(p->img, p->entry->pricing_id).p : "";
}

static const struct {
	const char *provider, *model, *id;
	enum lg_price_how how;
	bool estimate;
} names[] = {
	{"openai", "gpt-4o", "openai/gpt-4o", LG_PRICE_EXACT_NAME, false},
	{"OpenAI", "GPT-4o", "openai/gpt-4o", LG_PRICE_EXACT_NAME, false},
	{"openai", "gpt-4o-2024-08-06", "openai/gpt-4o", LG_PRICE_EXACT_NAME,
	 false},
	{"openai", "gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini",
	 LG_PRICE_EXACT_NAME, false},
	{"openai", "gpt-4o-2099-01-01", "openai/gpt-4o", LG_PRICE_MATCH_RULE,
	 true},
	{"openai", "openai/gpt-4o", "openai/gpt-4o", LG_PRICE_EXACT_NAME,
	 false},
	{"openai", "gpt-5.6-luna-2026-07-09", "openai/gpt-5.6-luna",
	 LG_PRICE_MATCH_RULE, false},
	{"openai", "ft:gpt-4o-2024-08-06:acme::id", "openai/gpt-4o:fine-tuned",
	 LG_PRICE_MATCH_RULE, false},
	{"openai", "ft:gpt-4o-mini-2024-07-18:acme::id",
	 "openai/gpt-4o-mini:fine-tuned", LG_PRICE_MATCH_RULE, false},
	{"openai", "omni-moderation-latest", "openai/moderation",
	 LG_PRICE_MATCH_RULE, false},
	{"anthropic", "claude-sonnet-4-20250514", "anthropic/claude-sonnet-4-0",
	 LG_PRICE_MATCH_RULE, false},
	{"anthropic", "claude-sonnet-4-5-20250929",
	 "anthropic/claude-sonnet-4-5", LG_PRICE_MATCH_RULE, false},
	{"google", "models/gemini-2.5-flash", "google/gemini-2.5-flash",
	 LG_PRICE_EXACT_NAME, false},
	{"google", "gemini-3.5-flash-001", "google/gemini-3.5-flash",
	 LG_PRICE_MATCH_RULE, false},
	{"google", "gemini-3.5-flash-lite-001", "google/gemini-3.5-flash-lite",
	 LG_PRICE_MATCH_RULE, false},
	{"google", "gemini-2.0-flash-lite-001", "google/gemini-2.0-flash-lite",
	 LG_PRICE_MATCH_RULE, false},
	{"google", "publishers/anthropic/models/claude-sonnet-4-5@20250929",
	 "anthropic/claude-sonnet-4-5", LG_PRICE_MATCH_RULE, false},
	{"google", "claude-sonnet-4@20250514", "google/claude-4-sonnet",
	 LG_PRICE_MATCH_RULE, false},
	{"openai", "gpt-99", "", LG_PRICE_CEILING, false},
	{"openai", "", "", LG_PRICE_CEILING, false},
	{"openai", "\x01\x02\xff", "", LG_PRICE_CEILING, false},
	{"nobody", "gpt-4o", "", LG_PRICE_UNKNOWN, false},
	{"", "", "", LG_PRICE_UNKNOWN, false},
};

static void test_names(void **state)
{
	struct lg_catalog c = shipped();

	(void)state;
	assert_int_equal(
		lg_image_check(lg_catalog_image, lg_catalog_image_size), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct lg_price p = look(&c, names[i].provider, names[i].model,
					 "", DAY(234));

		if (strcmp(id(&p), names[i].id) || p.how != names[i].how ||
		    p.estimate != names[i].estimate)
			fail_msg("%s/%s is %s by %s", names[i].provider,
				 names[i].model, id(&p),
				 lg_price_how_name(p.how));
	}
}

/* Every name that the image lists leads to its own entry. */
static void test_all_names(void **state)
{
	struct lg_catalog c = shipped();
	const struct lg_image *img = c.img[0];
	const struct lg_img_name *n =
		LG_IMG_ARRAY(img, img->names, struct lg_img_name);
	const struct lg_img_price *e =
		LG_IMG_ARRAY(img, img->prices, struct lg_img_price);
	unsigned seen = 0;

	(void)state;
	for (uint32_t i = 0; i < img->names.n; i++) {
		char full[256], *slash;
		struct lg_price p;

		if (!n[i].text.off)
			continue;
		strcpy(full, text(img, n[i].text));
		slash = strchr(full, '/');
		*slash = 0;
		if (!slash[1]) /* of a provider */
			continue;
		p = look(&c, full, slash + 1, "", DAY(234));
		if (e[n[i].price].unpriced) {
			assert_null(p.entry);
			continue;
		}
		assert_ptr_equal(lg_img_text(img, p.entry->model).p,
				 lg_img_text(img, e[n[i].price].model).p);
		assert_true(p.how == LG_PRICE_EXACT_NAME);
		seen++;
	}
	assert_true(seen > 1500);
}

static void test_history(void **state)
{
	struct lg_catalog c = shipped();
	struct lg_price p;

	(void)state;
	p = look(&c, "anthropic", "claude-sonnet-5", "", DAY(242));
	assert_int_equal(p.rate[LG_BUCKET_INPUT], 2 * USD);
	p = look(&c, "anthropic", "claude-sonnet-5", "", DAY(243));
	assert_int_equal(p.rate[LG_BUCKET_INPUT], 3 * USD);
	p = look(&c, "anthropic", "claude-opus-4-6", "", DAY(71) - 1);
	assert_int_equal(p.ntiers, 1);
	assert_int_equal(p.tiers[0].above_tokens, 200000);
	p = look(&c, "anthropic", "claude-opus-4-6", "", DAY(71));
	assert_int_equal(p.ntiers, 0);
	p = look(&c, "openai", "o3", "", 0);
	assert_int_equal(p.rate[LG_BUCKET_OUTPUT], 40 * USD);
}

static void test_tiers_of_service(void **state)
{
	struct lg_catalog c = shipped();
	struct lg_price p;

	(void)state;
	p = look(&c, "openai", "gpt-4o-mini", "priority", DAY(234));
	assert_int_equal(p.rate[LG_BUCKET_INPUT], USD / 4);
	assert_false(p.estimate);
	p = look(&c, "openai", "gpt-4o-mini", "Batch", DAY(234));
	assert_int_equal(p.rate[LG_BUCKET_INPUT], USD * 75 / 1000);
	assert_int_equal(p.rate[LG_BUCKET_CACHE_READ], USD * 375 / 10000);
	assert_false(p.estimate);
	p = look(&c, "openai", "gpt-5.5", "priority", DAY(234));
	assert_int_equal(p.rate[LG_BUCKET_INPUT], 10 * USD);
	assert_true(p.estimate);
	p = look(&c, "openai", "gpt-5.4", "batch", DAY(234));
	assert_int_equal(p.tiers[0].rate[LG_BUCKET_INPUT], 5 * USD / 2);
	assert_int_equal(p.rate[LG_BUCKET_WEB_SEARCHES], 10000 * USD);
	p = look(&c, "anthropic", "claude-opus-4-6", "fast", 0);
	assert_int_equal(p.tiers[0].rate[LG_BUCKET_INPUT], 60 * USD);
	assert_int_equal(p.tiers[0].rate[LG_BUCKET_OUTPUT], 225 * USD);
	p = look(&c, "openai", "gpt-4o", "ultrafast", DAY(234));
	assert_true(p.tier_missing);
	assert_int_equal(p.rate[LG_BUCKET_INPUT], USD * 5 / 2);
	p = look(&c, "openai", "gpt-4o", "default", DAY(234));
	assert_false(p.tier_missing);
	p = look(&c, "openai", "gpt-4o",
		 "a tier with a name that is longer than any", DAY(234));
	assert_true(p.tier_missing);
}

static void test_user_prices_win(void **state)
{
	struct lg_buf out;
	struct lg_catalog c =
		own(&out, "provider: openai\nprices:\n"
			  "- {model: gpt-4o, input_per_1m: 1, effective_at: "
			  "2026-02-01}\n"
			  "- {model: house, match: \"house-*\", input_per_1m: "
			  "0, output_per_1m: 0}\n");
	struct lg_price p;

	(void)state;
	c.img[1] = shipped().img[0];
	c.n = 2;
	p = look(&c, "openai", "gpt-4o", "", DAY(31));
	assert_int_equal(p.rate[LG_BUCKET_INPUT], USD);
	assert_int_equal(p.rate[LG_BUCKET_OUTPUT], LG_RATE_ABSENT);
	p = look(&c, "openai", "gpt-4o", "", DAY(30));
	assert_int_equal(p.rate[LG_BUCKET_INPUT], USD * 5 / 2);
	p = look(&c, "openai", "gpt-4o", "batch", DAY(31));
	assert_int_equal(p.rate[LG_BUCKET_INPUT], USD * 5 / 4);
	p = look(&c, "openai", "house-7b", "", 0);
	assert_true(lg_price_is_free(&p));
	p = look(&c, "openai", "gpt-4o", "", DAY(31));
	assert_false(lg_price_is_free(&p));
	lg_buf_fini(&out);
}

static void test_versions(void **state)
{
	struct lg_buf out;
	struct lg_catalog c = own(
		&out,
		"provider: p\nprices:\n"
		"- {model: m, price_version: \"2026-01-05\", input_per_1m: 1}\n"
		"- {model: m, price_version: \"2026-03-01\", input_per_1m: 2, "
		"effective_at: 2026-03-01}\n"
		"- {model: m, price_version: \"2026-06-01\", input_per_1m: 3, "
		"effective_at: 2026-06-01, expires_at: 2026-07-01}\n");
	static const struct {
		const char *version;
		int day;
		int64_t usd;
	} want[] = {
		{"", 10, 1},
		{"", 70, 2},
		{"", 160, 3},
		{"", 190, 2},
		{"latest", 70, 2},
		{"2026-01", 300, 1},
		{"2026-01-05", 300, 1},
		{"2026-03", 300, 2},
		{"2026-05", 300, 2},
		{"2026-06-01", 300, 3},
		{"2026-06-01", 0, 3},
		{"2027", 160, 3},
		{"2020", 160, 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct lg_price_query q = {
			.provider = LG_SLICE("p"),
			.model = LG_SLICE("m"),
			.version = lg_slice_str(want[i].version),
			.at_ms = DAY(want[i].day)};
		struct lg_price p;

		lg_price_lookup(&c, &q, &p);
		if (p.rate[LG_BUCKET_INPUT] != want[i].usd * USD)
			fail_msg("version %s on day %d: %lld", want[i].version,
				 want[i].day,
				 (long long)p.rate[LG_BUCKET_INPUT]);
	}
	lg_buf_fini(&out);
}

static void test_time_of_day(void **state)
{
	struct lg_buf out;
	struct lg_catalog c =
		own(&out, "provider: p\nprices:\n"
			  "- {model: m, input_per_1m: 2, output_per_1m: 4}\n"
			  "- {model: m, input_per_1m: 1, time_of_day: {from: "
			  "\"16:30\", to: \"00:30\"}}\n");
	static const struct {
		int minute;
		int64_t usd;
	} want[] = {{0, 1},    {29, 1},	  {30, 2}, {989, 2},	   {990, 1},
		    {1439, 1}, {1440, 1}, {-1, 1}, {-1440 + 60, 2}};

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct lg_price p =
			look(&c, "p", "m", "", want[i].minute * INT64_C(60000));

		assert_int_equal(p.rate[LG_BUCKET_INPUT], want[i].usd * USD);
	}
	lg_buf_fini(&out);
}

static void test_rules_of_config(void **state)
{
	struct lg_catalog c = shipped();
	struct lg_buf out;
	struct lg_price_query q = {.provider = LG_SLICE("azure"),
				   .ceiling_provider = LG_SLICE("openai"),
				   .host = LG_SLICE("x.openai.azure.com"),
				   .model = LG_SLICE("my-deployment"),
				   .at_ms = DAY(234)};
	struct lg_price p;

	(void)state;
	c.img[1] = c.img[0];
	c.n = 2;
	c.img[0] = compile_text(
		&out,
		"models:\n"
		"- {match: my-deployment, host: \"*.azure.com\", pricing_id: "
		"openai/gpt-4o}\n"
		"- {match: \"tuned-*\", pricing_id: openai/gpt-4o, fine_tuned: "
		"true}\n"
		"- {match: gone, pricing_id: openai/none}\n"
		"- {match: \"*\", host: local, free: true}\n");
	lg_price_lookup(&c, &q, &p);
	assert_int_equal(p.how, LG_PRICE_MODEL_RULE);
	assert_string_equal(id(&p), "openai/gpt-4o");
	q.model = LG_SLICE("tuned-1");
	lg_price_lookup(&c, &q, &p);
	assert_string_equal(id(&p), "openai/gpt-4o:fine-tuned");
	q.model = LG_SLICE("gone");
	lg_price_lookup(&c, &q, &p);
	assert_int_equal(p.how, LG_PRICE_CEILING);
	assert_int_equal(p.rate[LG_BUCKET_INPUT], 150 * USD);
	q.host = LG_SLICE("local");
	q.model = LG_SLICE("anything");
	lg_price_lookup(&c, &q, &p);
	assert_int_equal(p.how, LG_PRICE_FREE);
	assert_true(lg_price_is_free(&p));
	lg_buf_fini(&out);
}

static void test_fine_tune_premium(void **state)
{
	struct lg_buf out, conf;
	struct lg_catalog c =
		own(&out, "providers:\n- {provider: p, "
			  "fine_tuned_input_per_1m: 7, "
			  "fine_tuned_output_per_1m: 8}\n"
			  "prices:\n- {provider: p, model: m, input_per_1m: 1, "
			  "cached_input_per_1m: 0.5, output_per_1m: 2}\n");
	struct lg_price p;

	(void)state;
	c.img[1] = compile_text(&conf, "models: [{match: \"ft-*\", pricing_id: "
				       "p/m, fine_tuned: true}]\n");
	c.n = 2;
	p = look(&c, "p", "ft-x", "", 0);
	assert_int_equal(p.rate[LG_BUCKET_INPUT], 7 * USD);
	assert_int_equal(p.rate[LG_BUCKET_OUTPUT], 8 * USD);
	assert_int_equal(p.rate[LG_BUCKET_CACHE_READ], USD / 2);
	lg_buf_fini(&out);
	lg_buf_fini(&conf);
}

/* A price of one's own for the model leaves its fine-tuned kin as it was. */
static void test_tuned_beside_own(void **state)
{
	struct lg_buf out;
	struct lg_catalog c = own(&out, "prices:\n- {provider: openai, model: "
					"gpt-4o, input_per_1m: 2, "
					"output_per_1m: 8}\n");
	struct lg_price p;

	(void)state;
	c.img[1] = shipped().img[0];
	c.n = 2;
	p = look(&c, "openai", "gpt-4o", "", DAY(234));
	assert_int_equal(p.rate[LG_BUCKET_INPUT], 2 * USD);
	p = look(&c, "openai", "ft:gpt-4o:acme", "", DAY(234));
	assert_string_equal(id(&p), "openai/gpt-4o:fine-tuned");
	assert_int_equal(p.rate[LG_BUCKET_INPUT], 375 * (USD / 100));
	lg_buf_fini(&out);
}

/* The ceiling is nowhere below any price of its provider. */
static void test_ceiling(void **state)
{
	struct lg_catalog c = shipped();
	const struct lg_img_price *e =
		LG_IMG_ARRAY(c.img[0], c.img[0]->prices, struct lg_img_price);
	struct lg_price top = look(&c, "openai", "gpt-99", "", DAY(234));

	(void)state;
	assert_int_equal(top.how, LG_PRICE_CEILING);
	assert_int_equal(top.context_window, 1050000);
	for (uint32_t i = 0; i < c.img[0]->prices.n; i++) {
		if (strcmp(text(c.img[0], e[i].provider), "openai") ||
		    e[i].tier.len)
			continue;
		for (unsigned b = 0; b < LG_BUCKETS; b++)
			assert_true(e[i].rate[b] <= top.rate[b] ||
				    e[i].effective_at_ms > DAY(234));
	}
	top = look(&c, "openai", "gpt-99", "priority", DAY(234));
	assert_int_equal(top.rate[LG_BUCKET_INPUT], 300 * USD);
}

static const struct {
	const char *yaml, *want;
} bad[] = {
	{"catalog: 2\n", "reads catalog 1"},
	{"price: []\n", "price: unknown key; allowed: catalog provider"},
	{"prices: {}\n", "must be a list"},
	{"prices: [x]\n", "must be a map"},
	{"prices: [{model: m, input_per_1m: 1}]\n", "needs provider and model"},
	{"prices: [{provider: p, model: m}]\n", "needs a rate"},
	{"prices: [{provider: P, model: m}]\n", "small letters"},
	{"prices: [{provider: p, model: m, input_per_1m: -1}]\n",
	 ":1: input_per_1m: value \"-1\": allowed: US dollars"},
	{"prices: [{provider: p, model: m, input_per_1m: 1e30}]\n",
	 "value \"1e30\""},
	{"prices: [{provider: p, model: m, inputs_per_1m: 1}]\n",
	 "inputs_per_1m: unknown key"},
	{"prices: [{provider: p, model: m, input_per_1m: 1, tiers: "
	 "[{above_tokens: 5}, {above_tokens: 5}]}]\n",
	 "must rise"},
	{"prices: [{provider: p, model: m, input_per_1m: 1, effective_at: "
	 "2026-01-02, expires_at: 2026-01-01}]\n",
	 "must be later"},
	{"prices: [{provider: p, model: m, input_per_1m: 1, time_of_day: "
	 "{from: \"24:00\", to: \"01:00\"}}]\n",
	 "HH:MM"},
	{"prices: [{provider: p, model: m, input_per_1m: 1, service_tiers: "
	 "{standard: 1}}]\n",
	 "the entry itself"},
	{"prices: [{provider: p, match: {regex: x}, input_per_1m: 1}]\n",
	 "allowed: equals"},
	{"prices: [{provider: p, match: \"[a]\", input_per_1m: 1}]\n",
	 "bad pattern"},
	{"providers: [{fallback: x}]\n", "needs provider"},
};

static void test_bad_catalogs(void **state)
{
	const char *files[] = {dir.prices};
	struct lg_config_error err;
	struct lg_buf out;

	(void)state;
	lg_buf_init(&out, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_text(dir.prices, bad[i].yaml);
		if (lg_config_compile_catalog(files, 1, &out, &err) !=
			    -EINVAL ||
		    !strstr(err.text, bad[i].want))
			fail_msg("%s\nsays: %s\nwant: %s", bad[i].yaml,
				 err.text, bad[i].want);
	}
	lg_buf_fini(&out);
}

static void test_forms_of_match(void **state)
{
	struct lg_buf out;
	struct lg_catalog c = own(
		&out, "provider: p\nprices:\n"
		      "- {match: \"one-*\", input_per_1m: 1}\n"
		      "- {match: two, operator: starts_with, input_per_1m: 2}\n"
		      "- {model: three, match: [{starts_with: a, ends_with: "
		      "z}, {contains: mid}, \"x*y?\"], input_per_1m: 3}\n"
		      "- {model: three, tier: batch, match: four, "
		      "input_per_1m: 4}\n");
	static const struct {
		const char *name, *tier, *id;
		int64_t usd;
	} want[] = {
		{"one-x", "", "p/one", 1},    {"one", "", "p/one", 1},
		{"TWOfold", "", "p/two", 2},  {"abcz", "", "p/three", 3},
		{"amidst", "", "p/three", 3}, {"x--yy", "", "p/three", 3},
		{"x--y", "", "", 4},	      {"four", "batch", "p/three", 4},
		{"four", "", "p/three", 3},   {"abc", "", "", 4},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct lg_price p =
			look(&c, "p", want[i].name, want[i].tier, 0);

		if (strcmp(id(&p), want[i].id) ||
		    (want[i].id[0] &&
		     p.rate[LG_BUCKET_INPUT] != want[i].usd * USD))
			fail_msg("%s is %s", want[i].name, id(&p));
	}
	lg_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_all_names),
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_tiers_of_service),
		cmocka_unit_test(test_user_prices_win),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_time_of_day),
		cmocka_unit_test(test_rules_of_config),
		cmocka_unit_test(test_fine_tune_premium),
		cmocka_unit_test(test_tuned_beside_own),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_bad_catalogs),
		cmocka_unit_test(test_forms_of_match),
	};

	return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
