#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cut_rig.h"
#include "guard/cut.h"

/* Streams that are cut at the limit (guard/cut.h): what they cost. */

#define CHAT (&streams[0])
#define CHAT_HEAD                                                              \
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" CHUNKED "\r"  \
	"\n"

static void send_events(struct rig *r, const struct stream *s, unsigned n)
{
	struct lg_buf b, body;

	lg_buf_init(&b, 64 << 20);
	lg_buf_init(&body, 64 << 20);
	put_event(&body, s);
	while (n--)
		put_chunked(&b, body.p, body.len, SIZE_MAX / 2);
	rig_answer(r, b.p, b.len, 0);
	lg_buf_fini(&b);
	lg_buf_fini(&body);
}

static void send_head(struct rig *r)
{
	rig_answer(r, CHAT_HEAD, strlen(CHAT_HEAD), 0);
}

static int sum_row(void *ctx, const struct lg_row *row,
		   const struct lg_ledger_pos *after)
{
	int64_t *sum = ctx;

	(void)after;
	*sum += row->cost_pusd;
	return 0;
}

static int64_t ledger_sum(struct rig *r)
{
	struct lg_ledger_pos pos = {.file = ""};
	struct lg_ledger_stats stats = {0};
	int64_t sum = 0;

	lg_ledger_walk(lg_engine_ledger(r->e)->dir, &pos, INT64_MIN, sum_row,
		       &sum, &stats);
	return sum;
}

/* With room more and more is held; all of it comes back. */
static void test_room(void **state)
{
	struct rig r;
	struct lg_row row;
	int64_t first;
	unsigned most = 0;

	(void)state;
	rig_start(&r, BUDGET("5", ""));
	ask(&r, CHAT);
	first = used_of(&r, "cap");
	send_head(&r);
	for (unsigned i = 0; i < 2000; i++) {
		unsigned n;

		send_events(&r, CHAT, 1);
		n = live_slots(&r);
		most = n > most ? n : most;
	}
	assert_false(lg_flow_is_shut(r.f));
	assert_true(used_of(&r, "cap") > first * 500);
	assert_true(most > 3 && most <= LG_CUT_HOLDS_MAX + 1);
	rig_close(&r);
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.output_tokens, 2000 * 12);
	assert_int_equal(row.verdict, LG_VERDICT_ALLOW);
	assert_false(row.flags & LG_ROW_OVERSHOOT);
	assert_int_equal(used_of(&r, "cap"), row.cost_pusd);
	assert_int_equal(live_slots(&r), 0);
	rig_stop(&r);
}

/* What is held grows beyond all slots of a call. */
static void test_endless(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, BUDGET("5", ""));
	ask(&r, CHAT);
	send_head(&r);
	for (unsigned i = 0; i < 60000; i += 200) {
		send_events(&r, CHAT, 200);
		assert_true(live_slots(&r) <= LG_CUT_HOLDS_MAX + 1);
	}
	rig_close(&r);
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.output_tokens, 60000 * 12);
	assert_int_equal(used_of(&r, "cap"), row.cost_pusd);
	assert_int_equal(live_slots(&r), 0);
	rig_stop(&r);
}

static void test_soft(void **state)
{
	static const char *const yaml[] = {
		"version: 1\nbudgets:\n  - {name: cap, scope: global, period: "
		"monthly, limit_usd: 0.00002}\n",
		"version: 1\nbudgets:\n  - {name: cap, scope: global, period: "
		"monthly, limit_usd: 0.00002, hard: true, on_hard: warn}\n",
		"version: 1\n",
	};
	struct rig r;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		rig_start(&r, yaml[i]);
		ask(&r, CHAT);
		send_head(&r);
		send_events(&r, CHAT, 100);
		assert_false(lg_flow_is_shut(r.f));
		assert_true(live_slots(&r) <= 1);
		assert_false(lg_flow_edits(r.f));
		rig_stop(&r);
	}
}

