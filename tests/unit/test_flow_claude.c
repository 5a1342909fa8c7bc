/*
 * What calls to Claude and Gemini cost, from the bytes to the ledger's row:
 * figures that were reported, and answers that bill several models.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow_rig.h"

#define ANTHROPIC "api.anthropic.com"
#define GEMINI "generativelanguage.googleapis.com"
#define VERTEX "us-east5-aiplatform.googleapis.com"
#define USD INT64_C(1000000000000)

static char text[1 << 16];
static const char *more = ""; /* fields of a request's head */

static void call(struct rig *r, const char *host, const char *path,
		 const char *body, const char *head, const char *answer)
{
	rig_connect(r, host);
	snprintf(text, sizeof(text),
		 "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: "
		 "application/json\r\n%sContent-Length: %zu\r\n\r\n%s",
		 path, host, more, strlen(body), body);
	rig_write(r, text, strlen(text), 0);
	snprintf(text, sizeof(text),
		 "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n\r\n%s",
		 head ? head : "Content-Type: application/json\r\n",
		 strlen(answer), answer);
	rig_answer(r, text, strlen(text), 97);
}

#define SSE "Content-Type: text/event-stream\r\n"
#define ASK(model)                                                             \
	"{\"model\":\"" model "\",\"max_tokens\":9000,\"messages\":[{"         \
	"\"role\":\"user\",\"content\":\"hi\"}]}"
#define ANSWER(model, usage)                                                   \
	"{\"id\":\"msg_1\",\"type\":\"message\",\"model\":\"" model            \
	"\",\"content\":[{\"type\":\"text\",\"text\":\"ok\"}],"                \
	"\"stop_reason\":\"end_turn\",\"usage\":{" usage "}}"
#define GASK "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}]}"
#define GANSWER(model, usage)                                                  \
	"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"ok\"}]},"       \
	"\"finishReason\":\"STOP\"}],\"modelVersion\":\"" model                \
	"\",\"usageMetadata\":{" usage "}}"
#define GPATH(model) "/v1beta/models/" model ":generateContent"

