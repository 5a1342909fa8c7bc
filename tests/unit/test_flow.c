#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/money.h"
#include "budget/region.h"
#include "flow_rig.h"

#define BODY                                                                   \
	"{\"model\":\"gpt-4o-mini\",\"max_tokens\":100,\"messages\":[{"        \
	"\"role\":\"user\",\"content\":\"hello there\"}]}"
#define ANSWER_BODY                                                            \
	"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"model\":"     \
	"\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{"   \
	"\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":"        \
	"\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,"   \
	"\"total_tokens\":11}}"

static char text[1 << 20];

static const char *request(const char *extra)
{
	snprintf(text, sizeof(text),
		 "POST /v1/chat/completions HTTP/1.1\r\n"
		 "Host: api.openai.com\r\nAuthorization: Bearer sk-test\r\n"
		 "Content-Type: application/json\r\n%s"
		 "Content-Length: %zu\r\n\r\n%s",
		 extra, strlen(BODY), BODY);
	return text;
}

static const char *answer(void)
{
	static char out[4096];

	snprintf(out, sizeof(out),
		 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 strlen(ANSWER_BODY), ANSWER_BODY);
	return out;
}

static void assert_buf(const struct lg_buf *b, const char *want)
{
	assert_int_equal(b->len, strlen(want));
	assert_memory_equal(b->p, want, b->len);
}

static void one_exchange(struct rig *r, size_t wstep, size_t rstep)
{
	const char *req = request(""), *ans = answer();

	rig_connect(r, "api.openai.com");
	rig_write(r, req, strlen(req), wstep);
	assert_buf(&r->server, req);
	rig_answer(r, ans, strlen(ans), rstep);
	assert_buf(&r->program, ans);
}

static void test_one(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, NULL);
	one_exchange(&r, 0, 0);
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_string_equal(row.model, "gpt-4o-mini-2024-07-18");
	assert_string_equal(row.model_requested, "gpt-4o-mini");
	assert_string_equal(row.provider, "openai");
	assert_string_equal(row.dialect, "openai-chat");
	assert_string_equal(row.endpoint, "/v1/chat/completions");
	assert_int_equal(row.input_tokens, 9);
	assert_int_equal(row.output_tokens, 2);
	assert_int_equal(row.status, 200);
	assert_int_equal(row.usage_state, LG_USAGE_EXACT);
	assert_int_equal(row.price_state, LG_PRICED_EXACT);
	/* 9 * 0.15 + 2 * 0.60 per million */
	assert_int_equal(row.cost_pusd, 9 * 150000 + 2 * 600000);
	assert_int_equal(row.input_cost_pusd + row.output_cost_pusd,
			 row.cost_pusd);
	assert_int_equal(strlen(row.key), 12);
	rig_stop(&r);
}

static void test_block(void **state)
{
	struct rig r;
	struct lg_row row;
	const char *req = request("");

	(void)state;
	rig_start(&r, "version: 1\nbudgets:\n  - {name: none, scope: global, "
		      "period: monthly, limit_usd: 0, hard: true}\n");
	rig_connect(&r, "api.openai.com");
	rig_write(&r, req, strlen(req), 0);
	assert_int_equal(r.server.len, 0);
	assert_true(r.woken);
	assert_true(lg_flow_is_shut(r.f));
	lg_buf_putc(&r.program, '\0');
	assert_non_null(strstr(r.program.p, "HTTP/1.1 429"));
	assert_non_null(strstr(r.program.p, "x-should-retry: false\r\n"));
	assert_non_null(strstr(r.program.p, "retry-after: "));
	assert_non_null(strstr(r.program.p, "\"none\""));
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.verdict, LG_VERDICT_BLOCK);
	assert_int_equal(row.cost_pusd, 0);
	assert_true(row.estimate_pusd > 0);
	assert_string_equal(row.budgets, "none");
	rig_stop(&r);
}

