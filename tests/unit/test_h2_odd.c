/*
 * What nghttp2's own peers never say on a guarded HTTP/2 connection: frames
 * by hand, on both sides.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/flow_rig.h"
#include "wire/h2.h"
#include "wire/hpack.h"

#define HEAD                                                                   \
	"\x83\x87\x41\x0e"                                                     \
	"api.openai.com"                                                       \
	"\x04\x14"                                                             \
	"/v1/chat/completions"
#define BODY                                                                   \
	"{\"model\":\"gpt-4o-mini\",\"max_tokens\":9,\"stream\":true,"         \
	"\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define BIG                                                                    \
	"{\"model\":\"gpt-4o\",\"max_tokens\":9,"                              \
	"\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"

static const char yaml[] =
	"version: 1\ndurability: none\nstream_usage: inject\nbudgets:\n"
	"  - {name: dear, scope: \"model:gpt-4o\", period: total, limit_usd: "
	"0, hard: true}\n";

static struct rig r;

static void put(struct lg_buf *b, unsigned type, unsigned flags,
		uint32_t stream, const void *p, size_t n)
{
	struct lg_h2_frame f = {(uint32_t)n, (uint8_t)type, (uint8_t)flags,
				stream};

	lg_h2_put(b, &f, p);
}

static void send(unsigned type, unsigned flags, uint32_t stream, const void *p,
		 size_t n)
{
	struct lg_buf b;

	lg_buf_init(&b, 1 << 22);
	put(&b, type, flags, stream, p, n);
	rig_write(&r, b.p, b.len, 0);
	lg_buf_fini(&b);
}

static void answer(unsigned type, unsigned flags, uint32_t stream,
		   const void *p, size_t n)
{
	struct lg_buf b;

	lg_buf_init(&b, 1 << 22);
	put(&b, type, flags, stream, p, n);
	rig_answer(&r, b.p, b.len, 0);
	flush(&r);
	lg_buf_fini(&b);
}

#define SEND(type, flags, stream, s) send(type, flags, stream, s, sizeof(s) - 1)
#define ANSWER(type, flags, stream, s)                                         \
	answer(type, flags, stream, s, sizeof(s) - 1)

static void open_with(const char *settings, size_t n)
{
	rig_connect(&r, "api.openai.com");
	rig_write(&r, LG_H2_PREFACE, LG_H2_PREFACE_LEN, 0);
	send(LG_H2_SETTINGS, 0, 0, settings, n);
	ANSWER(LG_H2_SETTINGS, 0, 0, "");
	ANSWER(LG_H2_SETTINGS, LG_H2_ACK, 0, "");
	SEND(LG_H2_SETTINGS, LG_H2_ACK, 0, "");
}

static void open_h2(void)
{
	open_with("", 0);
}

static void ask(uint32_t id, const char *body)
{
	send(LG_H2_HEADERS, LG_H2_END_HEADERS, id, HEAD, sizeof(HEAD) - 1);
	send(LG_H2_DATA, LG_H2_END_STREAM, id, body, strlen(body));
}

struct seen {
	unsigned n;
	struct lg_h2_frame last;
	size_t sum, largest;
	const char *p;
};

/* The frames of this kind on this stream, in what one side got. */
static struct seen seen(const struct lg_buf *b, size_t skip, unsigned type,
			uint32_t stream)
{
	struct seen s = {0};
	enum lg_h2_event ev;
	struct lg_slice run;
	struct lg_h2 h;
	size_t at = skip;

	lg_h2_init(&h);
	do {
		at += lg_h2_feed(&h, b->p + at, b->len - at, &ev, &run);
		assert_true(ev != LG_H2_BAD);
		if (h.f.type != type || h.f.stream != stream)
			continue;
		if (ev == LG_H2_FRAME) {
			s.n++;
			s.last = h.f;
			s.sum += h.f.len;
			s.p = b->p + at;
			if (h.f.len > s.largest)
				s.largest = h.f.len;
		}
	} while (ev != LG_H2_MORE || at < b->len);
	return s;
}

static struct seen at_server(unsigned type, uint32_t stream)
{
	return seen(&r.server, LG_H2_PREFACE_LEN, type, stream);
}

static struct seen at_program(unsigned type, uint32_t stream)
{
	return seen(&r.program, 0, type, stream);
}

/* A wrong PRIORITY is its stream's matter: the next requests are held. */
static void test_priority_length(void **state)
{
	(void)state;
	open_h2();
	ask(1, BODY);
	SEND(LG_H2_PRIORITY, 0, 3, "1234");
	assert_int_equal(at_server(LG_H2_PRIORITY, 3).n, 1);
	ask(5, BIG);
	assert_int_equal(at_server(LG_H2_HEADERS, 5).n, 0);
	assert_int_equal(at_program(LG_H2_HEADERS, 5).n, 1);
	rig_close(&r);
}

/*
 * Behind a block that cannot be decoded the server's table is not the
 * program's: what follows must not be read by it.
 */
