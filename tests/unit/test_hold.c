#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "budget/swap.h"

#define USD INT64_C(1000000000000)

static struct lg_region *r;
static char path[64];
static uint64_t next_id;

static int setup(void **state)
{
	struct lg_region_options o = {.path = path, .create = true};
	bool created;

	(void)state;
	snprintf(path, sizeof(path), "/dev/shm/llmguard-test-%d", getpid());
	unlink(path);
	assert_int_equal(lg_region_open(&o, &r, &created), 0);
	assert_true(created);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lg_region_close(r);
	unlink(path);
	return 0;
}

static int make_cell(int64_t limit)
{
	struct lg_cell_spec s = {
		.name = LG_SLICE("b"),
		.scope = LG_SLICE("global"),
		.id = {++next_id, 7},
		.period = LG_PERIOD_TOTAL,
		.window = 1,
		.window_start_ms = INT64_MIN,
		.window_end_ms = INT64_MAX,
		.limit_pusd = limit,
	};
	bool fresh;
	int c = lg_cell_find(r, &s, &fresh);

	assert_true(c >= 0);
	assert_true(fresh);
	lg_cell_seed(r, c, 1, 0);
	assert_int_equal(lg_cell_find(r, &s, &fresh), c);
	assert_false(fresh);
	return c;
}

static int64_t used(int cell)
{
	struct lg_cell_view v;

	assert_int_equal(lg_cell_view(r, (unsigned)cell, &v), 0);
	return v.used_pusd;
}

static int64_t held(int cell)
{
	struct lg_cell_view v;

	assert_int_equal(lg_cell_view(r, (unsigned)cell, &v), 0);
	return v.held_pusd;
}

static unsigned live(void)
{
	struct lg_hold_view v;
	unsigned i, n = 0;

	for (i = 0; i < lg_hold_slots(r); i++)
		n += lg_hold_view(r, i, &v, NULL) == 0;
	return n;
}

/* A correction gives back; what never was in the cell is no headroom. */
static void settles_below_zero(void **state)
{
	int a = make_cell(5 * USD);
	struct lg_charge c = {a, 1, 4 * USD, 5 * USD};
	struct lg_hold_refusal why;
	struct lg_hold h;

	(void)state;
	assert_int_equal(lg_hold_take(r, &c, 1, "x", 1, &h, &why), 0);
	assert_int_equal(lg_hold_settle(r, &h, 3 * USD, "x", 1), 0);
	lg_hold_free(r, &h);
	c.amount_pusd = 0;
	assert_int_equal(lg_hold_take(r, &c, 1, "x", 1, &h, &why), 0);
	assert_int_equal(lg_hold_settle(r, &h, -2 * USD, "x", 1), 0);
	lg_hold_free(r, &h);
	assert_int_equal(used(a), USD);
	assert_int_equal(lg_hold_take(r, &c, 1, "x", 1, &h, &why), 0);
	assert_int_equal(lg_hold_settle(r, &h, -3 * USD, "x", 1), 0);
	lg_hold_free(r, &h);
	c.amount_pusd = 6 * USD;
	assert_int_equal(lg_hold_take(r, &c, 1, "x", 1, &h, &why), -EDQUOT);
	assert_int_equal(why.used_pusd, 0);
	c.amount_pusd = 5 * USD;
	assert_int_equal(lg_hold_take(r, &c, 1, "x", 1, &h, &why), 0);
	lg_hold_release(r, &h);
}

