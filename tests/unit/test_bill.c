/*
 * Providers' exports: each shape whole, in pieces of every size, cut short,
 * and each field wrong in turn. Figures are made up.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/money.h"
#include "edge.h"
#include "tools/bill.h"
#include "tools/csv.h"
#include "tools/when.h"

#define LINES_MAX 64

struct seen {
	char text[LINES_MAX][640];
	unsigned n, days;
	int64_t bucket[LINES_MAX];
	unsigned nbuckets;
	bool unique; /* refuse a bucket that came before */
};

static int on_day(void *ctx, int64_t day)
{
	(void)day;
	((struct seen *)ctx)->days++;
	return 0;
}

static int on_bucket(void *ctx, int64_t start_ms, const char *kind)
{
	struct seen *s = ctx;

	(void)kind;
	for (unsigned i = 0; s->unique && i < s->nbuckets; i++)
		if (s->bucket[i] == start_ms)
			return -EEXIST;
	if (s->nbuckets < LINES_MAX)
		s->bucket[s->nbuckets++] = start_ms;
	return 0;
}

/* "2026-11-20 gpt-4o $0.06 5 1000/800/500", label in brackets. */
static int on_item(void *ctx, const struct bill_item *i)
{
	struct seen *s = ctx;
	char *out = s->text[s->n < LINES_MAX ? s->n++ : LINES_MAX - 1];
	char day[16], usd[LG_MONEY_TEXT] = "-";

	when_day_text(i->day, day);
	if (i->has_cost)
		lg_money_print(i->cost_pusd, usd);
	snprintf(out, sizeof(s->text[0]), "%s %s%s%s%s %s %llu %llu/%llu/%llu",
		 day, i->model, i->label[0] ? "[" : "", i->label,
		 i->label[0] ? "]" : "", usd, (unsigned long long)i->requests,
		 (unsigned long long)i->input, (unsigned long long)i->cached,
		 (unsigned long long)i->output);
	return 0;
}

/* step 0: at once. 0 or an error in err. */
static int read_bill(const char *text, size_t len, size_t step,
		     enum bill_format want, struct seen *seen, char *err,
		     enum bill_format *format)
{
	struct bill_sink sink = {on_item, on_day, on_bucket, seen};
	struct bill *b;
	int ret = 0;

	assert_int_equal(bill_open("f", want, NULL, &sink, &b), 0);
	for (size_t at = 0, n; at < len && !ret; at += n) {
		n = step && step < len - at ? step : len - at;
		ret = bill_feed(b, text + at, n);
	}
	if (!ret)
		ret = bill_end(b);
	if (err)
		snprintf(err, 512, "%s", bill_error(b));
	assert_true(!ret == !bill_error(b)[0]);
	if (format)
		*format = bill_format(b);
	bill_close(b);
	return ret;
}

#define PAGE(...)                                                              \
	"{\"object\":\"page\",\"data\":[" __VA_ARGS__ "],"                     \
	"\"has_more\":false,\"next_page\":null}"
#define BUCKET(start, end, ...)                                                \
	"{\"object\":\"bucket\",\"start_time\":" start ",\"end_time\":" end    \
	",\"results\":[" __VA_ARGS__ "]}"
#define COST(value, item)                                                      \
	"{\"object\":\"organization.costs.result\",\"amount\":{"               \
	"\"value\":" value ",\"currency\":\"usd\"},\"line_item\":" item        \
	",\"project_id\":null}"
#define BUCKET1(...) BUCKET("1763596800", "1763683200", __VA_ARGS__)
#define BUCKET2(...) BUCKET("1763683200", "1763769600", __VA_ARGS__)
#define ABUCKET(...)                                                           \
	"{\"ending_at\":\"2025-11-21T00:00:00Z\",\"results\":[" __VA_ARGS__    \
	"],\"starting_at\":\"2025-11-20T00:00:00Z\"}"

