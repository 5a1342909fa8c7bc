/*
 * The shipped catalog against the published price list and against the costs
 * that its own library computes (../shared/prices); skipped where absent.
 */
#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <regex.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "price/catalog.h"
#include "price/price.h"

#define ROOT "../shared/prices"
#define AT_MS INT64_C(1787400000000) /* 2026-08-22T12:00:00Z */
#define NAME_MAX_LEN 160

static json_t *list;
static struct lg_catalog shipped;

static int load(void **state)
{
	(void)state;
	shipped.img[0] =
		(const struct lg_image *)(const void *)lg_catalog_image;
	shipped.n = 1;
	list = json_load_file(ROOT "/genai-prices.json", 0, NULL);
	return list ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	json_decref(list);
	return 0;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* -- what their library computes ----------------------------------------- */

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

/* Where we charge something else, and why. */
static const struct {
	const char *provider, *key, *why;
} charged[] = {
	{"deepseek", "web_searches", "they have no fee for it"},
	{"x-ai", "web_searches", "they have no fee for it"},
};

static bool charges_more(const char *provider, const json_t *usage)
{
	for (size_t i = 0; i < sizeof(charged) / sizeof(charged[0]); i++)
		if (!strcmp(charged[i].provider, provider) &&
		    count(usage, charged[i].key))
			return true;
	return false;
}

static bool check_fixture(const char *name, const json_t *f)
{
	const char *provider = text_of(f, "provider");
	const char *model = text_of(f, "model_looked_up");
	struct lg_price_query q = {.provider = lg_slice_str(provider),
				   .model = lg_slice_str(model),
				   .at_ms = AT_MS};
	const json_t *usage = json_object_get(f, "usage");
	struct lg_usage u = disjoint(usage);
	struct lg_price p;
	struct lg_cost cost;
	long long want = llround(
		json_number_value(json_object_get(f, "total_usd")) * 1e12);

	if (!json_is_number(json_object_get(f, "total_usd")) ||
	    charges_more(provider, usage))
		return false;
	lg_price_lookup(&shipped, &q, &p);
	lg_price_cost(&p, &u, &cost);
	if (!p.entry || cost.total_pusd != want || cost.rate_missing)
		fail_msg("%s: %s/%s (%s) costs %lld, expected %lld", name,
			 provider, model, lg_price_how_name(p.how),
			 (long long)cost.total_pusd, want);
	assert_int_equal(cost.input_pusd + cost.output_pusd, cost.total_pusd);
	return true;
}

static void test_reference_costs(void **state)
{
	json_t *root = json_load_file(ROOT "/reference_costs.json", 0, NULL);
	unsigned n = 0, all = 0;
	const char *name;
	json_t *f;

	(void)state;
	assert_non_null(root);
	json_object_foreach(json_object_get(root, "fixtures"), name, f)
	{
		n += check_fixture(name, f);
		all++;
	}
	printf("%u of %u recorded usages cost the same (their list has no "
	       "price for the others)\n",
	       n, all);
	assert_true(n > 120);
	json_decref(root);
}

/* -- the list, read as its README says ------------------------------------ */

static void lower(const char *s, char *out)
{
	size_t i;

	for (i = 0; s[i] && i < NAME_MAX_LEN - 1; i++)
		out[i] = (char)tolower((unsigned char)s[i]);
	out[i] = 0;
}

static bool fits_regex(const char *name, const char *pattern)
{
	char ere[256];
	size_t n = 0;
	regex_t re;
	bool fits;

	for (; *pattern && n < sizeof(ere) - 8; pattern++) {
		if (pattern[0] == '\\' && pattern[1] == 'd') {
			memcpy(ere + n, "[0-9]", 5);
			n += 5;
			pattern++;
		} else {
			ere[n++] = *pattern;
		}
	}
	ere[n] = 0;
	assert_int_equal(regcomp(&re, ere, REG_EXTENDED | REG_NOSUB), 0);
	fits = !regexec(&re, name, 0, NULL, 0);
	regfree(&re);
	return fits;
}

static bool fits_text(const char *op, const char *name, const char *text)
{
	char a[NAME_MAX_LEN], b[NAME_MAX_LEN];
	size_t n, m;

	if (!strcmp(op, "regex"))
		return fits_regex(name, text);
	lower(name, a);
	lower(text, b);
	n = strlen(a);
	m = strlen(b);
	if (!strcmp(op, "equals"))
		return !strcmp(a, b);
	if (!strcmp(op, "starts_with"))
		return !strncmp(a, b, m);
	if (!strcmp(op, "ends_with"))
		return n >= m && !strcmp(a + n - m, b);
	assert_string_equal(op, "contains");
	return strstr(a, b) != NULL;
}

static bool fits(const json_t *match, const char *name)
{
	const char *op;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)match, op, v)
	{
		bool all = !strcmp(op, "and"), one = false;

		if (json_is_string(v))
			return fits_text(op, name, json_string_value(v));
		for (size_t i = 0; i < json_array_size(v); i++) {
			one = fits(json_array_get(v, i), name);
			if (one != all)
				return one;
		}
		return one;
	}
	return false;
}

