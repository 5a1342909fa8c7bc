#include "config_help.h"

#include "base/clock.h"
#include "price/catalog.h"
#include "price/price.h"

#define USD INT64_C(1000000000000)
#define AT_MS INT64_C(1787400000000) /* 2026-08-22T12:00:00Z */

struct vector {
	const char *provider, *model, *tier;
	uint64_t input, read, write_5m, write_1h, output, reasoning;
	int64_t want_pusd;
};

/* Published bills and bug reports with a known right answer. */
static const struct vector vectors[] = {
	{"anthropic", "claude-3-7-sonnet-20250219", "", 3, 0, 12304, 0, 550, 0,
	 54399000000},
	{"anthropic", "claude-opus-5", "", 0, 0, 0, 344139, 0, 0,
	 3441390000000},
	{"anthropic", "claude-opus-5", "", 0, 0, 344139, 0, 0, 0,
	 2150868750000},
	{"anthropic", "claude-sonnet-4-6", "", 15460, 0, 19810, 0, 10370, 0,
	 276217500000},
	{"openai", "gpt-4o-mini", "priority", 9, 0, 0, 0, 2, 0, 4250000},
	{"openai", "gpt-4o-mini", "", 9, 0, 0, 0, 2, 0, 2550000},
	{"openai", "gpt-4o-2024-08-06", "", 86, 1920, 0, 0, 300, 0, 5615000000},
	{"google", "gemini-2.5-flash", "", 55021, 0, 0, 0, 923, 785,
	 20776300000},
	/* above the step all tokens cost more; at it they do not */
	{"google", "gemini-2.5-pro", "", 5005, 257955, 0, 0, 1744, 0,
	 103161250000},
	{"google", "gemini-2.5-pro", "", 200000, 0, 0, 0, 1000, 0,
	 260000000000},
	{"google", "gemini-2.5-pro", "", 200001, 0, 0, 0, 1000, 0,
	 515002500000},
	{"openai", "gpt-5.4", "", 272000, 1, 0, 0, 0, 0, 1360000500000},
	{"openai", "gpt-5.4", "batch", 272000, 1, 0, 0, 0, 0, 680000250000},
	{"openai", "text-embedding-3-small", "", 1, 0, 0, 0, 0, 0, 20000},
	/* no rate of its own: the 1h write as the 5m one, reasoning as output
	 */
	{"google", "claude-3-opus", "", 0, 0, 0, 1000, 10, 10, 20250000000},
};

static struct lg_price look(const char *provider, const char *model,
			    const char *tier)
{
	struct lg_catalog c = {
		{(const struct lg_image *)(const void *)lg_catalog_image}, 1};
	struct lg_price_query q = {.provider = lg_slice_str(provider),
				   .model = lg_slice_str(model),
				   .tier = lg_slice_str(tier),
				   .at_ms = AT_MS};
	struct lg_price p;

	lg_price_lookup(&c, &q, &p);
	return p;
}

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		struct lg_price p = look(v->provider, v->model, v->tier);
		struct lg_usage u = {.flags = LG_USAGE_PRESENT};
		struct lg_cost cost;

		lg_usage_set(&u, LG_BUCKET_INPUT, v->input);
		lg_usage_set(&u, LG_BUCKET_CACHE_READ, v->read);
		lg_usage_set(&u, LG_BUCKET_CACHE_WRITE_5M, v->write_5m);
		lg_usage_set(&u, LG_BUCKET_CACHE_WRITE_1H, v->write_1h);
		lg_usage_set(&u, LG_BUCKET_OUTPUT, v->output);
		lg_usage_set(&u, LG_BUCKET_REASONING, v->reasoning);
		lg_price_cost(&p, &u, &cost);
		if (cost.total_pusd != v->want_pusd || cost.rate_missing)
			fail_msg("%s %s: %lld, expected %lld", v->model,
				 v->tier, (long long)cost.total_pusd,
				 (long long)v->want_pusd);
	}
}

static struct lg_price plain(int64_t input, int64_t output)
{
	struct lg_price p = {.how = LG_PRICE_EXACT_NAME};