static const struct {
	const char *host, *path, *body, *answer;
	int64_t pusd;
	uint64_t in, out;
} calls[] = {
	/* LiteLLM issue 9812: the console's $0.05440 */
	{ANTHROPIC, "/v1/messages", ASK("claude-3-7-sonnet-20250219"),
	 ANSWER("claude-3-7-sonnet-20250219",
		"\"input_tokens\":3,\"cache_creation_input_tokens\":12304,"
		"\"cache_read_input_tokens\":0,\"output_tokens\":550"),
	 INT64_C(54399000000), 12307, 550},
	/* LiteLLM issue 14849, at the rates of today above 200,000 */
	{GEMINI, GPATH("gemini-2.5-pro"), GASK,
	 GANSWER("gemini-2.5-pro", "\"promptTokenCount\":262960,"
				   "\"cachedContentTokenCount\":257955,"
				   "\"candidatesTokenCount\":1744,"
				   "\"totalTokenCount\":264704"),
	 INT64_C(103161250000), 262960, 1744},
	/* oh-my-pi issue 6876: an hour, not five minutes */
	{ANTHROPIC, "/v1/messages", ASK("claude-opus-5"),
	 ANSWER("claude-opus-5",
		"\"input_tokens\":0,\"output_tokens\":0,"
		"\"cache_creation_input_tokens\":344139,\"cache_creation\":{"
		"\"ephemeral_1h_input_tokens\":344139,"
		"\"ephemeral_5m_input_tokens\":0}"),
	 INT64_C(3441390000000), 344139, 0},
	/* sub2api issue 554: thoughts are output */
	{GEMINI, GPATH("gemini-2.5-pro"), GASK,
	 GANSWER("gemini-2.5-pro", "\"promptTokenCount\":55021,"
				   "\"candidatesTokenCount\":923,"
				   "\"thoughtsTokenCount\":785,"
				   "\"totalTokenCount\":56729"),
	 INT64_C(85856250000), 55021, 1708},
	/* Langfuse issue 14249: about $0.28, not $0.20 */
	{ANTHROPIC, "/v1/messages", ASK("claude-sonnet-4-6"),
	 ANSWER("claude-sonnet-4-6",
		"\"input_tokens\":15460,\"output_tokens\":10370,"
		"\"cache_creation_input_tokens\":19810,"
		"\"cache_read_input_tokens\":0"),
	 INT64_C(276217500000), 35270, 10370},
	/* speed: fast is six times as dear, cache rates too */
	{ANTHROPIC, "/v1/messages",
	 "{\"model\":\"claude-opus-4-6\",\"speed\":\"fast\"}",
	 ANSWER("claude-opus-4-6",
		"\"input_tokens\":100,\"cache_read_input_tokens\":1000,"
		"\"output_tokens\":50,\"service_tier\":\"standard\","
		"\"speed\":\"fast\""),
	 INT64_C(100) * 30000000 + INT64_C(1000) * 3000000 +
		 INT64_C(50) * 150000000,
	 1100, 50},
	/* US-only inference is a tenth dearer, and stacks with it */
	{ANTHROPIC, "/v1/messages", ASK("claude-opus-4-6"),
	 ANSWER("claude-opus-4-6", "\"input_tokens\":100,\"output_tokens\":50,"
				   "\"inference_geo\":\"us\""),
	 INT64_C(1925) * 1000000, 100, 50},
	{ANTHROPIC, "/v1/messages", ASK("claude-opus-4-6"),
	 ANSWER("claude-opus-4-6",
		"\"input_tokens\":100,\"output_tokens\":50,"
		"\"inference_geo\":\"us\",\"speed\":\"fast\""),
	 INT64_C(11550) * 1000000, 100, 50},
	{ANTHROPIC, "/v1/messages", ASK("claude-opus-4-6"),
	 ANSWER("claude-opus-4-6", "\"input_tokens\":100,\"output_tokens\":50,"
				   "\"inference_geo\":\"global\""),
	 INT64_C(1750) * 1000000, 100, 50},
	/* so are regions of Vertex AI */
	{VERTEX,
	 "/v1/projects/p/locations/us-east5/publishers/anthropic/models/"
	 "claude-sonnet-4-6:streamRawPredict",
	 "{\"anthropic_version\":\"vertex-2023-10-16\",\"max_tokens\":9}",
	 ANSWER("claude-sonnet-4-6",
		"\"input_tokens\":1000,\"output_tokens\":100"),
	 INT64_C(4950) * 1000000, 1000, 100},
	/* Claude in Foundry */
	{"r.services.ai.azure.com", "/anthropic/v1/messages",
	 ASK("claude-haiku-4-5"),
	 ANSWER("claude-haiku-4-5-20251001",
		"\"input_tokens\":100,\"output_tokens\":10"),
	 INT64_C(150) * 1000000, 100, 10},
	/* three searches at $10 for 1,000, fetches for nothing */
	{ANTHROPIC, "/v1/messages", ASK("claude-haiku-4-5"),
	 ANSWER("claude-haiku-4-5-20251001",
		"\"input_tokens\":100,\"output_tokens\":10,"
		"\"server_tool_use\":{\"web_search_requests\":3,"
		"\"web_fetch_requests\":7}"),
	 INT64_C(100) * 1000000 + INT64_C(10) * 5000000 +
		 INT64_C(3) * USD / 100,
	 100, 10},
	/* two models, and a search beside them */
	{ANTHROPIC, "/v1/messages", ASK("claude-sonnet-4-6"),
	 ANSWER("claude-sonnet-4-6",
		"\"input_tokens\":1760,\"cache_read_input_tokens\":412,"
		"\"output_tokens\":531,\"iterations\":[{\"type\":\"message\","
		"\"input_tokens\":412,\"output_tokens\":89},{\"type\":"
		"\"advisor_message\",\"model\":\"claude-opus-4-7\","
		"\"input_tokens\":823,\"output_tokens\":1612},{\"type\":"
		"\"message\",\"input_tokens\":1348,\"output_tokens\":442,"
		"\"cache_read_input_tokens\":412}],\"server_tool_use\":{"
		"\"web_search_requests\":1}"),
	 INT64_C(1760) * 3000000 + INT64_C(412) * 300000 +
		 INT64_C(531) * 15000000 + INT64_C(823) * 5000000 +
		 INT64_C(1612) * 25000000 + USD / 100,
	 1760 + 412 + 823, 531 + 1612},
	/* who declined before any output is paid in some categories only */
	{ANTHROPIC, "/v1/messages", ASK("claude-fable-5"),
	 "{\"id\":\"m\",\"model\":\"claude-opus-4-8\",\"content\":[{"
	 "\"type\":\"fallback\",\"from\":{\"model\":\"claude-fable-5\"},"
	 "\"to\":{\"model\":\"claude-opus-4-8\"},\"trigger\":{\"type\":"
	 "\"refusal\",\"category\":null}},{\"type\":\"text\",\"text\":"
	 "\"ok\"}],\"stop_reason\":\"end_turn\",\"usage\":{"
	 "\"input_tokens\":412,\"output_tokens\":264,\"iterations\":[{"
	 "\"type\":\"message\",\"model\":\"claude-fable-5\","
	 "\"input_tokens\":535,\"output_tokens\":0},{\"type\":"
	 "\"fallback_message\",\"model\":\"claude-opus-4-8\","
	 "\"input_tokens\":412,\"output_tokens\":264}]}}",
	 INT64_C(412) * 5000000 + INT64_C(264) * 25000000, 412, 264},
	/* queries of Gemini 3 are paid each, a prompt of Gemini 2.5 once */
	{GEMINI, GPATH("gemini-2.5-pro"), GASK,
	 "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"ok\"}]},"
	 "\"finishReason\":\"STOP\",\"groundingMetadata\":{"
	 "\"webSearchQueries\":[\"a\",\"b\"]}}],\"modelVersion\":"
	 "\"gemini-2.5-pro\",\"usageMetadata\":{\"promptTokenCount\":10,"
	 "\"candidatesTokenCount\":5,\"totalTokenCount\":15}}",
	 INT64_C(10) * 1250000 + INT64_C(5) * 10000000 +
		 INT64_C(35) * USD / 1000,
	 10, 5},
};