static const struct {
	const char *text;
	enum bill_format format;
	unsigned days;
	const char *lines[6];
} shapes[] = {
	{PAGE(BUCKET1(COST("0.06", "null"))),
	 BILL_OPENAI,
	 1,
	 {"2025-11-20  0.06 0 0/0/0"}},
	{PAGE(BUCKET1(COST("0.12", "\"gpt-4o-2024-08-06, input\"") "," COST(
		 "\"0.0061700000000001\"",
		 "\"gpt-4o-2024-08-06, cached "
		 "input\"") "," COST("1e-3",
				     "\"gpt-image-1 "
				     "image, "
				     "output\"") "," COST("0.5",
							  "\"web"
							  " sear"
							  "ch "
							  "tool "
							  "calls"
							  "\"") "," COST("0.25",
									 "\"ft-"
									 "gpt-"
									 "4o, "
									 "outpu"
									 "t\"")) "," BUCKET2("")),
	 BILL_OPENAI,
	 2,
	 {"2025-11-20 gpt-4o-2024-08-06 0.12 0 0/0/0",
	  "2025-11-20 gpt-4o-2024-08-06 0.00617 0 0/0/0",
	  "2025-11-20 gpt-image-1 0.001 0 0/0/0",
	  "2025-11-20 [web search tool calls] 0.5 0 0/0/0",
	  "2025-11-20 ft:gpt-4o 0.25 0 0/0/0"}},
	/* pages one after the other, as a list, buckets alone */
	{PAGE(BUCKET1(COST("1", "\"o3-mini\""))) "\n" PAGE(
		 BUCKET2(COST("2", "\"o3-mini\""))),
	 BILL_OPENAI,
	 2,
	 {"2025-11-20 o3-mini 1 0 0/0/0", "2025-11-21 o3-mini 2 0 0/0/0"}},
	{"[" PAGE(BUCKET1(COST("1", "\"o3\""))) "," PAGE(
		 BUCKET2(COST("2", "\"o3\""))) "]",
	 BILL_OPENAI,
	 2,
	 {"2025-11-20 o3 1 0 0/0/0", "2025-11-21 o3 2 0 0/0/0"}},
	{"[" BUCKET1(COST("1", "\"o3\"")) "]",
	 BILL_OPENAI,
	 1,
	 {"2025-11-20 o3 1 0 0/0/0"}},
	{BUCKET1(COST("1", "\"o3\"")) BUCKET2(COST("3", "\"o3\"")),
	 BILL_OPENAI,
	 2,
	 {"2025-11-20 o3 1 0 0/0/0", "2025-11-21 o3 3 0 0/0/0"}},
	{PAGE(BUCKET1("{\"object\":\"organization.usage.completions."
		      "result\",\"input_tokens\":1000,\"output_tokens\":"
		      "500,\"input_cached_tokens\":800,"
		      "\"input_audio_tokens\":0,\"num_model_requests\":5,"
		      "\"project_id\":null,\"model\":\"gpt-4o\","
		      "\"batch\":false}")),
	 BILL_OPENAI,
	 1,
	 {"2025-11-20 gpt-4o - 5 1000/800/500"}},
	{"{\"data\":[" ABUCKET(
		 "{\"currency\":\"USD\",\"amount\":\"123.78912\","
		 "\"workspace_id\":null,\"description\":\"Claude "
		 "Sonnet 4 Usage - Input Tokens\",\"cost_type\":"
		 "\"tokens\",\"context_window\":\"0-200k\","
		 "\"model\":\"claude-sonnet-4-20250514\","
		 "\"service_tier\":\"standard\",\"token_type\":"
		 "\"uncached_input_tokens\"},{\"currency\":"
		 "\"USD\",\"amount\":\"3\",\"cost_type\":"
		 "\"web_search\",\"model\":null}") "],"
						   "\"has_more\":false,\"next_"
						   "page\":null}",
	 BILL_ANTHROPIC,
	 1,
	 {"2025-11-20 claude-sonnet-4-20250514 1.2378912 0 0/0/0",
	  "2025-11-20 [web_search] 0.03 0 0/0/0"}},
	{"{\"data\":[" ABUCKET(
		 "{\"cache_creation\":{\"ephemeral_1h_input_tokens\":1000,"
		 "\"ephemeral_5m_input_tokens\":500},\"cache_read_input_tokens"
		 "\":200,\"model\":\"claude-x\",\"output_tokens\":500,"
		 "\"server_tool_use\":{\"web_search_requests\":10},"
		 "\"uncached_input_tokens\":1500}") "]}",
	 BILL_ANTHROPIC,
	 1,
	 {"2025-11-20 claude-x - 0 3200/200/500"}},
	{"{\"data\":[{\"date\":\"2025-11-20\",\"model\":\"openai/gpt-4.1\","
	 "\"model_permaslug\":\"openai/gpt-4.1-2025-04-14\",\"endpoint_id\":"
	 "\"e\",\"provider_name\":\"OpenAI\",\"usage\":0.015,"
	 "\"byok_usage_inference\":0.012,\"requests\":5,\"prompt_tokens\":50,"
	 "\"completion_tokens\":125,\"reasoning_tokens\":25}]}",
	 BILL_OPENROUTER,
	 1,
	 {"2025-11-20 openai/gpt-4.1 0.015 5 50/0/125"}},
	{"\xef\xbb\xbfgeneration_id,created_at,cost_total,byok_usage_inference,"
	 "tokens_prompt,tokens_completion,tokens_reasoning,tokens_cached,"
	 "model_permaslug,app_name\r\n"
	 "gen-1,2025-11-20 03:46:57.713,0.0123,0,10389,137,0,100,\"a,\"\"b\","
	 "\"two\nlines\"\r\n\r\n"
	 "gen-2,2025-11-20 23:59:59.999,,0,1,1,0,0,x/y,z\n",
	 BILL_OPENROUTER,
	 2,
	 {"2025-11-20 a,\"b 0.0123 1 10389/100/137",
	  "2025-11-20 x/y 0 1 1/0/1"}},
	{"date,model,usage,requests,prompt_tokens,completion_tokens\n"
	 "2025-11-20 00:00:00,m,0.5,3,10,20",
	 BILL_OPENROUTER,
	 1,
	 {"2025-11-20 m 0.5 3 10/0/20"}},
	{"start_time,end_time,start_time_iso,end_time_iso,amount_value,"
	 "amount_currency,line_item,project_id\n"
	 "1763596800,1763683200,2025-11-20T00:00:00+00:00,"
	 "2025-11-21T00:00:00+00:00,0.8958740000000000,usd,"
	 "\"gpt-4o, input\",\n"
	 "1763683200,1763769600,2025-11-21T00:00:00+00:00,"
	 "2025-11-22T00:00:00+00:00,,,,\n",
	 BILL_OPENAI,
	 2,
	 {"2025-11-20 gpt-4o 0.895874 0 0/0/0"}},
	{"start_time_iso\tmodel\tnum_model_requests\tinput_tokens\t"
	 "output_tokens\tinput_cached_tokens\n"
	 "2025-11-20T00:00:00+00:00\tgpt-5-mini\t7\t100\t20\t30\n",
	 BILL_OPENAI,
	 1,
	 {"2025-11-20 gpt-5-mini - 7 100/30/20"}},
	{"usage_date_utc,model,workspace,api_key,usage_type,context_window,"
	 "token_type,cost_usd,cost_type\n"
	 "2025-11-20,Claude Haiku 4.5,Default,k,message,0-200k,output,0.13,"
	 "token\n2025-11-20,--,Default,k,message,,,0.01,web_search\n",
	 BILL_ANTHROPIC,
	 2,
	 {"2025-11-20 Claude Haiku 4.5 0.13 0 0/0/0",
	  "2025-11-20 --[web_search] 0.01 0 0/0/0"}},
};

