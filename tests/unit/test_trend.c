/* What days to come are thought to cost. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/civil.h"
#include "tools/trend.h"

#define JANUARY 20454 /* of 2026 */

static int64_t a_monday(void)
{
	int64_t d = JANUARY;

	while (lg_civil_weekday(d))
		d++;
	return d;
}

static double month_of(const double *day, unsigned n, int64_t first)
{
	struct trend_sum sum;
	struct trend t;

	trend_fit(day, n, first, &t);
	trend_sum(&t, first + n - 1, first + n, first + n + 27, 1, &sum);
	assert_true(sum.low <= sum.mean && sum.mean <= sum.high);
	assert_true(isfinite(sum.high));
	return sum.mean;
}

static void test_weekdays(void **state)
{
	double day[56];

	(void)state;
	for (unsigned i = 0; i < 56; i++)
		day[i] = i % 7 < 5 ? 10 : 1;
	/* four weeks of 52 */
	assert_true(fabs(month_of(day, 56, a_monday()) - 208) < 8);
}

static void test_growth(void **state)
{
	double day[56];

	(void)state;
	for (unsigned i = 0; i < 56; i++)
		day[i] = 10 + 0.1 * i;
	assert_true(month_of(day, 56, a_monday()) > 28 * 15);
	assert_true(month_of(day, 56, a_monday()) < 28 * 20);
}

/* A weekday that never cost anything, but now did. */
static void test_odd_day(void **state)
{
	double day[56] = {0}, mean;

	(void)state;
	for (unsigned i = 0; i < 56; i++)
		day[i] = i % 7 < 5 ? 10 : 0;
	day[55] = 30;
	mean = month_of(day, 56, a_monday());
	assert_true(mean > 200 && mean < 340);
}

/* Costs begin after months of nothing. */
static void test_begins_late(void **state)
{
	double day[56] = {0}, mean;

	(void)state;
	for (unsigned i = 46; i < 56; i++)
		day[i] = 10;
	mean = month_of(day, 56, a_monday());
	assert_true(fabs(mean - 280) < 1);
}

/* One dear day in weeks is no habit. */
static void test_single_days(void **state)
{
	double day[56] = {0}, mean;

	(void)state;
	day[20] = day[40] = 70;
	mean = month_of(day, 56, a_monday());
	assert_true(fabs(mean - 28 * 140.0 / 36) < 1);
	memset(day, 0, sizeof(day));
	assert_true(month_of(day, 56, a_monday()) == 0);
	day[55] = 7;
	assert_true(fabs(month_of(day, 56, a_monday()) - 28) < 0.01);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weekdays),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_odd_day),
		cmocka_unit_test(test_begins_late),
		cmocka_unit_test(test_single_days),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
