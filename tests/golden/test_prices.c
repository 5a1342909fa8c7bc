/*
 * The shipped catalog against the published price list and against the costs
 * that its own library computes (../shared/prices); skipped where absent.
 */
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "price/catalog.h"
#include "price/price.h"

#define ROOT "../shared/prices"
#define AT_MS INT64_C(1787400000000) /* 2026-08-22T12:00:00Z */

static const char *const ours[] = {"openai", "anthropic", "google"};

static struct lg_catalog shipped(void)
{
	return (struct lg_catalog){
		{(const struct lg_image *)(const void *)lg_catalog_image}, 1};
}

static bool is_ours(const char *provider)
{
	for (size_t i = 0; provider && i < 3; i++)
		if (!strcmp(provider, ours[i]))
			return true;
	return false;
}

static uint64_t count(const json_t *usage, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(usage, key));
}

/* Their counts nest, ours are disjoint. */
static struct lg_usage disjoint(const json_t *j)
{
	struct lg_usage u = {.flags = LG_USAGE_PRESENT};
	uint64_t read = count(j, "cache_read_tokens");
	uint64_t write = count(j, "cache_write_tokens");
	uint64_t hour = count(j, "cache_write_1h_tokens");
	uint64_t audio = count(j, "input_audio_tokens");
	uint64_t spoken = count(j, "output_audio_tokens");

	lg_usage_set(&u, LG_BUCKET_INPUT,
		     count(j, "input_tokens") - read - write - audio);
	lg_usage_set(&u, LG_BUCKET_CACHE_READ, read);
	lg_usage_set(&u, LG_BUCKET_CACHE_WRITE_5M, write - hour);
	lg_usage_set(&u, LG_BUCKET_CACHE_WRITE_1H, hour);
	lg_usage_set(&u, LG_BUCKET_AUDIO_INPUT, audio);
	lg_usage_set(&u, LG_BUCKET_OUTPUT, count(j, "output_tokens") - spoken);
	lg_usage_set(&u, LG_BUCKET_AUDIO_OUTPUT, spoken);
	lg_usage_set(&u, LG_BUCKET_WEB_SEARCHES, count(j, "web_searches"));
	return u;
}

static void check_fixture(const char *name, const json_t *f)
{
	const char *provider =
		json_string_value(json_object_get(f, "provider"));
	const char *model =
		json_string_value(json_object_get(f, "model_looked_up"));
	struct lg_price_query q = {.provider = lg_slice_str(provider),
				   .model = lg_slice_str(model),
				   .at_ms = AT_MS};
	struct lg_usage u = disjoint(json_object_get(f, "usage"));
	struct lg_catalog c = shipped();
	struct lg_price p;
	struct lg_cost cost;
	long long want = llround(
		json_number_value(json_object_get(f, "total_usd")) * 1e12);

	lg_price_lookup(&c, &q, &p);
	lg_price_cost(&p, &u, &cost);
	if (!p.entry || cost.total_pusd != want || cost.rate_missing)
		fail_msg("%s: %s/%s (%s) costs %lld, expected %lld", name,
			 provider, model, lg_price_how_name(p.how),
			 (long long)cost.total_pusd, want);
	assert_int_equal(cost.input_pusd + cost.output_pusd, cost.total_pusd);
	assert_string_equal(lg_img_text(p.img, p.entry->model).p,
			    json_string_value(json_object_get(f, "model")));
}

static void test_reference_costs(void **state)
{
	json_t *root = json_load_file(ROOT "/reference_costs.json", 0, NULL);
	const char *name;
	json_t *f;
	unsigned n = 0;

	(void)state;
	assert_non_null(root);
	json_object_foreach(json_object_get(root, "fixtures"), name, f)
	{
		if (!is_ours(json_string_value(json_object_get(f, "provider"))))
			continue;
		check_fixture(name, f);
		n++;
	}
	printf("%u recorded usages cost the same\n", n);
	assert_true(n > 50);
	json_decref(root);
}

static const struct {
	const char *key;
	enum lg_bucket bucket;
	int64_t to_million;
} keys[] = {
	{"input_mtok", LG_BUCKET_INPUT, 1},
	{"cache_read_mtok", LG_BUCKET_CACHE_READ, 1},
	{"cache_write_mtok", LG_BUCKET_CACHE_WRITE_5M, 1},
	{"cache_write_1h_mtok", LG_BUCKET_CACHE_WRITE_1H, 1},
	{"output_mtok", LG_BUCKET_OUTPUT, 1},
	{"input_audio_mtok", LG_BUCKET_AUDIO_INPUT, 1},
	{"cache_audio_read_mtok", LG_BUCKET_AUDIO_CACHE_READ, 1},
	{"output_audio_mtok", LG_BUCKET_AUDIO_OUTPUT, 1},
	{"input_image_mtok", LG_BUCKET_IMAGE_INPUT, 1},
	{"cache_image_read_mtok", LG_BUCKET_IMAGE_CACHE_READ, 1},
	{"output_image_mtok", LG_BUCKET_IMAGE_OUTPUT, 1},
	{"input_video_mtok", LG_BUCKET_VIDEO_INPUT, 1},
	{"output_video_mtok", LG_BUCKET_VIDEO_OUTPUT, 1},
	{"web_searches_kcount", LG_BUCKET_WEB_SEARCHES, 1000},
};