#define CAP(usd, more)                                                         \
	"version: 1\nbudgets:\n  - {name: cap, scope: global, period: "        \
	"monthly, limit_usd: " usd ", hard: true" more "}\n"

static void send_body(struct rig *r, const char *body)
{
	snprintf(text, sizeof(text),
		 "POST /v1/chat/completions HTTP/1.1\r\n"
		 "Host: api.openai.com\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 strlen(body), body);
	rig_connect(r, "api.openai.com");
	rig_write(r, text, strlen(text), 0);
}

/* Is the connection's 429 whole: a head, its length, a JSON object? */
static void assert_refused(struct rig *r)
{
	char *body, *length;

	assert_int_equal(r->server.len, 0);
	lg_buf_putc(&r->program, '\0');
	assert_non_null(strstr(r->program.p, "HTTP/1.1 429 "));
	body = strstr(r->program.p, "\r\n\r\n");
	length = strstr(r->program.p, "content-length: ");
	assert_non_null(body);
	assert_non_null(length);
	assert_int_equal(strtoul(length + 16, NULL, 10), strlen(body + 4));
	assert_int_equal(body[4], '{');
	assert_true(lg_flow_is_shut(r->f));
}

static int64_t used_of(struct rig *r, const char *name)
{
	struct lg_region *region = lg_engine_region(r->e);
	struct lg_cell_view v;

	for (unsigned i = 0; i < lg_cell_count(region); i++)
		if (!lg_cell_view(region, i, &v) && !strcmp(v.name, name))
			return v.used_pusd;
	return -1;
}

static void test_absurd_requests(void **state)
{
	static const char *const bodies[] = {
		"{\"model\":\"gpt-4o-mini\",\"max_tokens\":1e400,\"messages\":"
		"[]}",
		"{\"model\":\"gpt-4o-mini\",\"max_tokens\":"
		"18446744073709551615,\"n\":4294967295,\"messages\":[]}",
		"{\"model\":\"gpt-4o-mini\",\"n\":1e18,\"messages\":[]}",
		"{\"model\":\"x\\u0000\\u001b[31m\",\"max_tokens\":1e15}",
		"{\"model\":",
		"not json",
		"[]",
		"{}",
		"{{{{",
		"{\"model\":\"a\",\"model\":\"b\"}",
		"\"x\"",
		"1",
	};
	struct rig r;

	(void)state;
	rig_start(&r, CAP("5", ""));
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		send_body(&r, bodies[i]);
		if (r.server.len)
			assert_buf(&r.server, text);
		else
			assert_refused(&r);
		rig_close(&r);
		assert_int_equal(rig_rows(&r, NULL), i + 1);
	}
	rig_stop(&r);
}

/* Any cut of request and answer gives the same bytes and the same row. */
static void test_every_cut(void **state)
{
	struct lg_row want, row;
	struct rig r;
	const char *req, *ans;
	size_t n;

	(void)state;
	rig_start(&r, NULL);
	one_exchange(&r, 0, 0);
	assert_int_equal(rig_rows(&r, &want), 1);
	req = strdup(request(""));
	ans = answer();
	n = strlen(req) > strlen(ans) ? strlen(req) : strlen(ans);
	for (size_t cut = 1; cut < n; cut++) {
		size_t q = cut < strlen(req) ? cut : 1;
		size_t a = cut < strlen(ans) ? cut : 1;

		rig_connect(&r, "api.openai.com");
		rig_write(&r, req, q, 0);
		rig_write(&r, req + q, strlen(req) - q, 0);
		assert_buf(&r.server, req);
		rig_answer(&r, ans, a, 0);
		rig_answer(&r, ans + a, strlen(ans) - a, 0);
		assert_buf(&r.program, ans);
	}
	assert_int_equal(rig_rows(&r, &row), n);
	assert_int_equal(row.cost_pusd, want.cost_pusd);
	assert_int_equal(row.estimate_pusd, want.estimate_pusd);
	assert_int_equal(row.flags, want.flags);
	assert_int_equal(row.request_bytes, want.request_bytes);
	assert_int_equal(row.response_bytes, want.response_bytes);
	free((void *)(uintptr_t)req);
	rig_stop(&r);
}

