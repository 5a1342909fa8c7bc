/* Lost calls are told once: a connection's loss has one owner. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "meter_rig.h"

/* One connection as the kernel remembers it, and a ring that lags. */
static struct kernel {
	struct probe_conn_key key;
	struct probe_conn conn;
	bool has;
	uint64_t written, taken;
} kernel;

static int take(void *arg, const struct probe_conn_key *key,
		struct probe_conn *out)
{
	(void)arg;
	if (!kernel.has || key->ssl != kernel.key.ssl ||
	    key->tgid != kernel.key.tgid || key->id != (uint32_t)kernel.conn.id)
		return -ENOENT;
	*out = kernel.conn;
	kernel.has = false;
	return 0;
}

static void ring_at(void *arg, uint64_t *written, uint64_t *taken)
{
	(void)arg;
	*written = kernel.written;
	*taken = kernel.taken;
}

/* What the loader does for a process that is gone. */
static void sweep(struct world *w)
{
	if (kernel.has)
		meter_conn(w->m, &kernel.key, &kernel.conn);
	kernel.has = false;
}

static void begin(struct world *w, struct records *c)
{
	start_with(w, NULL, take, ring_at);
	memset(&kernel, 0, sizeof(kernel));
	records_open(c, w->m, HOST);
}

/* The kernel has counted so many requests there, and lost records. */
static void remember(const struct records *c, uint32_t begun)
{
	kernel.key = (struct probe_conn_key){.ssl = c->ssl, .tgid = c->tgid};
	kernel.conn = (struct probe_conn){
		.id = c->conn,
		.state = PROBE_CONN_LLM,
		.begun = begun,
		.lost = 1,
	};
	kernel.has = true;
}

static void call(struct records *c)
{
	say(c, request(""));
	hear(c, answer());
}

/* So many requests, of which nothing goes up. */
static void lose(struct records *c, uint32_t n)
{
	c->begun += n;
	c->seq += 2 * n;
}

static uint64_t lost(struct world *w)
{
	struct meter_totals t;

	meter_totals(w->m, &t);
	return t.lost_calls;
}

static void send_exit(struct world *w, uint32_t tgid)
{
	struct probe_event ev = {.kind = PROBE_EV_EXIT, .tgid = tgid};

	meter_feed(w->m, &ev, NULL);
}

static pid_t a_child(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	pause();
	_exit(0);
}

