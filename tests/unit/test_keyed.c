#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "hook/keyed.h"

struct entry {
	struct lg_keyed keyed;
	uintptr_t what, more;
};
#define OBJECTS 4000
#define THREADS 4

static void *object(uintptr_t i)
{
	return (void *)(0x1000 + i * 0x30);
}

static void put(struct lg_keyed_table *t, uintptr_t i)
{
	struct entry *e = lg_keyed_take(t, object(i));

	assert_non_null(e);
	assert_int_equal(e->what, 0);
	assert_int_equal(e->more, 0);
	assert_null(lg_keyed_get(t, object(i)));
	e->what = i;
	e->more = ~i;
	lg_keyed_show(e, object(i));
}

static void finds_what_was_put(void **state)
{
	static struct lg_keyed_table t = {.size = sizeof(struct entry),
					  .max = OBJECTS};
	struct entry *e;
	uintptr_t i;

	(void)state;
	assert_null(lg_keyed_get(&t, object(0)));
	for (i = 1; i <= OBJECTS; i++)
		put(&t, i);
	assert_int_equal(t.live, OBJECTS);
	assert_null(lg_keyed_take(&t, object(OBJECTS + 1)));
	for (i = 1; i <= OBJECTS; i++) {
		e = lg_keyed_get(&t, object(i));
		assert_non_null(e);
		assert_int_equal(e->what, i);
		if (i % 3)
			lg_keyed_drop(&t, e);
	}
	for (i = 1; i <= OBJECTS; i++) {
		e = lg_keyed_get(&t, object(i));
		assert_int_equal(e != NULL, i % 3 == 0);
	}
	/* what was dropped is room again, and nothing of it is left */
	for (i = 1; i <= OBJECTS; i++)
		if (i % 3)
			put(&t, i);
	assert_int_equal(t.live, OBJECTS);
	assert_int_equal(t.made, OBJECTS);
}

static struct lg_keyed_table shared = {.size = sizeof(struct entry),
				       .max = 1u << 20};
static unsigned bad;

/* Each thread has its own objects; all share the chains. */
static void *churn(void *arg)
{
	uintptr_t base = (uintptr_t)arg * 64, round, i;
	struct entry *e;

	for (round = 0; round < 2000; round++) {
		for (i = 1; i <= 32; i++) {
			e = lg_keyed_take(&shared, object(base + i));
			if (!e || e->what || e->more) {
				__atomic_fetch_add(&bad, 1, __ATOMIC_RELAXED);
				return NULL;
			}
			e->what = e->more = base + i;
			lg_keyed_show(e, object(base + i));
		}
		for (i = 1; i <= 32; i++) {
			e = lg_keyed_get(&shared, object(base + i));
			if (!e || e->what != base + i) {
				__atomic_fetch_add(&bad, 1, __ATOMIC_RELAXED);
				return NULL;
			}
			lg_keyed_drop(&shared, e);
		}
	}
	return NULL;
}

static void threads_do_not_mix(void **state)
{
	pthread_t t[THREADS];
	uintptr_t i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, churn, (void *)i),
				 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(bad, 0);
	assert_int_equal(shared.live, 0);
	assert_in_range(shared.made, 32, THREADS * 32 * 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_put),
		cmocka_unit_test(threads_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
