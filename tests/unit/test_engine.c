/*
 * The guard around its flows: many threads on one budget, dead owners, a
 * region that is lost, a ledger that cannot be written, settings that change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/money.h"
#include "budget/hold.h"
#include "budget/layout.h"
#include "budget/region.h"
#include "flow_rig.h"

/* 166,000 tokens at $0.60 a million, and a little input: $0.0996 a call. */
#define DEAR "{\"model\":\"gpt-4o-mini\",\"max_tokens\":166000,\"messages\":[]}"
#define DEAR_PUSD (166000 * INT64_C(600000))

static char request[512];
static char answer[512];

static void make_texts(void)
{
	static const char body[] =
		"{\"id\":\"x\",\"model\":\"gpt-4o-mini\",\"choices\":[],"
		"\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":166000,"
		"\"total_tokens\":166000}}";

	snprintf(request, sizeof(request),
		 "POST /v1/chat/completions HTTP/1.1\r\n"
		 "Host: api.openai.com\r\nContent-Length: %zu\r\n\r\n%s",
		 strlen(DEAR), DEAR);
	snprintf(answer, sizeof(answer),
		 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 strlen(body), body);
}

static int find_cell(struct rig *r, const char *name, struct lg_cell_view *v)
{
	struct lg_region *region = lg_engine_region(r->e);

	for (unsigned i = 0; i < lg_cell_count(region); i++)
		if (!lg_cell_view(region, i, v) && !strcmp(v->name, name))
			return (int)i;
	return -1;
}

static unsigned live_holds(struct rig *r)
{
	struct lg_region *region = lg_engine_region(r->e);
	struct lg_hold_view v;
	unsigned n = 0;

	for (unsigned i = 0; i < lg_hold_slots(region); i++)
		n += !lg_hold_view(region, i, &v, NULL);
	return n;
}

static int64_t used_of(struct rig *r, const char *name)
{
	struct lg_cell_view v;

	return find_cell(r, name, &v) < 0 ? -1 : v.used_pusd;
}

/* A flow of this thread's own; true when the call was let go. */
static bool call(struct rig *r, bool with_answer)
{
	struct rig mine = {.e = r->e};
	bool sent;

	lg_buf_init(&mine.server, 1 << 20);
	lg_buf_init(&mine.program, 1 << 20);
	rig_connect(&mine, "api.openai.com");
	rig_write(&mine, request, strlen(request), 0);
	sent = mine.server.len > 0;
	if (sent && with_answer)
		rig_answer(&mine, answer, strlen(answer), 0);
	rig_close(&mine);
	lg_buf_fini(&mine.server);
	lg_buf_fini(&mine.program);
	return sent;
}

#define TWO_BUDGETS                                                            \
	"version: 1\nbudgets:\n"                                               \
	"  - {name: tight, scope: \"model:gpt-4o*\", period: daily, "          \
	"limit_usd: 5, hard: true}\n"                                          \
	"  - {name: wide, scope: global, period: total, limit_usd: 1000, "     \
	"hard: true}\n"

/* -- threads --------------------------------------------------------------- */

#define THREADS 64

struct crowd {
	struct rig *r;
	unsigned passed;
};

