#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/usage.h"
#include "base/value.h"

static void test_u64(void **state)
{
	static const struct {
		enum lg_value_type type;
		const char *text;
		int err;
		uint64_t want;
	} cases[] = {
		{LG_VALUE_NUMBER, "0", 0, 0},
		{LG_VALUE_NUMBER, "-0", 0, 0},
		{LG_VALUE_NUMBER, "-0.0e5", 0, 0},
		{LG_VALUE_NUMBER, "12", 0, 12},
		{LG_VALUE_NUMBER, "12.0", 0, 12},
		{LG_VALUE_NUMBER, "12.000000000000000000000000", 0, 12},
		{LG_VALUE_NUMBER, "1e3", 0, 1000},
		{LG_VALUE_NUMBER, "1.5e3", 0, 1500},
		{LG_VALUE_NUMBER, "1.50e1", 0, 15},
		{LG_VALUE_NUMBER, "1200E-2", 0, 12},
		{LG_VALUE_NUMBER, "0.00012e5", 0, 12},
		{LG_VALUE_NUMBER, "1e+2", 0, 100},
		{LG_VALUE_NUMBER, "18446744073709551615", 0, UINT64_MAX},
		{LG_VALUE_NUMBER, "18446744073709551615.0", 0, UINT64_MAX},
		{LG_VALUE_NUMBER, "18446744073709551616", -ERANGE, 0},
		{LG_VALUE_NUMBER, "1e20", -ERANGE, 0},
		{LG_VALUE_NUMBER, "1e999999999999", -ERANGE, 0},
		{LG_VALUE_NUMBER, "0e999999999999", 0, 0},
		{LG_VALUE_NUMBER, "1e-999999999999", -EINVAL, 0},
		{LG_VALUE_NUMBER, "12.5", -EINVAL, 0},
		{LG_VALUE_NUMBER, "15e-1", -EINVAL, 0},
		{LG_VALUE_NUMBER, "-1", -EINVAL, 0},
		{LG_VALUE_NUMBER, "-99999999999999999999", -EINVAL, 0},
		{LG_VALUE_NUMBER, "-0.5", -EINVAL, 0},
		{LG_VALUE_NUMBER, "", -EINVAL, 0},
		{LG_VALUE_NUMBER, "1e", -EINVAL, 0},
		{LG_VALUE_NUMBER, "1x", -EINVAL, 0},
		{LG_VALUE_STRING, "42", 0, 42},
		{LG_VALUE_STRING, "4.0", -EINVAL, 0},
		{LG_VALUE_STRING, "", -EINVAL, 0},
		{LG_VALUE_STRING, "-1", -EINVAL, 0},
		{LG_VALUE_NULL, "", -EINVAL, 0},
		{LG_VALUE_BOOL, "1", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lg_value v = {.type = cases[i].type};
		uint64_t got = 0;
		int err;

		v.text = lg_slice_str(cases[i].text);
		err = lg_value_u64(&v, &got);
		if (err != cases[i].err || got != cases[i].want)
			fail_msg("%s: %d, %llu", cases[i].text, err,
				 (unsigned long long)got);
		v.truncated = true;
		assert_int_equal(lg_value_u64(&v, &got), -EINVAL);
	}
}

static void test_bucket_names(void **state)
{
	(void)state;
	for (int b = 0; b < LG_BUCKETS; b++) {
		const char *name = lg_bucket_name((enum lg_bucket)b);

		assert_true(name && *name);
		assert_int_equal(lg_bucket_by_name(name, strlen(name)), b);
		assert_int_equal(lg_bucket_by_name(name, strlen(name) - 1),
				 LG_BUCKETS);
	}
	assert_int_equal(lg_bucket_by_name("", 0), LG_BUCKETS);
	assert_string_equal(lg_bucket_name(LG_BUCKETS), "");
}

static void test_bucket_sums(void **state)
{
	struct lg_usage u = {.has = 0};
	uint64_t all = 0;

	(void)state;
	/* a bucket counts on one side at most */
	for (int b = 0; b < LG_BUCKETS; b++)
		lg_usage_set(&u, (enum lg_bucket)b, UINT64_C(1) << b);
	for (int b = 0; b < LG_BUCKET_UNITS; b++)
		if (b != LG_BUCKET_RESERVED_TOKENS)
			all |= UINT64_C(1) << b;
	assert_true((lg_usage_input(&u) & lg_usage_output(&u)) == 0);
	assert_true((lg_usage_input(&u) | lg_usage_output(&u)) == all);
	u.n[LG_BUCKET_INPUT] = UINT64_MAX;
	u.n[LG_BUCKET_REASONING] = UINT64_MAX;
	assert_true(lg_usage_input(&u) == UINT64_MAX);
	assert_true(lg_usage_output(&u) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_bucket_names),
		cmocka_unit_test(test_bucket_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
