#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/edge.h"
#include "wire/sse.h"

static char told[1 << 16];
static size_t ntold;
static uint64_t ndata;

static void on_data(void *ctx, struct lg_slice piece)
{
	(void)ctx;
	ndata += piece.len;
	assert_true(piece.len > 0);
	if (ntold + piece.len + 100 < sizeof(told)) {
		memcpy(told + ntold, piece.p, piece.len);
		ntold += piece.len;
	}
}

static void on_dispatch(void *ctx, struct lg_slice name)
{
	(void)ctx;
	assert_true(name.len < 64);
	ntold += (size_t)sprintf(told + ntold, "(%.*s)", (int)name.len, name.p);
}

static const struct lg_sse_sink sink = {on_data, on_dispatch};

static void same(const struct lg_sse *s, const char *want, uint64_t boundary)
{
	told[ntold] = 0;
	assert_string_equal(told, want);
	assert_int_equal(s->boundary, boundary);
}

static void expect(const char *in, size_t len, const char *want,
		   uint64_t boundary)
{
	struct edge e = edge_new(4096);
	char *p = edge_put(&e, in, len);
	struct lg_sse s;
	size_t i;

	for (i = 0; i <= len; i++) {
		ntold = 0;
		lg_sse_init(&s, &sink, NULL);
		lg_sse_feed(&s, p, i);
		lg_sse_feed(&s, p + i, len - i);
		same(&s, want, boundary);
		assert_int_equal(s.offset, len);
	}
	ntold = 0;
	lg_sse_init(&s, &sink, NULL);
	for (i = 0; i < len; i++)
		lg_sse_feed(&s, p + i, 1);
	same(&s, want, boundary);
	edge_del(&e);
}

#define EXPECT(in, want, boundary) expect(in, sizeof(in) - 1, want, boundary)
#define ALL(in, want) EXPECT(in, want, sizeof(in) - 1)

static void test_lines(void **state)
{
	(void)state;
	ALL("data: a\n\n", "a()");
	ALL("data: a\r\n\r\n", "a()");
	ALL("data: a\r\r", "a()");
	ALL("data:a\r\n\ndata:  b\n\r\n", "a() b()");
	ALL("data: a\n\n\n\n", "a()");
	EXPECT("data: a\n", "a", 0);
	EXPECT("data: a\n\ndata: half", "a()half", 9);
	ALL("data: a\ndata: b\ndata\n\n", "a\nb\n()");
	ALL("data:\n\n", "()");
	ALL("data\n\n", "()");
	ALL("", "");
	ALL("\n", "");
	ALL("\r\n\r\n", "");
}

static void test_fields(void **state)
{
	(void)state;
	ALL("event: ping\ndata: 1\n\ndata: 2\n\n", "1(ping)2()");
	ALL("event: a\nevent: b\ndata: 1\n\n", "1(b)");
	ALL("event\ndata: 1\n\n", "1()");
	ALL("event: x\n\ndata: 1\n\n", "1()");
	ALL(": comment\nid: 7\nretry: 1\ndatas: no\ndat: no\n data: no\n\n",
	    "");
	ALL("Data: no\nDATA: no\nd\nda\ndatax\n\n", "");
	ALL("data :no\n\n", "");
	ALL("data: a: b:\n\n", "a: b:()");
	ALL("\xef\xbb\xbf"
	    "data: a\n\n",
	    "a()");
	ALL("\xef\xbb\n\ndata: a\n\n", "a()");
	ALL("data: \xef\xbb\xbf\n\n\xef\xbb\xbf"
	    "data: b\n\n",
	    "\xef\xbb\xbf()");
}

static void test_long(void **state)
{
	static char big[1 << 20];
	struct lg_sse s;
	int i;

	(void)state;
	memset(big, 'x', sizeof(big));
	lg_sse_init(&s, &sink, NULL);
	ntold = ndata = 0;
	lg_sse_feed(&s, "event: ", 7);
	for (i = 0; i < 100; i++)
		lg_sse_feed(&s, big, sizeof(big));
	lg_sse_feed(&s, "\ndata: ", 7);
	for (i = 0; i < 100; i++)
		lg_sse_feed(&s, big, sizeof(big));
	lg_sse_feed(&s, "\n\n", 2);
	assert_int_equal(ndata, 100ull << 20);
	assert_int_equal(s.events, 1);
	memset(big, '\r', sizeof(big));
	lg_sse_feed(&s, big, sizeof(big));
	assert_int_equal(s.events, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
