/* Models whose price nobody knows: block, ceiling, allow, on real exchanges. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "flow_rig.h"

#define HOST "api.openai.com"

/* The dearest prices of openai here are 7 and 30; flex has its own. */
static const char prices[] =
	"catalog: 1\n"
	"provider: openai\n"
	"price_version: \"test\"\n"
	"prices:\n"
	"  - {model: known-a, input_per_1m: 7, output_per_1m: 9, "
	"context_window: 100000, max_output_tokens: 1000}\n"
	"  - {model: known-b, input_per_1m: 5, output_per_1m: 30, "
	"service_tiers: {flex: 0.5}}\n"
	"  - {model: only-batch, tier: batch, input_per_1m: 1, "
	"output_per_1m: 2}\n"
	"  - {model: gratis, input_per_1m: 0, output_per_1m: 0}\n";

static void start(struct rig *r, const char *more)
{
	char yaml[2048], path[100];

	memset(r, 0, sizeof(*r));
	rig_start(r, NULL);
	snprintf(path, sizeof(path), "%s/prices.yaml", r->dir);
	put_file(path, prices);
	snprintf(yaml, sizeof(yaml),
		 "version: 1\npricing: {files: [prices.yaml]}\n%s", more);
	put_file(r->config, yaml);
	rig_open(r);
}

/* Asks on a fresh connection; the answer costs 100 in and 10 out. */
static unsigned ask(struct rig *r, const char *host, const char *model,
		    const char *more, struct lg_row *row)
{
	char body[512], text[1024];

	snprintf(
		body, sizeof(body),
		"{\"model\":\"%s\",%s\"max_tokens\":10,\"messages\":[{\"role\":"
		"\"user\",\"content\":\"a prompt of a hundred bytes, for its "
		"tokens are no more: ''''''''''''''''\"}]}",
		model, more);
	snprintf(text, sizeof(text),
		 "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\n"
		 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n"
		 "%s",
		 host, strlen(body), body);
	rig_connect(r, host);
	rig_write(r, text, strlen(text), 0);
	if (r->server.len) {
		snprintf(body, sizeof(body),
			 "{\"id\":\"chatcmpl-1\",\"model\":\"%s\",\"choices\":"
			 "[{\"message\":{\"content\":\"hi\"}}],\"usage\":{"
			 "\"prompt_tokens\":100,\"completion_tokens\":10,"
			 "\"total_tokens\":110}}",
			 model);
		snprintf(text, sizeof(text),
			 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			 "Content-Length: %zu\r\n\r\n%s",
			 strlen(body), body);
		rig_answer(r, text, strlen(text), 0);
	}
	return rig_rows(r, row);
}

static bool told(const struct rig *r, const char *text)
{
	return memmem(r->program.p, r->program.len, text, strlen(text)) != NULL;
}

static json_t *refusal(const struct rig *r)
{
	const char *p = memmem(r->program.p, r->program.len, "\r\n\r\n", 4);
	json_t *o;

	assert_non_null(p);
	p += 4;
	o = json_loadb(p, r->program.len - (size_t)(p - r->program.p), 0, NULL);
	assert_non_null(o);
	return o;
}

/* 100 in at 7 and 10 out at 30 per million: the dearest of each bucket. */
#define CEILING_PUSD INT64_C(1000000000)

static void test_ceiling(void **state)
{
	struct lg_row row;
	struct rig r;

	(void)state;
	start(&r, "");
	assert_int_equal(ask(&r, HOST, "brand-new", "", &row), 1);
	assert_int_equal(row.price_state, LG_PRICED_UNKNOWN);
	assert_int_equal(row.usage_state, LG_USAGE_EXACT);
	assert_true(row.cost_pusd >= CEILING_PUSD);
	assert_int_equal(row.cost_pusd,
			 row.input_cost_pusd + row.output_cost_pusd);
	rig_stop(&r);
}

static void test_block(void **state)
{
	struct lg_row row;
	struct rig r;
	json_t *o;

	(void)state;
	start(&r, "unknown_model: block\n");
	ask(&r, HOST, "brand-new", "", &row);
	assert_int_equal(r.server.len, 0);
	assert_int_equal(row.verdict, LG_VERDICT_BLOCK);
	assert_string_equal(row.reason, "unknown_model");
	assert_int_equal(row.cost_pusd, 0);
	assert_true(row.estimate_pusd > 0);
	assert_true(told(&r, "price of model \\\"brand-new\\\" (openai) is not "
			     "known"));
	assert_true(told(&r, "llmguard pricing set brand-new "
			     "--provider openai"));
	assert_true(told(&r, "unknown_model to ceiling"));
	assert_true(told(&r, "x-should-retry: false"));
	o = refusal(&r);
	json_decref(o);
	/* what is known goes, what is free goes */
	ask(&r, HOST, "known-a", "", &row);
	assert_true(r.server.len > 0);
	assert_int_equal(row.price_state, LG_PRICED_EXACT);
	ask(&r, HOST, "gratis", "", &row);
	assert_true(r.server.len > 0);
	assert_int_equal(row.cost_pusd, 0);
	assert_int_equal(row.price_state, LG_PRICED_EXACT);
	rig_stop(&r);
}

