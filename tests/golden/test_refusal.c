/* Refusals: valid JSON of each dialect, with the amounts where they belong. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "llm/dialect.h"

static const struct lg_slice remedies[] = {
	{"Wait until it resets.", 21},
	{"Use a cheaper model.", 20},
};

static struct lg_refusal refusal(void)
{
	return (struct lg_refusal){
		.budget = LG_SLICE("my \"month\"\n"),
		.scope = LG_SLICE("global"),
		.period = LG_SLICE("monthly"),
		.reason = LG_SLICE("limit"),
		.spent_pusd = INT64_C(49980000000000),
		.held_pusd = INT64_C(400000000000),
		.limit_pusd = INT64_C(50000000000000),
		.estimate_pusd = 123456,
		.resets_at_ms = INT64_C(1796083200000),
		.retry_after_s = 60,
		.remedies = remedies,
		.nremedies = 2,
	};
}

static json_t *body(const struct lg_dialect *d, const struct lg_refusal *r)
{
	char text[4096];
	struct lg_buf b;
	json_t *json;

	lg_buf_init_fixed(&b, text, sizeof(text));
	assert_int_equal(d->error_body(r, &b), 0);
	json = json_loadb(b.p, b.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	return json;
}

static const char *text(json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* {error: {message}}, {error: "..."}, {message} or {detail}. */
static const char *message_of(json_t *json)
{
	static const char *const at[] = {"error", "message", "detail"};
	json_t *error = json_object_get(json, "error");
	unsigned i;

	if (json_is_object(error))
		return text(error, "message");
	for (i = 0; i < 3; i++)
		if (text(json, at[i]))
			return text(json, at[i]);
	return "";
}

/* Ours stands beside the message. */
static json_t *ours_of(json_t *json)
{
	json_t *error = json_object_get(json, "error");

	return json_object_get(json_is_object(error) ? error : json,
			       "llmguard");
}

static void test_all(void **state)
{
	struct lg_refusal r = refusal();
	unsigned i;

	(void)state;
	for (i = 0; i < lg_ndialects; i++) {
		json_t *json = body(lg_dialects[i], &r);
		json_t *own = ours_of(json);
		const char *message = message_of(json);

		assert_non_null(strstr(message, "my \"month\"\n"));
		assert_non_null(strstr(message, "$49.98"));
		assert_non_null(strstr(message, "$50.00"));
		assert_non_null(strstr(message, "2026-12-01T00:00:00.000Z"));
		assert_non_null(strstr(message, "cheaper"));
		assert_string_equal(text(own, "budget"), "my \"month\"\n");
		assert_string_equal(text(own, "scope"), "global");
		assert_string_equal(text(own, "period"), "monthly");
		assert_string_equal(text(own, "resets_at"),
				    "2026-12-01T00:00:00.000Z");
		assert_true(json_number_value(json_object_get(
				    own, "spent_usd")) == 49.98);
		assert_true(json_number_value(json_object_get(
				    own, "estimate_usd")) == 1.23456e-7);
		assert_int_equal(
			json_array_size(json_object_get(own, "remedies")), 2);
		json_decref(json);
	}
}

static void test_shapes(void **state)
{
	struct lg_refusal r = refusal();
	json_t *json, *e;

	(void)state;
	json = body(lg_dialect_by_name(LG_SLICE("openai-chat")), &r);
	e = json_object_get(json, "error");
	assert_string_equal(text(e, "code"), "budget_exceeded");
	assert_string_equal(text(e, "type"), "budget_exceeded");
	assert_true(json_is_null(json_object_get(e, "param")));
	json_decref(json);
	json = body(lg_dialect_by_name(LG_SLICE("anthropic-messages")), &r);
	assert_string_equal(text(json, "type"), "error");
	e = json_object_get(json, "error");
	assert_string_equal(text(e, "type"), "rate_limit_error");
	json_decref(json);
	json = body(lg_dialect_by_name(LG_SLICE("gemini-generate")), &r);
	e = json_object_get(json, "error");
	assert_int_equal(json_integer_value(json_object_get(e, "code")), 429);
	assert_string_equal(text(e, "status"), "RESOURCE_EXHAUSTED");
	assert_int_equal(json_array_size(json_object_get(e, "details")), 2);
	json_decref(json);
	json = body(lg_dialect_by_name(LG_SLICE("bedrock-converse")), &r);
	assert_non_null(text(json, "message"));
	json_decref(json);
	json = body(lg_dialect_by_name(LG_SLICE("cohere-chat-v2")), &r);
	assert_non_null(text(json, "message"));
	json_decref(json);
	json = body(lg_dialect_by_name(LG_SLICE("ollama-chat")), &r);
	assert_non_null(text(json, "error"));
	json_decref(json);
	assert_null(lg_dialect_by_name(LG_SLICE("no-such")));
}

static void test_bare(void **state)
{
	struct lg_refusal r = {.reason = LG_SLICE("unknown model"),
			       .retry_after_s = -1};
	json_t *json = body(lg_dialects[0], &r);
	json_t *own =
		json_object_get(json_object_get(json, "error"), "llmguard");

	(void)state;
	assert_true(json_is_null(json_object_get(own, "budget")));
	assert_true(json_is_null(json_object_get(own, "resets_at")));
	assert_non_null(strstr(text(json_object_get(json, "error"), "message"),
			       "unknown model"));
	json_decref(json);
}

static void test_no_room(void **state)
{
	struct lg_refusal r = refusal();
	char small[300];
	struct lg_buf b;
	unsigned i;

	(void)state;
	for (i = 0; i < lg_ndialects; i++) {
		lg_buf_init_fixed(&b, small, sizeof(small));
		assert_true(lg_dialects[i]->error_body(&r, &b) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_bare),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
