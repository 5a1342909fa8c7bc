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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
