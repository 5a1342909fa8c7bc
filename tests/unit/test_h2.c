#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "guard/h2_fields.h"
#include "tests/unit/edge.h"
#include "wire/h2.h"
#include "wire/hpack.h"

static char said[4096];
static size_t nsaid;

static void say(const char *what, const struct lg_h2 *h, struct lg_slice run)
{
	if (*what == 'F')
		nsaid += (size_t)sprintf(said + nsaid, "F%u,%u,%x,%u ",
					 h->f.type, h->f.len, h->f.flags,
					 h->f.stream);
	else if (*what == 'P' || *what == 'p')
		for (size_t i = 0; i < run.len; i++)
			nsaid += (size_t)sprintf(said + nsaid, "%c%c", *what,
						 run.p[i]);
	else
		nsaid += (size_t)sprintf(said + nsaid, "%s ", what);
}

static void feed(struct lg_h2 *h, const char *p, size_t n)
{
	static const char *const names[] = {"", "F", "P", "p", "E", "BAD"};
	enum lg_h2_event ev;
	struct lg_slice run;
	size_t used = 0;

	do {
		used += lg_h2_feed(h, p + used, n - used, &ev, &run);
		if (ev != LG_H2_MORE)
			say(names[ev], h, run);
	} while (ev != LG_H2_BAD && (ev != LG_H2_MORE || used < n));
}

/* Cut at each place, and byte by byte, flush against an unreadable page. */
static void expect(const char *in, size_t len, const char *want)
{
	struct edge e = edge_new(4096);
	char *p = edge_put(&e, in, len);
	struct lg_h2 h;

	for (size_t cut = 0; cut <= len; cut++) {
		nsaid = 0;
		said[0] = 0;
		lg_h2_init(&h);
		feed(&h, p, cut);
		if (!strstr(said, "BAD"))
			feed(&h, p + cut, len - cut);
		assert_string_equal(said, want);
	}
	nsaid = 0;
	said[0] = 0;
	lg_h2_init(&h);
	for (size_t i = 0; i < len && !strstr(said, "BAD"); i++)
		feed(&h, p + i, 1);
	assert_string_equal(said, want);
	edge_del(&e);
}

#define EXPECT(in, want) expect(in, sizeof(in) - 1, want)

static void test_frames(void **state)
{
	(void)state;
	EXPECT("\0\0\3\0\1\0\0\0\1abc", "F0,3,1,1 PaPbPcE ");
	EXPECT("\0\0\6\0\x9\0\0\0\1\2abcxy", "F0,6,9,1 p\2PaPbPcpxpyE ");
	EXPECT("\0\0\1\0\x8\0\0\0\1\0", "F0,1,8,1 p");
	EXPECT("\0\0\0\4\0\0\0\0\0\0\0\0\4\1\0\0\0\0",
	       "F4,0,0,0 E F4,0,1,0 E ");
	EXPECT("\0\0\1\x63\7\x80\0\0\5z", "F99,1,7,5 PzE ");
	EXPECT("\0\0\1\1\0\0\0\0\3a\0\0\1\x9\4\0\0\0\3b",
	       "F1,1,0,3 PaE F9,1,4,3 PbE ");
}

static void test_bad_frames(void **state)
{
	(void)state;
	EXPECT("\0\0\3\0\1\0\0\0\0abc", "BAD ");
	EXPECT("\0\0\3\3\0\0\0\0\1abc", "BAD ");
	EXPECT("\0\0\5\4\0\0\0\0\0", "BAD ");
	EXPECT("\0\0\6\4\1\0\0\0\0", "BAD ");
	EXPECT("\0\0\7\6\0\0\0\0\0", "BAD ");
	EXPECT("\0\0\7\7\0\0\0\0\0", "BAD ");
	EXPECT("\0\0\1\x9\4\0\0\0\3b", "BAD ");
	EXPECT("\0\0\0\0\x8\0\0\0\1", "BAD ");
	EXPECT("\0\0\2\0\x8\0\0\0\1\2a", "F0,2,8,1 BAD ");
	EXPECT("\0\0\1\1\0\0\0\0\3a\0\0\1\0\0\0\0\0\3b", "F1,1,0,3 PaE BAD ");
	EXPECT("\0\0\1\1\0\0\0\0\3a\0\0\1\x9\4\0\0\0\5b", "F1,1,0,3 PaE BAD ");
}

static void test_block_frames(void **state)
{
	static char block[40000];
	struct lg_buf b;

	(void)state;
	for (size_t len = 0; len < sizeof(block); len += 4999) {
		struct lg_slice s = {block, len}, run;
		struct lg_h2 h;
		enum lg_h2_event ev;
		size_t used = 0, got = 0;

		lg_buf_init(&b, 1 << 20);
		lg_h2_put_block(&b, 7, true, (const uint8_t *)"\0\0\0\0\1", s);
		assert_false(b.overflow);
		lg_h2_init(&h);
		do {
			used += lg_h2_feed(&h, b.p + used, b.len - used, &ev,
					   &run);
			assert_true(ev != LG_H2_BAD);
			assert_true(h.f.len <= LG_H2_FRAME_MAX);
			got += run.len;
		} while (ev != LG_H2_MORE || used < b.len);
		assert_true(lg_h2_at_edge(&h));
		assert_int_equal(got, len + 5);
		lg_buf_fini(&b);
	}
}