static const json_t *theirs(const json_t *provider, const char *name)
{
	const json_t *models = json_object_get(provider, "models"), *m;
	size_t i;

	json_array_foreach(models, i, m) if (fits(json_object_get(m, "match"),
						  name)) return m;
	return NULL;
}

/* When the prices are compared: date and time as their constraints have them */
static const struct {
	const char *date, *time;
	int64_t ms;
} instants[] = {
	{"2025-01-01", "12:00:00Z", INT64_C(1735732800000)},
	{"2025-06-09", "23:59:59Z", INT64_C(1749513599000)},
	{"2025-06-10", "00:00:00Z", INT64_C(1749513600000)},
	{"2026-03-12", "23:59:59Z", INT64_C(1773359999000)},
	{"2026-03-13", "00:00:00Z", INT64_C(1773360000000)},
	{"2026-07-30", "00:29:59Z", INT64_C(1785371399000)},
	{"2026-07-30", "00:30:00Z", INT64_C(1785371400000)},
	{"2026-08-22", "12:00:00Z", AT_MS},
	{"2026-09-01", "16:29:59Z", INT64_C(1788280199000)},
	{"2026-09-01", "16:30:00Z", INT64_C(1788280200000)},
	{"2027-01-01", "00:00:00Z", INT64_C(1798761600000)},
};

static bool holds(const json_t *constraint, size_t at)
{
	const char *date = text_of(constraint, "start_date");
	const char *from = text_of(constraint, "start_time");
	const char *to = text_of(constraint, "end_time");
	const char *now = instants[at].time;

	if (date[0])
		return strcmp(date, instants[at].date) <= 0;
	if (!from[0])
		return true;
	if (strcmp(from, to) <= 0)
		return strcmp(now, from) >= 0 && strcmp(now, to) < 0;
	return strcmp(now, from) >= 0 || strcmp(now, to) < 0;
}

static const json_t *prices_at(const json_t *model, size_t at)
{
	const json_t *all = json_object_get(model, "prices"), *one;

	if (!json_is_array(all))
		return all;
	for (size_t i = json_array_size(all); i-- > 0;) {
		one = json_array_get(all, i);
		if (holds(json_object_get(one, "constraint"), at))
			return json_object_get(one, "prices");
	}
	return json_object_get(json_array_get(all, 0), "prices");
}

/* -- and ours ------------------------------------------------------------- */

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
	{"output_reasoning_mtok", LG_BUCKET_REASONING, 1},
	{"input_audio_mtok", LG_BUCKET_AUDIO_INPUT, 1},
	{"cache_audio_read_mtok", LG_BUCKET_AUDIO_CACHE_READ, 1},
	{"output_audio_mtok", LG_BUCKET_AUDIO_OUTPUT, 1},
	{"input_image_mtok", LG_BUCKET_IMAGE_INPUT, 1},
	{"cache_image_read_mtok", LG_BUCKET_IMAGE_CACHE_READ, 1},
	{"output_image_mtok", LG_BUCKET_IMAGE_OUTPUT, 1},
	{"input_video_mtok", LG_BUCKET_VIDEO_INPUT, 1},
	{"output_video_mtok", LG_BUCKET_VIDEO_OUTPUT, 1},
	{"output_citation_mtok", LG_BUCKET_CITATION, 1},
	{"web_searches_kcount", LG_BUCKET_WEB_SEARCHES, 1000},
	{"requests_kcount", LG_BUCKET_REQUESTS, 1000},
};

#define NKEYS (sizeof(keys) / sizeof(keys[0]))

/* Where we say something else than the list, and why. */
static const struct {
	const char *provider, *name, *why;
} differ[] = {
	{"google", "claude-sonnet-4", "Anthropic's entry, with its step"},
	{"anthropic", "claude-sonnet-4", "has a step for the 1M beta"},
	{"anthropic", "claude-4-sonnet", "has a step for the 1M beta"},
};

static bool is_known_difference(const char *provider, const char *name)
{
	for (size_t i = 0; i < sizeof(differ) / sizeof(differ[0]); i++)
		if (!strcmp(provider, differ[i].provider) &&
		    strstr(name, differ[i].name))
			return true;
	return false;
}

/* Our twelve decimals of theirs. */
static int64_t rate(const json_t *usd, size_t key)
{
	return llround(json_number_value(usd) * 1e12) * keys[key].to_million;
}

/* They round binary fractions, we have twelve decimals: 1 of 1e12 off. */
static bool same(int64_t a, int64_t b)
{
	return a == b;
}

static bool same_steps(const json_t *v, const struct lg_price *p, size_t key)
{
	const json_t *tiers = json_object_get(v, "tiers"), *t;
	size_t i;

	if (!json_is_object(v)) {
		for (i = 0; i < p->ntiers; i++)
			if (p->tiers[i].rate[keys[key].bucket] >= 0)
				return false;
		return true;
	}
	if (p->ntiers != json_array_size(tiers))
		return false;
	json_array_foreach(
		tiers, i, t) if (p->tiers[i].above_tokens !=
					 (uint64_t)json_integer_value(
						 json_object_get(t, "start")) ||
				 !same(p->tiers[i].rate[keys[key].bucket],
				       rate(json_object_get(t, "price"),
					    key))) return false;
	return true;
}

