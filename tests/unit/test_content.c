#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <brotli/encode.h>
#include <cmocka.h>
#include <pthread.h>
#include <zlib.h>
#include <zstd.h>

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

static char *pack_br(const char *p, size_t n, size_t *len)
{
	size_t cap = n + n / 10 + 1000;
	char *out = malloc(cap);

	assert_true(BrotliEncoderCompress(5, 22, BROTLI_MODE_TEXT, n,
					  (const uint8_t *)p, &cap,
					  (uint8_t *)out));
	*len = cap;
	return out;
}

static char *pack_zstd(const char *p, size_t n, size_t *len)
{
	size_t cap = ZSTD_compressBound(n);
	char *out = malloc(cap);

	*len = ZSTD_compress(out, cap, p, n, 3);
	assert_false(ZSTD_isError(*len));
	return out;
}

static char *pack_gzip(const char *p, size_t n, size_t *len)
{
	return pack(p, n, 31, len);
}

static const struct coder {
	const char *name;
	char *(*pack)(const char *p, size_t n, size_t *len);
} coders[] = {{"gzip", pack_gzip}, {"br", pack_br}, {"zstd", pack_zstd}};

#define CODERS (sizeof(coders) / sizeof(coders[0]))

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
		"compress", "gzipp", "gzi",	     "b",
		"zst",	    "dcb",   "br, compress", "gzip, gzip, gzip, gzip"};
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

/* br and zstd: whole, byte by byte, in pieces, cut at every offset. */
static void test_new_codings(void **state)
{
	(void)state;
	for (size_t k = 1; k < CODERS; k++) {
		size_t len, n;
		char *z = coders[k].pack(plain, PLAIN, &len);

		for (size_t piece = 1; piece <= len; piece = piece * 5 + 1) {
			assert_int_equal(unpack(coders[k].name, z, len, piece),
					 0);
			assert_int_equal(sink.len, PLAIN);
			assert_memory_equal(sink.p, plain, PLAIN);
		}
		free(z);
		z = coders[k].pack(plain, 700, &len);
		assert_int_equal(unpack(coders[k].name, z, 0, 1), 0);
		for (n = 1; n < len; n++) {
			assert_int_equal(unpack(coders[k].name, z, n, n),
					 -EPROTO);
			assert_true(sink.len <= 700);
			assert_memory_equal(sink.p, plain, sink.len);
			assert_int_equal(unpack(coders[k].name, z, len, n), 0);
			assert_int_equal(sink.len, 700);
		}
		free(z);
		z = coders[k].pack("", 0, &len);
		assert_int_equal(unpack(coders[k].name, z, len, 1), 0);
		assert_int_equal(sink.len, 0);
		free(z);
	}
}

static void test_new_damaged(void **state)
{
	(void)state;
	for (size_t k = 1; k < CODERS; k++) {
		const char *name = coders[k].name;
		size_t len;
		char *z = coders[k].pack(plain, 3000, &len);
		char *more = calloc(1, len + 4);

		for (size_t i = 0; i < len; i++) {
			for (int bit = 0; bit < 8; bit += 3) {
				z[i] ^= (char)(1 << bit);
				unpack(name, z, len, len);
				unpack(name, z, len, 7);
				z[i] ^= (char)(1 << bit);
			}
		}
		/* what follows the end is neither padding nor a member */
		memcpy(more, z, len);
		memcpy(more + len, "xyz!", 4);
		assert_int_equal(unpack(name, more, len + 4, len + 4), -EPROTO);
		assert_int_equal(sink.len, 3000);
		assert_int_equal(unpack(name, more, len + 4, 1), -EPROTO);
		assert_int_equal(unpack(name, "{\"usage\": 1}", 12, 12),
				 -EPROTO);
		free(more);
		free(z);
	}
}

/* Frames may follow each other, also such as are to be skipped. */
static void test_zstd_frames(void **state)
{
	static const char skip[] = "\x50\x2a\x4d\x18\x05\0\0\0hello";
	size_t one, two;
	char *a = pack_zstd(plain, 300, &one);
	char *b = pack_zstd(plain + 300, 700, &two);
	char *all = malloc(one + two + sizeof(skip));

	(void)state;
	memcpy(all, a, one);
	memcpy(all + one, skip, sizeof(skip) - 1);
	memcpy(all + one + sizeof(skip) - 1, b, two);
	for (size_t piece = 1; piece < one + two + 12; piece += 7) {
		assert_int_equal(unpack("zstd", all, one + two + 13, piece), 0);
		assert_int_equal(sink.len, 1000);
		assert_memory_equal(sink.p, plain, 1000);
	}
	assert_int_equal(unpack("zstd", all, one + 5, 9), -EPROTO);
	/* formats from before the RFC, first or behind a frame */
	memcpy(all + one, "\x27\xb5\x2f\xfd ", 5);
	for (size_t piece = 1; piece < 7; piece++) {
		assert_int_equal(unpack("zstd", all + one, 5, piece), -EPROTO);
		assert_int_equal(unpack("zstd", all, one + 5, piece), -EPROTO);
	}
	free(a);
	free(b);
	free(all);
}