static void add(struct lg_h2_fields *l, const char *n, const char *v)
{
	assert_int_equal(
		lg_h2_fields_add(l, lg_slice_str(n), lg_slice_str(v), false),
		0);
}

/* Our coder and our literals are read back the same, and cut ones refused. */
static void test_hpack(void **state)
{
	struct nghttp2_hd_inflater *r = lg_hpack_reader_new();
	struct nghttp2_hd_deflater *w = lg_hpack_writer_new();
	struct lg_h2_fields in, out;
	struct lg_hpack_field f;
	struct lg_buf b;

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		size_t pos = 0;

		lg_h2_fields_init(&in);
		lg_h2_fields_init(&out);
		lg_buf_init(&b, 1 << 20);
		add(&in, ":status", "200");
		add(&in, "x-a", i % 3 ? "one" : "two");
		lg_h2_fields_add(&in, LG_SLICE("authorization"),
				 LG_SLICE("secret"), true);
		if (i % 7 == 3)
			lg_hpack_writer_resize(w, i % 2 ? 0 : 4096);
		assert_int_equal(
			lg_h2_fields_write(&in, i % 4 == 1 ? NULL : w, &b), 0);
		assert_int_equal(lg_h2_fields_read(&out, r, lg_buf_slice(&b)),
				 0);
		assert_int_equal(out.n, 3);
		while (lg_h2_fields_next(&out, &pos, &f))
			if (i % 4 != 1 && *f.name.p == 'a')
				assert_true(f.secret);
		assert_true(
			lg_slice_eq(lg_h2_fields_get(&out, LG_SLICE("x-a")),
				    lg_h2_fields_get(&in, LG_SLICE("x-a"))));
		lg_h2_fields_fini(&in);
		lg_h2_fields_fini(&out);
		lg_buf_fini(&b);
	}
	lg_h2_fields_init(&out);
	assert_int_equal(lg_h2_fields_read(&out, r, LG_SLICE("\xff\xff\xff")),
			 -EPROTO);
	lg_h2_fields_fini(&out);
	lg_hpack_reader_del(r);
	lg_hpack_writer_del(w);
}

/* A list that grows out of a small block ends at the cap. */
static void test_bomb(void **state)
{
	struct nghttp2_hd_inflater *r = lg_hpack_reader_new();
	struct lg_h2_fields l;
	static char block[8192];
	size_t n = 0;

	(void)state;
	block[n++] = 0x40;
	block[n++] = 1;
	block[n++] = 'a';
	block[n++] = 0x7f;
	block[n++] = (char)(0x80 | (3000 - 127) % 128);
	block[n++] = (3000 - 127) / 128;
	memset(block + n, 'v', 3000);
	n += 3000;
	memset(block + n, 0xbe, 4000);
	n += 4000;
	lg_h2_fields_init(&l);
	assert_int_equal(lg_h2_fields_read(&l, r, (struct lg_slice){block, n}),
			 -EMSGSIZE);
	assert_true(l.b.len <= 2 * LG_HPACK_LIST_MAX);
	lg_h2_fields_fini(&l);
	lg_hpack_reader_del(r);
}

static void test_request(void **state)
{
	struct lg_h2_fields l, back;
	struct lg_buf text;

	(void)state;
	lg_h2_fields_init(&l);
	lg_h2_fields_init(&back);
	lg_buf_init(&text, 1 << 16);
	add(&l, ":method", "POST");
	add(&l, ":path", "/v1/x?a=b");
	add(&l, ":authority", "h.example");
	add(&l, ":scheme", "https");
	add(&l, "cookie", "a=b");
	add(&l, "cookie", "c=d");
	add(&l, "bad", "x\r\ny: z");
	add(&l, "Upper", "1");
	add(&l, "transfer-encoding", "chunked");
	assert_true(l.odd);
	assert_true(lg_h2_fields_request(&l, false, &text));
	lg_buf_putc(&text, 0);
	assert_string_equal(text.p, "POST /v1/x?a=b HTTP/1.1\r\n"
				    "host: h.example\r\ncookie: a=b\r\n"
				    "cookie: c=d\r\n"
				    "transfer-encoding: chunked\r\n\r\n");
	text.len--;
	assert_true(lg_h2_fields_changed(&l, lg_buf_slice(&text), &back));
	assert_int_equal(back.n, 6);
	assert_true(lg_slice_eq(lg_h2_fields_get(&back, LG_SLICE(":path")),
				LG_SLICE("/v1/x?a=b")));
	assert_false(lg_h2_fields_get(&back, LG_SLICE("host")).p);
	lg_h2_fields_fini(&l);
	lg_h2_fields_fini(&back);
	lg_h2_fields_init(&l);
	add(&l, ":method", "CONNECT");
	add(&l, ":authority", "h.example");
	assert_false(lg_h2_fields_request(&l, false, &text));
	lg_h2_fields_fini(&l);
	lg_buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_bad_frames),
		cmocka_unit_test(test_block_frames),
		cmocka_unit_test(test_hpack),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
