#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "degrade_help.h"
#include "edge.h"

/* The server of one's own, as the hook would reach it. */
static struct {
	unsigned asked;
	bool gone;
	char host[64], request[8192];
} there;

static const char *ask(void *arg, const struct lg_local_server *to,
		       struct lg_slice request)
{
	(void)arg;
	there.asked++;
	if (there.gone)
		return "gone";
	assert_true(request.len < sizeof(there.request));
	memcpy(there.request, request.p, request.len);
	there.request[request.len] = '\0';
	memcpy(there.host, to->url.host.p, to->url.host.len);
	there.host[to->url.host.len] = '\0';
	return NULL;
}

#define LOCAL(more)                                                            \
	BUDGETS BUDGET("cap", "global", "0.0000001",                           \
		       ", on_hard: [{local: \"http://127.0.0.1:8000\"" more    \
		       "}, block]")

static void connect_local(struct rig *r)
{
	struct lg_flow_peer peer = {
		.host = LG_SLICE("api.openai.com"),
		.guarded = true,
		.local = ask,
	};

	rig_close(r);
	r->f = lg_flow_new(r->e, &peer);
	r->server.len = r->program.len = 0;
	r->woken = false;
	memset(&there, 0, sizeof(there));
	assert_non_null(r->f);
}

static void ask_with(struct rig *r, const char *body, const char *version)
{
	char head[8192];
	int n = snprintf(head, sizeof(head),
			 "POST /v1/chat/completions HTTP/%s\r\n"
			 "Host: api.openai.com\r\nCookie: a=b\r\n"
			 "Authorization: Bearer sk-test\r\n"
			 "Content-Type: application/json\r\n"
			 "Content-Length: %zu\r\n\r\n%s",
			 version, strlen(body), body);

	connect_local(r);
	rig_write(r, head, (size_t)n, 0);
}

static void local_says(struct rig *r, const char *p, size_t len, size_t step)
{
	struct edge e = edge_new(len);

	for (size_t at = 0, n; at < len && lg_flow_is_local(r->f); at += n) {
		n = step && step < len - at ? step : len - at;
		lg_flow_local_arrived(r->f, edge_put(&e, p + at, n), n);
		take_synth(r);
	}
	edge_del(&e);
}

static void local_ends(struct rig *r)
{
	if (lg_flow_is_local(r->f))
		lg_flow_local_eof(r->f);
	take_synth(r);
	assert_false(lg_flow_is_local(r->f));
	assert_true(lg_flow_is_shut(r->f));
	assert_int_equal(r->server.len, 0);
}

static char *program_text(struct rig *r)
{
	lg_buf_putc(&r->program, '\0');
	r->program.len--;
	return r->program.p;
}

#define BODY_OF(model)                                                         \
	"{\"id\":\"c\",\"model\":\"" model "\",\"choices\":[{\"index\":0,"     \
	"\"message\":{\"role\":\"assistant\",\"content\":\"hi\"}}],"           \
	"\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}"

static const char *plain_answer(void)
{
	static char all[1024];

	snprintf(all, sizeof(all),
		 "HTTP/1.1 200 Fine\r\nServer: x\r\nContent-Type: "
		 "application/json\r\nContent-Length: %zu\r\n\r\n%s",
		 strlen(BODY_OF("tiny")), BODY_OF("tiny"));
	return all;
}

static void test_request(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, LOCAL(", model: tiny"));
	ask_with(&r, DEAR, "1.1");
	assert_int_equal(there.asked, 1);
	assert_string_equal(there.host, "127.0.0.1");
	assert_non_null(strstr(there.request, "POST /v1/chat/completions "));
	assert_non_null(strstr(there.request, "Host: 127.0.0.1:8000\r\n"));
	assert_null(strcasestr(there.request, "authorization"));
	assert_null(strcasestr(there.request, "cookie"));
	assert_string_equal(strstr(there.request, "\r\n\r\n") + 4,
			    ASK("tiny", ",\"max_tokens\":100"));
	assert_int_equal(r.server.len, 0);
	assert_int_equal(used_of(&r, "cap"), 0);
	assert_true(lg_flow_is_local(r.f));
	local_says(&r, plain_answer(), strlen(plain_answer()), 0);
	local_ends(&r);
	rig_stop(&r);
}