static void test_pipelining(void **state)
{
	struct rig r;
	struct lg_row row;
	char *twice;
	const char *ans = answer();

	(void)state;
	rig_start(&r, NULL);
	for (size_t step = 0; step < 40; step += 13) {
		size_t n = strlen(request(""));

		twice = malloc(3 * n + 1);
		strcpy(twice, text);
		strcat(twice, text);
		strcat(twice, text);
		rig_connect(&r, "api.openai.com");
		rig_write(&r, twice, 3 * n, step);
		assert_buf(&r.server, twice);
		for (unsigned i = 0; i < 3; i++)
			rig_answer(&r, ans, strlen(ans), step);
		assert_int_equal(r.program.len, 3 * strlen(ans));
		free(twice);
	}
	rig_close(&r);
	assert_int_equal(rig_rows(&r, &row), 12);
	assert_int_equal(row.output_tokens, 2);
	rig_stop(&r);
}

/* The refusal comes after the answers that were still due. */
static void test_block_behind_answers(void **state)
{
	struct rig r;
	const char *ans = answer();
	char *all;

	(void)state;
	/* room for one held request of 100 tokens, not for two */
	rig_start(&r, CAP("0.00009", ""));
	rig_connect(&r, "api.openai.com");
	rig_write(&r, request(""), strlen(request("")), 0);
	rig_write(&r, request(""), strlen(request("")), 0);
	rig_write(&r, "junk after a refusal", 20, 3);
	assert_buf(&r.server, request(""));
	assert_int_equal(r.program.len, 0);
	assert_false(lg_flow_is_shut(r.f));
	rig_answer(&r, ans, strlen(ans), 5);
	lg_buf_putc(&r.program, '\0');
	all = r.program.p;
	assert_memory_equal(all, ans, strlen(ans));
	assert_memory_equal(all + strlen(ans), "HTTP/1.1 429", 12);
	assert_true(lg_flow_wants_wakeup(r.f));
	assert_true(lg_flow_is_shut(r.f));
	assert_non_null(strstr(all, "x-should-retry: true"));
	assert_non_null(strstr(all, "retry-after: 1\r\n"));
	assert_int_equal(rig_rows(&r, NULL), 2);
	rig_stop(&r);
}

static void test_expect(void **state)
{
	struct rig r;
	const char *req = request("Expect: 100-continue\r\n");
	size_t head = (size_t)(strstr(req, "\r\n\r\n") + 4 - req);
	const char *ans = answer();
	char both[5000];

	(void)state;
	rig_start(&r, NULL);
	snprintf(both, sizeof(both), "HTTP/1.1 100 Continue\r\n\r\n%s", ans);
	for (size_t step = 0; step < 30; step++) {
		rig_connect(&r, "api.openai.com");
		rig_write(&r, req, head, 0);
		assert_int_equal(r.server.len, 0);
		assert_buf(&r.program, "HTTP/1.1 100 Continue\r\n\r\n");
		r.program.len = 0;
		rig_write(&r, req + head, strlen(req) - head, 0);
		assert_buf(&r.server, req);
		/* the server's own 100, then without one */
		if (step % 2)
			rig_answer(&r, both, strlen(both), step);
		else
			rig_answer(&r, ans, strlen(ans), step);
		assert_buf(&r.program, ans);
		rig_close(&r);
		assert_int_equal(rig_rows(&r, NULL), step + 1);
	}
	rig_stop(&r);
}

