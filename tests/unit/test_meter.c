/* Records of the kernel to rows: joins, gaps, ends, who pays. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/person.h"
#include "meter_rig.h"

static void test_two_calls(void **state)
{
	struct meter_totals t;
	struct records c;
	struct world w;
	struct lg_row row;

	(void)state;
	start(&w, NULL);
	records_open(&c, w.m, HOST);
	say(&c, request(""));
	assert_int_equal(w.decided, 1);
	assert_int_equal(w.last.end_ms, 0);
	assert_int_equal(w.last.pid, getpid());
	meter_totals(w.m, &t);
	assert_int_equal(t.in_flight, 1);
	assert_int_equal(t.conns, 1);
	hear(&c, answer());
	assert_int_equal(w.settled, 1);
	say(&c, request("x-llmguard-project: p\r\n"));
	hear(&c, answer());
	records_close(&c, true);
	meter_totals(w.m, &t);
	assert_int_equal(t.calls, 2);
	assert_int_equal(t.conns, 0);
	assert_int_equal(w.guarded, 1);
	assert_int_equal(stop(&w, &row), 2);
	assert_usage(&row);
	assert_string_equal(row.project, "p");
	assert_int_equal(row.flags, 0);
}

/* Charged also where no budget has room; nothing stays held. */
static void test_over_budget(void **state)
{
	struct lg_row row;
	struct records c;
	struct world w;

	(void)state;
	start(&w, CAP("0.000001", ""));
	for (unsigned i = 0; i < 3; i++) {
		records_open(&c, w.m, HOST);
		say(&c, request(""));
		hear(&c, answer());
		records_close(&c, true);
	}
	assert_string_equal(w.last.budgets, "cap");
	assert_int_equal(stop(&w, &row), 3);
	assert_usage(&row);
	assert_true(row.verdict == LG_VERDICT_ALLOW ||
		    row.verdict == LG_VERDICT_WARN);
}

/* Killed between the request and its answer: one row, by estimate. */
static void test_killed(void **state)
{
	struct lg_row row;
	struct records c;
	struct world w;

	(void)state;
	start(&w, CAP("1", ""));
	records_open(&c, w.m, HOST);
	say(&c, request(""));
	meter_process_gone(w.m, c.tgid);
	assert_int_equal(stop(&w, &row), 1);
	assert_int_equal(row.usage_state, LG_USAGE_MISSING);
	assert_true(row.cost_pusd > 0);
}

/* Its write failed until the connection was freed: the server never had it. */
static void test_unsent(void **state)
{
	struct lg_row row;
	struct records c;
	struct world w;

	(void)state;
	start(&w, NULL);
	records_open(&c, w.m, HOST);
	say(&c, request(""));
	records_wrote(&c, -1);
	records_close(&c, false);
	assert_int_equal(stop(&w, &row), 1);
	assert_int_equal(row.cost_pusd, 0);
}

static void test_join_stream(void **state)
{
	struct lg_row row;
	struct records c;
	struct world w;

	(void)state;
	join(&w, &c, NULL);
	hear_chunk(&c, DELTA);
	hear_chunk(&c, DELTA);
	hear_chunk(&c, LAST);
	hear(&c, "0\r\n\r\n");
	assert_int_equal(w.settled, 1);
	/* what follows on the connection is an ordinary call */
	say(&c, request(""));
	hear(&c, answer());
	records_close(&c, true);
	assert_int_equal(w.settled, 2);
	assert_int_equal(w.last.flags, 0);
	assert_int_equal(stop(&w, &row), 2);
	assert_usage(&row);
}

static void test_join_stream_row(void **state)
{
	struct lg_row row;
	struct records c;
	struct world w;

	(void)state;
	join(&w, &c, NULL);
	/* the join is in the midst of a chunk */
	hear(&c, "lo\"}}]}\n\n\r\n");
	hear_chunk(&c, LAST);
	hear(&c, "0\r\n\r\n");
	records_close(&c, true);
	assert_int_equal(stop(&w, &row), 1);
	assert_usage(&row);
	assert_int_equal(row.flags & LG_ROW_JOINED_LATE, LG_ROW_JOINED_LATE);
	assert_string_equal(row.dialect, "openai-chat");
}