/* A name that would do something in a shell is not put into a command. */
static void test_hostile_name(void **state)
{
	static const char *const names[] = {"x; rm -rf ~", "$(id)", "a b", "-x",
					    "\\u0000`x`"};
	struct lg_row row;
	struct rig r;

	(void)state;
	start(&r, "unknown_model: block\n");
	for (size_t i = 0; i < 5; i++) {
		ask(&r, HOST, names[i], "", &row);
		assert_int_equal(r.server.len, 0);
		assert_true(told(&r, "pricing set MODEL --provider NAME."));
		json_decref(refusal(&r));
	}
	rig_stop(&r);
}

static void test_allow(void **state)
{
	struct lg_row row;
	struct rig r;

	(void)state;
	start(&r, "unknown_model: allow\n"
		  "budgets:\n"
		  "  - {name: cap, scope: global, period: total, limit_usd: "
		  "0.000001, hard: true}\n");
	ask(&r, HOST, "brand-new", "", &row);
	assert_true(r.server.len > 0);
	assert_int_equal(row.cost_pusd, 0);
	assert_int_equal(row.price_state, LG_PRICED_UNKNOWN);
	assert_int_equal(row.input_tokens, 100);
	/* what has a price is counted as ever */
	ask(&r, HOST, "known-a", "", &row);
	assert_int_equal(r.server.len, 0);
	assert_string_equal(row.reason, "over_budget");
	rig_stop(&r);
}

/* A strict budget holds the ceiling, or refuses what has none. */
static void test_strict(void **state)
{
	static const char *const policy[] = {"ceiling", "allow"};
	struct lg_row row;
	struct rig r;
	char yaml[512];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		snprintf(yaml, sizeof(yaml),
			 "unknown_model: %s\nhosts: {llm.example: gemini}\n"
			 "budgets:\n"
			 "  - {name: cap, scope: global, period: total, "
			 "limit_usd: 100, hard: true, mode: strict}\n",
			 policy[i]);
		start(&r, yaml);
		ask(&r, HOST, "brand-new", "", &row);
		assert_true(r.server.len > 0);
		assert_true(row.estimate_pusd >= CEILING_PUSD);
		assert_true(i || row.cost_pusd <= row.estimate_pusd);
		rig_stop(&r);
	}
	/* and names what to do when that does not fit */
	start(&r, "budgets:\n  - {name: cap, scope: global, period: total, "
		  "limit_usd: 0.000001, hard: true, mode: strict}\n");
	ask(&r, HOST, "brand-new", "", &row);
	assert_int_equal(r.server.len, 0);
	assert_string_equal(row.reason, "over_budget");
	assert_true(told(&r, "llmguard pricing set brand-new "
			     "--provider openai"));
	assert_true(told(&r, "llmguard budget set NAME"));
	rig_stop(&r);
}

/* A price for another tier alone is none; a tier without a price says so. */
static void test_tiers(void **state)
{
	struct lg_row row;
	struct rig r;

	(void)state;
	start(&r, "");
	ask(&r, HOST, "only-batch", "", &row);
	assert_int_equal(row.price_state, LG_PRICED_UNKNOWN);
	assert_true(row.cost_pusd >= CEILING_PUSD);
	ask(&r, HOST, "known-b", "\"service_tier\":\"flex\",", &row);
	assert_int_equal(row.price_state, LG_PRICED_EXACT);
	assert_int_equal(row.cost_pusd, 400000000);
	ask(&r, HOST, "known-b", "\"service_tier\":\"priority\",", &row);
	assert_true(row.cost_pusd >= 800000000);
	rig_stop(&r);
	start(&r, "unknown_model: block\n");
	ask(&r, HOST, "only-batch", "", &row);
	assert_int_equal(r.server.len, 0);
	ask(&r, HOST, "known-b", "\"service_tier\":\"tomorrow\",", &row);
	assert_int_equal(r.server.len, 0);
	assert_true(told(&r, "tier tomorrow"));
	assert_true(told(&r, "--provider openai --tier tomorrow."));
	rig_stop(&r);
}

/* A host of one's own: what the owner of its dialect charges at most. */
static void test_own_host(void **state)
{
	struct lg_row row;
	struct rig r;

	(void)state;
	start(&r,
	      "hosts: {llm.example: openai}\n"
	      "models:\n  - {match: mine, host: llm.example, free: true}\n");
	ask(&r, "llm.example", "brand-new", "", &row);
	assert_string_equal(row.provider, "llm.example");
	assert_int_equal(row.price_state, LG_PRICED_UNKNOWN);
	assert_true(row.cost_pusd >= CEILING_PUSD);
	ask(&r, "llm.example", "mine", "", &row);
	assert_int_equal(row.price_state, LG_PRICED_EXACT);
	assert_int_equal(row.cost_pusd, 0);
	/* the owner's own models are not sold there */
	ask(&r, "llm.example", "known-a", "", &row);
	assert_int_equal(row.price_state, LG_PRICED_UNKNOWN);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_hostile_name),
		cmocka_unit_test(test_allow),
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_tiers),
		cmocka_unit_test(test_own_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