static void check(const struct rig *r, const struct lg_row *row, unsigned n,
		  int64_t pusd)
{
	(void)r;
	if (row->cost_pusd != pusd)
		fail_msg("call %u (%s, %s): %lld, want %lld", n, row->model,
			 row->tier, (long long)row->cost_pusd, (long long)pusd);
	/* a tier's factor may be the provider's, not the model's */
	if (row->usage_state != LG_USAGE_EXACT ||
	    (row->price_state != LG_PRICED_EXACT && strcmp(row->tier, "fast")))
		fail_msg("call %u: usage %d price %d", n, row->usage_state,
			 row->price_state);
	assert_int_equal(row->input_cost_pusd + row->output_cost_pusd,
			 row->cost_pusd);
}

static void test_calls(void **state)
{
	struct rig r;
	struct lg_row row;
	unsigned i;

	(void)state;
	rig_start(&r, NULL);
	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		call(&r, calls[i].host, calls[i].path, calls[i].body, NULL,
		     calls[i].answer);
		assert_int_equal(rig_rows(&r, &row), i + 1);
		check(&r, &row, i, calls[i].pusd);
		assert_int_equal(row.input_tokens, calls[i].in);
		assert_int_equal(row.output_tokens, calls[i].out);
	}
	rig_stop(&r);
}