static void test_headers_removed(void **state)
{
	struct rig r;
	struct lg_row row;
	const char *plain;
	const char *req = strdup(request(
		"X-LLMGuard-Project: shop\r\nx-llmguard-tags: a, b\r\n"
		"X-Other: stays\r\nx-llmguard-conversation: c1 my label\r\n"
		"x-llmguard-user: u1\r\nx-llmguard-phase: train\r\n"));

	(void)state;
	rig_start(&r, NULL);
	r.env.project = "from-env";
	r.env.user = "env-user";
	rig_open(&r);
	rig_connect(&r, "api.openai.com");
	rig_write(&r, req, strlen(req), 9);
	plain = request("X-Other: stays\r\n");
	assert_buf(&r.server, plain);
	rig_answer(&r, answer(), strlen(answer()), 0);
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_string_equal(row.project, "shop");
	assert_string_equal(row.user, "u1");
	assert_string_equal(row.tags, "a\x1f"
				      "b");
	assert_string_equal(row.conversation, "c1");
	assert_string_equal(row.label, "my label");
	assert_string_equal(row.phase, "train");
	free((void *)(uintptr_t)req);
	rig_stop(&r);
}

/* -- ends that are not good ------------------------------------------------ */

#define STREAM_HEAD                                                            \
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"               \
	"Transfer-Encoding: chunked\r\n\r\n"
#define EVENT                                                                  \
	"data: {\"id\":\"c\",\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\"" \
	":[{\"index\":0,\"delta\":{\"content\":\"twelve bytes\"}}]}\n\n"

static void stream_events(struct rig *r, unsigned n)
{
	char chunk[512];

	rig_answer(r, STREAM_HEAD, strlen(STREAM_HEAD), 0);
	while (n--) {
		snprintf(chunk, sizeof(chunk), "%zx\r\n%s\r\n", strlen(EVENT),
			 EVENT);
		rig_answer(r, chunk, strlen(chunk), 0);
	}
}

static void test_stream_cut(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, CAP("5", ""));
	rig_connect(&r, "api.openai.com");
	rig_write(&r, request(""), strlen(request("")), 0);
	stream_events(&r, 4);
	rig_close(&r);
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.usage_state, LG_USAGE_ESTIMATED);
	assert_true(row.flags & LG_ROW_CUT_SHORT);
	assert_int_equal(row.output_tokens, 12);
	assert_true(row.cost_pusd > 0);
	assert_int_equal(used_of(&r, "cap"), row.cost_pusd);
	rig_stop(&r);
}

static void test_no_answer(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, CAP("5", ""));
	rig_connect(&r, "api.openai.com");
	rig_write(&r, request(""), strlen(request("")), 0);
	assert_true(used_of(&r, "cap") > 0);
	lg_flow_eof(r.f);
	rig_close(&r);
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.usage_state, LG_USAGE_MISSING);
	assert_int_equal(row.cost_pusd, row.estimate_pusd);
	assert_int_equal(used_of(&r, "cap"), row.cost_pusd);
	rig_stop(&r);
}

/* What never left whole cost nothing, and nothing stays held. */
static void test_never_sent(void **state)
{
	struct rig r;
	struct lg_row row;
	enum lg_flow_gate gate;
	struct lg_slice out;
	const char *req = request("");
	size_t at = 0;

	(void)state;
	rig_start(&r, CAP("5", ""));
	rig_connect(&r, "api.openai.com");
	while (at < strlen(req))
		at += lg_flow_offer(r.f, req + at, strlen(req) - at, &gate);
	assert_true(lg_flow_out(r.f, &out));
	lg_flow_sent(r.f, out.len - 1);
	assert_true(used_of(&r, "cap") > 0);
	lg_flow_write_failed(r.f);
	assert_false(lg_flow_out(r.f, &out));
	rig_close(&r);
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.cost_pusd, 0);
	assert_int_equal(used_of(&r, "cap"), 0);
	/* half a request: not even a row */
	rig_connect(&r, "api.openai.com");
	rig_write(&r, req, strlen(req) - 3, 0);
	rig_close(&r);
	assert_int_equal(rig_rows(&r, NULL), 1);
	rig_stop(&r);
}