#define NSHAPES (sizeof(shapes) / sizeof(shapes[0]))

static void check_shape(size_t i, size_t step)
{
	struct seen s = {.unique = true};
	size_t len = strlen(shapes[i].text);
	enum bill_format f;
	char err[512];
	unsigned n;

	if (read_bill(shapes[i].text, len, step, BILL_ANY, &s, err, &f))
		fail_msg("shape %zu by %zu: %s", i, step, err);
	assert_int_equal(f, shapes[i].format);
	assert_int_equal(s.days, shapes[i].days);
	for (n = 0; n < 6 && shapes[i].lines[n]; n++)
		assert_string_equal(s.text[n], shapes[i].lines[n]);
	assert_int_equal(s.n, n);
}

static void test_shapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < NSHAPES; i++)
		for (size_t step = 0; step < 40; step++)
			check_shape(i, step);
}

/* Cut anywhere: an error or fewer lines, never one that is wrong. */
static void test_cut(void **state)
{
	struct edge e = edge_new(1 << 14);

	(void)state;
	for (size_t i = 0; i < NSHAPES; i++) {
		size_t len = strlen(shapes[i].text);
		bool json = strchr("{[", shapes[i].text[0]) != NULL;

		for (size_t cut = 0; cut < len; cut++) {
			const char *p = edge_put(&e, shapes[i].text, cut);
			struct seen s = {0};
			int err =
				read_bill(p, cut, 0, BILL_ANY, &s, NULL, NULL);

			if (json && !err) /* between two values */
				assert_true(p[cut - 1] == '}' ||
					    p[cut - 1] == '\n');
		}
	}
	edge_del(&e);
}

