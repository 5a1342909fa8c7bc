#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "budget/cell.h"

#define HOUR INT64_C(3600000)
#define NOW INT64_C(1790000000000)

static struct lg_region *r;
static char path[64];

static int setup(void **state)
{
	struct lg_region_options o = {.path = path, .create = true};

	(void)state;
	lg_clock_set_real_ms(NOW);
	snprintf(path, sizeof(path), "/dev/shm/llmguard-test-%d", getpid());
	unlink(path);
	if (lg_region_open(&o, &r, NULL) != 0)
		return -1;
	return unlink(path);
}

static int teardown(void **state)
{
	(void)state;
	lg_clock_set_real_ms(0);
	lg_region_close(r);
	return 0;
}

static struct lg_cell_spec spec(uint64_t id, uint32_t window)
{
	return (struct lg_cell_spec){
		.name = LG_SLICE("month"),
		.scope = LG_SLICE("global"),
		.id = {id * 31, id},
		.period = LG_PERIOD_HOURLY,
		.window = window,
		.window_start_ms = NOW,
		.window_end_ms = NOW + HOUR,
		.limit_pusd = 100,
		.config_id = 1,
		.since_ms = 10,
		.hard = true,
	};
}

static struct lg_cell_view view(int cell)
{
	struct lg_cell_view v;

	assert_int_equal(lg_cell_view(r, (unsigned)cell % LG_CELLS, &v), 0);
	return v;
}

static void is_seeded_once(void **state)
{
	struct lg_cell_spec s = spec(1, 500);
	struct lg_cell_view v;
	bool fresh;
	int c;

	(void)state;
	c = lg_cell_find(r, &s, &fresh);
	assert_true(c >= 0 && fresh);
	lg_cell_seed(r, c, 500, 40);
	lg_cell_seed(r, c, 500, 40);
	assert_int_equal(lg_cell_find(r, &s, &fresh), c);
	assert_false(fresh);
	v = view(c);
	assert_string_equal(v.name, "month");
	assert_string_equal(v.scope, "global");
	assert_int_equal(v.used_pusd, 40);
	assert_int_equal(v.window_end_ms, NOW + HOUR);
	assert_true(v.hard && !v.each && !v.strict);
	/* What the ledger knew counts against the limit. */
	struct lg_charge ch = {c, 500, 61, 100};
	struct lg_hold_refusal why;
	struct lg_hold h;
	assert_int_equal(lg_hold_take(r, &ch, 1, "", 0, &h, &why), -EDQUOT);
	assert_int_equal(why.used_pusd, 40);
	assert_int_equal(why.held_pusd, 0);
	ch.amount_pusd = 60;
	assert_int_equal(lg_hold_take(r, &ch, 1, "", 0, &h, NULL), 0);
	lg_hold_release(r, &h);
	/* A new window starts at zero, without the seed. */
	s.window = 501;
	s.window_start_ms += HOUR;
	s.window_end_ms += HOUR;
	assert_int_equal(lg_cell_find(r, &s, &fresh), c);
	assert_false(fresh);
	assert_int_equal(view(c).used_pusd, 0);
	assert_int_equal(view(c).window, 501);
	assert_int_equal(view(c).window_start_ms, NOW + HOUR);
}

static void dead_seeder_is_replaced(void **state)
{
	struct lg_cell_spec s = spec(2, 500);
	bool fresh;
	int c, st;

	(void)state;
	if (fork() == 0) {
		lg_cell_find(r, &s, &fresh);
		_exit(!fresh);
	}
	wait(&st);
	assert_int_equal(st, 0);
	/* Waits for the end of the lease, then it is our turn. */
	c = lg_cell_find(r, &s, &fresh);
	assert_true(c >= 0);
	assert_true(fresh);
	assert_false(lg_cell_is_seeded(r, c));
	lg_cell_seed(r, c, 500, 7);
	assert_true(lg_cell_is_seeded(r, c));
	assert_int_equal(view(c).used_pusd, 7);
}