/* The limit is raised while the stream is near it, then lowered. */
static void test_raised(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, BUDGET("0.0001", ""));
	ask(&r, CHAT);
	send_head(&r);
	send_events(&r, CHAT, 13);
	assert_false(lg_flow_is_shut(r.f));
	put_file(r.config, BUDGET("0.0002", ""));
	lg_engine_refresh(r.e);
	send_events(&r, CHAT, 13);
	assert_false(lg_flow_is_shut(r.f));
	assert_true(used_of(&r, "cap") > 100000000);
	put_file(r.config, BUDGET("0.00015", ""));
	lg_engine_refresh(r.e);
	send_events(&r, CHAT, 13);
	assert_true(lg_flow_is_shut(r.f));
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.verdict, LG_VERDICT_CUT);
	assert_int_equal(used_of(&r, "cap"), row.cost_pusd);
	assert_int_equal(live_slots(&r), 0);
	rig_stop(&r);
}

/* Two streams share what is left; together they stay within an event each. */
static void test_two(void **state)
{
	const int64_t limit = 100000000, event = 12 * 600000;
	struct rig r;
	struct lg_flow *one;
	struct lg_row row;
	unsigned n = 0;

	(void)state;
	rig_start(&r, BUDGET("0.0001", ""));
	ask(&r, CHAT);
	send_head(&r);
	one = r.f;
	r.f = NULL;
	ask(&r, CHAT);
	send_head(&r);
	while (n++ < 100) {
		struct lg_flow *other = r.f;

		if (!lg_flow_is_shut(r.f))
			send_events(&r, CHAT, 1);
		r.f = one;
		one = other;
		if (lg_flow_is_shut(r.f) && lg_flow_is_shut(one))
			break;
	}
	assert_true(n < 30);
	assert_int_equal(rig_rows(&r, &row), 2);
	assert_int_equal(row.verdict, LG_VERDICT_CUT);
	assert_true(used_of(&r, "cap") <= limit + 2 * event);
	assert_true(used_of(&r, "cap") > limit - 2 * event);
	assert_int_equal(used_of(&r, "cap"), ledger_sum(&r));
	assert_int_equal(live_slots(&r), 0);
	lg_flow_del(one);
	rig_stop(&r);
}

/* Killed anywhere in its stream: what was held is charged, once. */
static void test_killed(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, BUDGET("5", ""));
	lg_engine_touch(r.e);
	for (unsigned turn = 0;
	     turn < 30 || (turn < 3000 && rig_rows(&r, NULL) <= 30); turn++) {
		pid_t pid = fork();

		if (!pid) {
			lg_engine_after_fork();
			lg_engine_forked(r.e);
			for (;;) {
				ask(&r, CHAT);
				send_head(&r);
				for (unsigned i = 0; i < 100; i++)
					send_events(&r, CHAT, 1);
				rig_close(&r);
			}
		}
		usleep(2000 + 731 * (turn % 30));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	lg_engine_sweep(r.e);
	assert_int_equal(live_slots(&r), 0);
	assert_true(rig_rows(&r, NULL) > 30);
	assert_int_equal(used_of(&r, "cap"), ledger_sum(&r));
	/* the same from the ledger alone */
	lg_engine_close(r.e);
	r.e = NULL;
	unlink(r.region);
	rig_open(&r);
	lg_engine_touch(r.e);
	assert_int_equal(used_of(&r, "cap"), ledger_sum(&r));
	rig_stop(&r);
}

/* -- a call's other ends ----------------------------------------------------
 */

/* The last word comes behind the limit: it is exact, and nothing is cut. */
static void test_last_word(void **state)
{
	static const char end[] =
		"data: {\"id\":\"c\",\"model\":\"gpt-4o-mini\",\"choices\":[{"
		"\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],"
		"\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4000,"
		"\"total_tokens\":4009}}\n\n";
	struct lg_buf b;
	struct rig r;
	struct lg_row row;

	(void)state;
	lg_buf_init(&b, 4096);
	put_chunked(&b, end, sizeof(end) - 1, SIZE_MAX / 2);
	lg_buf_puts(&b, "0\r\n\r\n");
	rig_start(&r, BUDGET("0.0001", ""));
	ask(&r, CHAT);
	send_head(&r);
	send_events(&r, CHAT, 2);
	rig_answer(&r, b.p, b.len, 0);
	assert_false(lg_flow_is_shut(r.f));
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.usage_state, LG_USAGE_EXACT);
	assert_int_equal(row.output_tokens, 4000);
	assert_true(row.flags & LG_ROW_OVERSHOOT);
	rig_stop(&r);
	lg_buf_fini(&b);
}

