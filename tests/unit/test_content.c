#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/mem.h"
#include "edge.h"
#include "wire/content.h"

#define PLAIN 100000

struct sink {
	char *p;
	size_t len, cap;
};

static struct sink sink;
static char *plain;

static void take(void *ctx, const char *p, size_t len)
{
	struct sink *s = ctx;

	assert_true(len > 0);
	/* beyond the capacity only the count matters */
	if (s->len + len <= s->cap)
		memcpy(s->p + s->len, p, len);
	s->len += len;
}

static int setup(void **state)
{
	uint32_t x = 1;

	(void)state;
	plain = malloc(PLAIN);
	sink = (struct sink){malloc(PLAIN), 0, PLAIN};
	for (size_t i = 0; i < PLAIN; i++) {
		x = x * 1664525 + 1013904223;
		plain[i] = (char)('a' + (x >> 28));
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(plain);
	free(sink.p);
	return 0;
}

/* Deflated by zlib itself; bits as in deflateInit2. */
static char *pack(const char *p, size_t n, int bits, size_t *len)
{
	z_stream z = {0};
	size_t cap = n + n / 10 + 1000;
	char *out = malloc(cap);

	assert_int_equal(
		deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY),
		Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)p;
	z.avail_in = (unsigned)n;
	z.next_out = (unsigned char *)out;
	z.avail_out = (unsigned)cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	*len = cap - z.avail_out;
	deflateEnd(&z);
	return out;
}

/* Feed in pieces, each flush against the unreadable page. */
static int unpack(const char *coding, const char *p, size_t n, size_t piece)
{
	struct edge e = edge_new(n ? n : 1);
	struct lg_content *c = NULL;
	int err = 0;

	sink.len = 0;
	assert_int_equal(lg_content_new(lg_slice_str(coding), take, &sink, &c),
			 0);
	assert_non_null(c);
	for (size_t at = 0, k; at < n && !err; at += k) {
		k = n - at < piece ? n - at : piece;
		err = lg_content_feed(c, edge_put(&e, p + at, k), k);
	}
	if (!err)
		err = lg_content_end(c);
	else
		assert_int_equal(lg_content_end(c), err);
	lg_content_del(c);
	edge_del(&e);
	return err;
}

static void test_codings(void **state)
{
	static const struct {
		const char *name;
		int bits;
	} cases[] = {
		{"gzip", 31},	 {"x-gzip", 31},	 {"GZip", 31},
		{"deflate", 15}, {"deflate", -15},	 {"deflate", 9},
		{" gzip ", 31},	 {"identity, gzip", 31},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len;
		char *z = pack(plain, PLAIN, cases[i].bits, &len);

		for (size_t piece = 1; piece <= len; piece = piece * 9 + 1) {
			assert_int_equal(unpack(cases[i].name, z, len, piece),
					 0);
			assert_int_equal(sink.len, PLAIN);
			assert_memory_equal(sink.p, plain, PLAIN);
		}
		assert_int_equal(unpack(cases[i].name, z, len, len), 0);
		assert_int_equal(sink.len, PLAIN);
		free(z);
	}
}

static void test_names(void **state)
{
	static const char *const none[] = {"", "identity", "Identity", " , "};
	static const char *const other[] = {
		"br",	    "zstd",  "gzip, gzip", "deflate,gzip",
		"compress", "gzipp", "gzi"};
	struct lg_content *c;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		c = (struct lg_content *)&c;
		assert_int_equal(
			lg_content_new(lg_slice_str(none[i]), take, NULL, &c),
			0);
		assert_null(c);
	}
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		assert_int_equal(
			lg_content_new(lg_slice_str(other[i]), take, NULL, &c),
			-ENOTSUP);
	lg_content_del(NULL);
}

/* Cut short anywhere: an error, and what came before it was delivered. */
static void test_cut(void **state)
{
	static const int bits[] = {31, 15, -15};

	(void)state;
	for (int i = 0; i < 3; i++) {
		size_t len;
		char *z = pack(plain, 500, bits[i], &len);
		const char *name = i ? "deflate" : "gzip";

		assert_int_equal(unpack(name, z, 0, 1), 0);
		for (size_t cut = 1; cut < len; cut++) {
			assert_int_equal(unpack(name, z, cut, cut), -EPROTO);
			assert_true(sink.len <= 500);
			assert_memory_equal(sink.p, plain, sink.len);
		}
		free(z);
	}
}

static void test_damaged(void **state)
{
	size_t len;
	char *z = pack(plain, 2000, 31, &len);

	(void)state;
	for (size_t i = 0; i < len; i++) {
		z[i] ^= 0x55;
		/* some header bytes carry no meaning; no other result */
		assert_true(unpack("gzip", z, len, len) == -EPROTO ||
			    (i < 10 && sink.len == 2000));
		z[i] ^= 0x55;
	}
	assert_int_equal(unpack("gzip", "plain text", 10, 10), -EPROTO);
	assert_int_equal(unpack("deflate", "\xff\xff\xff", 3, 1), -EPROTO);
	free(z);
}

/* Several members, padding, and what is neither. */
static void test_members(void **state)
{
	size_t one, two;
	char *a = pack(plain, 300, 31, &one);
	char *b = pack(plain + 300, 700, 31, &two);
	char *all = calloc(1, one + two + 20);

	(void)state;
	memcpy(all, a, one);
	memcpy(all + one, b, two);
	for (size_t piece = 1; piece < one + two; piece += 13) {
		assert_int_equal(unpack("gzip", all, one + two, piece), 0);
		assert_int_equal(sink.len, 1000);
		assert_memory_equal(sink.p, plain, 1000);
		assert_int_equal(unpack("gzip", all, one + two + 20, piece), 0);
		assert_int_equal(sink.len, 1000);
	}
	assert_int_equal(unpack("gzip", all, one + two - 1, 7), -EPROTO);
	all[one] = 'x';
	assert_int_equal(unpack("gzip", all, one + two, 7), -EPROTO);
	assert_int_equal(sink.len, 300);
	free(a);
	free(b);
	free(all);
}

static void test_bomb(void **state)
{
	const size_t n = (size_t)64 << 20;
	char *zeros = calloc(1, n);
	size_t len;
	char *z = pack(zeros, n, 31, &len);

	(void)state;
	free(zeros);
	/* 1032:1 is what deflate can do at most: just above the limit */
	assert_int_equal(unpack("gzip", z, len, len), -EMSGSIZE);
	assert_int_equal(unpack("gzip", z, len, 100), -EMSGSIZE);
	assert_true(sink.len <= (2u << 20));
	free(z);
}

static void test_memory(void **state)
{
	size_t before = lg_mem_mapped(), len;
	char *z = pack(plain, PLAIN, 31, &len);
	struct lg_content *c;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(unpack("gzip", z, len, 1000), 0);
	assert_true(lg_mem_mapped() <= before + (512 << 10));
	lg_mem_set_cap(0);
	for (int i = 0; i < 200; i++) {
		int err = lg_content_new(LG_SLICE("gzip"), take, &sink, &c);

		assert_true(err == 0 || err == -ENOMEM);
		if (err)
			break;
		/* kept, so that memory runs out */
		assert_true(i < 199);
	}
	lg_mem_set_cap((size_t)256 << 20);
	free(z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codings), cmocka_unit_test(test_names),
		cmocka_unit_test(test_cut),	cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_members), cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
