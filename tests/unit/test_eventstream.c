#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "edge.h"
#include "frames.h"
#include "wire/eventstream.h"

static char told[1 << 16];
static size_t ntold;
static bool seen_checked;

static void say(const char *p, size_t n)
{
	assert_true(ntold + n < sizeof(told));
	memcpy(told + ntold, p, n);
	ntold += n;
	told[ntold] = 0;
}

static void begin(void *ctx, bool checked)
{
	struct lg_slice name = lg_eventstream_name(ctx);

	seen_checked |= checked;
	say("<", 1);
	say(name.p, name.len);
	say(":", 1);
}

static void payload(void *ctx, struct lg_slice piece)
{
	(void)ctx;
	assert_true(piece.len > 0);
	say(piece.p, piece.len);
}

static void end(void *ctx, bool good)
{
	(void)ctx;
	say(good ? ">" : "!", 1);
}

static const struct lg_eventstream_sink sink = {begin, payload, end};

/* True when all of it was read and it ended between two frames. */
static bool run(const char *p, size_t n, size_t piece)
{
	struct edge e = edge_new(n + 1);
	struct lg_eventstream s;
	bool good = true;

	ntold = 0;
	told[0] = 0;
	lg_eventstream_init(&s, &sink, &s);
	for (size_t at = 0, k; at < n; at += k) {
		k = n - at < piece ? n - at : piece;
		good = lg_eventstream_feed(&s, edge_put(&e, p + at, k), k);
	}
	good &= lg_eventstream_end(&s);
	edge_del(&e);
	return good;
}

static void test_frames(void **state)
{
	static char wire[4096];
	static const char want[] =
		"<contentBlockDelta:{\"a\":1}><:>"
		"<metadata:><exception:{\"message\":\"no\"}>";
	size_t n = 0;

	(void)state;
	n += frame_put(wire + n, "event", "contentBlockDelta", "{\"a\":1}");
	n += frame_raw(wire + n, "", 0, "", 0);
	n += frame_put(wire + n, "event", "metadata", "");
	n += frame_put(wire + n, "exception", "throttlingException",
		       "{\"message\":\"no\"}");
	for (size_t piece = 1; piece <= n; piece++) {
		assert_true(run(wire, n, piece));
		assert_string_equal(told, want);
	}
	assert_true(seen_checked);
	for (size_t cut = 1; cut < n; cut++)
		run(wire, cut, cut);
}

/* Every type of header, in any order, around those that are of interest. */
static void test_headers(void **state)
{
	static const struct {
		char bytes[24];
		size_t n;
	} odd[] = {
		{"\1a\0", 3},
		{"\1b\1", 3},
		{"\1c\2x", 4},
		{"\1d\3xx", 5},
		{"\1e\4xxxx", 7},
		{"\1f\5xxxxxxxx", 11},
		{"\1g\6\0\3xyz", 8},
		{"\1h\7\0\0", 5},
		{"\1i\10xxxxxxxx", 11},
		{"\1j\11xxxxxxxxxxxxxxxx", 19},
		/* these are not strings */
		{"\13:event-type\1", 13},
		{"\13:event-type\6\0\1q", 16},
	};
	char head[900], wire[1200];
	size_t h = 0, n;

	(void)state;
	for (size_t i = 0; i < 12; i++) {
		memcpy(head + h, odd[i].bytes, odd[i].n);
		h += odd[i].n;
		if (i == 4)
			h += frame_header(head + h, ":event-type", "first");
		if (i == 8)
			h += frame_header(head + h, ":message-type", "event");
	}
	h += frame_header(head + h, ":event-type", "metadata");
	h += frame_header(head + h, "a-name-that-is-longer-than-any-of-ours",
			  "x");
	n = frame_raw(wire, head, h, "{}", 2);
	for (size_t piece = 1; piece <= n; piece++) {
		assert_true(run(wire, n, piece));
		assert_string_equal(told, "<metadata:{}>");
	}
	h = frame_header(head, ":message-type", "error");
	h += frame_header(head + h, ":error-code", "500");
	n = frame_raw(wire, head, h, "", 0);
	assert_true(run(wire, n, n));
	assert_string_equal(told, "<exception:>");
}

