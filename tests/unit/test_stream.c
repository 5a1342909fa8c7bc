/* Records of one connection, as the kernel tells them, to two streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/stream.h"

struct rig {
	struct stream s;
	char said[8192]; /* what was told, in order */
	uint32_t seq, call;
};

static void add(struct rig *r, const char *tag, const char *p, size_t n)
{
	size_t at = strlen(r->said);

	assert_true(at + n + 8 < sizeof(r->said));
	snprintf(r->said + at, sizeof(r->said) - at, "%s%.*s", tag, (int)n, p);
}

static void up(void *arg, const char *p, size_t n, bool first)
{
	add(arg, first ? "^" : "", p, n);
}

static void down(void *arg, const char *p, size_t n, bool first)
{
	add(arg, first ? "v" : "", p, n);
}

static void gap(void *arg, bool is_up, uint64_t missing)
{
	char text[32];

	snprintf(text, sizeof(text), "[%c%d]", is_up ? 'u' : 'd', (int)missing);
	add(arg, text, "", 0);
}

static void eof(void *arg)
{
	add(arg, "$", "", 0);
}

static const struct stream_sink sink = {up, down, gap, eof};

static void start(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	stream_init(&r->s, &sink, r);
}

static void put(struct rig *r, struct probe_event *ev, const char *p)
{
	char *copy = malloc(ev->cap + 1);

	if (!ev->seq)
		ev->seq = ++r->seq;
	memcpy(copy, p, ev->cap);
	stream_feed(&r->s, ev, copy);
	free(copy);
}

static void call(struct rig *r, uint8_t kind, const char *text, uint64_t buf)
{
	struct probe_event ev = {
		.kind = kind,
		.call = ++r->call,
		.cap = (uint32_t)strlen(text),
		.len = strlen(text),
		.buf = buf,
	};

	put(r, &ev, text);
}

static void wrote(struct rig *r, int64_t result)
{
	struct probe_event ev = {
		.kind = PROBE_EV_WROTE, .call = r->call, .result = result};

	put(r, &ev, "");
}

static void end(struct rig *r, const char *want)
{
	stream_fini(&r->s);
	assert_string_equal(r->said, want);
}

static void test_plain(void **state)
{
	struct probe_event ev = {.kind = PROBE_EV_CLOSED, .fn = PROBE_READ};
	struct rig r;

	(void)state;
	start(&r);
	call(&r, PROBE_EV_WRITE, "GET", 1);
	call(&r, PROBE_EV_READ, "200", 2);
	call(&r, PROBE_EV_WRITE, "PUT", 1);
	put(&r, &ev, "");
	end(&r, "^GETv200^PUT$");
}

#define LONG "0123456789abcdefghij"

/* A failure that is told; the same once more; and none of them twice. */
static void test_repeats_told(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	for (unsigned i = 0; i < 5; i++) {
		call(&r, PROBE_EV_WRITE, LONG, 1 + i);
		wrote(&r, -1);
	}
	assert_true(stream_is_unsent(&r.s));
	call(&r, PROBE_EV_WRITE, LONG "more", 9);
	assert_false(stream_is_unsent(&r.s));
	call(&r, PROBE_EV_WRITE, LONG, 9);
	end(&r, "^" LONG "^more^" LONG);
}

/* A failure that is not told shows by the same bytes in the same place. */
static void test_repeats_silent(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	call(&r, PROBE_EV_WRITE, LONG, 1);
	call(&r, PROBE_EV_WRITE, LONG, 1);
	call(&r, PROBE_EV_WRITE, LONG, 1);
	call(&r, PROBE_EV_READ, "answer", 5);
	call(&r, PROBE_EV_WRITE, LONG, 1);
	call(&r, PROBE_EV_WRITE, LONG, 100);
	call(&r, PROBE_EV_WRITE, "short", 1);
	call(&r, PROBE_EV_WRITE, "short", 1);
	end(&r, "^" LONG "vanswer^" LONG "^" LONG "^short^short");
}

static void test_partial(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	call(&r, PROBE_EV_WRITE, "0123456789", 1);
	wrote(&r, 4);
	call(&r, PROBE_EV_WRITE, "456789", 5);
	wrote(&r, 2);
	call(&r, PROBE_EV_WRITE, "6789ab", 7);
	call(&r, PROBE_EV_WRITE, "cd", 7);
	end(&r, "^0123456789^ab^cd");
}