	for (unsigned b = 0; b < LG_BUCKETS; b++)
		p.rate[b] = LG_RATE_ABSENT;
	p.rate[LG_BUCKET_INPUT] = input;
	p.rate[LG_BUCKET_OUTPUT] = output;
	return p;
}

static struct lg_cost cost_of(const struct lg_price *p, uint64_t in,
			      uint64_t out)
{
	struct lg_usage u = {.flags = LG_USAGE_PRESENT};
	struct lg_cost c;

	lg_usage_set(&u, LG_BUCKET_INPUT, in);
	lg_usage_set(&u, LG_BUCKET_OUTPUT, out);
	lg_price_cost(p, &u, &c);
	return c;
}

static void test_half_even(void **state)
{
	struct lg_price p = plain(500000, 500000);
	struct lg_cost c;

	(void)state;
	c = cost_of(&p, 1, 0); /* 0.5 */
	assert_int_equal(c.total_pusd, 0);
	c = cost_of(&p, 3, 0); /* 1.5 */
	assert_int_equal(c.total_pusd, 2);
	c = cost_of(&p, 5, 0); /* 2.5 */
	assert_int_equal(c.total_pusd, 2);
	c = cost_of(&p, 1, 1); /* 0.5 + 0.5: rounded once */
	assert_int_equal(c.total_pusd, 1);
	assert_int_equal(c.input_pusd + c.output_pusd, 1);
	p = plain(500001, 0);
	assert_int_equal(cost_of(&p, 1, 0).total_pusd, 1);
	p = plain(499999, 0);
	assert_int_equal(cost_of(&p, 1, 0).total_pusd, 0);
}

static void test_saturates(void **state)
{
	struct lg_price p = plain(INT64_MAX, INT64_MAX);
	struct lg_cost c = cost_of(&p, UINT64_MAX, UINT64_MAX);

	(void)state;
	assert_int_equal(c.total_pusd, INT64_MAX);
	assert_int_equal(c.input_pusd, INT64_MAX);
	assert_int_equal(c.output_pusd, 0);
	assert_int_equal(c.economic_pusd, INT64_MAX);
	assert_int_equal(lg_price_worst(&p, UINT64_MAX, UINT64_MAX), INT64_MAX);
}

static void test_absent_is_not_zero(void **state)
{
	struct lg_price p = plain(USD, LG_RATE_ABSENT);
	struct lg_usage u = {.flags = LG_USAGE_PRESENT};
	struct lg_cost c = cost_of(&p, 10, 5);

	(void)state;
	assert_true(c.rate_missing);
	assert_int_equal(c.total_pusd, 10000000);
	assert_false(cost_of(&p, 10, 0).rate_missing);
	/* output that has no rate is not charged as input */
	lg_usage_set(&u, LG_BUCKET_REASONING, 7);
	lg_price_cost(&p, &u, &c);
	assert_true(c.rate_missing);
	assert_int_equal(c.total_pusd, 0);
	u.n[LG_BUCKET_REASONING] = 0;
	p.rate[LG_BUCKET_CACHE_READ] = 0;
	lg_usage_set(&u, LG_BUCKET_CACHE_READ, 100);
	lg_price_cost(&p, &u, &c);
	assert_int_equal(c.total_pusd, 0);
	assert_int_equal(c.economic_pusd, 100000000);
	p.rate[LG_BUCKET_CACHE_READ] = LG_RATE_ABSENT;
	lg_price_cost(&p, &u, &c);
	assert_int_equal(c.total_pusd, 100000000);
	lg_usage_set(&u, LG_BUCKET_WEB_SEARCHES, 1);
	lg_price_cost(&p, &u, &c);
	assert_true(c.rate_missing);
	p = plain(LG_RATE_ABSENT, LG_RATE_ABSENT);
	assert_false(lg_price_is_free(&p));
}