static void limits(void **state)
{
	struct lg_cell_spec s = spec(3, 500), t;
	bool fresh;
	int c = lg_cell_find(r, &s, &fresh);

	(void)state;
	lg_cell_seed(r, c, 500, 0);
	assert_int_equal(lg_cell_limit(r, c, &s), 100);
	/* The same config: the newer one wins, for all. */
	t = s;
	t.since_ms = 20;
	t.limit_pusd = 300;
	assert_int_equal(lg_cell_limit(r, c, &t), 300);
	assert_int_equal(lg_cell_limit(r, c, &s), 300);
	assert_int_equal(view(c).limit_pusd, 300);
	/* Two configs: the lower one wins. */
	t.config_id = 2;
	t.limit_pusd = 500;
	assert_int_equal(lg_cell_limit(r, c, &t), 300);
	t.limit_pusd = 50;
	assert_int_equal(lg_cell_limit(r, c, &t), 50);
	assert_int_equal(lg_cell_limit(r, c, &s), 50);
	assert_int_equal(view(c).config_id, 2);
}

static void marks(void **state)
{
	struct lg_cell_spec s = spec(4, 500);
	bool fresh;
	int c = lg_cell_find(r, &s, &fresh);

	(void)state;
	lg_cell_seed(r, c, 500, 0);
	assert_true(lg_cell_warn_once(r, c, 500, 0));
	assert_false(lg_cell_warn_once(r, c, 500, 0));
	assert_true(lg_cell_warn_once(r, c, 500, 2));
	lg_cell_note(r, c, 500, true);
	lg_cell_note(r, c, 500, true);
	assert_true(view(c).refusing);
	lg_cell_note(r, c, 500, false);
	assert_false(view(c).refusing);
	assert_int_equal(view(c).warned, 5);
	assert_int_equal(view(c).calls, 3);
	assert_int_equal(view(c).blocked, 2);
	assert_false(lg_cell_warn_once(r, c, 499, 1));
	assert_true(lg_cell_warn_once(r, c, 501, 0));
	lg_cell_charge(r, c, 500, 12);
	lg_cell_charge(r, c, 499, 12);
	assert_int_equal(view(c).used_pusd, 12);
	lg_cell_charge(r, c, 501, 3);
	assert_int_equal(view(c).used_pusd, 3);
}

/* A wrong clock rolled it into next year; later the clock is right again. */
static void clock_fault_is_mended(void **state)
{
	struct lg_cell_spec s = spec(5, 500), far = spec(5, 9000);
	bool fresh;
	int c = lg_cell_find(r, &s, &fresh);

	(void)state;
	lg_cell_seed(r, c, 500, 30);
	far.window_start_ms = NOW + 8500 * HOUR;
	far.window_end_ms = NOW + 8501 * HOUR;
	assert_int_equal(lg_cell_find(r, &far, &fresh), c);
	assert_int_equal(view(c).window, 9000);
	assert_int_equal(lg_cell_find(r, &s, &fresh), c);
	assert_true(fresh);
	lg_cell_seed(r, c, 500, 31);
	assert_int_equal(view(c).window, 500);
	assert_int_equal(view(c).used_pusd, 31);
	/* A neighbour that is a moment ahead is no fault. */
	s.window = 501;
	s.window_start_ms = NOW + 1000;
	assert_int_equal(lg_cell_find(r, &s, &fresh), c);
	assert_true(fresh); /* up to 9000 the ledger may know of calls */
	lg_cell_seed(r, c, 501, 0);
	s.window = 500;
	s.window_start_ms = NOW;
	assert_int_equal(lg_cell_find(r, &s, &fresh), c);
	assert_false(fresh);
	assert_int_equal(view(c).window, 501);
}

/* One program's clock is behind: the others' money must not be forgotten. */
static void clock_behind_forgets_nothing(void **state)
{
	struct lg_cell_spec s = spec(770, 500), past = spec(770, 100);
	bool fresh;
	int c = lg_cell_find(r, &s, &fresh);

	(void)state;
	lg_cell_seed(r, c, 500, 30);
	lg_clock_set_real_ms(NOW - 400 * HOUR);
	past.window_start_ms = NOW - 400 * HOUR;
	past.window_end_ms = NOW - 399 * HOUR;
	assert_int_equal(lg_cell_find(r, &past, &fresh), c);
	assert_true(fresh);
	lg_cell_seed(r, c, 100, 7);
	assert_int_equal(view(c).used_pusd, 7);
	lg_clock_set_real_ms(NOW);
	assert_int_equal(lg_cell_find(r, &s, &fresh), c);
	assert_true(fresh);
	lg_cell_seed(r, c, 500, 30);
	assert_int_equal(view(c).window, 500);
	assert_int_equal(view(c).used_pusd, 30);
}

