#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/money.h"
#include "budget/region.h"
#include "degrade_help.h"

static void test_fallback(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, BUDGETS BUDGET("cap", "global", "0.0005",
				     ", on_hard: [{action: fallback, model: "
				     "gpt-4o-mini}, block]"));
	send_body(&r, DEAR);
	assert_body(&r, ASK("gpt-4o-mini", ",\"max_tokens\":100"));
	row = answered(&r, answer_of("gpt-4o-mini-2024-07-18", 2), 1);
	assert_string_equal(row.model_requested, "gpt-4o");
	assert_string_equal(row.model, "gpt-4o-mini-2024-07-18");
	assert_int_equal(row.verdict, LG_VERDICT_FALLBACK);
	assert_string_equal(row.reason, "over_budget");
	assert_true(row.flags & LG_ROW_FALLBACK);
	assert_int_equal(row.cost_pusd, 9 * 150000 + 2 * 600000);
	assert_int_equal(used_of(&r, "cap"), row.cost_pusd);
	rig_stop(&r);
}

/* The budgets of the new model are asked, those of the old one let go. */
static void test_budgets_anew(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, BUDGETS BUDGET("dear", "model:gpt-4o", "0.0005",
				     ", on_hard: [{fallback: gpt-4o-mini}]")
			      BUDGET("small", "model:gpt-4o-mini", "1", "")
				      BUDGET("all", "global", "1", ""));
	send_body(&r, DEAR);
	assert_body(&r, ASK("gpt-4o-mini", ",\"max_tokens\":100"));
	assert_int_equal(used_of(&r, "dear"), 0);
	assert_true(used_of(&r, "small") > 0);
	row = answered(&r, answer_of("gpt-4o-mini-2024-07-18", 2), 1);
	assert_string_equal(row.budgets, "all\x1fsmall");
	assert_int_equal(used_of(&r, "small"), row.cost_pusd);
	assert_int_equal(used_of(&r, "all"), row.cost_pusd);
	/* and so does a region that is built from the ledger */
	rig_close(&r);
	assert_int_equal(unlink(r.region), 0);
	rig_open(&r);
	send_body(&r, ASK("gpt-4o-mini", ",\"max_tokens\":1"));
	assert_true(used_of(&r, "small") > row.cost_pusd);
	rig_close(&r);
	send_body(&r, ASK("gpt-4o", ",\"max_tokens\":1"));
	rig_close(&r);
	assert_true(used_of(&r, "dear") < row.cost_pusd + 60000000);
	rig_stop(&r);
}

/* The largest output that fits; it costs no more than what was left. */
static void test_clamp(void **state)
{
	char yaml[512];
	struct rig r;
	struct lg_row row;
	unsigned long cap, last = 0;

	(void)state;
	for (unsigned limit = 300; limit < 2000; limit += 100) {
		snprintf(yaml, sizeof(yaml),
			 BUDGETS BUDGET("cap", "global", "0.%07u",
					", on_hard: [{action: clamp, "
					"min_output_tokens: 5}, block]"),
			 limit * 10);
		rig_start(&r, yaml);
		send_body(&r, ASK("gpt-4o", ",\"max_tokens\":1000"));
		if (!r.server.len) {
			assert_true(limit < 400);
			assert_refused(&r);
			rig_stop(&r);
			continue;
		}
		cap = cap_in(&r, "\"max_tokens\":");
		assert_true(cap >= 5 && cap < 1000 && cap > last);
		last = cap;
		assert_true(used_of(&r, "cap") <= limit * 1000000ll);
		/* not one token more would have fitted */
		assert_true(used_of(&r, "cap") + 10000000 > limit * 1000000ll);
		row = answered(&r, answer_of("gpt-4o", (unsigned)cap), 1);
		assert_int_equal(row.verdict, LG_VERDICT_CLAMP);
		assert_true(row.cost_pusd <= limit * 1000000ll);
		rig_stop(&r);
	}
	assert_true(last > 100);
}

