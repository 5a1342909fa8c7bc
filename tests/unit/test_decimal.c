#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <cmocka.h>

#include "tools/decimal.h"

static void test_is(void **state)
{
	static const char *const good[] = {"0",	  "-0",	 "1",	  "10.50",
					   "0.1", "1e5", "1E-05", "-2.5e+3"};
	static const char *const bad[] = {"",	 "-",	"01",  "1.",	".5",
					  "1e",	 "1e+", "+1",  "0x1",	"1 ",
					  "1,5", "NaN", "--1", "1.5.2", "e1"};

	(void)state;
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(decimal_is(lg_slice_str(good[i])));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (decimal_is(lg_slice_str(bad[i])))
			fail_msg("%s", bad[i]);
}

static void shift(const char *in, int by, const char *want)
{
	char out[DECIMAL_TEXT];

	assert_int_equal(decimal_shift(lg_slice_str(in), by, out), 0);
	assert_string_equal(out, want);
}

static void test_shift(void **state)
{
	char out[DECIMAL_TEXT];

	(void)state;
	shift("1.5e-07", 6, "0.15");
	shift("2.5e-06", 6, "2.5");
	shift("1e-05", 6, "10");
	shift("0.0000025", 6, "2.5");
	shift("0", 6, "0");
	shift("0.000", -3, "0");
	shift("-0.0", 3, "0");
	shift("12.50", 0, "12.5");
	shift("100", 0, "100");
	shift("100", -3, "0.1");
	shift("-1.5", 1, "-15");
	shift("0.08333333333333334", 0, "0.08333333333333334");
	shift("000.5e1" + 2, 0, "5");
	shift("1e3", 0, "1000");
	assert_true(decimal_shift(LG_SLICE("1e99"), 0, out) < 0);
	assert_true(decimal_shift(LG_SLICE("1e-99"), 0, out) < 0);
	assert_true(decimal_shift(LG_SLICE("1e999999999999"), 0, out) < 0);
	assert_true(decimal_shift(LG_SLICE("x"), 0, out) < 0);
}

static void times(const char *a, const char *b, const char *want)
{
	char out[DECIMAL_TEXT];

	assert_int_equal(decimal_times(lg_slice_str(a), lg_slice_str(b), out),
			 0);
	assert_string_equal(out, want);
}

static void test_times(void **state)
{
	(void)state;
	times("2.5", "0.5", "1.25");
	times("0", "7", "0");
	times("99999", "99999", "9999800001");
	times("0.1", "0.1", "0.01");
	times("-2", "3", "-6");
	times("1000", "0.001", "1");
	times("1.25", "8", "10");
}

static void test_cmp(void **state)
{
	(void)state;
	assert_true(decimal_cmp(LG_SLICE("1.0"), LG_SLICE("1")) == 0);
	assert_true(decimal_cmp(LG_SLICE("0"), LG_SLICE("-0.0")) == 0);
	assert_true(decimal_cmp(LG_SLICE("10"), LG_SLICE("9.99")) > 0);
	assert_true(decimal_cmp(LG_SLICE("0.10"), LG_SLICE("0.2")) < 0);
	assert_true(decimal_cmp(LG_SLICE("-1"), LG_SLICE("1")) < 0);
	assert_true(decimal_cmp(LG_SLICE("-10"), LG_SLICE("-9")) < 0);
	assert_true(decimal_cmp(LG_SLICE("1e2"), LG_SLICE("100")) == 0);
	assert_true(decimal_cmp(LG_SLICE("0"), LG_SLICE("0.1")) < 0);
	assert_true(decimal_cmp(LG_SLICE("1.01"), LG_SLICE("1.011")) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is),
		cmocka_unit_test(test_shift),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_cmp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
