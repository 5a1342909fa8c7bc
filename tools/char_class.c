#include "char_class.h"

#include "base/slice.h"

#define FAST 0x3100u /* all before Han, which is one run */

static const uint32_t runs[] = {
#include "char_class.def"
};
#define NRUNS (sizeof(runs) / sizeof(runs[0]))

static enum char_class search(uint32_t c)
{
	size_t lo = 0, hi = NRUNS;
	uint32_t first, class;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (runs[mid] >> 4 <= c)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return CHAR_OTHER;
	first = runs[lo - 1] >> 4;
	class = runs[lo - 1] & 15;
	if (class <= CHAR_SPACE)
		return (enum char_class) class;
	/* 7: upper and lower case take turns; 8: the other way round */
	return (((c - first) & 1) != 0) == (class == 7) ? CHAR_LOWER
							: CHAR_UPPER;
}

/* A cache of the low ones: 0 is not looked up yet. Racing writers agree. */
enum char_class char_class_of(uint32_t c)
{
	static uint8_t fast[FAST];
	uint8_t v;

	if (c >= FAST)
		return search(c);
	v = __atomic_load_n(&fast[c], __ATOMIC_RELAXED);
	if (!v) {
		v = (uint8_t)(search(c) + 1);
		__atomic_store_n(&fast[c], v, __ATOMIC_RELAXED);
	}
	return (enum char_class)(v - 1);
}

uint32_t char_decode(const char *p, size_t n, size_t *len)
{
	const unsigned char *s = (const unsigned char *)p;
	uint32_t c = s[0];
	size_t k;

	*len = 1;
	if (c < 0x80)
		return c;
	k = lg_utf8_len(s, n);
	if (!k)
		return 0xfffd;
	*len = k;
	c &= 0x7fu >> k;
	for (size_t i = 1; i < k; i++)
		c = c << 6 | (s[i] & 0x3fu);
	return c;
}
