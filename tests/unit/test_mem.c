#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

#define THREADS 4
#define ROUNDS 20000
#define KEPT 64

static const size_t sizes[] = {1,     2,     31,    32,	   33,	  64,	100,
			       255,   256,   257,   1000,  4096,  4097, 10000,
			       32767, 32768, 32769, 65536, 100001};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static bool is_filled(const unsigned char *p, size_t n, unsigned char with)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != with)
			return false;
	return true;
}

static void test_zero_and_aligned(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < SIZES; i++) {
			unsigned char *p = lg_mem_alloc(sizes[i]);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % 16, 0);
			assert_true(is_filled(p, sizes[i], 0));
			memset(p, 0xa5, sizes[i]);
			lg_mem_free(p, sizes[i]);
		}
	lg_mem_free(NULL, 5);
}

static void test_grow(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZES; i++)
		for (size_t k = 0; k < SIZES; k++) {
			unsigned char *p = lg_mem_alloc(sizes[i]);
			size_t same = sizes[i] < sizes[k] ? sizes[i] : sizes[k];

			memset(p, 0x5a, sizes[i]);
			p = lg_mem_grow(p, sizes[i], sizes[k]);
			assert_non_null(p);
			assert_true(is_filled(p, same, 0x5a));
			if (sizes[k] > sizes[i] && sizes[i] <= 32768)
				assert_true(is_filled(p + same, sizes[k] - same,
						      0));
			memset(p, 1, sizes[k]);
			lg_mem_free(p, sizes[k]);
		}
	lg_mem_free(lg_mem_grow(NULL, 0, 10), 10);
}

static void test_cap(void **state)
{
	size_t before = lg_mem_mapped();
	char *p;

	(void)state;
	lg_mem_set_cap(before + (1 << 20));
	errno = 77;
	assert_null(lg_mem_alloc(2 << 20));
	assert_null(lg_mem_alloc(SIZE_MAX));
	assert_null(lg_mem_alloc(SIZE_MAX - 5000));
	p = lg_mem_alloc(512 << 10);
	assert_non_null(p);
	p[0] = 'k';
	assert_null(lg_mem_grow(p, 512 << 10, 2 << 20));
	assert_int_equal(p[0], 'k');
	assert_int_equal(errno, 77);
	lg_mem_free(p, 512 << 10);
	assert_int_equal(lg_mem_mapped(), before);
	lg_mem_set_cap((size_t)256 << 20);
}

/* A cap that small blocks run into, and memory that comes back after it. */
static void test_cap_small(void **state)
{
	void *kept[4096];
	size_t n = 0;

	(void)state;
	lg_mem_set_cap(lg_mem_mapped() + (512 << 10));
	while (n < 4096 && (kept[n] = lg_mem_alloc(1024)))
		n++;
	assert_in_range(n, 100, 2000);
	for (size_t i = 0; i < n; i++)
		lg_mem_free(kept[i], 1024);
	for (size_t i = 0; i < n; i++) {
		kept[i] = lg_mem_alloc(1024);
		assert_non_null(kept[i]);
	}
	for (size_t i = 0; i < n; i++)
		lg_mem_free(kept[i], 1024);
	lg_mem_set_cap((size_t)256 << 20);
}

/* Every block belongs to one holder: each fills its own and looks again. */
static void *hammer(void *arg)
{
	unsigned char *kept[KEPT] = {NULL};
	size_t size[KEPT] = {0};
	uint64_t x = (uintptr_t)arg * 0x9e3779b97f4a7c15u + 1;

	for (int i = 0; i < ROUNDS; i++) {
		unsigned at;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		at = x % KEPT;
		if (kept[at]) {
			if (!is_filled(kept[at], size[at], at + 1))
				return (void *)"another's bytes";
			lg_mem_free(kept[at], size[at]);
			kept[at] = NULL;
			continue;
		}
		size[at] = sizes[(x >> 32) % 14];
		kept[at] = lg_mem_alloc(size[at]);
		if (!kept[at])
			return (void *)"no memory";
		if (!is_filled(kept[at], size[at], 0))
			return (void *)"not zero";
		memset(kept[at], (int)at + 1, size[at]);
	}
	for (int i = 0; i < KEPT; i++)
		lg_mem_free(kept[i], size[i]);
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t t[THREADS];
	size_t after_one = 0;
	void *said;

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (uintptr_t i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&t[i], NULL, hammer,
							(void *)(i + 1)),
					 0);
		for (int i = 0; i < THREADS; i++) {
			assert_int_equal(pthread_join(t[i], &said), 0);
			if (said)
				fail_msg("%s", (char *)said);
		}
		if (round == 0)
			after_one = lg_mem_mapped();
	}
	/* blocks are reused, not lost */
	assert_true(lg_mem_mapped() <= after_one + (2 << 20));
}

static int stop;

static void *churn(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		lg_mem_free(lg_mem_alloc(100), 100);
	return arg;
}

/* A child of fork finds a sound allocator whatever the threads were doing. */
static void test_fork(void **state)
{
	pthread_t t[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, churn, NULL);
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			alarm(10);
			_exit(hammer((void *)7) ? 1 : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero_and_aligned),
		cmocka_unit_test(test_grow),
		cmocka_unit_test(test_cap),
		cmocka_unit_test(test_cap_small),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
