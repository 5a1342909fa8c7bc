#include "base/json_scan.h"

#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

static bool is_special(unsigned char c)
{
	return c == '"' || c == '\\' || c < 0x20;
}

static uint64_t zero_bytes(uint64_t w)
{
	return (w - ONES) & ~w & HIGHS;
}

/* Any special byte among the eight? May not say which. */
static bool has_special(uint64_t w)
{
	return zero_bytes(w ^ ONES * '"') || zero_bytes(w ^ ONES * '\\') ||
	       ((w - ONES * 0x20) & ~w & HIGHS);
}

#if defined(__SSE2__)
/* Which of sixteen bytes are special: all ones there. */
static __m128i specials(const char *p)
{
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
	const __m128i last = _mm_set1_epi8(0x1f);
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i m = _mm_or_si128(_mm_cmpeq_epi8(v, quote),
				 _mm_cmpeq_epi8(v, slash));

	return _mm_or_si128(m, _mm_cmpeq_epi8(_mm_min_epu8(v, last), v));
}
#endif

const char *lg_json_scan_string(const char *p, const char *end)
{
	uint64_t w;

#if defined(__SSE2__)
	for (; end - p >= 64; p += 64) {
		__m128i a = _mm_or_si128(specials(p), specials(p + 16));
		__m128i b = _mm_or_si128(specials(p + 32), specials(p + 48));

		if (_mm_movemask_epi8(_mm_or_si128(a, b)))
			break;
	}
	for (; end - p >= 16; p += 16) {
		unsigned bits = (unsigned)_mm_movemask_epi8(specials(p));

		if (bits)
			return p + __builtin_ctz(bits);
	}
#endif
	for (; end - p >= 8; p += 8) {
		memcpy(&w, p, 8);
		if (has_special(w))
			break;
	}
	while (p < end && !is_special((unsigned char)*p))
		p++;
	return p;
}

/* RFC 8259 6. What may follow each part of a number. */
enum number {
	N_NONE,
	N_MINUS,
	N_ZERO,
	N_INT,
	N_DOT,
	N_FRACTION,
	N_E,
	N_SIGN,
	N_EXPONENT,
};

enum number_char { C_OTHER, C_ZERO, C_DIGIT, C_DOT, C_E, C_PLUS, C_MINUS };

static const uint8_t number_class[256] = {
	['0'] = C_ZERO, ['1' ... '9'] = C_DIGIT, ['.'] = C_DOT,	  ['e'] = C_E,
	['E'] = C_E,	['+'] = C_PLUS,		 ['-'] = C_MINUS,
};

static const uint8_t number_next[9][7] = {
	[N_NONE] = {[C_ZERO] = N_ZERO, [C_DIGIT] = N_INT, [C_MINUS] = N_MINUS},
	[N_MINUS] = {[C_ZERO] = N_ZERO, [C_DIGIT] = N_INT},
	[N_ZERO] = {[C_DOT] = N_DOT, [C_E] = N_E},
	[N_INT] = {[C_ZERO] = N_INT,
		   [C_DIGIT] = N_INT,
		   [C_DOT] = N_DOT,
		   [C_E] = N_E},
	[N_DOT] = {[C_ZERO] = N_FRACTION, [C_DIGIT] = N_FRACTION},
	[N_FRACTION] =
		{[C_ZERO] = N_FRACTION, [C_DIGIT] = N_FRACTION, [C_E] = N_E},
	[N_E] = {[C_ZERO] = N_EXPONENT,
		 [C_DIGIT] = N_EXPONENT,
		 [C_PLUS] = N_SIGN,
		 [C_MINUS] = N_SIGN},
	[N_SIGN] = {[C_ZERO] = N_EXPONENT, [C_DIGIT] = N_EXPONENT},
	[N_EXPONENT] = {[C_ZERO] = N_EXPONENT, [C_DIGIT] = N_EXPONENT},
};

const char *lg_json_scan_number(const char *p, const char *end, uint8_t *part)
{
	uint8_t next, at = *part;

	for (; p < end; p++, at = next) {
		next = number_next[at][number_class[(unsigned char)*p]];
		if (next == N_NONE)
			break;
	}
	*part = at;
	return p;
}

bool lg_json_number_is_whole(uint8_t part)
{
	return part == N_ZERO || part == N_INT || part == N_FRACTION ||
	       part == N_EXPONENT;
}