static void test_clamp_kinds(void **state)
{
	static const char *const chain =
		BUDGETS BUDGET("cap", "global", "0.002", ", on_hard: [clamp]");
	struct rig r;
	unsigned long one, two;

	(void)state;
	/* where none was said, with choices, of the newer name */
	rig_start(&r, chain);
	send_body(&r, ASK("gpt-4o", ""));
	one = cap_in(&r, "\"max_completion_tokens\":");
	rig_close(&r);
	rig_stop(&r);
	rig_start(&r, chain);
	send_body(&r, ASK("gpt-4o", ",\"n\":2"));
	two = cap_in(&r, "\"max_completion_tokens\":");
	assert_true(two < one && two > one / 3);
	rig_stop(&r);
	/* not even the least output fits */
	rig_start(&r, BUDGETS BUDGET("cap", "global", "0.0003",
				     ", on_hard: [clamp, block]"));
	send_body(&r, ASK("gpt-4o", ",\"max_tokens\":1000"));
	assert_refused(&r);
	rig_stop(&r);
	/* strict without any bound: clamped, that is one */
	rig_start(&r, "version: 1\nmodels:\n  - {match: mine, pricing_id: "
		      "openai/gpt-4o}\n"
		      "budgets:\n" BUDGET("cap", "global", "0.01",
					  ", mode: strict, on_hard: [clamp]"));
	send_body(&r, ASK("gpt-4o", ",\"max_tokens\":100000"));
	assert_true(cap_in(&r, "\"max_tokens\":") > 500);
	rig_stop(&r);
}

/* From the soft limit on, though it would fit. */
static void test_soft(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, BUDGETS BUDGET("cap", "global", "1",
				     ", on_soft: [{at: 0.5, fallback: "
				     "[nothing-known, gpt-4o-mini]}]"));
	spend(&r, 10000, 1);
	assert_body(&r, ASK("gpt-4o", ",\"max_tokens\":10"));
	spend(&r, 40000, 2); /* $0.5 */
	send_body(&r, DEAR);
	/* an unknown model is the dearest of its provider: tried, it fits */
	assert_body(&r, ASK("nothing-known", ",\"max_tokens\":100"));
	rig_close(&r);
	rig_stop(&r);

	rig_start(&r, BUDGETS BUDGET("cap", "global", "1",
				     ", on_soft: [{at: 0.5, fallback: "
				     "gpt-4o-mini}]"));
	spend(&r, 50000, 1);
	send_body(&r, DEAR);
	assert_body(&r, ASK("gpt-4o-mini", ",\"max_tokens\":100"));
	row = answered(&r, answer_of("gpt-4o-mini", 2), 2);
	assert_int_equal(row.verdict, LG_VERDICT_FALLBACK);
	assert_string_equal(row.reason, "soft_limit");
	/* the default is block: but the soft chain comes before it */
	send_body(&r, ASK("gpt-4o", ",\"max_tokens\":100000"));
	assert_int_equal(
		strncmp(server_body(&r), "{\"model\":\"gpt-4o-mini\"", 22), 0);
	rig_stop(&r);
}

static bool yes(void *arg)
{
	(void)arg;
	return true;
}