static struct lg_cell_spec key_spec(uint64_t key, uint32_t window)
{
	struct lg_cell_spec s = spec(1000 + key, window);

	s.name = LG_SLICE("everyone");
	s.scope = LG_SLICE("user:*");
	s.value = LG_SLICE("someone");
	s.each = true;
	s.max_keys = 10;
	return s;
}

/* 10,000 users of two budgets: a budget that is new still finds its cell. */
static void values_leave_room(void **state)
{
	struct lg_cell_spec s;
	bool fresh;
	unsigned own[2] = {0, 0}, shared[2] = {0, 0};
	struct lg_region *before = r;
	int c;

	assert_int_equal(setup(state), 0);
	for (uint64_t i = 0; i < 20000; i++) {
		s = key_spec(i * 2654435761u, 500);
		s.name = i % 2 ? LG_SLICE("daily") : LG_SLICE("weekly");
		s.max_keys = 1024;
		c = lg_cell_find(r, &s, &fresh);
		assert_true(c >= 0);
		if (fresh)
			lg_cell_seed(r, c, 500, 0);
		(lg_cell_is_shared(r, c, s.id) ? shared : own)[i % 2]++;
	}
	assert_int_equal(own[0] + own[1], LG_CELLS / 8 * 7);
	assert_int_equal(shared[0] + own[0], 10000);
	assert_int_equal(shared[1] + own[1], 10000);
	for (uint64_t i = 0; i < LG_CELLS / 8 - 2; i++) {
		s = spec(900000 + i, 500);
		c = lg_cell_find(r, &s, &fresh);
		assert_true(c >= 0 && fresh);
		assert_false(lg_cell_is_shared(r, c, s.id));
		lg_cell_seed(r, c, 500, 0);
	}
	s = spec(999999, 500);
	assert_int_equal(lg_cell_find(r, &s, &fresh), -ENOSPC);
	lg_region_close(r);
	r = before;
}

static void keys_are_capped(void **state)
{
	int c[16], other = -1, i;
	struct lg_cell_spec s;
	bool fresh;

	(void)state;
	for (i = 0; i < 16; i++) {
		s = key_spec((uint64_t)i, 500);
		c[i] = lg_cell_find(r, &s, &fresh);
		assert_true(c[i] >= 0);
		if (fresh)
			lg_cell_seed(r, c[i], 500, 0);
		if (i == 10)
			other = c[i];
		if (i > 10)
			assert_int_equal(c[i], other);
	}
	assert_string_equal(view(other).value, "*other*");
	assert_string_equal(view(c[0]).value, "someone");
	/* A full budget looks again a second later: its cap was raised. */
	s = key_spec(12, 500);
	s.max_keys = 12;
	lg_clock_set_real_ms(NOW + 2000);
	c[12] = lg_cell_find(r, &s, &fresh);
	assert_true(c[12] >= 0 && c[12] != other && fresh);
	lg_cell_seed(r, c[12], 500, 0);
	/* In another window, an hour after the last one's end, they may go. */
	lg_clock_set_real_ms(NOW + 4 * HOUR);
	for (i = 20; i < 30; i++) {
		s = key_spec((uint64_t)i, 504);
		s.window_start_ms = NOW + 4 * HOUR;
		s.window_end_ms = NOW + 5 * HOUR;
		c[0] = lg_cell_find(r, &s, &fresh);
		assert_true(c[0] >= 0 && c[0] != other);
		assert_true(fresh);
		lg_cell_seed(r, c[0], 504, 0);
	}
	lg_clock_set_real_ms(NOW);
}

