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
#include "flow_texts.h"

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
