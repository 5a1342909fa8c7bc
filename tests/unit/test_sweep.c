#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "budget/swap.h"

#define USD INT64_C(1000000000000)

static struct lg_region *r;
static char path[64];
static int cell;

static int setup(void **state)
{
	struct lg_region_options o = {.path = path, .create = true};
	struct lg_cell_spec s = {.name = LG_SLICE("b"),
				 .id = {1, 2},
				 .period = LG_PERIOD_TOTAL,
				 .window = 1,
				 .window_end_ms = INT64_MAX,
				 .limit_pusd = 5 * USD};
	bool fresh;

	(void)state;
	snprintf(path, sizeof(path), "/dev/shm/llmguard-sweep-%d", getpid());
	if (lg_region_open(&o, &r, NULL))
		return -1;
	cell = lg_cell_find(r, &s, &fresh);
	lg_cell_seed(r, cell, 1, 0);
	return cell < 0;
}

static int teardown(void **state)
{
	(void)state;
	lg_region_close(r);
	return unlink(path);
}

static void die_dispatched(void)
{
	struct lg_charge c = {cell, 1, USD, 5 * USD};
	struct lg_hold h;

	if (lg_hold_take(r, &c, 1, "row", 3, &h, NULL) != 0)
		_exit(1);
	lg_hold_dispatched(r, &h);
	_exit(0);
}

static int on_row(void *ctx, enum lg_swept what, const void *p, size_t len)
{
	assert_memory_equal(p, "row", len);
	*(int *)ctx = what;
	return 0;
}

/* As a process of a container that is gone would leave it. */
static void sweeps_a_foreign_hold_after_a_day(void **state)
{
	struct lg_slot *slot;
	struct lg_cell_view v;
	int what = -1, st;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		die_dispatched();
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
	for (slot = r->map->slot; !lg_owner_pid(slot->owner); slot++)
		assert_true(slot < r->map->slot + LG_SLOTS - 1);
	slot->owner.lo ^= UINT64_C(1) << 40;
	assert_int_equal(lg_hold_sweep(r, true, on_row, &what), 0);
	slot->since -= (uint64_t)LG_FOREIGN_LEASE_NS + (1u << 30);
	slot->owner.lo |= LG_OWNER_BUSY;
	assert_int_equal(lg_hold_sweep(r, true, on_row, &what), 0);
	slot->owner.lo &= ~(uint64_t)LG_OWNER_BUSY;
	assert_int_equal(lg_hold_sweep(r, true, on_row, &what), 1);
	assert_int_equal(what, LG_SWEPT_ABANDONED);
	assert_int_equal(lg_cell_view(r, (unsigned)cell % LG_CELLS, &v), 0);
	assert_int_equal(v.used_pusd, USD);
	assert_int_equal(v.held_pusd, 0);
}

/* Somebody cuts the file off; nobody dies, and nothing is charged. */
static void outlives_a_truncation(void **state)
{
	struct lg_charge c = {cell, 1, USD, 5 * USD};
	struct lg_hold h;

	(void)state;
	assert_int_equal(lg_hold_take(r, &c, 1, "row", 3, &h, NULL), 0);
	assert_true(lg_region_is_whole(r));
	assert_int_equal(truncate(path, 4096), 0);
	usleep(1000); /* what was just looked at is not looked at again */
	assert_int_not_equal(lg_hold_settle(r, &h, 1, "row", 3), 0);
	assert_false(lg_region_is_sound(r));
	assert_int_equal(lg_region_generation(r), 0);
	lg_hold_release(r, &h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sweeps_a_foreign_hold_after_a_day),
		cmocka_unit_test(outlives_a_truncation),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
