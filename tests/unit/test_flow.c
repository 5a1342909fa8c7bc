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

		rig_forget(&r);
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

/* Answers that follow one another are one conversation: that of the first. */
static void test_conversation_chain(void **state)
{
	struct lg_row row;
	char q[600], a[600], body[200];
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	for (unsigned i = 1; i <= 4; i++) {
		snprintf(body, sizeof(body),
			 "{\"model\":\"gpt-4o-mini\",\"input\":\"x\","
			 "\"previous_response_id\":\"resp_%u\"}",
			 i - 1);
		snprintf(q, sizeof(q),
			 "POST /v1/responses HTTP/1.1\r\nHost: api.openai.com"
			 "\r\nContent-Length: %zu\r\n\r\n%s",
			 strlen(body), body);
		snprintf(body, sizeof(body),
			 "{\"id\":\"resp_%u\",\"model\":\"gpt-4o-mini\","
			 "\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}",
			 i);
		snprintf(a, sizeof(a),
			 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			 "Content-Length: %zu\r\n\r\n%s",
			 strlen(body), body);
		rig_connect(&r, "api.openai.com");
		rig_write(&r, q, strlen(q), 0);
		rig_answer(&r, a, strlen(a), 0);
		assert_int_equal(rig_rows(&r, &row), i);
		assert_string_equal(row.conversation, "resp_0");
	}
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
		cmocka_unit_test(test_conversation_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