static const char fallback_events[] =
	"event: message_start\ndata: {\"type\":\"message_start\","
	"\"message\":{\"id\":\"msg_1\",\"model\":\"claude-fable-5\","
	"\"usage\":{\"input_tokens\":535,\"output_tokens\":1,"
	"\"service_tier\":\"standard\"}}}\n\n"
	"data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":"
	"\"text_delta\",\"text\":\"Hello\"}}\n\n"
	"data: {\"type\":\"content_block_start\",\"content_block\":{"
	"\"type\":\"fallback\",\"from\":{\"model\":\"claude-fable-5\"}"
	",\"to\":{\"model\":\"claude-opus-4-8\"},\"trigger\":{"
	"\"type\":\"refusal\",\"category\":\"cyber\"}}}\n\n"
	"data: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{"
	"\"output_tokens\":40,\"iterations\":[{\"type\":\"message\","
	"\"model\":\"claude-fable-5\",\"input_tokens\":535,"
	"\"output_tokens\":40},{\"type\":\"fallback_message\","
	"\"model\":\"claude-opus-4-8\",\"input_tokens\":620,"
	"\"output_tokens\":2}]}}\n\n"
	"data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
	"\"end_turn\"},\"usage\":{\"output_tokens\":264,"
	"\"iterations\":[{\"type\":\"message\",\"model\":"
	"\"claude-fable-5\",\"input_tokens\":535,\"output_tokens\":40}"
	",{\"type\":\"fallback_message\",\"model\":"
	"\"claude-opus-4-8\",\"input_tokens\":620,\"output_tokens\":"
	"264}]}}\n\n"
	"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

#define FALLBACK_PUSD                                                          \
	(INT64_C(535) * 10000000 + INT64_C(40) * 50000000 +                    \
	 INT64_C(620) * 5000000 + INT64_C(264) * 25000000)

/* The model that answered names the row, though another was asked first. */
static void test_fallback_stream(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, NULL);
	call(&r, ANTHROPIC, "/v1/messages", ASK("claude-fable-5"), SSE,
	     fallback_events);
	assert_int_equal(rig_rows(&r, &row), 1);
	check(&r, &row, 0, FALLBACK_PUSD);
	assert_string_equal(row.model, "claude-opus-4-8");
	assert_string_equal(row.model_requested, "claude-fable-5");
	assert_int_equal(row.input_tokens, 535 + 620);
	assert_int_equal(row.output_tokens, 40 + 264);
	rig_stop(&r);
}

/* Wherever the connection ends there is one row, never dearer than it all. */
static void test_cuts(void **state)
{
	size_t head, len, at;
	struct rig r;
	struct lg_row row;
	unsigned n = 0;
	int64_t last = 0;

	(void)state;
	rig_start(&r, NULL);
	snprintf(text, sizeof(text),
		 "HTTP/1.1 200 OK\r\n" SSE "Content-Length: %zu\r\n\r\n",
		 strlen(fallback_events));
	head = strlen(text);
	len = head + strlen(fallback_events);
	for (at = head; at <= len; at += at < len - 40 ? 13 : 1) {
		rig_connect(&r, ANTHROPIC);
		snprintf(text, sizeof(text),
			 "POST /v1/messages HTTP/1.1\r\nHost: " ANTHROPIC
			 "\r\nContent-Length: %zu\r\n\r\n%s",
			 strlen(ASK("claude-fable-5")), ASK("claude-fable-5"));
		rig_write(&r, text, strlen(text), 0);
		snprintf(text, sizeof(text),
			 "HTTP/1.1 200 OK\r\n" SSE "Content-Length: %zu"
			 "\r\n\r\n%s",
			 strlen(fallback_events), fallback_events);
		rig_answer(&r, text, at, 0);
		rig_close(&r);
		assert_int_equal(rig_rows(&r, &row), ++n);
		assert_int_equal(row.input_cost_pusd + row.output_cost_pusd,
				 row.cost_pusd);
		assert_true(row.cost_pusd > 0);
		last = row.cost_pusd;
		if (at > head + 400) /* once usage was told */
			assert_true(last <= FALLBACK_PUSD);
		if (row.usage_state == LG_USAGE_EXACT)
			assert_int_equal(last, FALLBACK_PUSD);
	}
	assert_int_equal(last, FALLBACK_PUSD);
	assert_int_equal(row.usage_state, LG_USAGE_EXACT);
	rig_stop(&r);
}