static void takes_and_settles(void **state)
{
	int a = make_cell(5 * USD), b = make_cell(2 * USD);
	struct lg_charge c[2] = {{b, 1, USD, 2 * USD}, {a, 1, USD, 5 * USD}};
	struct lg_hold_refusal why;
	struct lg_hold h[3];

	(void)state;
	assert_int_equal(lg_hold_take(r, c, 2, "x", 1, &h[0], &why), 0);
	assert_int_equal(lg_hold_take(r, c, 2, "y", 1, &h[1], &why), 0);
	assert_int_equal(used(a), 2 * USD);
	assert_int_equal(held(a), 2 * USD);
	assert_int_equal(lg_hold_take(r, c, 2, "z", 1, &h[2], &why), -EDQUOT);
	assert_int_equal(why.index, 0);
	assert_int_equal(why.used_pusd, 2 * USD);
	assert_int_equal(why.held_pusd, 2 * USD);
	assert_int_equal(h[2].slot, -1);
	assert_int_equal(used(a), 2 * USD);
	lg_hold_dispatched(r, &h[0]);
	assert_int_equal(lg_hold_settle(r, &h[0], USD / 4, "xx", 2), 0);
	assert_int_equal(used(a), USD + USD / 4);
	assert_int_equal(held(b), USD);
	lg_hold_free(r, &h[0]);
	assert_int_equal(h[0].slot, -1);
	lg_hold_release(r, &h[1]);
	assert_int_equal(used(a), USD / 4);
	assert_int_equal(used(b), USD / 4);
	assert_int_equal(held(a), 0);
	assert_int_equal(live(), 0);
}

static void twice_the_same_cell_counts_once(void **state)
{
	int a = make_cell(5 * USD);
	struct lg_charge c[2] = {{a, 1, USD, 5 * USD},
				 {a, 1, 2 * USD, 3 * USD}};
	struct lg_hold h;

	(void)state;
	assert_int_equal(lg_hold_take(r, c, 2, "", 0, &h, NULL), 0);
	assert_int_equal(used(a), 2 * USD);
	lg_hold_release(r, &h);
	assert_int_equal(used(a), 0);
}

static void window_rolls(void **state)
{
	int a = make_cell(5 * USD);
	struct lg_charge old = {a, 1, 5 * USD, 5 * USD};
	struct lg_charge new = {a, 2, 5 * USD, 5 * USD};
	struct lg_hold h1, h2, h3;

	(void)state;
	assert_int_equal(lg_hold_take(r, &old, 1, "", 0, &h1, NULL), 0);
	assert_int_equal(lg_hold_take(r, &new, 1, "", 0, &h2, NULL), 0);
	assert_int_equal(used(a), 5 * USD);
	/* Late settle of the past window: nothing moves. */
	assert_int_equal(lg_hold_settle(r, &h1, USD, "", 0), 0);
	lg_hold_free(r, &h1);
	assert_int_equal(used(a), 5 * USD);
	assert_int_equal(lg_hold_settle(r, &h2, USD, "", 0), 0);
	lg_hold_free(r, &h2);
	assert_int_equal(used(a), USD);
	/* A clock that lags charges the window that is. */
	assert_int_equal(lg_hold_take(r, &old, 1, "", 0, &h3, NULL), -EDQUOT);
	old.amount_pusd = USD;
	assert_int_equal(lg_hold_take(r, &old, 1, "", 0, &h3, NULL), 0);
	assert_int_equal(used(a), 2 * USD);
	lg_hold_release(r, &h3);
	assert_int_equal(used(a), USD);
}

struct seen {
	int n;
	enum lg_swept what;
	char draft[LG_DRAFT_MAX];
	size_t len;
	int ret;
};

static int on_row(void *ctx, enum lg_swept what, const void *draft, size_t len)
{
	struct seen *s = ctx;

	s->n++;
	s->what = what;
	s->len = len;
	memcpy(s->draft, draft, len);
	return s->ret;
}

