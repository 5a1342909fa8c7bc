/* How wide text is on a terminal, and tables made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "tools/columns.h"
#include "tools/table.h"

static unsigned wide(const char *text)
{
	return columns_of(text, strlen(text));
}

static void test_width(void **state)
{
	(void)state;
	assert_int_equal(wide(""), 0);
	assert_int_equal(wide("gpt-4o"), 6);
	assert_int_equal(wide("\xc3\xbc"), 1);
	assert_int_equal(wide("e\xcc\x81"), 1);
	assert_int_equal(wide("\xe6\xa4\x9c\xe7\xb4\xa2"), 4);
	assert_int_equal(wide("\xf0\x9f\x9a\x80"), 2);
	assert_int_equal(wide("\xe2\x80\xa6"), 1);
	assert_int_equal(wide("\xe2\x96\x88"), 1);
	/* no UTF-8, and the middle of a letter */
	assert_int_equal(wide("\xff\xff"), 2);
	assert_int_equal(columns_of("\xe6\xa4\x9c", 2), 1);
}

static void test_cut(void **state)
{
	const char *text = "a\xe6\xa4\x9c\xe7\xb4\xa2";

	(void)state;
	assert_int_equal(columns_cut(text, 7, 0), 0);
	assert_int_equal(columns_cut(text, 7, 2), 1);
	assert_int_equal(columns_cut(text, 7, 3), 4);
	assert_int_equal(columns_cut(text, 7, 9), 7);
}

static void test_table(void **state)
{
	struct lg_buf out;
	struct table t;

	(void)state;
	lg_buf_init(&out, 4096);
	table_init(&t, "NAME\tN\r");
	table_cell(&t, "\xe6\xa4\x9c\xe7\xb4\xa2\xe6\xa4\x9c");
	table_cell(&t, "1");
	table_cell(&t, "abc");
	table_cell(&t, "2");
	table_print(&t, &out);
	lg_buf_putc(&out, 0);
	assert_string_equal(out.p, "NAME    N\n"
				   "\xe6\xa4\x9c\xe7\xb4\xa2\xe6\xa4\x9c  1\n"
				   "abc     2\n");
	lg_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