static void test_bad_headers(void **state)
{
	static const struct {
		char bytes[24];
		size_t n;
	} bad[] = {
		{"\0", 1},
		{"\5abc", 4},
		{"\1a", 2},
		{"\1a\12", 3},
		{"\1a\7\0", 4},
		{"\1a\7\0\5abc", 8},
		{"\1a\7\377\377x", 6},
		{"\1a\11xxxxxxx", 10},
		{"\377x", 2},
	};
	char wire[100];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t n = frame_raw(wire, bad[i].bytes, bad[i].n, "{}", 2);

		for (size_t piece = 1; piece <= n; piece++) {
			assert_false(run(wire, n, piece));
			assert_string_equal(told, "");
		}
	}
}

/* Any bit that is wrong: nothing of that frame counts, nothing after it. */
static void test_damage(void **state)
{
	static char wire[2048], copy[2048];
	size_t one = frame_put(wire, "event", "a", "{\"x\":1}"), n = one;

	(void)state;
	n += frame_put(wire + n, "event", "b", "{\"y\":2}");
	n += frame_put(wire + n, "event", "c", "{}");
	for (size_t i = 0; i < n; i++)
		for (size_t piece = 1; piece <= n; piece = piece * 4 + 1) {
			memcpy(copy, wire, n);
			copy[i] ^= (char)(1 << i % 8);
			assert_false(run(copy, n, piece));
			/* no frame behind it was told, no bad one as good */
			assert_null(strstr(told, i < one ? "<b" : "c:{}>"));
			if (i >= one)
				assert_memory_equal(told, "<a:{\"x\":1}>", 11);
		}
}

static void test_lengths(void **state)
{
	static const uint32_t lens[][2] = {
		{0, 0},
		{15, 0},
		{16, 1},
		{0xffffffff, 0},
		{100, 0xffffffff},
		{100, 85},
		{33u << 20, 100},
		{30u << 20, 129u << 10},
	};
	char wire[200] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		frame_put32(wire, lens[i][0]);
		frame_put32(wire + 4, lens[i][1]);
		frame_put32(wire + 8,
			    (uint32_t)crc32(0, (unsigned char *)wire, 8));
		assert_false(run(wire, sizeof(wire), sizeof(wire)));
		assert_false(run(wire, sizeof(wire), 1));
		assert_int_equal(ntold, 0);
	}
	assert_false(run("data: {\"a\": 1}\n\ndata: [DONE]\n\n", 31, 31));
	assert_false(run("{\"message\":\"forbidden\"}", 23, 5));
	assert_true(run("", 0, 1));
}

static uint64_t bytes;

static void count(void *ctx, struct lg_slice piece)
{
	(void)ctx;
	bytes += piece.len;
}

/* 24 MB in one frame: no memory of ours, whatever the pieces. */
static void test_long(void **state)
{
	static const struct lg_eventstream_sink counter = {begin, count, end};
	const size_t n = (size_t)24 << 20;
	char *text = malloc(n), *wire = malloc(n + 100), head[64];
	size_t h = frame_header(head, ":event-type", "big"), total;
	struct lg_eventstream s;

	(void)state;
	memset(text, 'x', n);
	total = frame_raw(wire, head, h, text, n);
	for (size_t piece = 1369; piece < 2 * n; piece *= 50) {
		bytes = ntold = 0;
		lg_eventstream_init(&s, &counter, &s);
		for (size_t at = 0, k; at < total; at += k) {
			k = total - at < piece ? total - at : piece;
			assert_true(lg_eventstream_feed(&s, wire + at, k));
		}
		assert_true(lg_eventstream_end(&s));
		assert_int_equal(bytes, n);
		assert_string_equal(told, "<big:>");
	}
	free(text);
	free(wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