static void test_fees(void **state)
{
	struct lg_price p = plain(0, 0);
	struct lg_usage u = {.flags = LG_USAGE_PRESENT};
	struct lg_cost c;

	(void)state;
	p.rate[LG_BUCKET_REQUESTS] = 5000 * USD; /* $5 per thousand */
	p.rate[LG_BUCKET_WEB_SEARCHES] = 10000 * USD;
	lg_price_cost(&p, &u, &c);
	assert_int_equal(c.total_pusd, USD / 200);
	assert_int_equal(c.output_pusd, USD / 200);
	lg_usage_set(&u, LG_BUCKET_WEB_SEARCHES, 3);
	lg_usage_set(&u, LG_BUCKET_REQUESTS, 0);
	lg_price_cost(&p, &u, &c);
	assert_int_equal(c.total_pusd, 3 * USD / 100);
	u = (struct lg_usage){0};
	lg_price_cost(&p, &u, &c);
	assert_int_equal(c.total_pusd, 0);
	assert_int_equal(lg_price_worst(&p, 0, 0), USD / 200);
}

static uint64_t seed = 88172645463325252u;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void random_usage(struct lg_usage *u)
{
	memset(u, 0, sizeof(*u));
	u->flags = LG_USAGE_PRESENT;
	for (unsigned b = 0; b < LG_BUCKET_TRAINING; b++)
		if (next() % 3 == 0)
			lg_usage_set(u, b, next() % (next() % 2 ? 1000000 : 9));
	lg_usage_set(u, LG_BUCKET_WEB_SEARCHES, next() % 3);
}

/* For every price shipped and random usage. */
static void test_properties(void **state)
{
	const struct lg_image *img =
		(const struct lg_image *)(const void *)lg_catalog_image;
	const struct lg_img_price *e =
		LG_IMG_ARRAY(img, img->prices, struct lg_img_price);

	(void)state;
	for (unsigned i = 0; i < 60000; i++) {
		const struct lg_img_price *x = &e[i % img->prices.n];
		struct lg_price p = {.img = img, .entry = x};
		struct lg_usage u, more;
		struct lg_cost c, d;
		unsigned b = (unsigned)(next() % LG_BUCKET_TRAINING);

		memcpy(p.rate, x->rate, sizeof(p.rate));
		p.tiers = LG_IMG_ARRAY(img, x->tiers, struct lg_img_tier);
		p.ntiers = x->tiers.n;
		random_usage(&u);
		lg_price_cost(&p, &u, &c);
		assert_int_equal(c.input_pusd + c.output_pusd, c.total_pusd);
		assert_true(c.input_pusd >= 0 && c.output_pusd >= 0);
		assert_true(c.economic_pusd >= c.total_pusd ||
			    p.rate[LG_BUCKET_CACHE_READ] >
				    p.rate[LG_BUCKET_INPUT]);
		more = u;
		more.n[b] += 1 + next() % 1000;
		lg_price_cost(&p, &more, &d);
		assert_true(d.total_pusd >= c.total_pusd);
		u.n[LG_BUCKET_WEB_SEARCHES] = 0;
		lg_price_cost(&p, &u, &c);
		assert_true(lg_price_worst(&p, lg_usage_input(&u),
					   lg_usage_output(&u)) >=
			    c.total_pusd);
		memset(&u, 0, sizeof(u));
		lg_price_cost(&p, &u, &c);
		assert_int_equal(c.total_pusd | c.economic_pusd, 0);
	}
}

static void test_worst(void **state)
{
	struct lg_price p = look("anthropic", "claude-opus-5", "");

	(void)state;
	/* the dearest input is the one hour write, the dearest place the us */
	assert_int_equal(lg_price_worst(&p, 1000000, 1000000), 77 * USD / 2);
	p = look("openai", "gpt-5.4", "");
	assert_int_equal(lg_price_worst(&p, 272000, 0), 272000 * USD / 400000);
	assert_int_equal(lg_price_worst(&p, 272001, 1000000),
			 272001 * (USD / 200000) + USD * 45 / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_half_even),
		cmocka_unit_test(test_saturates),
		cmocka_unit_test(test_absent_is_not_zero),
		cmocka_unit_test(test_fees),
		cmocka_unit_test(test_properties),
		cmocka_unit_test(test_worst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
