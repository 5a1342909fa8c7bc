#include "wire/base64.h"

/* 1 + the digit's value; SKIP: white space; 0: not in the alphabet. */
#define SKIP 65
#define PAD 66

static const uint8_t digits[256] = {
	['A'] = 1,   ['B'] = 2,	   ['C'] = 3,	  ['D'] = 4,	 ['E'] = 5,
	['F'] = 6,   ['G'] = 7,	   ['H'] = 8,	  ['I'] = 9,	 ['J'] = 10,
	['K'] = 11,  ['L'] = 12,   ['M'] = 13,	  ['N'] = 14,	 ['O'] = 15,
	['P'] = 16,  ['Q'] = 17,   ['R'] = 18,	  ['S'] = 19,	 ['T'] = 20,
	['U'] = 21,  ['V'] = 22,   ['W'] = 23,	  ['X'] = 24,	 ['Y'] = 25,
	['Z'] = 26,  ['a'] = 27,   ['b'] = 28,	  ['c'] = 29,	 ['d'] = 30,
	['e'] = 31,  ['f'] = 32,   ['g'] = 33,	  ['h'] = 34,	 ['i'] = 35,
	['j'] = 36,  ['k'] = 37,   ['l'] = 38,	  ['m'] = 39,	 ['n'] = 40,
	['o'] = 41,  ['p'] = 42,   ['q'] = 43,	  ['r'] = 44,	 ['s'] = 45,
	['t'] = 46,  ['u'] = 47,   ['v'] = 48,	  ['w'] = 49,	 ['x'] = 50,
	['y'] = 51,  ['z'] = 52,   ['0'] = 53,	  ['1'] = 54,	 ['2'] = 55,
	['3'] = 56,  ['4'] = 57,   ['5'] = 58,	  ['6'] = 59,	 ['7'] = 60,
	['8'] = 61,  ['9'] = 62,   ['+'] = 63,	  ['-'] = 63,	 ['/'] = 64,
	['_'] = 64,  [' '] = SKIP, ['\t'] = SKIP, ['\r'] = SKIP, ['\n'] = SKIP,
	['='] = PAD,
};

size_t lg_base64_feed(struct lg_base64 *b, const char *p, size_t n, char *dst)
{
	size_t out = 0;

	for (size_t i = 0; i < n && !b->bad; i++) {
		uint8_t d = digits[(unsigned char)p[i]];

		if (d == SKIP)
			continue;
		if (d == PAD && b->n >= 2) {
			b->padded = true;
			continue;
		}
		if (!d || d == PAD || b->padded) {
			b->bad = true;
			break;
		}
		b->acc = b->acc << 6 | (uint32_t)(d - 1);
		if (++b->n < 4)
			continue;
		dst[out++] = (char)(b->acc >> 16);
		dst[out++] = (char)(b->acc >> 8);
		dst[out++] = (char)b->acc;
		b->acc = 0;
		b->n = 0;
	}
	return out;
}

size_t lg_base64_end(struct lg_base64 *b, char *dst)
{
	size_t out = 0;

	if (b->n == 1)
		b->bad = true;
	if (b->bad || b->n < 2)
		return 0;
	if (b->n == 2) {
		dst[out++] = (char)(b->acc >> 4);
	} else {
		dst[out++] = (char)(b->acc >> 10);
		dst[out++] = (char)(b->acc >> 2);
	}
	b->n = 0;
	return out;
}
