#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/money.h"

#define USD LG_PUSD_PER_USD

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int err;
		int64_t want;
	} cases[] = {
		{"5", 0, 5 * USD},
		{"0", 0, 0},
		{"-0", 0, 0},
		{"0e99999999999", 0, 0},
		{"0.000000000000000000000", 0, 0},
		{"0.002", 0, USD / 500},
		{"1e-3", 0, USD / 1000},
		{"1E-12", 0, 1},
		{"-0.5", 0, -USD / 2},
		{"+2", 0, 2 * USD},
		{".5", 0, USD / 2},
		{"5.", 0, 5 * USD},
		{"0.0000000000010", 0, 1},
		{"1000000e-6", 0, USD},
		{"0.00000000000000001e17", 0, USD},
		{"9223372.036854775807", 0, INT64_MAX},
		{"-9223372.036854775808", 0, INT64_MIN},
		{"9223372.036854775808", -ERANGE, 0},
		{"-9223372.036854775809", -ERANGE, 0},
		{"9223373", -ERANGE, 0},
		{"1e9", -ERANGE, 0},
		{"1e-13", -ERANGE, 0},
		{"0.0000000000001", -ERANGE, 0},
		{"1e99999999999999999999", -ERANGE, 0},
		{"1e-99999999999999999999", -ERANGE, 0},
		{"10000000000000000000000000000000000000000000000", -ERANGE, 0},
		{"10000000000000000000000000000000000000000000000e-46", 0, USD},
		{"1.0000000000000000000000000000000000000000000000001", -ERANGE,
		 0},
		{"", -EINVAL, 0},
		{"-", -EINVAL, 0},
		{".", -EINVAL, 0},
		{"1.2.3", -EINVAL, 0},
		{"1e", -EINVAL, 0},
		{"1e+", -EINVAL, 0},
		{"1e1.5", -EINVAL, 0},
		{"$5", -EINVAL, 0},
		{"5 ", -EINVAL, 0},
		{"nan", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1,5", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t got = 0;
		int err = lg_money_parse(lg_slice_str(cases[i].text), &got);

		if (err != cases[i].err || got != cases[i].want)
			fail_msg("%s: %d, %lld", cases[i].text, err,
				 (long long)got);
	}
}

static void test_print(void **state)
{
	static const struct {
		int64_t v;
		const char *want;
	} cases[] = {
		{0, "0"},
		{1, "0.000000000001"},
		{-1000000, "-0.000001"},
		{12870000000000, "12.87"},
		{10 * USD, "10"},
		{INT64_MAX, "9223372.036854775807"},
		{INT64_MIN, "-9223372.036854775808"},
	};
	char buf[LG_MONEY_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = lg_money_print(cases[i].v, buf);

		assert_int_equal(n, strlen(buf));
		assert_string_equal(buf, cases[i].want);
	}
}

static void test_round_trip(void **state)
{
	uint64_t x = 88172645463325252;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char buf[LG_MONEY_TEXT];
		int64_t v, back = 0;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		v = (int64_t)x >> (i % 64);
		lg_money_print(v, buf);
		assert_int_equal(lg_money_parse(lg_slice_str(buf), &back), 0);
		assert_true(back == v);
	}
}

static void pretty_is(int64_t v, unsigned decimals, const char *want)
{
	char buf[40];
	size_t n = lg_money_pretty(v, decimals, buf, sizeof(buf));

	assert_int_equal(n, strlen(buf));
	assert_string_equal(buf, want);
}

static void test_pretty(void **state)
{
	char tiny[4];

	(void)state;
	pretty_is(12870000000000, 2, "$12.87");
	pretty_is(5 * USD, 4, "$5.00");
	pretty_is(USD / 1000, 2, "$0.00");
	pretty_is(-USD / 1000, 2, "$0.00");
	pretty_is(USD / 1000, 4, "$0.001");
	pretty_is(1, 12, "$0.000000000001");
	pretty_is(995000000000, 2, "$1.00");
	pretty_is(-USD / 2, 6, "-$0.50");
	pretty_is(INT64_MIN, 12, "-$9223372.036854775808");
	pretty_is(INT64_MAX, 0, "$9223372.04");
	assert_int_equal(lg_money_pretty(USD, 2, tiny, sizeof(tiny)), 3);
	assert_string_equal(tiny, "$1.");
	assert_int_equal(lg_money_pretty(USD, 2, tiny, 0), 0);
}

static void test_sums(void **state)
{
	(void)state;
	assert_true(lg_money_add(INT64_MAX, 1) == INT64_MAX);
	assert_true(lg_money_add(INT64_MIN, -1) == INT64_MIN);
	assert_true(lg_money_sub(INT64_MIN, 1) == INT64_MIN);
	assert_true(lg_money_sub(0, INT64_MIN) == INT64_MAX);
	assert_true(lg_money_add(2, -3) == -1);
	assert_true(lg_money_sub(2, 3) == -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_pretty),
		cmocka_unit_test(test_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
