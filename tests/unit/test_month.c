#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/month.h"

static void check(int64_t unix_ms, const char *want)
{
	char name[LG_MONTH_NAME];

	lg_month_name(unix_ms, name);
	assert_string_equal(name, want);
	assert_true(lg_month_is_name(name));
}

static void test_names(void **state)
{
	(void)state;
	check(0, "1970-01.jsonl");
	check(-5, "1970-01.jsonl");
	check(INT64_MIN, "1970-01.jsonl");
	check(1795357852123, "2026-11.jsonl");
	check(1796083199999, "2026-11.jsonl");
	check(1796083200000, "2026-12.jsonl");
	check(1798761599999, "2026-12.jsonl");
	check(1798761600000, "2027-01.jsonl");
	check(1835481599999, "2028-02.jsonl");
	check(INT64_MAX, "9999-12.jsonl");
}

static void test_others(void **state)
{
	static const char *const bad[] = {
		"",
		"2026-11.jsonl.bak",
		"2026-11.json",
		"2026-1.jsonl",
		".2026-11.jsonl",
		"2026_11.jsonl",
		"2026-11.jsonl\n",
		"x026-11.jsonl",
		"2026-11",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(lg_month_is_name(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
