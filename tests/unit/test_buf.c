#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "edge.h"

static void is(const struct lg_buf *b, const char *want)
{
	assert_int_equal(b->len, strlen(want));
	assert_memory_equal(b->p, want, b->len);
}

static void test_growth(void **state)
{
	struct lg_buf b;
	char block[1000];

	(void)state;
	memset(block, 'x', sizeof(block));
	lg_buf_init(&b, 100000);
	for (int i = 0; i < 100; i++)
		assert_int_equal(lg_buf_put(&b, block, sizeof(block)), 0);
	assert_int_equal(b.len, 100000);
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(b.p[i], 'x');
	assert_int_equal(lg_buf_putc(&b, 'y'), -EMSGSIZE);
	assert_true(b.overflow);
	assert_int_equal(b.len, 100000);
	assert_int_equal(lg_buf_reserve(&b, SIZE_MAX), -EMSGSIZE);
	lg_buf_drop(&b, 99999);
	is(&b, "x");
	lg_buf_drop(&b, 5);
	assert_int_equal(b.len, 0);
	lg_buf_shrink(&b, 1 << 20);
	assert_non_null(b.p);
	lg_buf_shrink(&b, 0);
	assert_null(b.p);
	assert_int_equal(lg_buf_puts(&b, "again"), 0);
	is(&b, "again");
	lg_buf_fini(&b);
	lg_buf_fini(&b);
}

static void test_fixed(void **state)
{
	char storage[4];
	struct lg_buf b;

	(void)state;
	lg_buf_init_fixed(&b, storage, sizeof(storage));
	assert_int_equal(lg_buf_puts(&b, "abc"), 0);
	assert_int_equal(lg_buf_puts(&b, "de"), -EMSGSIZE);
	is(&b, "abc");
	assert_true(b.overflow);
	assert_int_equal(lg_buf_putc(&b, 'd'), 0);
	assert_int_equal(lg_buf_put(&b, NULL, 0), 0);
	lg_buf_fini(&b);
	assert_false(b.overflow);
	assert_int_equal(lg_buf_puts(&b, "abcd"), 0);
}

static void test_out_of_memory(void **state)
{
	struct lg_buf b;

	(void)state;
	lg_buf_init(&b, (size_t)1 << 30);
	assert_int_equal(lg_buf_puts(&b, "kept"), 0);
	lg_mem_set_cap(lg_mem_mapped() + 4096);
	assert_int_equal(lg_buf_reserve(&b, 1 << 20), -ENOMEM);
	is(&b, "kept");
	lg_mem_set_cap((size_t)256 << 20);
	assert_int_equal(lg_buf_reserve(&b, 1 << 20), 0);
	is(&b, "kept");
	lg_buf_fini(&b);
}

static void test_numbers(void **state)
{
	static const int64_t values[] = {
		0,	   9,	     10, 99, 100, -1, -10, 12345678901234,
		INT64_MAX, INT64_MIN};
	char want[64];
	struct lg_buf b;

	(void)state;
	lg_buf_init(&b, 4096);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		b.len = 0;
		lg_buf_put_i64(&b, values[i]);
		snprintf(want, sizeof(want), "%lld", (long long)values[i]);
		is(&b, want);
	}
	b.len = 0;
	lg_buf_put_u64(&b, UINT64_MAX);
	is(&b, "18446744073709551615");
	b.len = 0;
	lg_buf_put_money(&b, -1500000000000);
	is(&b, "-1.5");
	lg_buf_fini(&b);
}

static void json_is(const char *in, size_t n, const char *want)
{
	struct edge e = edge_new(n);
	struct lg_buf b;

	lg_buf_init(&b, 4096);
	assert_int_equal(
		lg_buf_put_json(&b, (struct lg_slice){edge_put(&e, in, n), n}),
		0);
	is(&b, want);
	lg_buf_fini(&b);
	edge_del(&e);
}

#define JSON_IS(in, want) json_is(in, sizeof(in) - 1, want)
#define BAD "\xef\xbf\xbd"

static void test_json(void **state)
{
	(void)state;
	JSON_IS("", "\"\"");
	JSON_IS("plain", "\"plain\"");
	JSON_IS("\"\\\b\f\n\r\t/", "\"\\\"\\\\\\b\\f\\n\\r\\t/\"");
	JSON_IS("\0\x01\x1f\x7f", "\"\\u0000\\u0001\\u001f\\u007f\"");
	JSON_IS("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		"\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
	JSON_IS("a\xff"
		"b",
		"\"a" BAD "b\"");
	JSON_IS("\xc3", "\"" BAD "\"");
	JSON_IS("\xc3(", "\"" BAD "(\"");
	JSON_IS("\xe2\x82", "\"" BAD BAD "\"");
	JSON_IS("\xc0\xaf", "\"" BAD BAD "\""); /* overlong */
	JSON_IS("\xe0\x80\xaf", "\"" BAD BAD BAD "\"");
	JSON_IS("\xed\xa0\x80", "\"" BAD BAD BAD "\""); /* surrogate */
	JSON_IS("\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\"");
	JSON_IS("\xf5\x80\x80\x80", "\"" BAD BAD BAD BAD "\"");
	JSON_IS("\x80", "\"" BAD "\"");
	JSON_IS("ok\xf0\x9f\x98\x80\"", "\"ok\xf0\x9f\x98\x80\\\"\"");
}

static void test_json_all_or_nothing(void **state)
{
	char storage[64];
	struct lg_buf b;

	(void)state;
	for (size_t cap = 0; cap < 20; cap++) {
		lg_buf_init_fixed(&b, storage, cap);
		if (cap >= 1)
			lg_buf_putc(&b, 'k');
		if (lg_buf_put_json(&b, LG_SLICE("ab\n\xff"
						 "cd")) == 0) {
			assert_true(cap >= 12);
			is(&b, "k\"ab\\n" BAD "cd\"");
		} else {
			assert_true(cap < 12);
			assert_int_equal(b.len, cap >= 1);
			assert_true(b.overflow);
		}
	}
}

static void test_time(void **state)
{
	struct lg_buf b;

	(void)state;
	lg_buf_init(&b, 4096);
	lg_buf_put_time(&b, 1795357852123);
	is(&b, "2026-11-22T14:30:52.123Z");
	/* every day of 400 years, against libc */
	for (int64_t day = 0; day < 146097; day++) {
		time_t t = (time_t)(day * 86400 + day % 86400);
		char want[32];
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.007Z", &tm);
		b.len = 0;
		lg_buf_put_time(&b, (int64_t)t * 1000 + 7);
		is(&b, want);
	}
	b.len = 0;
	lg_buf_put_time(&b, INT64_MAX);
	is(&b, "9999-12-31T23:59:59.999Z");
	b.len = 0;
	lg_buf_put_time(&b, INT64_MIN);
	is(&b, "1970-01-01T00:00:00.000Z");
	lg_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_all_or_nothing),
		cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