static void test_throttle(void **state)
{
	static const char *const chain =
		BUDGETS BUDGET("cap", "global", "1",
			       ", on_soft: {at: 0.5, action: throttle, "
			       "max_delay_ms: 1500}");
	struct lg_flow_peer peer = {.host = LG_SLICE("api.openai.com"),
				    .guarded = true,
				    .may_sleep = yes};
	struct rig r;
	struct lg_row row;
	int64_t nap;

	(void)state;
	rig_start(&r, chain);
	spend(&r, 60000, 1);
	spend(&r, 1, 2); /* the first past it goes at once */
	/* a program that cannot wait is told when to come back */
	send_body(&r, DEAR);
	assert_refused(&r);
	assert_non_null(strstr(r.program.p, "retry-after: 2\r\n"));
	assert_non_null(strstr(r.program.p, "x-should-retry: true"));
	assert_int_equal(rig_rows(&r, &row), 3);
	assert_int_equal(row.verdict, LG_VERDICT_THROTTLE);
	assert_string_equal(row.reason, "throttled");
	assert_int_equal(row.cost_pusd, 0);
	/* one that can is held up so long */
	rig_close(&r);
	r.f = lg_flow_new(r.e, &peer);
	rig_write(&r, text, strlen(text), 0);
	assert_body(&r, DEAR);
	nap = lg_flow_take_nap(r.f);
	assert_true(nap > 500000000 && nap <= 1500000000);
	assert_int_equal(lg_flow_take_nap(r.f), 0);
	row = answered(&r, answer_of("gpt-4o", 2), 4);
	assert_int_equal(row.verdict, LG_VERDICT_THROTTLE);
	assert_string_equal(row.reason, "soft_limit");
	rig_stop(&r);
}

/* A process that is stopped goes on as if it came only then. */
static void test_stop(void **state)
{
	struct rig r;
	struct lg_row row;
	int status;
	pid_t pid;

	(void)state;
	rig_start(&r,
		  BUDGETS BUDGET("cap", "global", "0.0005", ", on_hard: stop"));
	fflush(NULL);
	pid = fork();
	if (!pid) {
		lg_engine_after_fork();
		send_body(&r, DEAR);
		_exit(r.server.len ? 0 : 1);
	}
	for (int i = 0; i < 2; i++) {
		struct lg_hold_view v;
		struct lg_row kept;
		unsigned k = 0, seen = 0;

		assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
		assert_true(WIFSTOPPED(status));
		for (; k < lg_hold_slots(lg_engine_region(r.e)); k++)
			if (!lg_hold_view(lg_engine_region(r.e), k, &v,
					  &kept) &&
			    v.pid == pid) {
				seen++;
				assert_int_equal(kept.verdict, LG_VERDICT_STOP);
			}
		assert_int_equal(seen, 1);
		if (i) {
			rig_close(&r);
			put_file(r.config,
				 BUDGETS BUDGET("cap", "global", "1", ""));
			usleep(1200000);
		}
		kill(pid, SIGCONT);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	lg_engine_refresh(r.e);
	(void)row;
	rig_stop(&r);
}

/* Wherever the program's writes are cut, chunked or not, one after another. */
static void test_every_cut(void **state)
{
	static const char *const heads[] = {"Content-Length: %zu\r\n\r\n",
					    "Transfer-Encoding: chunked\r\n"
					    "\r\n%zx\r\n"};
	struct rig r;
	char *server = NULL;
	unsigned rows = 0;

	(void)state;
	rig_start(&r, BUDGETS BUDGET("cap", "model:gpt-4o", "0.0005",
				     ", on_hard: [{fallback: gpt-4o-mini}]"));
	for (unsigned k = 0; k < 2; k++) {
		size_t n;

		snprintf(want, sizeof(want),
			 "POST /v1/chat/completions HTTP/1.1\r\n"
			 "Host: api.openai.com\r\nContent-Type: "
			 "application/json\r\n%s",
			 heads[k]);
		n = (size_t)snprintf(text, sizeof(text), want, strlen(DEAR));
		strcpy(text + n, DEAR);
		strcat(text + n, k ? "\r\n0\r\n\r\n" : "");
		n = strlen(text);
		free(server);
		server = NULL;
		for (size_t step = 0; step < n; step += step < 20 ? 1 : 7) {
			rig_connect(&r, "api.openai.com");
			for (unsigned again = 0; again < 2; again++) {
				r.server.len = r.program.len = 0;
				rig_write(&r, text, n, step);
				lg_buf_putc(&r.server, '\0');
				if (!server)
					server = strdup(r.server.p);
				assert_string_equal(r.server.p, server);
				answered(&r, answer_of("gpt-4o-mini", 2),
					 ++rows);
				assert_buf(&r.program,
					   answer_of("gpt-4o-mini", 2));
			}
		}
		assert_non_null(strstr(server, "\"gpt-4o-mini\""));
	}
	free(server);
	rig_stop(&r);
}

/* What cannot be rewritten goes on to the next action. */
static void test_not_possible(void **state)
{
	static const char *const fields[] = {
		"Content-Encoding: gzip\r\n", /* it is not */
		"Content-MD5: x\r\n",
		"Authorization: AWS4-HMAC-SHA256 Credential=a, "
		"SignedHeaders=host, Signature=b\r\n",
		"Authorization: Signature keyId=\"a\",signature=\"b\"\r\n",
	};
	struct rig r;

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		rig_start(&r, BUDGETS BUDGET("cap", "global", "0.0005",
					     ", on_hard: [{fallback: "
					     "gpt-4o-mini}, clamp, block]"));
		snprintf(text, sizeof(text),
			 "POST /v1/chat/completions HTTP/1.1\r\n"
			 "Host: api.openai.com\r\n%sContent-Type: "
			 "application/json\r\nContent-Length: %zu\r\n\r\n%s",
			 fields[i], strlen(DEAR), DEAR);
		rig_connect(&r, "api.openai.com");
		rig_write(&r, text, strlen(text), 0);
		assert_refused(&r);
		assert_int_equal(used_of(&r, "cap"), 0);
		rig_stop(&r);
	}
}