static unsigned wrong;

static void check_rates(const char *provider, const char *name, size_t at,
			const json_t *prices, const struct lg_price *p)
{
	for (size_t i = 0; i < NKEYS; i++) {
		const json_t *v = json_object_get(prices, keys[i].key);
		const json_t *base =
			json_is_object(v) ? json_object_get(v, "base") : v;

		if (!v)
			continue;
		if (!same(p->rate[keys[i].bucket], rate(base, i)) ||
		    !same_steps(v, p, i))
			wrong++ < 40
				? (void)print_error(
					  "%s/%s on %s %s: %s is %lld, "
					  "expected %lld "
					  "(or its steps differ; %s)\n",
					  provider, name, instants[at].date,
					  instants[at].time, keys[i].key,
					  (long long)p->rate[keys[i].bucket],
					  (long long)rate(base, i),
					  p->entry
						  ? lg_img_text(
							    p->img,
							    p->entry->pricing_id)
							    .p
						  : "no entry")
				: (void)0;
	}
}

/* 1 when the name is in the list and all its prices are ours. */
static unsigned check_name(const json_t *provider, const char *name)
{
	const char *id = text_of(provider, "id");
	const json_t *model = theirs(provider, name), *prices;
	struct lg_price_query q = {.provider = lg_slice_str(id),
				   .model = lg_slice_str(name)};
	struct lg_price p;

	if (!model || is_known_difference(id, name))
		return 0;
	for (size_t at = 0; at < sizeof(instants) / sizeof(instants[0]); at++) {
		prices = prices_at(model, at);
		q.at_ms = instants[at].ms;
		lg_price_lookup(&shipped, &q, &p);
		/* without prices: free, or nobody knows */
		if (!json_object_size(prices)) {
			if (!p.entry || lg_price_is_free(&p))
				continue;
			if (wrong++ < 40)
				print_error(
					"%s/%s is not free: %s\n", id, name,
					lg_img_text(p.img, p.entry->pricing_id)
						.p);
			continue;
		}
		if (!p.entry) {
			wrong++ < 40 ? (void)print_error("%s/%s is not found\n",
							 id, name)
				     : (void)0;
			return 0;
		}
		check_rates(id, name, at, prices, &p);
	}
	return 1;
}

static const char *const forms[] = {
	"%s",	       "%s-x",		"x-%s",
	"%s-20260101", "%s-2026-01-01", "%s-20260101-x",
	"%s-001",      "%s-preview",	"us.%s",
	"%s-v1:0",
};

static unsigned check_match(const json_t *provider, const json_t *match)
{
	char name[NAME_MAX_LEN];
	unsigned n = 0;
	const char *op;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)match, op, v)
	{
		for (size_t i = 0; i < json_array_size(v); i++)
			n += check_match(provider, json_array_get(v, i));
		if (!json_is_string(v) || !strcmp(op, "regex"))
			continue;
		for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			snprintf(name, sizeof(name), forms[i],
				 json_string_value(v));
#pragma GCC diagnostic pop
			n += check_name(provider, name);
		}
	}
	return n;
}

/* Names that their patterns are about, and some just beside them. */
static const struct {
	const char *provider, *name;
} dated[] = {
	{"openai", "gpt-5.6-luna-2026-07-09"},
	{"openai", "gpt-5-6-sol-2026-07-09"},
	{"openai", "gpt-5.6-terra-2026-07-30"},
	{"google", "gemini-3.5-flash-001"},
	{"openrouter", "google/gemini-3.5-flash-20260519"},
	{"openrouter", "x-ai/grok-4.3-20260601"},
	{"x-ai", "grok-4.3-20260601"},
	{"x-ai", "x-ai/grok-4.5-20260801"},
};

static void test_price_list(void **state)
{
	const json_t *provider, *model, *models;
	unsigned n = 0, nmodels = 0, more = 0;
	size_t i, k;

	(void)state;
	json_array_foreach(list, i, provider)
	{
		models = json_object_get(provider, "models");
		json_array_foreach(models, k, model)
		{
			n += check_name(provider, text_of(model, "id"));
			n += check_match(provider,
					 json_object_get(model, "match"));
			nmodels++;
		}
		for (k = 0; k < sizeof(dated) / sizeof(dated[0]); k++)
			if (!strcmp(text_of(provider, "id"), dated[k].provider))
				more += check_name(provider, dated[k].name);
	}
	printf("%u names of %u models have the published rates at %zu "
	       "instants\n",
	       n, nmodels, sizeof(instants) / sizeof(instants[0]));
	assert_int_equal(wrong, 0);
	assert_int_equal(nmodels, 1466);
	assert_true(n > 4000);
	assert_int_equal(more, sizeof(dated) / sizeof(dated[0]));
	json_array_foreach(
		list, i,
		provider) if (!strcmp(text_of(provider, "id"), "openai"))
		assert_null(theirs(provider, "gpt-5.6-luna-2026-07-x9"));
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
	return cmocka_run_group_tests(tests, load, unload);
}