/* In the midst of a request; and between a request and its answer. */
static void test_join_request(void **state)
{
	struct lg_row row;
	struct records c;
	struct world w;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		join(&w, &c, i ? NULL : HOST);
		if (i)
			records_call(&c, PROBE_EV_WRITE, "ello there\"}]}", 14);
		hear(&c, answer());
		say(&c, request(""));
		hear(&c, answer());
		records_close(&c, true);
		assert_int_equal(w.settled, 2);
		assert_int_equal(stop(&w, &row), 2);
		assert_usage(&row);
		assert_int_equal(row.flags, 0);
	}
}

/* Somebody else's connection stays somebody else's. */
static void test_join_other(void **state)
{
	struct records c;
	struct world w;

	(void)state;
	join(&w, &c, NULL);
	for (unsigned i = 0; i < 20; i++) {
		say(&c, "GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n");
		hear(&c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
	}
	records_close(&c, true);
	assert_int_equal(w.dropped, 1);
	assert_int_equal(w.guarded, 0);
	assert_int_equal(stop(&w, NULL), 0);
}

/* -- gaps */

static void test_gap_in_stream(void **state)
{
	struct lg_row row;
	struct records c;
	struct world w;

	(void)state;
	start(&w, NULL);
	records_open(&c, w.m, HOST);
	say(&c, request(""));
	hear(&c, SSE_HEAD);
	hear_chunk(&c, DELTA);
	c.seq += 5;
	hear_chunk(&c, DELTA);
	meter_tick(w.m, 1);
	usleep(30000);
	meter_tick(w.m, 2);
	hear_chunk(&c, LAST);
	hear(&c, "0\r\n\r\n");
	assert_int_equal(w.settled, 1);
	assert_usage(&w.last);
	assert_int_equal(w.last.flags & LG_ROW_LOST, LG_ROW_LOST);
	say(&c, request(""));
	hear(&c, answer());
	records_close(&c, true);
	assert_int_equal(stop(&w, &row), 2);
	assert_usage(&row);
	assert_int_equal(row.flags & LG_ROW_LOST, 0);
}

/* A piece of a JSON answer is missing: its framing is known all the same. */
static void test_gap_in_answer(void **state)
{
	struct probe_event ev = {.kind = PROBE_EV_READ, .fn = PROBE_READ};
	const char *a;
	struct lg_row row;
	struct records c;
	struct world w;

	(void)state;
	start(&w, NULL);
	records_open(&c, w.m, HOST);
	say(&c, request(""));
	a = answer();
	ev.call = ++c.call;
	ev.len = strlen(a);
	ev.cap = (uint32_t)strlen(a) - 50;
	ev.flags = PROBE_FLAG_CUT;
	records_put(&c, &ev, a);
	assert_int_equal(w.settled, 1);
	assert_int_equal(w.last.flags & LG_ROW_LOST, LG_ROW_LOST);
	assert_int_not_equal(w.last.usage_state, LG_USAGE_EXACT);
	assert_true(w.last.cost_pusd > 0);
	say(&c, request(""));
	hear(&c, a);
	records_close(&c, true);
	assert_int_equal(stop(&w, &row), 2);
	assert_usage(&row);
}

/* What is no HTTP ends its call, not the connection. */
static void test_bad_answer(void **state)
{
	struct lg_row row;
	struct records c;
	struct world w;

	(void)state;
	start(&w, NULL);
	records_open(&c, w.m, HOST);
	say(&c, request(""));
	hear(&c, "something else\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
	assert_int_equal(w.settled, 1);
	assert_true(w.last.flags & LG_ROW_BAD_HTTP);
	say(&c, request(""));
	hear(&c, answer());
	records_close(&c, true);
	assert_int_equal(stop(&w, &row), 2);
	assert_usage(&row);
}

/* The answer and the next request are lost: each call has its own row. */
static void test_gap_between(void **state)
{
	struct lg_row row;
	struct records c;
	struct world w;

	(void)state;
	start(&w, NULL);
	records_open(&c, w.m, HOST);
	say(&c, request(""));
	c.seq += 3;
	c.begun++;
	for (unsigned i = 0; i < STREAM_LIMIT; i++) {
		say(&c, request(""));
		hear(&c, answer());
	}
	records_close(&c, true);
	assert_int_equal(stop(&w, &row), STREAM_LIMIT + 1);
	assert_usage(&row);
}

/* -- who */

static void test_person(void **state)
{
	char *const argv[] = {"sleep", "30", NULL};
	char *const env[] = {"LLMGUARD_PROJECT=apollo", "LLMGUARD_TAGS=a,b",
			     "LLMGUARD_MAX_USD=1",	"HOME=relative",
			     "LLMGUARD_CONFIG=here",	NULL};
	struct person *p = malloc(sizeof(*p));
	struct lg_row row;
	struct world w;
	bool by_login;
	int status;
	pid_t pid;

	(void)state;
	start(&w, NULL);
	pid = fork();
	if (!pid) {
		execve("/bin/sleep", argv, env);
		_exit(1);
	}
	for (unsigned i = 0; i < 1000; i++) {
		person_read(p, (uint32_t)pid, (uint32_t)getuid());
		if (!strcmp(p->self.comm, "sleep") && p->env.project)
			break;
		usleep(1000);
	}
	assert_int_equal(meter_identity(w.m, (uint32_t)pid, &row, &by_login),
			 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_string_equal(row.project, "apollo");
	assert_string_equal(row.comm, "sleep");
	assert_int_equal(row.pid, pid);
	assert_int_equal(row.ppid, getpid());
	/* a budget of the run, and no run: one is made of the process */
	assert_int_equal(strncmp(row.run_id, "traced-", 7), 0);
	assert_null(p->env.config);
	assert_true(!p->env.home || p->env.home[0] == '/');
	assert_false(person_read(p, (uint32_t)pid, 0));
	assert_int_equal(meter_identity(w.m, 0x3fffff, &row, &by_login),
			 -ESRCH);
	free(p);
	stop(&w, NULL);
}

/* Another user's program, and root who traces it: all files are the user's. */
#define OTHER 65534

static int owner_of_others(const char *path, const struct stat *st, int type,
			   struct FTW *ftw)
{
	(void)path;
	(void)type;
	(void)ftw;
	assert_int_equal(st->st_uid, OTHER);
	return 0;
}

static pid_t start_other(const char *dir)
{
	char home[96], region[96];
	char *const argv[] = {"sleep", "30", NULL};
	char *const env[] = {home, region, "LLMGUARD_PROJECT=theirs", NULL};
	int fd[2];
	pid_t pid;

	snprintf(home, sizeof(home), "HOME=%s", dir);
	snprintf(region, sizeof(region), "LLMGUARD_REGION=%s/region", dir);
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	pid = fork();
	if (pid) {
		close(fd[1]);
		assert_int_equal(read(fd[0], home, 1), 0); /* it is there */
		close(fd[0]);
		return pid;
	}
	if (!setresgid(OTHER, OTHER, OTHER) && !setresuid(OTHER, OTHER, OTHER))
		execve("/bin/sleep", argv, env);
	_exit(1);
}

static void test_other_user(void **state)
{
	struct meter_options o = {.on_call = NULL};
	char dir[] = "/tmp/lg-other-XXXXXX", path[128];
	struct records c;
	struct meter *m;
	struct stat st;
	int status;
	pid_t pid;

	(void)state;
	if (getuid())
		skip();
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chown(dir, OTHER, OTHER), 0);
	pid = start_other(dir);
	assert_int_equal(meter_new(&o, &m), 0);
	records_open(&c, m, HOST);
	c.tgid = (uint32_t)pid;
	c.uid = OTHER;
	say(&c, request(""));
	hear(&c, answer());
	records_close(&c, true);
	meter_del(m);
	assert_int_equal(geteuid(), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	snprintf(path, sizeof(path), "%s/.local/state/llmguard/ledger", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(nftw(dir, owner_of_others, 16, FTW_PHYS), 0);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_calls),
		cmocka_unit_test(test_over_budget),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_unsent),
		cmocka_unit_test(test_join_stream),
		cmocka_unit_test(test_join_stream_row),
		cmocka_unit_test(test_join_request),
		cmocka_unit_test(test_join_other),
		cmocka_unit_test(test_gap_in_stream),
		cmocka_unit_test(test_gap_in_answer),
		cmocka_unit_test(test_gap_between),
		cmocka_unit_test(test_bad_answer),
		cmocka_unit_test(test_person),
		cmocka_unit_test(test_other_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
