#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "edge.h"
#include "wire/wrapped.h"

static char got[1 << 16];
static size_t ngot;

static void take(void *ctx, struct lg_slice piece)
{
	(void)ctx;
	assert_true(piece.len > 0);
	assert_true(ngot + piece.len <= sizeof(got));
	memcpy(got + ngot, piece.p, piece.len);
	ngot += piece.len;
}

static void run(const char *text, size_t n, size_t piece)
{
	struct edge e = edge_new(n + 1);
	struct lg_wrapped w;

	ngot = 0;
	lg_wrapped_init(&w, take, NULL);
	for (size_t at = 0, k; at < n; at += k) {
		k = n - at < piece ? n - at : piece;
		lg_wrapped_feed(&w, edge_put(&e, text + at, k), k);
	}
	edge_del(&e);
}

static void test_cases(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"{\"bytes\":\"aGVsbG8=\"}", "hello"},
		{" { \"p\" : \"abc\" , \"bytes\" : \"aGVsbG8=\" }", "hello"},
		{"{\"bytes\":\"aGVsbG8=\",\"p\":\"bytes\"}", "hello"},
		{"{\"p\":\"bytes\",\"x\":\"aGVsbG8=\"}", ""},
		{"{\"p\":{\"bytes\":\"eHh4\"},\"bytes\":\"aGVsbG8=\"}",
		 "hello"},
		{"{\"p\":[\"bytes\",\"eHh4\"],\"bytes\":\"aGVsbG8=\"}",
		 "hello"},
		{"[\"bytes\",\"eHh4\"]", ""},
		{"{\"byte\":\"eHh4\"}", ""},
		{"{\"bytess\":\"eHh4\"}", ""},
		{"{\"by\\u0074es\":\"eHh4\"}", ""},
		{"{\"a\\\"bytes\":\"eHh4\"}", ""},
		{"{\"a\":\"\\\"bytes\\\":\",\"bytes\":\"aGVsbG8=\"}", "hello"},
		{"{\"bytes\":\"aGVsbG8\\u003d\"}", "hello"},
		{"{\"bytes\":\"\\u002b\\/+\\/\"}", "\xfb\xff\xbf"},
		{"{\"bytes\":\"aGVs\\nbG8=\"}", "hello"},
		{"{\"bytes\":\"aGVs\\u00e9bG8=\"}", "hel"},
		{"{\"bytes\":\"aGVs\\uzz20bG8=\"}", "hel"},
		{"{\"bytes\":null,\"x\":\"eHh4\"}", ""},
		{"{\"bytes\":\"\"}", ""},
		{"}}}]]\"", ""},
		{"{\"bytes\":\"aGVs", "hel"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = strlen(cases[i].text);

		for (size_t piece = 1; piece <= n; piece++) {
			run(cases[i].text, n, piece);
			assert_int_equal(ngot, strlen(cases[i].want));
			assert_memory_equal(got, cases[i].want, ngot);
		}
	}
}

/* Longer than any buffer, also nested beyond all counting. */
static void test_long(void **state)
{
	static char text[60000];
	size_t n = (size_t)sprintf(text, "{\"bytes\":\"");

	(void)state;
	for (int i = 0; i < 10000; i++)
		n += (size_t)sprintf(text + n, "aGVs");
	n += (size_t)sprintf(text + n, "\"}");
	for (size_t piece = 1; piece < 70000; piece = piece * 3 + 1) {
		run(text, n, piece);
		assert_int_equal(ngot, 30000);
		for (size_t i = 0; i < ngot; i++)
			assert_int_equal(got[i], "hel"[i % 3]);
	}
	memset(text, '[', sizeof(text));
	run(text, sizeof(text), 1000);
	assert_int_equal(ngot, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
