#include "base/slice.h"

#include <errno.h>
#include <string.h>

static unsigned char fold(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 'A' && u <= 'Z' ? u | 0x20 : u;
}

/* The same of eight bytes at once. */
static uint64_t fold8(const char *p)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t w, low, upper;

	memcpy(&w, p, sizeof(w));
	low = w & ones * 0x7f;
	upper = (low + ones * (0x80 - 'A')) ^ (low + ones * (0x7f - 'Z'));
	return w | (upper & ~w & ones * 0x80) >> 2;
}

static bool same_fold(const char *a, const char *b, size_t n)
{
	for (; n >= 8; a += 8, b += 8, n -= 8)
		if (fold8(a) != fold8(b))
			return false;
	for (size_t i = 0; i < n; i++)
		if (fold(a[i]) != fold(b[i]))
			return false;
	return true;
}

/* Most names are told apart by their first byte. b is not the longer one. */
static bool begins_alike(struct lg_slice a, struct lg_slice b)
{
	return !b.len || fold(a.p[0]) == fold(b.p[0]);
}

bool lg_slice_eq(struct lg_slice a, struct lg_slice b)
{
	return a.len == b.len && (a.len == 0 || !memcmp(a.p, b.p, a.len));
}

bool lg_slice_ieq(struct lg_slice a, struct lg_slice b)
{
	return a.len == b.len && begins_alike(a, b) &&
	       same_fold(a.p, b.p, a.len);
}

bool lg_slice_starts(struct lg_slice s, struct lg_slice prefix)
{
	if (s.len < prefix.len)
		return false;
	return prefix.len == 0 || !memcmp(s.p, prefix.p, prefix.len);
}

bool lg_slice_istarts(struct lg_slice s, struct lg_slice prefix)
{
	return s.len >= prefix.len && begins_alike(s, prefix) &&
	       same_fold(s.p, prefix.p, prefix.len);
}

bool lg_slice_iends(struct lg_slice s, struct lg_slice suffix)
{
	if (s.len < suffix.len)
		return false;
	if (suffix.len == 0)
		return true;
	return same_fold(s.p + (s.len - suffix.len), suffix.p, suffix.len);
}

bool lg_slice_icontains(struct lg_slice s, struct lg_slice part)
{
	if (part.len == 0)
		return true;
	for (size_t i = 0; i + part.len <= s.len; i++)
		if (same_fold(s.p + i, part.p, part.len))
			return true;
	return false;
}

static bool is_one(char pattern, char c)
{
	return pattern == '?' || fold(pattern) == fold(c);
}

bool lg_slice_glob(struct lg_slice text, struct lg_slice pattern)
{
	size_t t = 0, p = 0, back_t = 0, back_p = 0;
	bool star = false;

	/* most patterns are told apart by what follows their last star */
	while (pattern.len && pattern.p[pattern.len - 1] != '*') {
		if (!text.len ||
		    !is_one(pattern.p[pattern.len - 1], text.p[text.len - 1]))
			return false;
		pattern.len--;
		text.len--;
	}
	if (pattern.len == 1)
		return true;
	while (t < text.len) {
		if (p < pattern.len && pattern.p[p] == '*') {
			star = true;
			back_p = ++p;
			back_t = t;
			if (p == pattern.len)
				return true;
		} else if (p < pattern.len && is_one(pattern.p[p], text.p[t])) {
			p++;
			t++;
		} else if (star) {
			p = back_p;
			t = ++back_t;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.p[p] == '*')
		p++;
	return p == pattern.len;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct lg_slice lg_slice_trim(struct lg_slice s)
{
	while (s.len && is_space(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len && is_space(s.p[s.len - 1]))
		s.len--;
	return s;
}

struct lg_slice lg_slice_cut(struct lg_slice s, char c, struct lg_slice *head)
{
	const char *at = s.len ? memchr(s.p, c, s.len) : NULL;
	size_t n;

	if (!at) {
		*head = s;
		return (struct lg_slice){s.len ? s.p + s.len : s.p, 0};
	}
	n = (size_t)(at - s.p);
	*head = (struct lg_slice){s.p, n};
	return (struct lg_slice){at + 1, s.len - n - 1};
}

int lg_slice_u64(struct lg_slice s, uint64_t *out)
{
	uint64_t v = 0;
	bool big = false;

	if (s.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		unsigned d = (unsigned char)s.p[i] - (unsigned)'0';

		if (d > 9)
			return -EINVAL;
		if (v > (UINT64_MAX - d) / 10)
			big = true;
		else
			v = v * 10 + d;
	}
	if (big)
		return -ERANGE;
	*out = v;
	return 0;
}

size_t lg_utf8_len(const unsigned char *p, size_t n)
{
	size_t len;
	unsigned char lo = 0x80, hi = 0xbf;

	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		len = 2;
	} else if ((p[0] & 0xf0) == 0xe0) {
		len = 3;
		lo = p[0] == 0xe0 ? 0xa0 : 0x80;
		hi = p[0] == 0xed ? 0x9f : 0xbf;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		len = 4;
		lo = p[0] == 0xf0 ? 0x90 : 0x80;
		hi = p[0] == 0xf4 ? 0x8f : 0xbf;
	} else {
		return 0;
	}
	if (n < len || p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* Eight bytes of plain ASCII; may say no where they are. */
static bool are_plain(uint64_t w)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t del = w ^ ones * 0x7f;

	return !(((w - ones * 0x20) | (del - ones) | w) & ones * 0x80);
}

bool lg_slice_copy(struct lg_slice s, char *dst, size_t cap)
{
	size_t n = s.len < cap ? s.len : cap - 1, i = 0;
	bool same = n == s.len;
	uint64_t w;

	for (; n - i >= sizeof(w); i += sizeof(w)) {
		memcpy(&w, s.p + i, sizeof(w));
		if (!are_plain(w))
			break;
		memcpy(dst + i, &w, sizeof(w));
	}
	/* the rest with some bytes once more */
	if (i && i < n && n - i < sizeof(w)) {
		memcpy(&w, s.p + n - sizeof(w), sizeof(w));
		if (are_plain(w)) {
			memcpy(dst + n - sizeof(w), &w, sizeof(w));
			i = n;
		}
	}
	for (; i < n; i++) {
		const unsigned char *p = (const unsigned char *)s.p + i;
		size_t seq = *p >= 0x80 ? lg_utf8_len(p, n - i) : 0;

		dst[i] = s.p[i];
		if (seq) {
			memcpy(dst + i, p, seq);
			i += seq - 1;
		} else if (*p < 0x20 || *p >= 0x7f) {
			dst[i] = '?';
			same = false;
		}
	}
	dst[n] = '\0';
	return same;
}