static const struct {
	const char *text, *said;
} wrong[] = {
	{"", "f: the file is empty"},
	{" \n ", "f: the file is empty"},
	{"{}", "no days in it"},
	{"{\"data\":[]}", "no days in it"},
	{"{\"error\":{\"message\":\"Incorrect\\u001b[31m key\"}}",
	 "an error answer, not an export: Incorrect?[31m key"},
	{"[1,2", "f: it ends in the middle of page 1"},
	{"{\"a\":1,}", "f: page 1 is not JSON"},
	{PAGE(BUCKET1(COST("1", "null"))) "x", "f: page 2 is not JSON"},
	{PAGE(BUCKET1(COST("\"abc\"", "null"))),
	 "f: data[0].results[0].amount.value: \"abc\" is not a decimal amount"},
	{PAGE(BUCKET1(COST("true", "null"))),
	 "f: data[0].results[0].amount.value: a boolean, where a decimal"},
	{PAGE(BUCKET1(COST("1", "null") "," COST("1e40", "null"))),
	 "f: data[0].results[1].amount.value: 1e40 is not a decimal amount"},
	{PAGE(BUCKET1("{\"amount\":{\"value\":1,\"currency\":\"eur\"}}")),
	 "f: data[0].results[0].currency: \"eur\" is not usd"},
	{PAGE(BUCKET1("{\"line_item\":\"x\"}")),
	 "f: data[0].results[0].amount: missing"},
	{PAGE(BUCKET1("7")), "f: data[0].results: 7 is not an object"},
	{PAGE("{\"results\":[" COST("1", "null") "]}"),
	 "f: data[0].start_time: missing"},
	{PAGE(BUCKET("\"today\"", "1", COST("1", "null"))),
	 "f: data[0].start_time: \"today\" is not a time in seconds"},
	{PAGE(BUCKET("1763596800", "1764201600", COST("1", "null"))),
	 "f: data[0]: it spans 7 days"},
	{PAGE(BUCKET("1763596800", "1763596800", COST("1", "null"))),
	 "f: data[0]: it ends before it begins"},
	{PAGE(BUCKET("1763600400", "1763686800", COST("1", "null"))),
	 "f: data[0]: its day begins at midnight UTC"},
	{PAGE(BUCKET1(COST("1", "null")) "," BUCKET1(COST("1", "null"))),
	 "f: data[1]: this time came before"},
	{PAGE(BUCKET1("{\"num_model_requests\":-1}")),
	 "f: data[0].results[0].num_model_requests: -1 is not a whole number"},
	{PAGE(BUCKET1("{\"num_model_requests\":1,\"input_tokens\":1.5}")),
	 "f: data[0].results[0].input_tokens: 1.5 is not a whole number"},
	{"{\"data\":[" ABUCKET("{\"amount\":\"1,5\"}") "]}",
	 "f: data[0].results[0].amount: \"1,5\" is not a decimal amount"},
	{"{\"data\":[{\"starting_at\":\"20.11.2025\"}]}",
	 "f: data[0].starting_at: \"20.11.2025\" is not a time like"},
	{PAGE(BUCKET1(COST("1", "null"))) "{\"data\":[" ABUCKET(
		 "{\"amount\":\"1\"}") "]}",
	 "an export of anthropic after one of openai"},
	{"{\"data\":[{\"date\":\"soon\",\"usage\":1}]}",
	 "f: data[0].date: \"soon\" is not a day"},
	{"{\"data\":[{\"date\":\"2025-11-20\",\"model\":\"m\"}]}",
	 "f: data[0].usage: missing"},
	{"a,b\n1,2\n", "f: line 1: no column \"date\""},
	{"date,b\n1,2\n", "f: line 1: no column \"usage\""},
	{"date,usage\n2025-11-20,abc\n",
	 "f: line 2, usage: \"abc\" is not a decimal amount"},
	{"date,usage\n2025-11-20,1\n\n2025-11-31,1\n",
	 "f: line 4, date: \"2025-11-31\" is not a day"},
	{"date,usage,requests\n2025-11-20,1,x\n",
	 "f: line 2, requests: \"x\" is not a whole number"},
	{"date,usage\n2025-11-20,\"1\n", "f: line 2: a quote"},
	{"date,usage\n2025-11-20,1\"2\"\n", "f: line 2: a quote"},
	{"usage,date\n1\n", "f: line 2: only 1 columns"},
};

