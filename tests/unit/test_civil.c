#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/civil.h"

static void test_every_day(void **state)
{
	int64_t day, last = lg_civil_days(9999, 12, 31);
	struct lg_civil c, next;

	(void)state;
	assert_int_equal(lg_civil_days(1970, 1, 1), 0);
	assert_int_equal(lg_civil_days(2000, 3, 1), 11017);
	assert_int_equal(last, 2932896);
	lg_civil_from_days(lg_civil_days(0, 1, 1), &c);
	for (day = lg_civil_days(0, 1, 1); day < last; day++, c = next) {
		assert_int_equal(lg_civil_days(c.year, c.month, c.day), day);
		lg_civil_from_days(day + 1, &next);
		if (next.day == 1)
			assert_true(c.day >= 28 &&
				    next.month == c.month % 12 + 1);
		else
			assert_true(next.day == c.day + 1 &&
				    next.month == c.month);
	}
}

static void test_against_libc(void **state)
{
	struct lg_civil c;
	struct tm tm;
	time_t t;

	(void)state;
	for (t = -86400 * 400LL; t < 4102444800; t += 86400 * 13) {
		gmtime_r(&t, &tm);
		lg_civil_from_days(lg_floor_div(t, 86400), &c);
		assert_int_equal(c.year, tm.tm_year + 1900);
		assert_int_equal(c.month, tm.tm_mon + 1);
		assert_int_equal(c.day, tm.tm_mday);
		assert_int_equal(lg_civil_weekday(lg_floor_div(t, 86400)),
				 (tm.tm_wday + 6) % 7);
	}
	assert_int_equal(lg_floor_div(-1, 86400), -1);
	assert_int_equal(lg_floor_div(-86400, 86400), -1);
	assert_int_equal(lg_floor_div(86399, 86400), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_day),
		cmocka_unit_test(test_against_libc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