/* A child does something and dies; the sweep finds what it left. */
static void in_child(void (*fn)(const struct lg_charge *c),
		     const struct lg_charge *c)
{
	pid_t pid = fork();
	int st;

	assert_true(pid >= 0);
	if (pid == 0) {
		fn(c);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
}

static void die_held(const struct lg_charge *c)
{
	struct lg_hold h;

	if (lg_hold_take(r, c, 1, "row", 3, &h, NULL) != 0)
		_exit(1);
}

static void die_dispatched(const struct lg_charge *c)
{
	struct lg_hold h;

	if (lg_hold_take(r, c, 1, "row", 3, &h, NULL) != 0)
		_exit(1);
	lg_hold_dispatched(r, &h);
	if (lg_hold_redraft(r, &h, "row2", 4) != 0)
		_exit(2);
}

static void die_settled(const struct lg_charge *c)
{
	struct lg_hold h;

	if (lg_hold_take(r, c, 1, "row", 3, &h, NULL) != 0)
		_exit(1);
	lg_hold_dispatched(r, &h);
	if (lg_hold_settle(r, &h, USD / 2, "final", 5) != 0)
		_exit(2);
}

static void die_row(const struct lg_charge *c)
{
	struct lg_hold h;

	(void)c;
	if (lg_hold_row(r, "blocked", 7, &h) != 0)
		_exit(1);
}

static void sweeps_the_dead(void **state)
{
	int a = make_cell(5 * USD);
	struct lg_charge c = {a, 1, USD, 5 * USD};
	struct seen s = {.ret = 0};

	(void)state;
	in_child(die_held, &c);
	assert_int_equal(used(a), USD);
	assert_int_equal(lg_hold_sweep(r, false, on_row, &s), 1);
	assert_int_equal(s.n, 0);
	assert_int_equal(used(a), 0);

	in_child(die_dispatched, &c);
	assert_int_equal(lg_hold_sweep(r, false, on_row, &s), 1);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.what, LG_SWEPT_ABANDONED);
	assert_int_equal(s.len, 4);
	assert_memory_equal(s.draft, "row2", 4);
	assert_int_equal(used(a), USD);
	assert_int_equal(held(a), 0);

	in_child(die_settled, &c);
	s.ret = -1;
	assert_int_equal(lg_hold_sweep(r, false, on_row, &s), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.what, LG_SWEPT_SETTLED);
	assert_int_equal(used(a), USD + USD / 2);
	/* Not written: it waits for the next that can. */
	assert_int_equal(lg_hold_sweep(r, false, on_row, &s), 0);
	assert_int_equal(s.n, 2);
	s.ret = 0;
	assert_int_equal(lg_hold_sweep(r, true, on_row, &s), 1);
	assert_int_equal(s.what, LG_SWEPT_STAGED);
	assert_memory_equal(s.draft, "final", 5);

	in_child(die_row, &c);
	assert_int_equal(lg_hold_sweep(r, false, on_row, &s), 1);
	assert_memory_equal(s.draft, "blocked", 7);
	assert_int_equal(live(), 0);
}

static void stages_rows(void **state)
{
	struct seen s = {.ret = 0};
	struct lg_hold h;

	(void)state;
	assert_int_equal(lg_hold_row(r, "abc", 3, &h), 0);
	lg_hold_stage(r, &h);
	assert_int_equal(h.slot, -1);
	assert_int_equal(live(), 1);
	assert_int_equal(lg_hold_sweep(r, false, on_row, &s), 0);
	assert_int_equal(lg_hold_sweep(r, true, on_row, &s), 1);
	assert_int_equal(s.what, LG_SWEPT_STAGED);
	assert_memory_equal(s.draft, "abc", 3);
	assert_int_equal(live(), 0);
}