static void reap(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static void test_freed(void **state)
{
	struct records c;
	struct world w;

	(void)state;
	begin(&w, &c);
	call(&c);
	lose(&c, 5);
	call(&c);
	lose(&c, 2);
	records_close(&c, false);
	assert_int_equal(lost(&w), 7);
	send_exit(&w, c.tgid);
	sweep(&w);
	assert_int_equal(stop(&w, NULL), 2);
	assert_int_equal(w.lost, 7);
}

/* Only its end found room. */
static void test_freed_unknown(void **state)
{
	struct records c;
	struct world w;

	(void)state;
	begin(&w, &c);
	call(&c);
	c.conn += 1000;
	c.seq = c.begun = 0;
	lose(&c, 3);
	records_close(&c, false);
	assert_int_equal(lost(&w), 3);
	assert_int_equal(stop(&w, NULL), 1);
	assert_int_equal(w.lost, 3);
}

/* What was lost behind the last record is the kernel's to say. */
static void test_exit(void **state)
{
	struct records c;
	struct world w;

	(void)state;
	for (unsigned is_known = 0; is_known < 2; is_known++) {
		begin(&w, &c);
		if (is_known)
			call(&c);
		else
			c.conn += 1000;
		remember(&c, 10);
		send_exit(&w, c.tgid);
		sweep(&w);
		send_exit(&w, c.tgid);
		assert_int_equal(lost(&w), 10 - is_known);
		assert_int_equal(stop(&w, NULL), is_known);
		assert_int_equal(w.lost, 10 - is_known);
	}
}

/* It was forgotten before its process's end was read. */
static void test_swept_first(void **state)
{
	struct records c;
	struct world w;

	(void)state;
	begin(&w, &c);
	call(&c);
	remember(&c, 10);
	sweep(&w);
	assert_int_equal(lost(&w), 9);
	send_exit(&w, c.tgid);
	assert_int_equal(stop(&w, NULL), 1);
	assert_int_equal(w.lost, 9);
}

/* Its end was lost, and there is another one at the same address. */
static void test_address_again(void **state)
{
	struct records c;
	struct world w;

	(void)state;
	begin(&w, &c);
	call(&c);
	remember(&c, 4);
	c.conn += 1000;
	c.seq = c.call = c.begun = 0;
	records_name(&c, HOST);
	assert_int_equal(lost(&w), 3);
	call(&c);
	records_close(&c, true);
	sweep(&w);
	assert_int_equal(stop(&w, NULL), 2);
	assert_int_equal(w.lost, 3);
}

/* Gone and reaped, with its last records still in the ring. */
static void test_ended_unread(void **state)
{
	struct meter_totals t;
	struct records c;
	struct world w;
	pid_t pid;

	(void)state;
	begin(&w, &c);
	pid = a_child();
	c.tgid = (uint32_t)pid;
	records_name(&c, HOST);
	call(&c);
	lose(&c, 50);
	reap(pid);
	kernel.written = 1000;
	for (unsigned i = 0; i < 5; i++)
		meter_tick(w.m, 10000 * (i + 1));
	assert_int_equal(lost(&w), 0);
	call(&c);
	lose(&c, 8);
	say(&c, request(""));
	records_close(&c, false);
	meter_totals(w.m, &t);
	assert_int_equal(t.lost_calls, 58);
	send_exit(&w, c.tgid);
	assert_int_equal(stop(&w, NULL), 3);
	assert_int_equal(w.lost, 58);
}

/* Its EXIT was lost: what it left is settled once the ring was read. */
static void test_ended_untold(void **state)
{
	struct records c;
	struct world w;
	pid_t pid;

	(void)state;
	for (unsigned is_told = 0; is_told < 2; is_told++) {
		begin(&w, &c);
		pid = a_child();
		c.tgid = (uint32_t)pid;
		records_name(&c, HOST);
		call(&c);
		say(&c, request(""));
		remember(&c, 9);
		reap(pid);
		kernel.written = 1000;
		if (is_told)
			meter_process_ended(w.m, c.tgid);
		else
			meter_tick(w.m, 10000);
		kernel.taken = 999;
		meter_tick(w.m, 20000);
		assert_int_equal(w.settled, 1);
		kernel.taken = 1000;
		meter_tick(w.m, 20001);
		assert_int_equal(w.settled, 2);
		assert_int_equal(lost(&w), 7);
		sweep(&w);
		assert_int_equal(stop(&w, NULL), 2);
		assert_int_equal(w.lost, 7);
	}
}

/* What is none of ours has lost nothing. */
static void test_other(void **state)
{
	struct records c;
	struct world w;

	(void)state;
	begin(&w, &c);
	records_open(&c, w.m, "www.example.org");
	for (unsigned i = 0; i < 20; i++) {
		say(&c, "GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n");
		hear(&c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
	}
	remember(&c, 30);
	kernel.conn.state = PROBE_CONN_DROP;
	send_exit(&w, c.tgid);
	assert_true(kernel.has);
	sweep(&w);
	assert_int_equal(stop(&w, NULL), 0);
	assert_int_equal(w.lost, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_freed),
		cmocka_unit_test(test_freed_unknown),
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_swept_first),
		cmocka_unit_test(test_address_again),
		cmocka_unit_test(test_ended_unread),
		cmocka_unit_test(test_ended_untold),
		cmocka_unit_test(test_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
