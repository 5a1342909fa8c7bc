#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>

#include <cmocka.h>

#include "guard/crash.h"

#define NOW INT64_C(1790000000000)
#define MIN INT64_C(60000)
#define HOUR (60 * MIN)

static char text[4096];
static size_t len;

static void add(int64_t ago_ms, const char *how, const char *path)
{
	len += (size_t)snprintf(text + len, sizeof(text) - len,
				"%lld 11 %s %s\n", (long long)(NOW - ago_ms),
				how, path);
}

static struct lg_crash ask(int64_t later_ms)
{
	struct lg_crash c;

	lg_crash_judge((struct lg_slice){text, len}, LG_SLICE("/p"),
		       NOW + later_ms, &c);
	return c;
}

static void test_three(void **state)
{
	struct lg_crash c;

	(void)state;
	len = 0;
	add(9 * MIN, "guarded", "/p");
	add(5 * MIN, "guarded", "/q");
	add(4 * MIN, "guarded", "/p");
	assert_int_equal(ask(0).until_ms, 0);
	add(MIN, "guarded", "/p");
	c = ask(0);
	assert_int_equal(c.until_ms, NOW - MIN + LG_CRASH_PASSIVE_MS);
	assert_int_equal(c.count, 3);
	assert_int_equal(c.signal, SIGSEGV);
	assert_int_equal(ask(58 * MIN).until_ms, c.until_ms);
	assert_int_equal(ask(HOUR).until_ms, 0);
}

static void test_slow(void **state)
{
	(void)state;
	len = 0;
	for (int i = 9; i >= 0; i--)
		add(i * 6 * MIN, "guarded", "/p");
	assert_int_equal(ask(0).until_ms, 0);
}

static void test_innocent(void **state)
{
	(void)state;
	len = 0;
	for (int i = 0; i < 3; i++)
		add(30 * HOUR, "guarded", "/p");
	add(30 * HOUR, "bare", "/p");
	for (int i = 0; i < 5; i++)
		add(7 * HOUR, "guarded", "/p");
	assert_int_equal(ask(-7 * HOUR).until_ms, 0);
	assert_true(ask(-7 * HOUR).innocent);
	/* a day later it may be let alone again */
	for (int i = 0; i < 3; i++)
		add(MIN, "guarded", "/p");
	assert_true(ask(0).until_ms > NOW);
}

/* Lines that are none, of the future, cut at every byte. */
static void test_junk(void **state)
{
	struct lg_crash c;
	size_t n;

	(void)state;
	len = (size_t)snprintf(text, sizeof(text),
			       "\n\n1 2\n-5 11 guarded /p\n99999999999999999999"
			       " 11 guarded /p\n5 9999 guarded /p\n5 11 what "
			       "/p\n");
	add(-HOUR, "guarded", "/p");
	add(-HOUR, "guarded", "/p");
	add(-HOUR, "guarded", "/p");
	c = ask(0);
	assert_int_equal(c.last_ms, 0);
	assert_int_equal(c.until_ms, 0);
	for (n = len; len; len--)
		ask(2 * HOUR);
	len = n;
}

static void test_signals(void **state)
{
	(void)state;
	assert_true(lg_crash_is_signal(SIGSEGV));
	assert_true(lg_crash_is_signal(SIGABRT));
	assert_false(lg_crash_is_signal(SIGKILL));
	assert_false(lg_crash_is_signal(SIGTERM));
	assert_false(lg_crash_is_signal(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three),	 cmocka_unit_test(test_slow),
		cmocka_unit_test(test_innocent), cmocka_unit_test(test_junk),
		cmocka_unit_test(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