static void child_adopts(void **state)
{
	int a = make_cell(5 * USD), st;
	struct lg_charge c = {a, 1, USD, 5 * USD};
	struct lg_hold h;
	pid_t pid;

	(void)state;
	assert_int_equal(lg_hold_take(r, &c, 1, "", 0, &h, NULL), 0);
	pid = fork();
	if (pid == 0) {
		struct lg_hold copy = h;

		lg_hold_release(r, &copy); /* not ours yet: nothing */
		if (used(a) != USD || lg_hold_adopt(r, &h) != 0)
			_exit(1);
		if (lg_hold_settle(r, &h, USD / 2, "", 0) != 0)
			_exit(2);
		lg_hold_free(r, &h);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
	assert_int_equal(used(a), USD / 2);
	lg_hold_release(r, &h);
	assert_int_equal(used(a), USD / 2);
	assert_int_equal(live(), 0);
}

/* Parent and child reach for the same hold: one of them gets it. */
static void parent_and_child_race(void **state)
{
	int a = make_cell(USD), i, st, err;
	struct lg_charge c = {a, 1, 100, USD};
	int64_t sum = 0;
	struct lg_hold h;
	pid_t pid;

	(void)state;
	for (i = 0; i < 300; i++) {
		assert_int_equal(lg_hold_take(r, &c, 1, "", 0, &h, NULL), 0);
		pid = fork();
		if (pid == 0) {
			if (lg_hold_adopt(r, &h) != 0)
				_exit(0);
			if (lg_hold_settle(r, &h, 7, "", 0) != 0)
				_exit(2);
			lg_hold_free(r, &h);
			_exit(1);
		}
		if (i % 3 == 0)
			usleep((unsigned)i);
		err = lg_hold_settle(r, &h, 3, "", 0);
		assert_true(err == 0 || err == -EPERM);
		lg_hold_free(r, &h);
		assert_int_equal(waitpid(pid, &st, 0), pid);
		assert_true(WIFEXITED(st) && WEXITSTATUS(st) < 2);
		assert_int_equal(WEXITSTATUS(st), err == -EPERM);
		sum += err == 0 ? 3 : 7;
		assert_int_equal(used(a), sum);
	}
	assert_int_equal(live(), 0);
}

/* exec keeps pid and start time, but nobody is left to settle. */
static void exec_leaves_a_hold(void **state)
{
	struct lg_charge c = {make_cell(USD), 1, 100, USD};
	int fd[2], i, n = 0;
	char b;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		die_held(&c);
		execl("/bin/sleep", "sleep", "60", (char *)NULL);
		_exit(1);
	}
	close(fd[1]);
	/* The end of the pipe closes at the exec. */
	assert_int_equal(read(fd[0], &b, 1), 0);
	close(fd[0]);
	for (i = 0; i < 100 && n == 0; i++) {
		n = lg_hold_sweep(r, false, NULL, NULL);
		usleep(1000);
	}
	assert_int_equal(n, 1);
	assert_int_equal(used(c.cell), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	waitpid(pid, NULL, 0);
}

static void slots_run_out(void **state)
{
	static struct lg_hold h[LG_SLOTS + 1];
	unsigned i;

	(void)state;
	for (i = 0; i < LG_SLOTS; i++)
		assert_int_equal(lg_hold_row(r, "", 0, &h[i]), 0);
	assert_int_equal(lg_hold_row(r, "", 0, &h[i]), -ENOSPC);
	for (i = 0; i < LG_SLOTS; i++)
		lg_hold_free(r, &h[i]);
	assert_int_equal(live(), 0);
}

/* A disk that is full for long: limits still count. */
static void staged_rows_leave_room_for_holds(void **state)
{
	struct lg_charge c = {make_cell(USD), 1, USD, USD};
	struct seen s = {.ret = 0};
	struct lg_hold h;
	unsigned i;

	(void)state;
	for (i = 0; i < LG_SLOTS; i++) {
		assert_int_equal(lg_hold_row(r, "row", 3, &h), 0);
		assert_int_equal(lg_hold_stage(r, &h),
				 i < LG_SLOTS / 4 * 3 ? 0 : -ENOSPC);
	}
	assert_int_equal(lg_region_counter(r, LG_COUNT_LOST), LG_SLOTS / 4);
	assert_int_equal(lg_hold_take(r, &c, 1, "", 0, &h, NULL), 0);
	lg_hold_release(r, &h);
	assert_int_equal(lg_hold_sweep(r, true, on_row, &s), LG_SLOTS / 4 * 3);
	assert_int_equal(live(), 0);
}

static void drafts_survive_many_changes(void **state)
{
	int a = make_cell(5 * USD);
	struct lg_charge c = {a, 1, USD, 5 * USD};
	char draft[LG_DRAFT_MAX];
	struct lg_hold_view v;
	struct lg_hold h;
	int i, slot;

	(void)state;
	for (i = 0; i < 3000; i++) {
		char want[LG_DRAFT_MAX];

		memset(want, i & 0xff, sizeof(want));
		assert_int_equal(lg_hold_take(r, &c, 1, "q", 1, &h, NULL), 0);
		assert_int_equal(lg_hold_redraft(r, &h, want, 2912), 0);
		slot = h.slot;
		assert_int_equal(lg_hold_view(r, (unsigned)slot, &v, draft), 0);
		assert_int_equal(v.draft_len, 2912);
		assert_memory_equal(draft, want, 2912);
		assert_int_equal(lg_hold_settle(r, &h, 0, want, 100), 0);
		assert_int_equal(lg_hold_view(r, (unsigned)slot, &v, draft), 0);
		assert_int_equal(v.draft_len, 100);
		lg_hold_free(r, &h);
	}
	assert_int_equal(used(a), 0);
}

/* -- seeds ---------------------------------------------------------------- */

static const struct lg_cell_spec unseeded = {
	.name = {"s", 1},
	.scope = {"global", 6},
	.period = LG_PERIOD_TOTAL,
	.window = 1,
	.window_start_ms = INT64_MIN,
	.window_end_ms = INT64_MAX,
	.limit_pusd = USD,
};

struct slow_seeder {
	int cell;
	unsigned renewals; /* every 100 ms before the seed, 0: never seeds */
};

static void *seed_slowly(void *p)
{
	struct slow_seeder *s = p;

	for (unsigned i = 0; i < s->renewals; i++) {
		usleep(100000);
		lg_cell_seed_renew(r, s->cell);
	}
	if (s->renewals)
		lg_cell_seed(r, s->cell, 1, 42);
	return NULL;
}

/* Longer than a lease and than a waiter of old was patient. */
static void waits_for_a_slow_seeder(void **state)
{
	struct lg_cell_spec spec = unseeded;
	struct slow_seeder s = {.renewals = 27};
	pthread_t t;
	bool fresh;

	(void)state;
	spec.id = (struct lg_hash128){++next_id, 7};
	s.cell = lg_cell_find(r, &spec, &fresh);
	assert_true(fresh);
	assert_false(lg_cell_is_seeded(r, s.cell));
	assert_int_equal(pthread_create(&t, NULL, seed_slowly, &s), 0);
	assert_int_equal(lg_cell_find(r, &spec, &fresh), s.cell);
	assert_false(fresh);
	assert_true(lg_cell_is_seeded(r, s.cell));
	assert_int_equal(used(s.cell), 42);
	pthread_join(t, NULL);
}

static void replaces_a_silent_seeder(void **state)
{
	struct lg_cell_spec spec = unseeded;
	int c;
	bool fresh;

	(void)state;
	spec.id = (struct lg_hash128){++next_id, 7};
	c = lg_cell_find(r, &spec, &fresh);
	assert_true(fresh);
	assert_int_equal(lg_cell_find(r, &spec, &fresh), c);
	assert_true(fresh);
	assert_false(lg_cell_is_seeded(r, c));
}

static void refuses_nonsense(void **state)
{
	struct lg_charge c = {-1, 1, USD, USD};
	struct lg_hold h = {.slot = 99999};
	char big[LG_DRAFT_MAX + 1];

	(void)state;
	assert_int_equal(lg_hold_take(r, &c, 1, "", 0, &h, NULL), -EINVAL);
	c.cell = make_cell(USD);
	c.amount_pusd = -1;
	assert_int_equal(lg_hold_take(r, &c, 1, "", 0, &h, NULL), -EINVAL);
	c.amount_pusd = 1;
	assert_int_equal(lg_hold_take(r, &c, 1, big, sizeof(big), &h, NULL),
			 -EINVAL);
	c.amount_pusd = INT64_MAX;
	assert_int_equal(lg_hold_take(r, &c, 1, "", 0, &h, NULL), -EDQUOT);
	c.limit_pusd = 0;
	c.amount_pusd = 0; /* free calls pass a limit of 0 */
	assert_int_equal(lg_hold_take(r, &c, 1, "", 0, &h, NULL), 0);
	lg_hold_release(r, &h);
	h = (struct lg_hold){12345, 1};
	assert_int_equal(lg_hold_settle(r, &h, 1, "", 0), -EPERM);
	lg_hold_free(r, &h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_and_settles),
		cmocka_unit_test(settles_below_zero),
		cmocka_unit_test(twice_the_same_cell_counts_once),
		cmocka_unit_test(window_rolls),
		cmocka_unit_test(sweeps_the_dead),
		cmocka_unit_test(stages_rows),
		cmocka_unit_test(child_adopts),
		cmocka_unit_test(parent_and_child_race),
		cmocka_unit_test(exec_leaves_a_hold),
		cmocka_unit_test(slots_run_out),
		cmocka_unit_test(staged_rows_leave_room_for_holds),
		cmocka_unit_test(drafts_survive_many_changes),
		cmocka_unit_test(waits_for_a_slow_seeder),
		cmocka_unit_test(replaces_a_silent_seeder),
		cmocka_unit_test(refuses_nonsense),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
