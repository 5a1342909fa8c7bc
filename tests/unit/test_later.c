/* Usage that another answer tells: what can go wrong on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "budget/hold.h"
#include "flow_rig.h"

#define BUDGETS                                                                \
	"version: 1\nbudgets:\n"                                               \
	"  - {name: all, scope: global, period: total, limit_usd: 10, "        \
	"hard: true}\n"

static char text[4096];

static const char *message(const char *first, const char *type,
			   const char *body)
{
	snprintf(text, sizeof(text),
		 "%s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
		 first, type, strlen(body), body);
	return text;
}

static void post(struct rig *r)
{
	const char *m;

	rig_connect(r, "api.openai.com");
	m = message("POST /v1/responses HTTP/1.1\r\nHost: api.openai.com",
		    "application/json",
		    "{\"model\":\"gpt-4o-mini\",\"input\":\"x\",\"background\":"
		    "true,\"max_output_tokens\":1000}");
	rig_write(r, m, strlen(m), 0);
	m = message("HTTP/1.1 200 OK", "application/json",
		    "{\"id\":\"resp_1\",\"status\":\"queued\",\"background\":"
		    "true,\"model\":\"gpt-4o-mini\",\"usage\":null}");
	rig_answer(r, m, strlen(m), 0);
	rig_close(r);
}

static void get(struct rig *r, const char *host, const char *status,
		size_t step)
{
	char head[256], body[512];
	const char *m;

	rig_connect(r, host);
	snprintf(head, sizeof(head),
		 "GET /v1/responses/resp_1 HTTP/1.1\r\nHost: %s\r\n\r\n", host);
	rig_write(r, head, strlen(head), step);
	snprintf(body, sizeof(body),
		 "{\"id\":\"resp_1\",\"status\":\"%s\",\"background\":true,"
		 "\"created_at\":%lld,\"model\":\"gpt-4o-mini\",\"usage\":"
		 "{\"input_tokens\":1000,\"output_tokens\":500,"
		 "\"total_tokens\":1500}}",
		 status, (long long)time(NULL));
	m = message("HTTP/1.1 200 OK", "application/json", body);
	rig_answer(r, m, strlen(m), step);
	rig_close(r);
}

/* $0.15 and $0.60 a million. */
#define EXACT (1000 * INT64_C(150000) + 500 * INT64_C(600000))

struct sums {
	int64_t pusd;
	unsigned calls, adjusts, joined;
};

static int sum_row(void *ctx, const struct lg_row *row,
		   const struct lg_ledger_pos *after)
{
	struct sums *s = ctx;

	(void)after;
	s->pusd += row->cost_pusd;
	s->calls += row->kind == LG_ROW_CALL;
	s->adjusts += row->kind == LG_ROW_ADJUST;
	s->joined += !!(row->flags & LG_ROW_JOINED_LATE);
	return 0;
}

static struct sums ledger(struct rig *r)
{
	struct lg_ledger_pos pos = {.offset = 0};
	struct sums s = {0};

	assert_int_equal(lg_ledger_walk(lg_engine_ledger(r->e)->dir, &pos, 0,
					sum_row, &s, NULL),
			 0);
	return s;
}

static int64_t used(struct rig *r)
{
	struct lg_cell_view v;

	for (unsigned i = 0; i < lg_cell_count(lg_engine_region(r->e)); i++)
		if (!lg_cell_view(lg_engine_region(r->e), i, &v))
			return v.used_pusd;
	return -1;
}

/* In pieces of any size, polled before and after. */
static void test_once(void **state)
{
	struct rig r;
	struct sums s;

	(void)state;
	for (size_t step = 0; step < 40; step += 13) {
		rig_start(&r, BUDGETS);
		post(&r);
		assert_true(used(&r) > 0);
		get(&r, "api.openai.com", "in_progress", step);
		assert_int_equal(ledger(&r).adjusts, 0);
		get(&r, "api.openai.com", "completed", step);
		rig_open(&r); /* another process, as far as memory goes */
		get(&r, "api.openai.com", "completed", step);
		get(&r, "api.openai.com", "completed", step);
		s = ledger(&r);
		assert_int_equal(s.pusd, EXACT);
		assert_int_equal(s.adjusts, 1);
		assert_int_equal(s.calls, 5);
		assert_int_equal(used(&r), EXACT);
		rig_stop(&r);
	}
}

/* Somebody holds the lock and does not come to an end. */
static void test_locked(void **state)
{
	struct rig r;
	char path[128];
	int64_t start;
	int fd;

	(void)state;
	rig_start(&r, BUDGETS);
	post(&r);
	snprintf(path, sizeof(path), "%s/books.lock", r.state);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	start = lg_clock_boot_ns();
	get(&r, "api.openai.com", "completed", 0);
	assert_in_range(lg_clock_boot_ns() - start, 1000000000, 20000000000);
	assert_int_equal(ledger(&r).adjusts, 0);
	assert_int_equal(ledger(&r).calls, 2);
	close(fd);
	get(&r, "api.openai.com", "completed", 0);
	assert_int_equal(ledger(&r).pusd, EXACT);
	rig_stop(&r);
}

/* The call's row waits in the region: nobody may think it unknown. */
static void test_staged(void **state)
{
	struct lg_ledger *l;
	struct rig r;
	char keep[sizeof(l->dir)];

	(void)state;
	rig_start(&r, BUDGETS);
	get(&r, "api.openai.com", "in_progress", 0); /* folders are made */
	l = lg_engine_ledger(r.e);
	strcpy(keep, l->dir);
	strcpy(l->dir, "/proc/nowhere");
	post(&r);
	get(&r, "api.openai.com", "completed", 0);
	strcpy(l->dir, keep);
	assert_int_equal(ledger(&r).calls, 1);
	get(&r, "api.openai.com", "completed", 0);
	assert_int_equal(ledger(&r).joined, 0);
	assert_int_equal(ledger(&r).adjusts, 1);
	assert_int_equal(ledger(&r).pusd, EXACT);
	assert_int_equal(used(&r), EXACT);
	rig_stop(&r);
}

/* The same id at another provider is another call. */
static void test_ids_are_a_providers(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, BUDGETS);
	post(&r);
	get(&r, "api.x.ai", "completed", 0);
	assert_int_equal(ledger(&r).adjusts, 0);
	assert_int_equal(ledger(&r).joined, 1);
	get(&r, "api.openai.com", "completed", 0);
	assert_int_equal(ledger(&r).adjusts, 1);
	assert_int_equal(ledger(&r).joined, 1);
	rig_stop(&r);
}

/* A slot of somebody who died between money and row has that row. */
static void test_sweeps_first(void **state)
{
	struct rig r;
	pid_t pid;

	(void)state;
	rig_start(&r, BUDGETS);
	post(&r);
	for (unsigned i = 0; i < 30; i++) {
		pid = fork();
		if (!pid) {
			lg_engine_after_fork();
			lg_engine_forked(r.e);
			get(&r, "api.openai.com", "completed", 0);
			_exit(0);
		}
		usleep(i * 37);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	get(&r, "api.openai.com", "completed", 0);
	assert_int_equal(ledger(&r).adjusts, 1);
	assert_int_equal(ledger(&r).joined, 0);
	assert_int_equal(ledger(&r).pusd, EXACT);
	assert_int_equal(used(&r), EXACT);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_locked),
		cmocka_unit_test(test_staged),
		cmocka_unit_test(test_ids_are_a_providers),
		cmocka_unit_test(test_sweeps_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