static void a_reused_cell_refuses_old_handles(void **state)
{
	struct lg_cell_spec s = spec(6, 500), t = spec(7, 500);
	struct lg_charge ch;
	struct lg_hold late;
	bool fresh;
	uint32_t i;
	int c, d, n = 0;

	(void)state;
	c = lg_cell_find(r, &s, &fresh);
	lg_cell_seed(r, c, 500, 0);
	ch = (struct lg_charge){c, 500, 5, 100};
	assert_int_equal(lg_hold_take(r, &ch, 1, "", 0, &late, NULL), 0);
	/* Fill the table; everything but these few is idle for long. */
	for (i = 0; n < (int)LG_CELLS; i++) {
		t = spec(100000 + i, 500);
		d = lg_cell_find(r, &t, &fresh);
		if (d < 0)
			break;
		lg_cell_seed(r, d, 500, 0);
		n++;
	}
	assert_int_equal(d, -ENOSPC);
	lg_clock_set_real_ms(NOW + HOUR);
	t = spec(8, 500);
	d = lg_cell_find(r, &t, &fresh);
	assert_true(d >= 0 && fresh);
	lg_cell_seed(r, d, 500, 0);
	/* Not the one with a live hold. */
	assert_int_not_equal(d % (int)LG_CELLS, c % (int)LG_CELLS);
	assert_int_equal(lg_hold_settle(r, &late, 5, "", 0), 0);
	lg_hold_free(r, &late);
	assert_int_equal(view(c).used_pusd, 5);
	/* Now it may go, when it is the one that idled longest. */
	for (i = 0; i < LG_CELLS; i++)
		r->map->meta[i].touched_s = (uint32_t)((NOW + HOUR) / 1000);
	r->map->meta[c % (int)LG_CELLS].touched_s -= 700;
	t = spec(9, 500);
	d = lg_cell_find(r, &t, &fresh);
	assert_int_equal(d % (int)LG_CELLS, c % (int)LG_CELLS);
	assert_int_not_equal(d, c);
	assert_true(fresh);
	lg_cell_seed(r, d, 500, 0);
	assert_int_equal(view(d).used_pusd, 0);
	assert_int_equal(lg_hold_take(r, &ch, 1, "", 0, &late, NULL), -ESTALE);
	lg_cell_charge(r, c, 500, 1);
	assert_int_equal(view(d).used_pusd, 0);
	lg_clock_set_real_ms(NOW);
}

static void *find_many(void *arg)
{
	uint64_t i, *out = arg;
	bool fresh;

	for (i = 0; i < 200; i++) {
		struct lg_cell_spec s = spec(500000 + i, 500);
		int c = lg_cell_find(r, &s, &fresh);

		if (c < 0)
			return (void *)1;
		if (fresh) {
			lg_add_relaxed(out, 1);
			lg_cell_seed(r, c, 500, 1);
		}
	}
	return NULL;
}

static void many_find_one_seeds(void **state)
{
	uint64_t seeds = 0;
	pthread_t id[8];
	void *bad;
	int i;

	(void)state;
	for (i = 0; i < 8; i++)
		pthread_create(&id[i], NULL, find_many, &seeds);
	for (i = 0; i < 8; i++) {
		pthread_join(id[i], &bad);
		assert_null(bad);
	}
	assert_int_equal(seeds, 200);
}

/* Whoever dies with the insertion lock does not keep it. */
static void dead_inserter_loses_the_lock(void **state)
{
	struct lg_cell_spec s = spec(600001, 500);
	bool fresh;
	int st, c;

	(void)state;
	if (fork() == 0) {
		struct lg_pair me = lg_owner_self();

		me.lo |= LG_OWNER_BUSY;
		r->map->head.lock = me;
		_exit(0);
	}
	wait(&st);
	c = lg_cell_find(r, &s, &fresh);
	assert_true(c >= 0 && fresh);
	assert_int_equal(r->map->head.lock.lo, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_seeded_once),
		cmocka_unit_test(dead_seeder_is_replaced),
		cmocka_unit_test(limits),
		cmocka_unit_test(marks),
		cmocka_unit_test(clock_fault_is_mended),
		cmocka_unit_test(clock_behind_forgets_nothing),
		cmocka_unit_test(keys_are_capped),
		cmocka_unit_test(values_leave_room),
		cmocka_unit_test(many_find_one_seeds),
		cmocka_unit_test(dead_inserter_loses_the_lock),
		cmocka_unit_test(a_reused_cell_refuses_old_handles),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