static void send_claude(struct rig *r, const char *body)
{
	snprintf(text, sizeof(text),
		 "POST /v1/messages HTTP/1.1\r\nHost: api.anthropic.com\r\n"
		 "x-api-key: k\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 strlen(body), body);
	rig_connect(r, "api.anthropic.com");
	rig_write(r, text, strlen(text), 0);
}

#define THINK(budget)                                                          \
	"{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":8000,\"thinking\":{"  \
	"\"type\":\"enabled\",\"budget_tokens\":" budget "},\"messages\":[{"   \
	"\"role\":\"user\",\"content\":\"hi\"}]}"

/* The output has to be more than what may be thought. */
static void test_thinking(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, BUDGETS BUDGET("cap", "global", "0.05",
				     ", on_hard: [clamp, block]"));
	send_claude(&r, THINK("2000"));
	assert_true(cap_in(&r, "\"max_tokens\":") > 2000);
	rig_close(&r);
	rig_stop(&r);
	rig_start(&r, BUDGETS BUDGET("cap", "global", "0.05",
				     ", on_hard: [clamp, block]"));
	send_claude(&r, THINK("4000"));
	assert_refused(&r);
	rig_stop(&r);
}

/* A soft clamp that has nothing to lower changes nothing. */
static void test_soft_clamp(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, BUDGETS BUDGET("cap", "global", "1",
				     ", on_soft: {at: 0.5, action: clamp}"));
	spend(&r, 60000, 1);
	send_body(&r, DEAR);
	assert_body(&r, DEAR);
	row = answered(&r, answer_of("gpt-4o", 2), 2);
	assert_int_equal(row.verdict, LG_VERDICT_WARN);
	/* without a cap it gets one that it cannot exceed */
	send_body(&r, ASK("gpt-4o", ""));
	assert_int_equal(cap_in(&r, "\"max_completion_tokens\":"), 16384);
	row = answered(&r, answer_of("gpt-4o", 2), 3);
	assert_int_equal(row.verdict, LG_VERDICT_CLAMP);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fallback),
		cmocka_unit_test(test_budgets_anew),
		cmocka_unit_test(test_clamp),
		cmocka_unit_test(test_clamp_kinds),
		cmocka_unit_test(test_soft),
		cmocka_unit_test(test_throttle),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_not_possible),
		cmocka_unit_test(test_thinking),
		cmocka_unit_test(test_soft_clamp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
