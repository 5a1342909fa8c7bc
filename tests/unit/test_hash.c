#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "edge.h"

#define HASH_EMPTY_A UINT64_C(0xeb61fc110aaa8e85)
#define HASH_EMPTY_B UINT64_C(0xc3831fcab11c38a3)
#define HASH_TEXT_A UINT64_C(0x52a08dea95eacd54)
#define HASH_TEXT_B UINT64_C(0x762bc87810523243)

static void test_crc(void **state)
{
	unsigned char block[32];

	(void)state;
	/* RFC 3720 B.4 */
	memset(block, 0, sizeof(block));
	assert_int_equal(lg_crc32c(0, block, 32), 0x8a9136aau);
	memset(block, 0xff, sizeof(block));
	assert_int_equal(lg_crc32c(0, block, 32), 0x62a8ab43u);
	for (int i = 0; i < 32; i++)
		block[i] = (unsigned char)i;
	assert_int_equal(lg_crc32c(0, block, 32), 0x46dd794eu);
	assert_int_equal(lg_crc32c(0, "123456789", 9), 0xe3069283u);
	assert_int_equal(lg_crc32c(0, "", 0), 0);
}

/* Bit by bit, the definition itself. */
static uint32_t crc_slow(const unsigned char *p, size_t n)
{
	uint32_t c = ~0u;

	for (size_t i = 0; i < n; i++) {
		c ^= p[i];
		for (int b = 0; b < 8; b++)
			c = c >> 1 ^ (c & 1 ? 0x82f63b78u : 0);
	}
	return ~c;
}

static void test_crc_pieces(void **state)
{
	struct edge e = edge_new(300);
	unsigned char block[300];

	(void)state;
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (unsigned char)(i * 7 + i / 13);
	for (size_t n = 0; n <= sizeof(block); n++) {
		const char *p = edge_put(&e, block, n);
		uint32_t whole = lg_crc32c(0, p, n);

		assert_int_equal(whole, crc_slow(block, n));
		assert_int_equal(
			lg_crc32c(lg_crc32c(0, p, n / 3), p + n / 3, n - n / 3),
			whole);
	}
	edge_del(&e);
}

static void test_sha256(void **state)
{
	char out[65], key[13];

	(void)state;
	lg_sha256_hex("abc", 3, out);
	assert_string_equal(out, "ba7816bf8f01cfea414140de5dae2223"
				 "b00361a396177a9cb410ff61f20015ad");
	lg_sha256_hex("", 0, out);
	assert_string_equal(out, "e3b0c44298fc1c149afbf4c8996fb924"
				 "27ae41e4649b934ca495991b7852b855");
	lg_sha256_hex12("abc", 3, key);
	assert_string_equal(key, "ba7816bf8f01");
}

/* Part of the region's ABI: these figures may never change. */
static void test_hash_is_stable(void **state)
{
	struct lg_hash128 h;

	(void)state;
	h = lg_hash128("", 0, 0);
	assert_true(h.a == HASH_EMPTY_A && h.b == HASH_EMPTY_B);
	h = lg_hash128("the budget of the month", 23, 42);
	assert_true(h.a == HASH_TEXT_A && h.b == HASH_TEXT_B);
}

static void test_hash_spreads(void **state)
{
	struct lg_hash128 seen[512], h;
	unsigned char block[64] = {0};
	size_t n = 0;

	(void)state;
	/* each length of zeros and each single bit gives another value */
	for (size_t len = 0; len < 64; len++)
		seen[n++] = lg_hash128(block, len, 0);
	for (size_t bit = 0; bit < 400; bit++) {
		block[bit / 8] ^= (unsigned char)(1 << bit % 8);
		seen[n++] = lg_hash128(block, 50, 0);
		block[bit / 8] = 0;
	}
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			assert_false(seen[i].a == seen[k].a ||
				     seen[i].b == seen[k].b);
	h = lg_hash128(block, 50, 1);
	assert_true(h.a != seen[50].a && h.b != seen[50].b);
}

static void test_hash_edges(void **state)
{
	struct edge e = edge_new(64);
	char block[64];

	(void)state;
	memset(block, 'x', sizeof(block));
	for (size_t n = 0; n <= 64; n++) {
		struct lg_hash128 a = lg_hash128(block, n, 5);
		struct lg_hash128 b = lg_hash128(edge_put(&e, block, n), n, 5);

		assert_true(a.a == b.a && a.b == b.b);
	}
	edge_del(&e);
}

static uint64_t hashed(const char *p, size_t n, size_t piece)
{
	struct lg_text_hash t = {0};

	for (size_t at = 0; at < n; at += piece)
		lg_text_hash_feed(&t, p + at, n - at < piece ? n - at : piece);
	return lg_text_hash_end(&t);
}

/* However it is cut; every byte, its place and the length count. */
static void test_text_hash(void **state)
{
	char text[100], other[100];
	uint64_t seen[101] = {0}, h;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 37);
	for (size_t n = 1; n <= sizeof(text); n++) {
		seen[n] = hashed(text, n, n);
		assert_true(seen[n] >> 8);
		for (size_t piece = 1; piece < n; piece++)
			assert_int_equal(hashed(text, n, piece), seen[n]);
		for (size_t k = 0; k < n; k++)
			assert_int_not_equal(seen[k], seen[n]);
		for (size_t k = 0; k < n; k++) {
			memcpy(other, text, sizeof(text));
			other[k] ^= 1;
			h = hashed(other, n, 7);
			assert_int_not_equal(h, seen[n]);
		}
	}
	memset(text, 0, sizeof(text));
	assert_int_not_equal(hashed(text, 16, 16), hashed(text, 32, 32));
	assert_int_equal(hashed(text, 0, 1), 0);
	/* the ledger keeps it: never another one */
	assert_int_equal(hashed("{\"model\":\"gpt-4o\"}", 18, 5),
			 UINT64_C(0x5979d47c7348fa58));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_hash),
		cmocka_unit_test(test_crc),
		cmocka_unit_test(test_crc_pieces),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_hash_is_stable),
		cmocka_unit_test(test_hash_spreads),
		cmocka_unit_test(test_hash_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