static void refuse(struct rig *r, const char *category)
{
	static char body[1024];

	snprintf(body, sizeof(body),
		 "{\"id\":\"m\",\"model\":\"claude-fable-5\",\"content\":[],"
		 "\"stop_reason\":\"refusal\",\"stop_details\":{\"type\":"
		 "\"refusal\",\"category\":%s},\"usage\":{\"input_tokens\":"
		 "412,\"output_tokens\":0}}",
		 category);
	call(r, ANTHROPIC, "/v1/messages", ASK("claude-fable-5"), NULL, body);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *category;
		int64_t pusd;
	} kinds[] = {
		{"null", 0},
		{"\"cyber\"", 0},
		{"\"general_harms\"", 0},
		{"\"bio\"", INT64_C(412) * 10000000},
		{"\"frontier_llm\"", INT64_C(412) * 10000000},
		{"\"reasoning_extraction\"", INT64_C(412) * 10000000},
	};
	struct rig r;
	struct lg_row row;
	unsigned i;

	(void)state;
	rig_start(&r, NULL);
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		refuse(&r, kinds[i].category);
		assert_int_equal(rig_rows(&r, &row), i + 1);
		check(&r, &row, i, kinds[i].pusd);
	}
	rig_stop(&r);
}

/* Claude behind Vertex AI: the model in the URL, the price of its place. */
static void test_vertex(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, NULL);
	call(&r, VERTEX,
	     "/v1/projects/p/locations/global/publishers/anthropic/models/"
	     "claude-sonnet-4-6:rawPredict",
	     "{\"anthropic_version\":\"vertex-2023-10-16\",\"max_tokens\":9}",
	     NULL,
	     ANSWER("claude-sonnet-4-6",
		    "\"input_tokens\":1000,\"output_tokens\":100"));
	assert_int_equal(rig_rows(&r, &row), 1);
	check(&r, &row, 0, INT64_C(1000) * 3000000 + INT64_C(100) * 15000000);
	assert_string_equal(row.provider, "google");
	assert_string_equal(row.dialect, "anthropic-messages");
	assert_string_equal(row.model_requested, "claude-sonnet-4-6");
	rig_stop(&r);
}

/* A tier that the head asks for, unless the answer knows better. */
static void test_vertex_tier(void **state)
{
	static const char path[] =
		"/v1/projects/p/locations/global/publishers/google/models/"
		"gemini-2.5-flash:generateContent";
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, NULL);
	more = "X-Vertex-AI-LLM-Shared-Request-Type: priority\r\n";
	call(&r, VERTEX, path, GASK, NULL,
	     GANSWER("gemini-2.5-flash", "\"promptTokenCount\":100,"
					 "\"candidatesTokenCount\":10,"
					 "\"totalTokenCount\":110"));
	rig_rows(&r, &row);
	assert_string_equal(row.tier, "priority");
	assert_int_equal(row.cost_pusd, INT64_C(55) * 1800000);
	call(&r, VERTEX, path, GASK, NULL,
	     GANSWER("gemini-2.5-flash", "\"promptTokenCount\":100,"
					 "\"candidatesTokenCount\":10,"
					 "\"totalTokenCount\":110,"
					 "\"trafficType\":\"ON_DEMAND\""));
	more = "";
	rig_rows(&r, &row);
	assert_string_equal(row.tier, "standard");
	check(&r, &row, 0, INT64_C(55) * 1000000);
	rig_stop(&r);
}