/* The rest of a buffer, where nothing was told of the first part. */
static void test_partial_silent(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	call(&r, PROBE_EV_WRITE, LONG, 100);
	call(&r, PROBE_EV_WRITE, LONG + 4, 104);
	call(&r, PROBE_EV_READ, "x", 0);
	end(&r, "^" LONG "vx");
}

/* A failed read is no failed write: what comes next is another request. */
static void test_false_failure(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	call(&r, PROBE_EV_WRITE, LONG, 1);
	wrote(&r, -1);
	call(&r, PROBE_EV_WRITE, "something else altogether", 1);
	end(&r, "^" LONG "^something else altogether");
}

static void test_repeat_flag(void **state)
{
	struct probe_event ev = {
		.kind = PROBE_EV_WRITE,
		.flags = PROBE_FLAG_REPEAT,
		.len = sizeof(LONG) - 1,
	};
	struct rig r;

	(void)state;
	start(&r);
	call(&r, PROBE_EV_WRITE, LONG, 1);
	wrote(&r, -1);
	ev.call = ++r.call;
	put(&r, &ev, "");
	assert_false(stream_is_unsent(&r.s));
	call(&r, PROBE_EV_WRITE, "next one", 1);
	end(&r, "^" LONG "^next one");
}

static void piece(struct rig *r, uint8_t kind, uint32_t number, uint64_t at,
		  uint32_t cap, uint64_t len, uint8_t flags)
{
	char *p = malloc(cap);
	struct probe_event ev = {
		.kind = kind,
		.flags = flags,
		.call = number,
		.at = at,
		.cap = cap,
		.len = len,
	};

	memset(p, 'a' + (int)(at / PROBE_PIECE), cap);
	put(r, &ev, p);
	free(p);
}

static size_t count(const char *text, char c)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

/* A piece in the midst of a call is lost: so many bytes, and where. */
static void test_lost_piece(void **state)
{
	static struct rig r;
	static char big[64];

	(void)state;
	(void)big;
	start(&r);
	piece(&r, PROBE_EV_READ, 1, 0, 100, 100 + 2 * PROBE_PIECE, 0);
	r.seq++;
	piece(&r, PROBE_EV_READ, 1, 100 + PROBE_PIECE, 50,
	      100 + 2 * PROBE_PIECE, PROBE_FLAG_CUT);
	stream_fini(&r.s);
	assert_non_null(strstr(r.said, "[d16384]"));
	assert_non_null(strstr(r.said, "[d16334]"));
	assert_int_equal(count(r.said, 'a'), 100);
	assert_int_equal(count(r.said, 'b'), 50);
}

static void test_lost_calls(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	call(&r, PROBE_EV_WRITE, "one", 1);
	r.seq += 3;
	r.call += 3;
	call(&r, PROBE_EV_WRITE, "two", 1);
	/* it waits for those that may still come */
	assert_string_equal(r.said, "^one");
	stream_tick(&r.s, UINT64_MAX);
	end(&r, "^one[u0][d0]^two");
}

/* Two threads: the records come in another order than they were made. */
static void test_order(void **state)
{
	struct probe_event a = {.kind = PROBE_EV_WRITE, .call = 1, .cap = 1};
	struct rig r;

	(void)state;
	start(&r);
	call(&r, PROBE_EV_WRITE, "0", 1);
	for (unsigned i = 5; i >= 2; i--) {
		char text[2] = {(char)('0' + i - 1), 0};

		a.seq = i;
		a.call = i;
		a.len = 1;
		put(&r, &a, text);
	}
	a.seq = 3; /* once more */
	put(&r, &a, "x");
	end(&r, "^0^1^2^3^4");
}

static void test_fault(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	piece(&r, PROBE_EV_WRITE, 1, 0, 0, 500, PROBE_FLAG_FAULT);
	call(&r, PROBE_EV_READ, "x", 1);
	end(&r, "[u500]vx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_repeats_told),
		cmocka_unit_test(test_repeats_silent),
		cmocka_unit_test(test_partial),
		cmocka_unit_test(test_partial_silent),
		cmocka_unit_test(test_false_failure),
		cmocka_unit_test(test_repeat_flag),
		cmocka_unit_test(test_lost_piece),
		cmocka_unit_test(test_lost_calls),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