static void test_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		for (size_t step = 0; step < 9; step++) {
			struct seen s = {.unique = true};
			char err[512];

			if (!read_bill(wrong[i].text, strlen(wrong[i].text),
				       step, BILL_ANY, &s, err, NULL))
				fail_msg("accepted: %s", wrong[i].text);
			if (!strstr(err, wrong[i].said))
				fail_msg("%s\n by %zu: %s\n    not: %s",
					 wrong[i].text, step, err,
					 wrong[i].said);
		}
}

static void test_wanted(void **state)
{
	struct seen s = {0};
	char err[512];

	(void)state;
	assert_true(read_bill(shapes[0].text, strlen(shapes[0].text), 0,
			      BILL_ANTHROPIC, &s, err, NULL));
	assert_non_null(strstr(err, "an export of openai, not of anthropic"));
	assert_false(read_bill(shapes[0].text, strlen(shapes[0].text), 0,
			       BILL_OPENAI, &s, err, NULL));
}

static int count_records(void *ctx, const struct csv *c)
{
	(void)c;
	++*(unsigned *)ctx;
	return 0;
}

/* Records and fields have their limits. */
static void test_limits(void **state)
{
	struct csv *c = malloc(sizeof(*c));
	unsigned n = 0;

	(void)state;
	csv_init(c, count_records, &n);
	for (size_t i = 0; i < CSV_RECORD_MAX; i++)
		assert_int_equal(csv_feed(c, "x", 1), 0);
	assert_int_equal(csv_feed(c, "x", 1), -EMSGSIZE);
	assert_int_equal(csv_feed(c, "\n", 1), -EMSGSIZE);
	csv_init(c, count_records, &n);
	for (size_t i = 0; i < CSV_FIELDS_MAX; i++)
		assert_int_equal(csv_feed(c, ",", 1), 0);
	assert_int_equal(csv_feed(c, ",", 1), -EMSGSIZE);
	assert_int_equal(n, 0);
	free(c);
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: wrong */
	} t[] = {
		{"1970-01-01", 0},
		{"1970-01-02T00:00:00Z", 86400000},
		{"1970-01-01T00:00:00.5Z", 500},
		{"1970-01-01 00:00:01.123456789", 1123},
		{"1970-01-01T01:00:00+01:00", 0},
		{"1970-01-01T01:00+0100", 0},
		{"1970-01-01T00:00:00 Z", 0},
		{"1970-02-29", -1},
		{"1970-13-01", -1},
		{"1970-01-01T", -1},
		{"1970-01-01T24:00:00Z", -1},
		{"1970-01-01T00:00:00.Z", -1},
		{"1970-01-01T00:00:00Zx", -1},
		{"70-01-01", -1},
		{"", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		int64_t ms = -1;
		int err = when_parse(lg_slice_str(t[i].text), NULL, false, &ms);

		if (err ? t[i].ms >= 0 : ms != t[i].ms)
			fail_msg("%s: %d %lld", t[i].text, err, (long long)ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_wrong),  cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
