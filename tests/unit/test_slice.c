#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

static struct lg_slice s(const char *text)
{
	return lg_slice_str(text);
}

static void test_compare(void **state)
{
	(void)state;
	assert_true(lg_slice_eq(s("abc"), s("abc")));
	assert_false(lg_slice_eq(s("abc"), s("abC")));
	assert_true(lg_slice_eq(s(NULL), s("")));
	assert_true(lg_slice_ieq(s("X-LLM[@"), s("x-llm[@")));
	/* only letters fold: '@' and '`', '[' and '{' stay apart */
	assert_false(lg_slice_ieq(s("@"), s("`")));
	assert_false(lg_slice_ieq(s("["), s("{")));
	assert_false(lg_slice_ieq(s("\xc4"), s("\xe4")));
	assert_true(lg_slice_starts(s("abc"), s("")));
	assert_true(lg_slice_starts(s("abc"), s("abc")));
	assert_false(lg_slice_starts(s("ab"), s("abc")));
	assert_true(lg_slice_istarts(s("Bearer x"), s("bearer ")));
	assert_true(lg_slice_iends(s("a.EXAMPLE.com"), s(".example.COM")));
	assert_false(lg_slice_iends(s("com"), s(".com")));
	assert_true(lg_slice_icontains(s("xxAbCxx"), s("abc")));
	assert_true(lg_slice_icontains(s(""), s("")));
	assert_false(lg_slice_icontains(s("ab"), s("abc")));
}

static void test_glob(void **state)
{
	static const struct {
		const char *text, *pattern;
		bool want;
	} cases[] = {
		{"", "", true},
		{"", "*", true},
		{"", "?", false},
		{"a", "", false},
		{"gpt-4o-mini", "gpt-4o*", true},
		{"GPT-4O", "gpt-4o*", true},
		{"gpt-4", "gpt-4o*", false},
		{"abc", "a?c", true},
		{"abc", "a?", false},
		{"abcabc", "*abc", true},
		{"abcab", "*abc", false},
		{"aXbXc", "a*b*c", true},
		{"abc", "***", true},
		{"abc", "*b*", true},
		{"abc", "*bb*", false},
		{"a[1]", "a[1]", true},
		{"a1", "a[1]", false},
		{"mississippi", "m*iss*ip*", true},
	};
	char text[4096], pattern[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (lg_slice_glob(s(cases[i].text), s(cases[i].pattern)) !=
		    cases[i].want)
			fail_msg("%s ~ %s", cases[i].text, cases[i].pattern);
	/* many stars and no match: must not take exponential time */
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = 'a';
	for (size_t i = 0; i + 1 < sizeof(pattern); i += 2) {
		pattern[i] = '*';
		pattern[i + 1] = 'a';
	}
	pattern[sizeof(pattern) - 1] = 'b';
	assert_false(
		lg_slice_glob((struct lg_slice){text, sizeof(text)},
			      (struct lg_slice){pattern, sizeof(pattern)}));
}

static void test_cut_and_trim(void **state)
{
	struct lg_slice head, rest;

	(void)state;
	rest = lg_slice_cut(s("a=b=c"), '=', &head);
	assert_true(lg_slice_eq(head, s("a")));
	assert_true(lg_slice_eq(rest, s("b=c")));
	rest = lg_slice_cut(s("abc"), '=', &head);
	assert_true(lg_slice_eq(head, s("abc")));
	assert_int_equal(rest.len, 0);
	rest = lg_slice_cut(s("="), '=', &head);
	assert_int_equal(head.len + rest.len, 0);
	rest = lg_slice_cut(s(NULL), '=', &head);
	assert_int_equal(head.len + rest.len, 0);
	assert_true(lg_slice_eq(lg_slice_trim(s(" \t\r\n x y \n")), s("x y")));
	assert_int_equal(lg_slice_trim(s(" \t ")).len, 0);
	assert_int_equal(lg_slice_trim(s("")).len, 0);
}

static void test_u64(void **state)
{
	uint64_t v = 7;

	(void)state;
	assert_int_equal(lg_slice_u64(s("18446744073709551615"), &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(lg_slice_u64(s("18446744073709551616"), &v), -ERANGE);
	assert_int_equal(lg_slice_u64(s("99999999999999999999999"), &v),
			 -ERANGE);
	assert_int_equal(lg_slice_u64(s("9999999999999999999999x"), &v),
			 -EINVAL);
	assert_int_equal(lg_slice_u64(s(""), &v), -EINVAL);
	assert_int_equal(lg_slice_u64(s("-1"), &v), -EINVAL);
	assert_int_equal(lg_slice_u64(s(" 1"), &v), -EINVAL);
	assert_int_equal(lg_slice_u64(s("0007"), &v), 0);
	assert_int_equal(v, 7);
}

static void test_copy(void **state)
{
	char dst[4];

	(void)state;
	assert_true(lg_slice_copy(s("abc"), dst, sizeof(dst)));
	assert_string_equal(dst, "abc");
	assert_false(lg_slice_copy(s("abcd"), dst, sizeof(dst)));
	assert_string_equal(dst, "abc");
	assert_false(lg_slice_copy(s("a\nb"), dst, sizeof(dst)));
	assert_string_equal(dst, "a?b");
	assert_false(lg_slice_copy(s("\x7f"), dst, 2));
	assert_string_equal(dst, "?");
	assert_false(lg_slice_copy(s("x"), dst, 1));
	assert_string_equal(dst, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_glob),
		cmocka_unit_test(test_cut_and_trim),
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