/* Where we say something else than the list, and why. */
static const struct {
	const char *name, *why;
} differ[] = {
	{"ft:gpt-3.5-turbo-", "the list's id of a pattern, no model's name"},
	{"ft:gpt-4o", "the list's id of a pattern, no model's name"},
	{"ft:gpt-4o-mini", "the list's id of a pattern, no model's name"},
	{"gpt-4o-mini-2024-07-18.ft-",
	 "the list matches it, we need one byte more: no model's name"},
	{"moderation", "free of charge: 0, the list gives no price"},
	{"gemma-3", "free of charge: 0, the list gives no price"},
	{"gemma-3n", "free of charge: 0, the list gives no price"},
};

static bool is_known_difference(const char *name)
{
	for (size_t i = 0; i < sizeof(differ) / sizeof(differ[0]); i++)
		if (!strcmp(name, differ[i].name))
			return true;
	return false;
}

static double price_of(const json_t *v, const struct lg_price *p,
		       enum lg_bucket b, int64_t *step)
{
	const json_t *t;

	*step = LG_RATE_ABSENT;
	if (!json_is_object(v))
		return json_number_value(v);
	t = json_array_get(json_object_get(v, "tiers"), 0);
	assert_int_equal(p->ntiers, 1);
	assert_int_equal(p->tiers[0].above_tokens,
			 json_integer_value(json_object_get(t, "start")));
	*step = p->tiers[0].rate[b];
	assert_int_equal(
		*step,
		llround(json_number_value(json_object_get(t, "price")) * 1e12));
	return json_number_value(json_object_get(v, "base"));
}

static unsigned check_name(const char *provider, const char *name,
			   const json_t *prices)
{
	struct lg_price_query q = {.provider = lg_slice_str(provider),
				   .model = lg_slice_str(name),
				   .at_ms = AT_MS};
	struct lg_catalog c = shipped();
	struct lg_price p;
	int64_t step;

	if (is_known_difference(name))
		return 0;
	lg_price_lookup(&c, &q, &p);
	if (!p.entry)
		fail_msg("%s/%s is not found", provider, name);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *v = json_object_get(prices, keys[i].key);
		double usd;

		if (!v)
			continue;
		usd = price_of(v, &p, keys[i].bucket, &step);
		if (p.rate[keys[i].bucket] !=
		    llround(usd * 1e12) * keys[i].to_million)
			fail_msg("%s/%s: %s is %lld, expected %g", provider,
				 name, keys[i].key,
				 (long long)p.rate[keys[i].bucket], usd);
	}
	return 1;
}

/* The price that their rule takes on the day of the list. */
static const json_t *prices_now(const json_t *model)
{
	const json_t *list = json_object_get(model, "prices"), *one, *date;

	if (!json_is_array(list))
		return list;
	for (size_t i = json_array_size(list); i-- > 1;) {
		one = json_array_get(list, i);
		date = json_object_get(json_object_get(one, "constraint"),
				       "start_date");
		if (strcmp(json_string_value(date), "2026-08-22") <= 0)
			return json_object_get(one, "prices");
	}
	return json_object_get(json_array_get(list, 0), "prices");
}

static unsigned check_match(const char *provider, const json_t *match,
			    const json_t *prices)
{
	const json_t *any = json_object_get(match, "or"), *text;
	unsigned n = 0;

	for (size_t i = 0; i < json_array_size(any); i++)
		n += check_match(provider, json_array_get(any, i), prices);
	text = json_object_get(match, "equals");
	if (!text)
		text = json_object_get(match, "starts_with");
	if (text)
		n += check_name(provider, json_string_value(text), prices);
	return n;
}

static void test_price_list(void **state)
{
	json_t *root = json_load_file(ROOT "/genai-prices.json", 0, NULL);
	const json_t *provider, *model, *models;
	unsigned n = 0;
	size_t i, k;

	(void)state;
	assert_non_null(root);
	json_array_foreach(root, i, provider)
	{
		const char *id =
			json_string_value(json_object_get(provider, "id"));

		models = json_object_get(provider, "models");
		if (!is_ours(id))
			continue;
		json_array_foreach(models, k, model)
		{
			const json_t *prices = prices_now(model);

			n += check_name(
				id,
				json_string_value(json_object_get(model, "id")),
				prices);
			n += check_match(id, json_object_get(model, "match"),
					 prices);
		}
	}
	printf("%u names have the published rates\n", n);
	assert_true(n > 300);
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference_costs),
		cmocka_unit_test(test_price_list),
	};

	if (access(ROOT "/reference_costs.json", R_OK)) {
		puts("skipped: no " ROOT);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