static void test_bad_block(void **state)
{
	struct nghttp2_hd_inflater *reader = lg_hpack_reader_new();
	struct seen s;

	(void)state;
	open_h2();
	/* the table of the server has one more entry than the program's */
	ask(1, BODY);
	SEND(LG_H2_HEADERS, LG_H2_END_HEADERS, 3, "\xff\x7f");
	s = at_server(LG_H2_HEADERS, 3);
	assert_int_equal(s.n, 1);
	assert_int_equal(lg_hpack_read(reader,
				       (struct lg_slice){s.p, s.last.len}, NULL,
				       NULL),
			 -EPROTO);
	lg_hpack_reader_del(reader);
	rig_close(&r);
}

/* A client that blocks may have to read before the server's SETTINGS. */
static void test_first_read(void **state)
{
	static char part[16384];

	(void)state;
	rig_connect(&r, "api.openai.com");
	rig_write(&r, LG_H2_PREFACE, LG_H2_PREFACE_LEN, 0);
	SEND(LG_H2_SETTINGS, 0, 0, "");
	SEND(LG_H2_HEADERS, LG_H2_END_HEADERS, 1, HEAD);
	memset(part, ' ', sizeof(part));
	for (unsigned i = 0; i < 4; i++)
		send(LG_H2_DATA, 0, 1, part, sizeof(part) - !i);
	/* there is room for more, which it is about to be told */
	assert_false(lg_flow_is_holding(r.f));
	ANSWER(LG_H2_SETTINGS, 0, 0, "");
	assert_true(at_program(LG_H2_WINDOW_UPDATE, 1).n > 0);
	assert_true(lg_flow_is_holding(r.f));
	assert_int_equal(at_server(LG_H2_HEADERS, 1).n, 0);
	rig_close(&r);
}

/* A large upload does not keep the others from what the window has. */
static void test_fair(void **state)
{
	static char part[16384], body[4 * 16384];

	(void)state;
	open_h2();
	memset(part, ' ', sizeof(part));
	memset(body, ' ', sizeof(body));
	/* three of them, all let go, the window of the connection is used up */
	for (uint32_t id = 1; id < 7; id += 2) {
		SEND(LG_H2_HEADERS, LG_H2_END_HEADERS, id, HEAD);
		for (unsigned i = 0; i < 4; i++)
			send(LG_H2_DATA, i == 3 ? LG_H2_END_STREAM : 0, id,
			     part, sizeof(part));
	}
	assert_int_equal(at_server(LG_H2_DATA, 1).sum, 65535);
	assert_int_equal(at_server(LG_H2_DATA, 3).sum, 0);
	ANSWER(LG_H2_WINDOW_UPDATE, 0, 0, "\0\0\x40\0");
	ANSWER(LG_H2_WINDOW_UPDATE, 0, 0, "\0\0\x40\0");
	assert_int_equal(at_server(LG_H2_DATA, 3).sum, 16384);
	assert_int_equal(at_server(LG_H2_DATA, 5).sum, 16384);
	rig_close(&r);
}

/* Streams that the server opened are the program's to steer. */
static void test_push(void **state)
{
	(void)state;
	open_h2();
	ask(1, BODY);
	ANSWER(LG_H2_PUSH_PROMISE, LG_H2_END_HEADERS, 1, "\0\0\0\x02" HEAD);
	SEND(LG_H2_WINDOW_UPDATE, 0, 2, "\0\0\x10\0");
	SEND(LG_H2_RST_STREAM, 0, 2, "\0\0\0\x08");
	assert_int_equal(at_server(LG_H2_WINDOW_UPDATE, 2).n, 1);
	assert_int_equal(at_server(LG_H2_RST_STREAM, 2).n, 1);
	rig_close(&r);
}

static void answer_events(uint32_t id, size_t len, size_t nframes)
{
	char *text = malloc(len * nframes + 64);
	size_t n = 0;

	ANSWER(LG_H2_HEADERS, LG_H2_END_HEADERS, id,
	       "\x88\x5f\x11"
	       "text/event-stream");
	n += (size_t)sprintf(text, "data: {\"choices\":[{\"x\":\"");
	memset(text + n, 'y', len * nframes - n - 8);
	memcpy(text + len * nframes - 8, "\"}]}\n\n\n\n", 8);
	for (size_t i = 0; i < nframes; i++)
		answer(LG_H2_DATA, i + 1 == nframes ? LG_H2_END_STREAM : 0, id,
		       text + i * len, len);
	free(text);
}

/* An event of 60 KB is kept until it is whole: told in frames as allowed. */
static void test_large_event(void **state)
{
	struct seen s;

	(void)state;
	open_h2();
	ask(1, BODY);
	answer_events(1, 15000, 4);
	s = at_program(LG_H2_DATA, 1);
	assert_true(s.largest <= LG_H2_FRAME_MAX);
	assert_int_equal(s.sum, 60000);
	assert_true(s.last.flags & LG_H2_END_STREAM);
	rig_close(&r);
}