static void *many_calls(void *p)
{
	struct crowd *c = p;

	for (unsigned i = 0; i < 10; i++)
		c->passed += call(c->r, true);
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t id[THREADS];
	struct crowd c[THREADS];
	struct lg_cell_view v;
	unsigned passed = 0;
	struct rig r;

	(void)state;
	make_texts();
	rig_start(&r, TWO_BUDGETS);
	for (unsigned i = 0; i < THREADS; i++) {
		c[i] = (struct crowd){.r = &r};
		assert_int_equal(
			pthread_create(&id[i], NULL, many_calls, &c[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(id[i], NULL);
		passed += c[i].passed;
	}
	assert_int_equal(passed, 50);
	assert_int_equal(used_of(&r, "tight"), 50 * DEAR_PUSD);
	assert_int_equal(used_of(&r, "wide"), 50 * DEAR_PUSD);
	assert_true(find_cell(&r, "wide", &v) >= 0);
	assert_int_equal(v.blocked, 0);
	assert_int_equal(v.held_pusd, 0);
	assert_int_equal(live_holds(&r), 0);
	assert_int_equal(rig_rows(&r, NULL), THREADS * 10);
	rig_stop(&r);
}

/* -- owners that die ------------------------------------------------------- */

static void die_with_hold(struct rig *r, bool dispatch)
{
	enum lg_flow_gate gate;
	struct lg_slice out;
	pid_t pid = fork();
	size_t at = 0, n = strlen(request);
	int status;

	if (!pid) {
		lg_engine_after_fork();
		rig_connect(r, "api.openai.com");
		while (at < n)
			at += lg_flow_offer(r->f, request + at, n - at, &gate);
		if (dispatch)
			lg_flow_out(r->f, &out);
		raise(SIGKILL);
	}
	waitpid(pid, &status, 0);
}

static void test_dead_owners(void **state)
{
	struct lg_row row;
	struct rig r;

	(void)state;
	make_texts();
	rig_start(&r, TWO_BUDGETS);
	assert_true(call(&r, true));
	die_with_hold(&r, true);
	die_with_hold(&r, false);
	assert_int_equal(live_holds(&r), 2);
	assert_int_equal(lg_engine_sweep(r.e), 2);
	assert_int_equal(live_holds(&r), 0);
	assert_int_equal(rig_rows(&r, &row), 2);
	assert_true(row.flags & LG_ROW_ABANDONED);
	assert_true(row.flags & LG_ROW_RECOVERED);
	assert_int_equal(row.usage_state, LG_USAGE_ESTIMATED);
	assert_int_equal(row.cost_pusd, row.estimate_pusd);
	assert_int_equal(used_of(&r, "tight"), DEAR_PUSD + row.cost_pusd);
	rig_stop(&r);
}

/* A full budget whose holders are dead refuses nobody. */
static void test_dead_holds_make_room(void **state)
{
	struct rig r;

	(void)state;
	make_texts();
	rig_start(&r, TWO_BUDGETS);
	for (unsigned i = 0; i < 60; i++)
		die_with_hold(&r, false);
	for (unsigned i = 0; i < 50; i++)
		assert_true(call(&r, true));
	assert_false(call(&r, true));
	lg_engine_sweep(r.e);
	assert_int_equal(used_of(&r, "tight"), 50 * DEAR_PUSD);
	assert_int_equal(live_holds(&r), 0);
	rig_stop(&r);
}

/* -- fork in mid-request --------------------------------------------------- */

static void test_fork(void **state)
{
	struct lg_row row;
	struct rig r;
	int status;
	pid_t pid;

	(void)state;
	make_texts();
	rig_start(&r, TWO_BUDGETS);
	/* the child lets go of its copy; the parent's call goes on */
	rig_connect(&r, "api.openai.com");
	rig_write(&r, request, strlen(request), 0);
	pid = fork();
	if (!pid) {
		lg_engine_after_fork();
		rig_close(&r);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(rig_rows(&r, NULL), 0);
	rig_answer(&r, answer, strlen(answer), 0);
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.pid, getpid());
	/* the child reads the answer; the parent lets go */
	rig_connect(&r, "api.openai.com");
	rig_write(&r, request, strlen(request), 0);
	pid = fork();
	if (!pid) {
		lg_engine_after_fork();
		rig_answer(&r, answer, strlen(answer), 0);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	rig_close(&r);
	assert_int_equal(rig_rows(&r, &row), 2);
	assert_int_equal(row.pid, pid);
	assert_int_equal(used_of(&r, "tight"), 2 * DEAR_PUSD);
	assert_int_equal(live_holds(&r), 0);
	rig_stop(&r);
}

/* -- the region goes ------------------------------------------------------- */

static void test_region_lost(void **state)
{
	struct rig r;

	(void)state;
	make_texts();
	rig_start(&r, TWO_BUDGETS);
	for (unsigned i = 0; i < 7; i++)
		assert_true(call(&r, true));
	/* one call is under way in the old region */
	rig_connect(&r, "api.openai.com");
	rig_write(&r, request, strlen(request), 0);
	assert_int_equal(unlink(r.region), 0);
	lg_engine_refresh(r.e);
	assert_true(call(&r, true));
	assert_int_equal(used_of(&r, "tight"), 8 * DEAR_PUSD);
	rig_answer(&r, answer, strlen(answer), 0);
	assert_int_equal(used_of(&r, "tight"), 9 * DEAR_PUSD);
	assert_int_equal(used_of(&r, "wide"), 9 * DEAR_PUSD);
	assert_int_equal(rig_rows(&r, NULL), 9);
	assert_int_equal(live_holds(&r), 0);
	/* again, with the late call settling before anybody else comes */
	rig_connect(&r, "api.openai.com");
	rig_write(&r, request, strlen(request), 0);
	assert_int_equal(unlink(r.region), 0);
	lg_engine_refresh(r.e);
	rig_answer(&r, answer, strlen(answer), 0);
	assert_int_equal(used_of(&r, "tight"), 10 * DEAR_PUSD);
	assert_true(call(&r, true));
	assert_int_equal(used_of(&r, "tight"), 11 * DEAR_PUSD);
	rig_stop(&r);
}

static void test_new_budget_knows_the_past(void **state)
{
	struct rig r;

	(void)state;
	make_texts();
	rig_start(&r, NULL);
	for (unsigned i = 0; i < 3; i++)
		assert_true(call(&r, true));
	put_file(r.config, TWO_BUDGETS);
	lg_engine_refresh(r.e);
	lg_engine_touch(r.e);
	assert_int_equal(used_of(&r, "tight"), 3 * DEAR_PUSD);
	assert_int_equal(used_of(&r, "wide"), 3 * DEAR_PUSD);
	rig_stop(&r);
}

static void test_checkpoint_is_due(void **state)
{
	struct lg_fold fold;
	struct rig r;

	(void)state;
	make_texts();
	rig_start(&r, "version: 1\n");
	for (unsigned i = 0; i < 1000; i++)
		assert_true(call(&r, true));
	lg_region_count(lg_engine_region(r.e), LG_COUNT_ROWS,
			LG_CHECKPOINT_ROWS - 1001);
	lg_fold_init(&fold);
	assert_int_not_equal(lg_checkpoint_load(r.state, &fold), 0);
	assert_true(call(&r, true));
	assert_int_equal(lg_checkpoint_load(r.state, &fold), 0);
	assert_string_not_equal(fold.pos.file, "");
	lg_fold_fini(&fold);
	rig_stop(&r);
}

/* A sum that is not known must not stand for "nothing was spent". */
static void test_ledger_not_read(void **state)
{
	char dir[110], aside[110];
	struct lg_row row;
	struct rig r;

	(void)state;
	make_texts();
	rig_start(&r, TWO_BUDGETS);
	assert_true(call(&r, true));
	snprintf(dir, sizeof(dir), "%s/ledger", r.state);
	snprintf(aside, sizeof(aside), "%s/aside", r.state);
	assert_false(rename(dir, aside) || unlink(r.region));
	put_file(dir, "not a folder\n");
	rig_open(&r);
	assert_true(call(&r, true)); /* fail: open */
	assert_false(unlink(dir) || rename(aside, dir));
	/* at the next call it is tried again, and knows all */
	assert_true(call(&r, true));
	assert_int_equal(rig_rows(&r, &row), 3);
	assert_int_equal(used_of(&r, "tight"), 3 * DEAR_PUSD);
	rig_stop(&r);
}

static void test_damaged_region(void **state)
{
	struct lg_row row;
	struct rig r;

	(void)state;
	make_texts();
	rig_start(&r, TWO_BUDGETS);
	assert_true(call(&r, true));
	lg_engine_close(r.e);
	r.e = NULL;
	put_file(r.region, LG_REGION_MAGIC "... cut");
	rig_open(&r);
	assert_true(call(&r, true));
	assert_int_equal(used_of(&r, "tight"), 2 * DEAR_PUSD);
	/* somebody's file that was named by mistake stays as it is */
	lg_engine_close(r.e);
	r.e = NULL;
	put_file(r.region, "this is not a region\n");
	rig_open(&r);
	assert_true(call(&r, true));
	assert_null(lg_engine_region(r.e));
	assert_int_equal(rig_rows(&r, &row), 3);
	assert_true(row.flags & LG_ROW_UNGUARDED);
	rig_stop(&r);
}

/* -- the ledger cannot be written ------------------------------------------ */

static void test_staged(void **state)
{
	struct rlimit old, none = {0, 0};
	struct rig r;

	(void)state;
	make_texts();
	rig_start(&r, TWO_BUDGETS);
	assert_true(call(&r, true));
	getrlimit(RLIMIT_FSIZE, &old);
	none.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &none);
	assert_true(call(&r, true));
	assert_true(call(&r, true));
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(rig_rows(&r, NULL), 1);
	assert_int_equal(live_holds(&r), 2);
	assert_int_equal(used_of(&r, "tight"), 3 * DEAR_PUSD);
	assert_true(call(&r, true));
	assert_int_equal(rig_rows(&r, NULL), 4);
	assert_int_equal(live_holds(&r), 0);
	assert_int_equal(used_of(&r, "tight"), 4 * DEAR_PUSD);
	rig_stop(&r);
}

/* -- settings change ------------------------------------------------------- */

static void test_settings_change(void **state)
{
	struct rig r;

	(void)state;
	make_texts();
	rig_start(&r, TWO_BUDGETS);
	assert_true(call(&r, true));
	put_file(r.config, "version: 1\nbudgets:\n  - {name: tight, scope: "
			   "\"model:gpt-4o*\", period: daily, limit_usd: 0.1, "
			   "hard: true}\n");
	lg_engine_refresh(r.e);
	assert_string_equal(lg_engine_trouble(r.e), "");
	assert_false(call(&r, true));
	/* broken: the last good one stays, also for the next process */
	put_file(r.config, "budgets: [}\n");
	lg_engine_refresh(r.e);
	assert_string_not_equal(lg_engine_trouble(r.e), "");
	assert_false(call(&r, true));
	rig_open(&r);
	assert_string_not_equal(lg_engine_trouble(r.e), "");
	assert_false(call(&r, true));
	put_file(r.config, "version: 1\n");
	lg_engine_refresh(r.e);
	assert_true(call(&r, true));
	rig_stop(&r);
}

/* Flows hold their world while many others replace it. */
static void *change_settings(void *p)
{
	struct rig *r = p;

	for (unsigned i = 0; i < 60; i++) {
		char yaml[200];

		snprintf(yaml, sizeof(yaml),
			 "version: 1\nbudgets:\n  - {name: wide, scope: global,"
			 " period: total, limit_usd: %u, hard: true}\n",
			 1000 + i);
		put_file(r->config, yaml);
		lg_region_bump(lg_engine_region(r->e));
		lg_engine_refresh(r->e);
	}
	return NULL;
}

static void test_settings_change_under_load(void **state)
{
	pthread_t id[9];
	struct crowd c[8];
	struct rig r;

	(void)state;
	make_texts();
	rig_start(&r, "version: 1\nbudgets:\n  - {name: wide, scope: global, "
		      "period: total, limit_usd: 1000, hard: true}\n");
	pthread_create(&id[8], NULL, change_settings, &r);
	for (unsigned i = 0; i < 8; i++) {
		c[i] = (struct crowd){.r = &r};
		pthread_create(&id[i], NULL, many_calls, &c[i]);
	}
	for (unsigned i = 0; i < 9; i++)
		pthread_join(id[i], NULL);
	assert_int_equal(rig_rows(&r, NULL), 80);
	assert_int_equal(used_of(&r, "wide"), 80 * DEAR_PUSD);
	assert_int_equal(live_holds(&r), 0);
	rig_stop(&r);
}

/* -- the environment ------------------------------------------------------- */

static void test_environment(void **state)
{
	struct rig r;
	struct lg_row row;
	unsigned passed = 0;

	(void)state;
	make_texts();
	rig_start(&r, NULL);
	r.env.max_usd = "0.35";
	rig_open(&r);
	for (unsigned i = 0; i < 5; i++)
		passed += call(&r, true);
	assert_int_equal(passed, 3);
	/* another run is another budget */
	r.env.run_id = "other-run";
	rig_open(&r);
	assert_true(call(&r, true));
	r.env.ignore_budget = "1";
	r.env.max_usd = "0";
	rig_open(&r);
	assert_true(call(&r, true));
	rig_rows(&r, &row);
	assert_true(row.flags & LG_ROW_IGNORED_BUDGET);
	r.env.ignore_budget = NULL;
	rig_open(&r);
	assert_false(call(&r, true));
	/* not an amount: left out, or 0 where it must not be */
	r.env.max_usd = "five";
	rig_open(&r);
	assert_true(call(&r, true));
	r.env.under_run = true;
	rig_open(&r);
	assert_false(call(&r, true));
	r.env.under_run = false;
	r.env.fail = "closed";
	rig_open(&r);
	assert_false(call(&r, true));
	rig_stop(&r);
}

static void test_no_region(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	make_texts();
	rig_start(&r, TWO_BUDGETS);
	r.env.region = "/nonexistent/folder/region";
	rig_open(&r);
	assert_true(call(&r, true));
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_true(row.flags & LG_ROW_UNGUARDED);
	assert_int_equal(row.cost_pusd, DEAR_PUSD);
	r.env.fail = "closed";
	rig_open(&r);
	assert_false(call(&r, true));
	rig_rows(&r, &row);
	assert_string_equal(row.reason, "no_region");
	rig_stop(&r);
}

/* -- memory ---------------------------------------------------------------- */

static void test_idle_memory(void **state)
{
	struct lg_flow *idle[100];
	struct lg_flow_peer peer = {.host = LG_SLICE("api.openai.com"),
				    .guarded = true};
	struct rig r;

	(void)state;
	make_texts();
	rig_start(&r, TWO_BUDGETS);
	for (unsigned i = 0; i < 100; i++) {
		idle[i] = r.f = lg_flow_new(r.e, &peer);
		rig_write(&r, request, strlen(request), 0);
		rig_answer(&r, answer, strlen(answer), 0);
		r.server.len = r.program.len = 0;
	}
	r.f = NULL;
	assert_true(lg_mem_mapped() < (4u << 20));
	for (unsigned i = 0; i < 100; i++)
		lg_flow_del(idle[i]);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle_memory),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_dead_owners),
		cmocka_unit_test(test_dead_holds_make_room),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_region_lost),
		cmocka_unit_test(test_new_budget_knows_the_past),
		cmocka_unit_test(test_checkpoint_is_due),
		cmocka_unit_test(test_ledger_not_read),
		cmocka_unit_test(test_damaged_region),
		cmocka_unit_test(test_staged),
		cmocka_unit_test(test_settings_change),
		cmocka_unit_test(test_settings_change_under_load),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_no_region),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