/* A window of 128 MB is refused before it is allocated. */
static void test_zstd_window(void **state)
{
	static const char frame[] = "\x28\xb5\x2f\xfd\x00\x88\x01\0\0";
	size_t before = lg_mem_mapped();

	(void)state;
	assert_int_equal(unpack("zstd", frame, sizeof(frame) - 1, 99), -EPROTO);
	assert_true(lg_mem_mapped() < before + (1 << 20));
}

/* What was applied last is undone first. */
static void test_stacked(void **state)
{
	char name[64];

	(void)state;
	for (size_t a = 0; a < CODERS; a++)
		for (size_t b = 0; b < CODERS; b++) {
			size_t inner, len;
			char *x = coders[a].pack(plain, 5000, &inner);
			char *z = coders[b].pack(x, inner, &len);

			snprintf(name, sizeof(name), "%s, identity ,%s",
				 coders[a].name, coders[b].name);
			for (size_t piece = 1; piece <= len;
			     piece = piece * 7 + 1) {
				assert_int_equal(unpack(name, z, len, piece),
						 0);
				assert_int_equal(sink.len, 5000);
				assert_memory_equal(sink.p, plain, 5000);
			}
			assert_int_equal(unpack(name, z, len - 1, 50), -EPROTO);
			free(x);
			free(z);
		}
}

/* Also in layers no more comes out than a thousand for each byte. */
static void test_new_bombs(void **state)
{
	const size_t n = (size_t)64 << 20;
	char *zeros = calloc(1, n);

	(void)state;
	for (size_t k = 0; k < CODERS; k++) {
		size_t len, twice;
		char *z = coders[k].pack(zeros, n, &len);
		char *zz = pack_gzip(z, len, &twice);
		char name[32];

		assert_int_equal(unpack(coders[k].name, z, len, len),
				 -EMSGSIZE);
		assert_true(sink.len <= (66u << 20));
		snprintf(name, sizeof(name), "%s,gzip", coders[k].name);
		assert_int_equal(unpack(name, zz, twice, 100), -EMSGSIZE);
		assert_true(sink.len <= (2u << 20));
		free(z);
		free(zz);
	}
	free(zeros);
}

/* No memory: an error, nothing leaks. */
static void test_new_memory(void **state)
{
	(void)state;
	for (size_t k = 1; k < CODERS; k++) {
		size_t before, len;
		char *z = coders[k].pack(plain, PLAIN, &len);
		struct lg_content *c = NULL;

		for (int i = 0; i < 50; i++)
			assert_int_equal(unpack(coders[k].name, z, len, 1000),
					 0);
		before = lg_mem_mapped();
		for (int i = 0; i < 100; i++)
			assert_int_equal(unpack(coders[k].name, z, len, 1000),
					 0);
		assert_true(lg_mem_mapped() <= before);
		for (size_t room = 0; room < 2000; room += 60) {
			int err;

			lg_mem_set_cap(lg_mem_mapped() + (room << 10));
			err = lg_content_new(lg_slice_str(coders[k].name), take,
					     &sink, &c);
			if (!err) {
				sink.len = 0;
				err = lg_content_feed(c, z, len);
				lg_content_del(c);
			}
			assert_true(!err || err == -ENOMEM);
		}
		lg_mem_set_cap((size_t)256 << 20);
		free(z);
	}
}

/* A sanitizer has a stack of its own making. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* How deep the decoders go: programs have threads with 64 KB of stack. */
static char *deep_z;
static size_t deep_len;

static void *run_deep(void *name)
{
	struct lg_content *c = NULL;

	sink.len = 0;
	lg_content_new(lg_slice_str(name), take, &sink, &c);
	lg_content_feed(c, deep_z, deep_len);
	lg_content_del(c);
	return NULL;
}

static void test_stack(void **state)
{
	const size_t size = (size_t)256 << 10;
	unsigned char *stack = aligned_alloc(4096, size);
	char name[8];

	(void)state;
	for (size_t k = 0; k < CODERS; k++) {
		pthread_attr_t attr;
		pthread_t t;
		size_t at = 0;

		deep_z = coders[k].pack(plain, PLAIN, &deep_len);
		memset(stack, 0xa5, size);
		snprintf(name, sizeof(name), "%s", coders[k].name);
		pthread_attr_init(&attr);
		pthread_attr_setstack(&attr, stack, size);
		assert_int_equal(pthread_create(&t, &attr, run_deep, name), 0);
		pthread_join(t, NULL);
		pthread_attr_destroy(&attr);
		assert_int_equal(sink.len, PLAIN);
		while (at < size && stack[at] == 0xa5)
			at++;
		/* what the thread itself needs stands there as well */
		print_message("%s: %zu bytes of stack\n", name, size - at);
		assert_true(size - at < (12u << 10));
		free(deep_z);
	}
	free(stack);
}
#else
static void test_stack(void **state)
{
	(void)state;
	skip();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codings),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_new_codings),
		cmocka_unit_test(test_new_damaged),
		cmocka_unit_test(test_zstd_frames),
		cmocka_unit_test(test_zstd_window),
		cmocka_unit_test(test_stacked),
		cmocka_unit_test(test_new_bombs),
		cmocka_unit_test(test_new_memory),
		cmocka_unit_test(test_stack),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
