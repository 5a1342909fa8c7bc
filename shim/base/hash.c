#include "base/hash.h"

#include <stdbool.h>
#include <string.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/atomic.h"
#include "base/sha256.h"

/* Part of the region's ABI: never change these. */
#define KEY_A UINT64_C(0x6c6c6d6775617264)
#define KEY_B UINT64_C(0x9e3779b97f4a7c15)
#define C1 UINT64_C(0x87c37b91114253d5)
#define C2 UINT64_C(0x4cf5ad432745937f)

static uint64_t rotl(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static uint64_t load_le(const unsigned char *p, size_t n)
{
	uint64_t v = 0;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	if (n == 8) {
		memcpy(&v, p, 8);
		return v;
	}
#endif
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static uint64_t final_mix(uint64_t v)
{
	v = (v ^ v >> 33) * UINT64_C(0xff51afd7ed558ccd);
	v = (v ^ v >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return v ^ v >> 33;
}

/* The body of MurmurHash3 x64_128 (public domain, A. Appleby). */
struct lg_hash128 lg_hash128(const void *data, size_t len, uint64_t seed)
{
	const unsigned char *p = data;
	struct lg_hash128 h = {seed ^ KEY_A, seed ^ KEY_B};
	uint64_t a, b;
	size_t n = len;

	for (; n >= 16; n -= 16, p += 16) {
		h.a ^= rotl(load_le(p, 8) * C1, 31) * C2;
		h.a = (rotl(h.a, 27) + h.b) * 5 + 0x52dce729;
		h.b ^= rotl(load_le(p + 8, 8) * C2, 33) * C1;
		h.b = (rotl(h.b, 31) + h.a) * 5 + 0x38495ab5;
	}
	a = load_le(p, n < 8 ? n : 8);
	b = n > 8 ? load_le(p + 8, n - 8) : 0;
	h.b ^= rotl(b * C2, 33) * C1;
	h.a ^= rotl(a * C1, 31) * C2;
	h.a ^= len;
	h.b ^= len;
	h.a += h.b;
	h.b += h.a;
	h.a = final_mix(h.a);
	h.b = final_mix(h.b);
	h.a += h.b;
	h.b += h.a;
	if (!h.a && !h.b)
		h.a = 1;
	return h;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 v = (unsigned __int128)a * b;

	return (uint64_t)v ^ (uint64_t)(v >> 64);
}

static uint64_t text_step(uint64_t h, const unsigned char *p)
{
	return fold(load_le(p, 8) ^ KEY_B ^ h, load_le(p + 8, 8) ^ KEY_A) ^
	       rotl(h, 23) * C1;
}

void lg_text_hash_feed(struct lg_text_hash *t, const void *data, size_t len)
{
	const unsigned char *p = data;
	size_t have = t->len & 15, n;
	uint64_t h = t->h;

	t->len += len;
	if (have) {
		n = len < 16 - have ? len : 16 - have;
		memcpy(t->part + have, p, n);
		p += n;
		len -= n;
		if (have + n < 16)
			return;
		h = text_step(h, t->part);
	}
	for (; len >= 16; len -= 16, p += 16)
		h = text_step(h, p);
	if (len)
		memcpy(t->part, p, len);
	t->h = h;
}

uint64_t lg_text_hash_end(const struct lg_text_hash *t)
{
	unsigned char last[16] = {0};
	uint64_t h;

	if (!t->len)
		return 0;
	memcpy(last, t->part, t->len & 15);
	h = text_step(t->h, last);
	h = final_mix(h ^ t->len * C2);
	return h >> 8 ? h : h | UINT64_C(1) << 8;
}

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), reflected 0x82f63b78. */
#define BIT(c) ((c) >> 1 ^ (0x82f63b78u & (0u - ((c)&1u))))
#define BIT2(c) BIT(BIT(c))
#define T1(i) BIT2(BIT2((uint32_t)(i)))
#define T4(i) T1(i), T1((i) + 1), T1((i) + 2), T1((i) + 3)
/* By half bytes: the slow path needs no speed, only to be right. */
static const uint32_t crc_nibble[16] = {T4(0), T4(4), T4(8), T4(12)};

static uint32_t crc_plain(uint32_t crc, const unsigned char *p, size_t n)
{
	for (; n; n--, p++) {
		crc ^= *p;
		crc = crc >> 4 ^ crc_nibble[crc & 15];
		crc = crc >> 4 ^ crc_nibble[crc & 15];
	}
	return crc;
}

#if defined(__x86_64__)
/* Not by __builtin_cpu_supports: that asks in a constructor of its own. */
static bool has_crc(void)
{
	static unsigned known; /* 1 no, 2 yes */
	unsigned a, b, c, d, is = lg_load_relaxed(&known);

	if (!is) {
		is = 1 +
		     (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2) != 0);
		lg_store_relaxed(&known, is);
	}
	return is == 2;
}

__attribute__((target("sse4.2"))) static uint32_t crc_machine(
	uint32_t crc, const unsigned char *p, size_t n)
{
	uint64_t c = crc, word;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		c = __builtin_ia32_crc32di(c, word);
	}
	for (; n; n--, p++)
		c = __builtin_ia32_crc32qi((uint32_t)c, *p);
	return (uint32_t)c;
}
#elif defined(__aarch64__)
static bool has_crc(void)
{
	return getauxval(AT_HWCAP) & 1ul << 7; /* HWCAP_CRC32 */
}

__attribute__((target("+crc"))) static uint32_t crc_machine(
	uint32_t crc, const unsigned char *p, size_t n)
{
	uint64_t word;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		__asm__("crc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
	}
	for (; n; n--, p++)
		__asm__("crc32cb %w0, %w0, %w1" : "+r"(crc) : "r"(*p));
	return crc;
}
#else
#define has_crc() false
#define crc_machine crc_plain
#endif

uint32_t lg_crc32c(uint32_t crc, const void *p, size_t len)
{
	if (has_crc())
		return ~crc_machine(~crc, p, len);
	return ~crc_plain(~crc, p, len);
}

static void hex(const unsigned char *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = '\0';
}

void lg_sha256_hex12(const void *p, size_t len, char out[13])
{
	unsigned char digest[32];

	lg_sha256(p, len, digest);
	hex(digest, 6, out);
}

void lg_sha256_hex(const void *p, size_t len, char out[65])
{
	unsigned char digest[32];

	lg_sha256(p, len, digest);
	hex(digest, 32, out);
}