/* A prompt that is continued goes where the server continues prompts. */
static void test_completions(void **state)
{
	static const char body[] = "{\"model\":\"gpt-3.5-turbo-instruct\","
				   "\"prompt\":\"x\",\"max_tokens\":100}";
	struct rig r;
	char head[512];
	int n;

	(void)state;
	rig_start(&r, LOCAL(", model: tiny"));
	n = snprintf(head, sizeof(head),
		     "POST /v1/completions HTTP/1.1\r\n"
		     "Host: api.openai.com\r\n"
		     "Content-Type: application/json\r\n"
		     "Content-Length: %zu\r\n\r\n%s",
		     strlen(body), body);
	connect_local(&r);
	rig_write(&r, head, (size_t)n, 0);
	assert_int_equal(there.asked, 1);
	assert_non_null(strstr(there.request, "POST /v1/completions "));
	assert_non_null(strstr(there.request, "{\"model\":\"tiny\","));
	rig_stop(&r);
}

/* Whatever the pieces, the program reads the same and the row says it. */
static void test_pieces(void **state)
{
	const char *ans = plain_answer();
	size_t len = strlen(ans);
	struct lg_row row;
	struct rig r;

	(void)state;
	rig_start(&r, LOCAL(""));
	snprintf(want, sizeof(want),
		 "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
		 "x-llmguard-verdict: local\r\nconnection: close\r\n"
		 "content-length: %zu\r\n\r\n%s",
		 strlen(BODY_OF("tiny")), BODY_OF("tiny"));
	for (size_t step = 0; step < len; step += step < 9 ? 1 : 37) {
		ask_with(&r, DEAR, "1.1");
		local_says(&r, ans, len, step);
		local_ends(&r);
		assert_string_equal(program_text(&r), want);
	}
	rig_close(&r);
	rig_rows(&r, &row);
	assert_int_equal(row.verdict, LG_VERDICT_LOCAL);
	assert_int_equal(row.cost_pusd, 0);
	assert_int_equal(row.economic_pusd, 0);
	assert_int_equal(row.input_tokens, 9);
	assert_int_equal(row.output_tokens, 2);
	assert_int_equal(row.usage_state, LG_USAGE_EXACT);
	assert_string_equal(row.model_requested, "gpt-4o");
	assert_string_equal(row.model, "tiny");
	rig_stop(&r);
}

/* Cut at each byte: an answer of some kind and one row, always. */
static void test_cut(void **state)
{
	const char *ans = plain_answer();
	size_t head = (size_t)(strstr(ans, "\r\n\r\n") - ans) + 4;
	unsigned rows = 0;
	struct lg_row row;
	struct rig r;

	(void)state;
	rig_start(&r, LOCAL(""));
	for (size_t n = 0; n < strlen(ans); n += 3) {
		ask_with(&r, DEAR, "1.1");
		local_says(&r, ans, n, 0);
		local_ends(&r);
		rig_close(&r);
		assert_int_equal(rig_rows(&r, &row), ++rows);
		assert_int_equal(row.cost_pusd, 0);
		assert_int_equal(row.status, n < head ? 502 : 200);
		assert_int_equal(!strncmp(program_text(&r), "HTTP/1.1 502", 12),
				 n < head);
	}
	rig_stop(&r);
}

#define EVENT(d)                                                               \
	"data: {\"model\":\"tiny\",\"choices\":[{\"index\":0," d "}]}\n\n"
#define STREAM                                                                 \
	EVENT("\"delta\":{\"content\":\"one \"}")                              \
	EVENT("\"delta\":{\"content\":\"two\"}") "data: [DONE]\n\n"

static const char *body_of(struct rig *r)
{
	return strstr(program_text(r), "\r\n\r\n") + 4;
}

static void test_stream(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: "
				   "text/event-stream\r\n\r\n";
	struct rig r;

	(void)state;
	rig_start(&r, LOCAL(""));
	ask_with(&r, ASK("gpt-4o", ",\"stream\":true"), "1.1");
	local_says(&r, head, strlen(head), 0);
	local_says(&r, STREAM, strlen(STREAM), 0);
	local_ends(&r);
	assert_non_null(strstr(program_text(&r), "transfer-encoding: chunked"));
	snprintf(want, sizeof(want), "%zx\r\n%s\r\n0\r\n\r\n", strlen(STREAM),
		 STREAM);
	assert_string_equal(body_of(&r), want);
	/* the old version has no chunks: the end is the connection's */
	ask_with(&r, ASK("gpt-4o", ",\"stream\":true"), "1.0");
	local_says(&r, head, strlen(head), 1);
	local_says(&r, STREAM, strlen(STREAM), 1);
	local_ends(&r);
	assert_null(strstr(program_text(&r), "chunked"));
	assert_string_equal(body_of(&r), STREAM);
	rig_stop(&r);
}