/* Interim usage counts where it says more than the text that came. */
static void test_interim(void **state)
{
	const struct stream *s = &streams[4];
	static const char event[] =
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":"
		"\"x\"}]}}],\"usageMetadata\":{\"promptTokenCount\":10,"
		"\"candidatesTokenCount\":%u,\"thoughtsTokenCount\":%u,"
		"\"totalTokenCount\":%u},\"modelVersion\":"
		"\"gemini-2.5-flash\"}\r\n\r\n";
	char one[512];
	struct lg_buf b;
	struct rig r;
	struct lg_row row;
	unsigned n = 0;

	(void)state;
	lg_buf_init(&b, 4096);
	rig_start(&r, BUDGET("0.001", ""));
	ask(&r, s);
	send_head(&r);
	while (!lg_flow_is_shut(r.f) && n++ < 1000) {
		snprintf(one, sizeof(one), event, n, 10 * n, 11 * n + 10);
		b.len = 0;
		put_chunked(&b, one, strlen(one), SIZE_MAX / 2);
		rig_answer(&r, b.p, b.len, 0);
	}
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.verdict, LG_VERDICT_CUT);
	assert_int_equal(row.output_tokens, 11 * n);
	assert_int_equal(row.reasoning_tokens, 10 * n);
	assert_true(row.cost_pusd > INT64_C(1000000000));
	assert_true(row.cost_pusd <= INT64_C(1000000000) + 11 * 2500000);
	rig_stop(&r);
	lg_buf_fini(&b);
}

/* Framings that hold no more: the answer ends short, the row says so. */
static void test_short(void **state)
{
	static const char *const heads[] = {
		"Content-Length: 100000\r\n",
		"Content-Encoding: identity\r\nContent-Length: 100000\r\n",
	};
	char head[256];
	struct rig r;
	struct lg_row row;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		rig_start(&r, BUDGET("0.0001", ""));
		ask(&r, CHAT);
		snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream"
			 "\r\n%s\r\n",
			 heads[i]);
		rig_answer(&r, head, strlen(head), 0);
		for (unsigned n = 0; n < 40; n++)
			rig_answer(&r, CHAT->event, strlen(CHAT->event), 0);
		assert_true(lg_flow_is_shut(r.f));
		assert_int_equal(rig_rows(&r, &row), 1);
		assert_int_equal(row.verdict, LG_VERDICT_CUT);
		assert_true(row.flags & LG_ROW_CUT_SHORT);
		assert_int_equal(r.program.len,
				 strlen(head) + row.output_tokens / 12 *
							strlen(CHAT->event));
		rig_stop(&r);
	}
}

/* Until the connection closes: the error, and it is closed. */
static void test_until_close(void **state)
{
	static const char head[] =
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
	struct rig r;
	struct lg_row row;
	size_t same;

	(void)state;
	rig_start(&r, BUDGET("0.0001", ""));
	ask(&r, CHAT);
	rig_answer(&r, head, sizeof(head) - 1, 0);
	for (unsigned n = 0; n < 40; n++)
		rig_answer(&r, CHAT->event, strlen(CHAT->event), 11);
	assert_true(lg_flow_is_shut(r.f));
	assert_int_equal(rig_rows(&r, &row), 1);
	same = sizeof(head) - 1 + row.output_tokens / 12 * strlen(CHAT->event);
	assert_true(r.program.len > same);
	assert_memory_equal(r.program.p + same, CHAT->last, strlen(CHAT->last));
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_soft),
		cmocka_unit_test(test_raised),
		cmocka_unit_test(test_two),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_last_word),
		cmocka_unit_test(test_interim),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_until_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