/* Nothing is told: the request's text is what was read. */
static void test_embedding(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, NULL);
	call(&r, GEMINI, "/v1beta/models/gemini-embedding-001:embedContent",
	     "{\"content\":{\"parts\":[{\"text\":\"0123456789\"}]}}", NULL,
	     "{\"embedding\":{\"values\":[0.1]}}");
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.usage_state, LG_USAGE_ESTIMATED);
	assert_int_equal(row.input_tokens, 3);
	assert_int_equal(row.output_tokens, 0);
	assert_int_equal(row.cost_pusd, INT64_C(3) * 150000);
	call(&r, GEMINI, "/v1beta/models/gemini-2.5-pro:countTokens", GASK,
	     NULL, "{\"totalTokens\":61}");
	assert_int_equal(rig_rows(&r, &row), 2);
	assert_string_equal(row.dialect, "gemini-count-tokens");
	check(&r, &row, 1, 0);
	rig_stop(&r);
}

static void poll_operation(struct rig *r, const char *body)
{
	static const char get[] =
		"GET /v1beta/models/veo-3.1-generate-preview/operations/o1 "
		"HTTP/1.1\r\nHost: " GEMINI "\r\n\r\n";

	rig_connect(r, GEMINI);
	rig_write(r, get, strlen(get), 0);
	snprintf(text, sizeof(text),
		 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 strlen(body), body);
	rig_answer(r, text, strlen(text), 0);
}

static int add_row(void *ctx, const struct lg_row *row,
		   const struct lg_ledger_pos *after)
{
	int64_t *sum = ctx;

	(void)after;
	*sum += row->cost_pusd;
	return 0;
}

static int64_t sum_of(struct rig *r)
{
	struct lg_ledger_pos pos = {.file = ""};
	struct lg_ledger_stats stats = {0};
	int64_t sum = 0;

	lg_ledger_walk(lg_engine_ledger(r->e)->dir, &pos, INT64_MIN, add_row,
		       &sum, &stats);
	return sum;
}

/* Two films of six seconds are owed until they fail. */
static void test_video(void **state)
{
	struct rig r;
	struct lg_row row;
	int64_t asked = INT64_C(12) * USD * 4 / 10;

	(void)state;
	rig_start(&r, NULL);
	call(&r, GEMINI,
	     "/v1beta/models/veo-3.1-generate-preview:predictLongRunning",
	     "{\"instances\":[{\"prompt\":\"a cat\"}],\"parameters\":{"
	     "\"durationSeconds\":\"6\",\"sampleCount\":2}}",
	     NULL,
	     "{\"name\":\"models/veo-3.1-generate-preview/operations/o1\"}");
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.cost_pusd, asked);
	assert_true(row.flags & LG_ROW_PENDING);
	poll_operation(&r, "{\"name\":\"models/m/operations/o1\"}");
	assert_int_equal(sum_of(&r), asked);
	poll_operation(&r, "{\"name\":\"models/m/operations/o1\","
			   "\"done\":true,\"error\":{\"code\":3}}");
	assert_int_equal(sum_of(&r), 0);
	rig_stop(&r);
}

/* A picture that was filtered is not paid. */
static void test_pictures(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, NULL);
	call(&r, GEMINI, "/v1beta/models/imagen-4.0-generate-001:predict",
	     "{\"instances\":[{\"prompt\":\"a cat\"}],\"parameters\":{"
	     "\"sampleCount\":3}}",
	     NULL,
	     "{\"predictions\":[{\"bytesBase64Encoded\":\"AAAA\"},{"
	     "\"bytesBase64Encoded\":\"AAAA\"},{\"raiFilteredReason\":"
	     "\"no\"}]}");
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.cost_pusd, INT64_C(2) * USD * 4 / 100);
	assert_int_equal(row.price_state, LG_PRICED_ESTIMATED);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_fallback_stream),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_vertex),
		cmocka_unit_test(test_vertex_tier),
		cmocka_unit_test(test_embedding),
		cmocka_unit_test(test_video),
		cmocka_unit_test(test_pictures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