/* What the old connection still brought is not the answer. */
static void test_records(void **state)
{
	static const char record[] = "\x17\x03\x03\0\x20HTTPHTTP/HTHTTP/1\x01";
	const char *ans = plain_answer();
	struct rig r;

	(void)state;
	rig_start(&r, LOCAL(""));
	for (size_t step = 0; step < 9; step++)
		for (size_t from = 0; from < sizeof(record) - 1; from++) {
			ask_with(&r, DEAR, "1.1");
			local_says(&r, record + from, sizeof(record) - 1 - from,
				   step);
			local_says(&r, ans, strlen(ans), step);
			local_ends(&r);
			assert_string_equal(body_of(&r), BODY_OF("tiny"));
		}
	rig_stop(&r);
}

static void test_garbage(void **state)
{
	static const char *const t[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 twohundred\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
		"Content-Length: 2\r\n\r\nhi",
		"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: "
		"0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 101 Switching\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n",
	};
	static char noise[300 << 10];
	struct rig r;

	(void)state;
	rig_start(&r, LOCAL(""));
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ask_with(&r, DEAR, "1.1");
		local_says(&r, t[i], strlen(t[i]), 0);
		local_ends(&r);
		assert_memory_equal(program_text(&r), "HTTP/1.1 502", 12);
	}
	memset(noise, 'x', sizeof(noise));
	ask_with(&r, DEAR, "1.1");
	local_says(&r, noise, sizeof(noise), 1000);
	assert_false(lg_flow_is_local(r.f));
	assert_memory_equal(program_text(&r), "HTTP/1.1 502", 12);
	rig_stop(&r);
}

static void test_interim(void **state)
{
	char all[2048];
	struct rig r;

	(void)state;
	rig_start(&r, LOCAL(""));
	snprintf(all, sizeof(all),
		 "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: "
		 "x\r\n\r\n%s",
		 plain_answer());
	for (size_t step = 0; step < 3; step++) {
		ask_with(&r, DEAR, "1.1");
		local_says(&r, all, strlen(all), step);
		local_ends(&r);
		assert_string_equal(body_of(&r), BODY_OF("tiny"));
	}
	rig_stop(&r);
}

/* Nobody there, nothing that can be sent there: the next action. */
static void test_not_possible(void **state)
{
	char two[8192];
	struct rig r;

	(void)state;
	rig_start(&r, LOCAL(""));
	connect_local(&r);
	there.gone = true;
	rig_write(&r, request(""), strlen(request("")), 0);
	assert_int_equal(there.asked, 1);
	assert_refused(&r);
	/* an earlier request still waits for the provider's answer */
	snprintf(two, sizeof(two),
		 "GET /v1/models HTTP/1.1\r\nHost: api.openai.com\r\n\r\n%s",
		 request(""));
	connect_local(&r);
	rig_write(&r, two, strlen(two), 0);
	assert_int_equal(there.asked, 0);
	assert_true(r.server.len);
	rig_stop(&r);
}

static void test_config(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, LOCAL(", model: \"a\\\"b\""));
	ask_with(&r, DEAR, "1.1");
	assert_non_null(strstr(there.request, "\"model\":\"a\\\"b\""));
	rig_stop(&r);
	/* a soft limit prefers it; the call fits all the same */
	rig_start(&r, BUDGETS BUDGET("cap", "global", "1",
				     ", on_soft: {at: 0.000001, local: "
				     "\"unix:/m:/v1\"}"));
	send_body(&r, DEAR);
	answered(&r, answer_of("gpt-4o", 10), 1);
	ask_with(&r, DEAR, "1.1");
	assert_int_equal(there.asked, 1);
	assert_string_equal(there.host, "/m");
	rig_stop(&r);
}

/* The connection goes while it is answered: what came is in the row. */
static void test_dropped(void **state)
{
	struct lg_row row;
	struct rig r;

	(void)state;
	rig_start(&r, LOCAL(""));
	ask_with(&r, DEAR, "1.1");
	rig_close(&r);
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.verdict, LG_VERDICT_LOCAL);
	assert_int_equal(row.cost_pusd, 0);
	assert_int_equal(used_of(&r, "cap"), 0);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_completions),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_interim),
		cmocka_unit_test(test_not_possible),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
