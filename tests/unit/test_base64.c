#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "edge.h"
#include "wire/base64.h"

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t encode(const unsigned char *p, size_t n, char *dst, bool pad)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16;

		if (i + 1 < n)
			v |= (uint32_t)p[i + 1] << 8;
		if (i + 2 < n)
			v |= p[i + 2];
		for (int k = 0; k < 4; k++)
			if (i + (size_t)k <= n)
				dst[out++] = alphabet[v >> (18 - 6 * k) & 63];
			else if (pad)
				dst[out++] = '=';
	}
	return out;
}

/* In pieces, each flush against an unreadable page. */
static size_t decode(const char *p, size_t n, size_t piece, char *dst,
		     bool *bad)
{
	struct edge e = edge_new(n + 1);
	struct lg_base64 b = {0};
	size_t out = 0;

	for (size_t at = 0, k; at < n; at += k) {
		size_t got;

		k = n - at < piece ? n - at : piece;
		got = lg_base64_feed(&b, edge_put(&e, p + at, k), k, dst + out);
		assert_true(got <= LG_BASE64_ROOM(k));
		out += got;
	}
	out += lg_base64_end(&b, dst + out);
	edge_del(&e);
	*bad = b.bad;
	return out;
}

static void test_round(void **state)
{
	unsigned char plain[100];
	char text[200], back[200];
	bool bad;

	(void)state;
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (unsigned char)(i * 37 + 11);
	for (size_t n = 0; n <= sizeof(plain); n++)
		for (int pad = 0; pad < 2; pad++)
			for (size_t piece = 1; piece < 9; piece++) {
				size_t len = encode(plain, n, text, pad);

				assert_int_equal(
					decode(text, len, piece, back, &bad),
					n);
				assert_false(bad);
				assert_memory_equal(back, plain, n);
			}
}

static void test_odd(void **state)
{
	static const struct {
		const char *text, *want;
		bool bad;
	} cases[] = {
		{"aGVs\r\nbG8=", "hello", false},
		{" a G V s b G 8 = ", "hello", false},
		{"-_-_", "\xfb\xff\xbf", false},
		{"+/+/", "\xfb\xff\xbf", false},
		{"aGVsbG8", "hello", false},
		{"aGVsbG8=x", "hello", true},
		{"aGVs*", "hel", true},
		{"a", "", true},
		{"=", "", true},
		{"aGVs\xc3\xa9", "hel", true},
		{"", "", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t piece = 1; piece < 12; piece++) {
			char out[64];
			bool bad;
			size_t n = decode(cases[i].text, strlen(cases[i].text),
					  piece, out, &bad);

			assert_int_equal(bad, cases[i].bad);
			if (bad)
				n = n < strlen(cases[i].want)
					    ? n
					    : strlen(cases[i].want);
			else
				assert_int_equal(n, strlen(cases[i].want));
			assert_memory_equal(out, cases[i].want, n);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