static void test_error_costs_nothing(void **state)
{
	static const char ans[] =
		"HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\n"
		"Content-Length: "
		"30\r\n\r\n{\"error\":{\"message\":\"sorry!!\"}}";
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, CAP("5", ""));
	rig_connect(&r, "api.openai.com");
	rig_write(&r, request(""), strlen(request("")), 0);
	rig_answer(&r, ans, sizeof(ans) - 1, 0);
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.status, 500);
	assert_int_equal(row.cost_pusd, 0);
	assert_int_equal(row.usage_state, LG_USAGE_EXACT);
	assert_int_equal(used_of(&r, "cap"), 0);
	rig_stop(&r);
}

/* Answers that are not HTTP, or lie: bytes pass, money is kept. */
static void test_bad_answers(void **state)
{
	static const char *const bad[] = {
		"HTTP/9.9 hello\r\n\r\n",
		"not http at all, but long enough to be read as a head\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n"
		"\r\nhello!",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"ffffffffffffffffff\r\n",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: "
		"5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Encoding: what\r\nContent-Length: "
		"5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		"Content-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"\r\n\r\n\r\n",
		"",
	};
	struct rig r;
	struct lg_row row;
	unsigned rows = 0;

	(void)state;
	rig_start(&r, CAP("5", ""));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (size_t step = 0; step < 2; step++) {
			rig_connect(&r, "api.openai.com");
			rig_write(&r, request(""), strlen(request("")), 0);
			rig_answer(&r, bad[i], strlen(bad[i]), step);
			assert_buf(&r.program, bad[i]);
			lg_flow_eof(r.f);
			rig_close(&r);
			assert_int_equal(rig_rows(&r, &row), ++rows);
			assert_int_equal(row.cost_pusd, row.estimate_pusd);
			assert_int_equal(row.usage_state, LG_USAGE_MISSING);
		}
	}
	assert_int_equal(used_of(&r, "cap"), rows * row.cost_pusd);
	rig_stop(&r);
}

/* -- what passes ------------------------------------------------------------
 */

static void test_free_and_unknown(void **state)
{
	static const char get[] = "GET /v1/models HTTP/1.1\r\nHost: "
				  "api.openai.com\r\n\r\n";
	static const char odd[] = "POST /v1/brand/new HTTP/1.1\r\nHost: "
				  "api.openai.com\r\nTransfer-Encoding: "
				  "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
	static const char ans[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
				  "{}";
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, CAP("0", ""));
	for (size_t step = 0; step < 5; step++) {
		rig_connect(&r, "api.openai.com");
		rig_write(&r, get, sizeof(get) - 1, step);
		assert_buf(&r.server, get);
		rig_answer(&r, ans, sizeof(ans) - 1, step);
		assert_int_equal(rig_rows(&r, &row), 2 * step + 1);
		assert_int_equal(row.usage_state, LG_USAGE_EXACT);
		assert_int_equal(row.price_state, LG_PRICED_EXACT);
		r.server.len = r.program.len = 0;
		rig_write(&r, odd, sizeof(odd) - 1, step);
		assert_buf(&r.server, odd);
		rig_answer(&r, ans, sizeof(ans) - 1, step);
		assert_buf(&r.program, ans);
		assert_int_equal(rig_rows(&r, &row), 2 * step + 2);
		assert_int_equal(row.price_state, LG_PRICED_UNKNOWN);
		assert_int_equal(row.cost_pusd, 0);
	}
	rig_stop(&r);
}