/*
 * What is said of a stream that is still held follows its head at once: not
 * in a read, where a client's own TLS expects nothing to write.
 */
static void test_window_of_held(void **state)
{
	(void)state;
	open_h2();
	SEND(LG_H2_HEADERS, LG_H2_END_HEADERS, 1, HEAD);
	SEND(LG_H2_WINDOW_UPDATE, 0, 1, "\0\1\0\0");
	assert_int_equal(at_server(LG_H2_WINDOW_UPDATE, 1).n, 0);
	SEND(LG_H2_DATA, LG_H2_END_STREAM, 1, BODY);
	assert_int_equal(at_server(LG_H2_HEADERS, 1).n, 1);
	assert_int_equal(at_server(LG_H2_WINDOW_UPDATE, 1).n, 1);
	rig_close(&r);
}

/* ... and of no more than its window. */
static void test_large_event_small_window(void **state)
{
	struct seen s;

	(void)state;
	open_with("\0\4\0\0\x27\x10", 6);
	ask(1, BODY);
	answer_events(1, 10000, 3);
	assert_int_equal(at_server(LG_H2_WINDOW_UPDATE, 1).n, 2);
	s = at_program(LG_H2_DATA, 1);
	assert_int_equal(s.sum, 10000);
	SEND(LG_H2_WINDOW_UPDATE, 0, 1, "\0\0\x80\0");
	s = at_program(LG_H2_DATA, 1);
	assert_int_equal(s.sum, 30000);
	assert_true(s.last.flags & LG_H2_END_STREAM);
	rig_close(&r);
}

/* The server is done with a stream whose answer is not told to its end. */
static void test_reset_behind_end(void **state)
{
	struct seen s;

	(void)state;
	open_with("\0\4\0\0\x27\x10", 6);
	ask(1, BODY);
	answer_events(1, 10000, 2);
	ANSWER(LG_H2_RST_STREAM, 0, 1, "\0\0\0\0");
	SEND(LG_H2_WINDOW_UPDATE, 0, 1, "\0\0\x80\0");
	s = at_program(LG_H2_DATA, 1);
	assert_int_equal(s.sum, 20000);
	assert_true(s.last.flags & LG_H2_END_STREAM);
	assert_int_equal(at_program(LG_H2_RST_STREAM, 1).n, 0);
	rig_close(&r);
}

/* Trailers come behind all of an edited body. */
static void test_edited_trailers(void **state)
{
	struct seen s;

	(void)state;
	open_h2();
	ask(1, BODY);
	ANSWER(LG_H2_HEADERS, LG_H2_END_HEADERS, 1,
	       "\x88\x5f\x11"
	       "text/event-stream");
	ANSWER(LG_H2_DATA, 0, 1, "data: {\"choices\":[1]}\n\ndata: half");
	ANSWER(LG_H2_HEADERS, LG_H2_END_HEADERS | LG_H2_END_STREAM, 1,
	       "\x40\x01"
	       "a\x01"
	       "b");
	s = at_program(LG_H2_DATA, 1);
	assert_int_equal(s.sum, 33);
	assert_int_equal(s.last.flags, 0);
	s = at_program(LG_H2_HEADERS, 1);
	assert_int_equal(s.n, 2);
	assert_true(s.p > at_program(LG_H2_DATA, 1).p);
	assert_true(s.last.flags & LG_H2_END_STREAM);
	rig_close(&r);
}

/* Numbers differ and the answers cannot be followed: nothing passes. */
static void test_lost_numbers(void **state)
{
	size_t before;

	(void)state;
	open_h2();
	SEND(LG_H2_HEADERS, LG_H2_END_HEADERS, 1, HEAD);
	ask(3, BODY);
	SEND(LG_H2_DATA, LG_H2_END_STREAM, 1, BODY);
	assert_int_equal(at_server(LG_H2_DATA, 5).n, 1);
	before = r.program.len;
	ANSWER(LG_H2_HEADERS, LG_H2_END_HEADERS, 5, "\xff\xff\xff\xff\xff");
	ANSWER(LG_H2_DATA, LG_H2_END_STREAM, 3, "{}");
	assert_int_equal(r.program.len, before);
	assert_true(lg_flow_is_shut(r.f));
	rig_close(&r);
}

static int start(void **state)
{
	(void)state;
	rig_start(&r, yaml);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	rig_stop(&r);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_priority_length),
		cmocka_unit_test(test_bad_block),
		cmocka_unit_test(test_first_read),
		cmocka_unit_test(test_fair),
		cmocka_unit_test(test_push),
		cmocka_unit_test(test_large_event),
		cmocka_unit_test(test_large_event_small_window),
		cmocka_unit_test(test_window_of_held),
		cmocka_unit_test(test_reset_behind_end),
		cmocka_unit_test(test_edited_trailers),
		cmocka_unit_test(test_lost_numbers),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