static void test_path_guarded(void **state)
{
	struct rig r;
	struct lg_row row;
	char req[2000];
	static const char other[] = "POST /upload HTTP/1.1\r\nHost: x.example"
				    "\r\nContent-Length: 5\r\n\r\nhello";

	(void)state;
	rig_start(&r, CAP("5", ""));
	snprintf(req, sizeof(req),
		 "POST /v1/chat/completions HTTP/1.1\r\nHost: "
		 "llm.example:8443\r\nContent-Length: %zu\r\n\r\n%s",
		 strlen(BODY), BODY);
	rig_connect(&r, "");
	rig_write(&r, req, strlen(req), 0);
	rig_answer(&r, answer(), strlen(answer()), 0);
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_string_equal(row.provider, "llm.example");
	assert_int_equal(row.price_state, LG_PRICED_UNKNOWN);
	assert_true(row.cost_pusd > 0);
	/* a piece of an upload that begins like a request */
	rig_connect(&r, "");
	rig_write(&r, other, sizeof(other) - 1, 0);
	rig_write(&r, req, strlen(req), 0);
	assert_int_equal(r.server.len, sizeof(other) - 1 + strlen(req));
	assert_int_equal(rig_rows(&r, NULL), 1);
	/* once an answer began the next write is looked at again */
	rig_answer(&r, "HTTP/1.1 100 Continue\r\n\r\n", 25, 0);
	rig_write(&r, req, strlen(req), 0);
	assert_int_equal(rig_rows(&r, NULL), 1);
	rig_answer(&r, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 38, 0);
	rig_write(&r, req, strlen(req), 0);
	rig_answer(&r, answer(), strlen(answer()), 0);
	assert_int_equal(rig_rows(&r, NULL), 2);
	rig_stop(&r);
}

static void test_bad_request_framing(void **state)
{
	static const char *const bad[] = {
		"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
		"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
		"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\nzz\r\n",
		"\x16\x03\x01 not a request\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	};
	struct rig r;
	unsigned rows = 0;

	(void)state;
	rig_start(&r, NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (size_t step = 0; step < 3; step++) {
			rig_connect(&r, "api.openai.com");
			rig_write(&r, bad[i], strlen(bad[i]), step);
			assert_buf(&r.server, bad[i]);
			rig_answer(&r, answer(), strlen(answer()), step);
			rig_close(&r);
			assert_int_equal(rig_rows(&r, NULL), ++rows);
		}
	}
	rig_stop(&r);
}

static void test_oversize(void **state)
{
	struct rig r;
	struct lg_row row;
	size_t body = 200000, head;

	(void)state;
	rig_start(&r, CAP("5", "") "hold_max_bytes: 65536\n");
	head = (size_t)snprintf(text, sizeof(text),
				"POST /v1/chat/completions HTTP/1.1\r\n"
				"Host: api.openai.com\r\n"
				"Content-Length: %zu\r\n\r\n"
				"{\"model\":\"gpt-4o-mini\",\"messages\":\"",
				body);
	head = (size_t)(strstr(text, "\r\n\r\n") + 4 - text);
	memset(text + strlen(text), 'x', body);
	memcpy(text + head + body - 2, "\"}", 3);
	for (size_t step = 0; step <= 70000; step += 35000) {
		rig_connect(&r, "api.openai.com");
		rig_write(&r, text, head + body, step);
		assert_int_equal(r.server.len, head + body);
		assert_memory_equal(r.server.p, text, head + body);
		rig_answer(&r, answer(), strlen(answer()), 0);
		rig_close(&r);
		rig_rows(&r, &row);
		assert_true(row.flags & LG_ROW_OVERSIZE);
		assert_string_equal(row.model_requested, "gpt-4o-mini");
		assert_int_equal(row.output_tokens, 2);
	}
	rig_stop(&r);
	rig_start(&r, CAP("5", ", mode: strict") "hold_max_bytes: 65536\n");
	rig_connect(&r, "api.openai.com");
	rig_write(&r, text, head + body, 0);
	assert_refused(&r);
	rig_rows(&r, &row);
	assert_string_equal(row.reason, "unbounded");
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_absurd_requests),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_pipelining),
		cmocka_unit_test(test_block_behind_answers),
		cmocka_unit_test(test_expect),
		cmocka_unit_test(test_headers_removed),
		cmocka_unit_test(test_stream_cut),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_never_sent),
		cmocka_unit_test(test_error_costs_nothing),
		cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_free_and_unknown),
		cmocka_unit_test(test_path_guarded),
		cmocka_unit_test(test_bad_request_framing),
		cmocka_unit_test(test_oversize),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
