#include "amount.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/money.h"

#define DIGITS_MAX 37 /* of an __int128, with room for one carry */
#define EXPONENT_MAX 100000

typedef unsigned __int128 u128;

struct number {
	bool negative, inexact; /* digits were dropped that are not zero */
	u128 digits;
	unsigned ndigits;
	long exponent;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void put_digit(struct number *n, char c, bool fraction)
{
	if (n->ndigits < DIGITS_MAX) {
		n->digits = n->digits * 10 + (unsigned)(c - '0');
		n->ndigits += n->digits != 0;
		n->exponent -= fraction;
	} else {
		n->inexact |= c != '0';
		n->exponent += !fraction;
	}
}

static const char *read_digits(struct number *n, const char *p, const char *end,
			       bool fraction)
{
	for (; p < end && is_digit(*p); p++)
		put_digit(n, *p, fraction);
	return p;
}

/* After the 'e'. NULL: no digits. */
static const char *read_exponent(struct number *n, const char *p,
				 const char *end)
{
	bool negative = p < end && *p == '-';
	const char *first;
	long e = 0;

	p += p < end && (*p == '-' || *p == '+');
	for (first = p; p < end && is_digit(*p); p++)
		if (e < EXPONENT_MAX)
			e = e * 10 + (*p - '0');
	n->exponent += negative ? -e : e;
	return p > first ? p : NULL;
}

static int read_number(struct lg_slice s, struct number *n)
{
	const char *p = s.p, *end = s.p + s.len, *first;

	*n = (struct number){.negative = s.len && *p == '-'};
	p += s.len && (*p == '-' || *p == '+');
	first = p;
	p = read_digits(n, p, end, false);
	if (p == first)
		return -EINVAL;
	if (p < end && *p == '.') {
		first = ++p;
		p = read_digits(n, p, end, true);
		if (p == first)
			return -EINVAL;
	}
	if (p < end && (*p == 'e' || *p == 'E'))
		p = read_exponent(n, p + 1, end);
	return p == end ? 0 : -EINVAL;
}

static u128 power_of_ten(unsigned k)
{
	u128 v = 1;

	while (k--)
		v *= 10;
	return v;
}

static u128 shift_down(const struct number *n, unsigned k)
{
	u128 unit, rest, q;

	if (k > DIGITS_MAX)
		return 0;
	unit = power_of_ten(k);
	q = n->digits / unit;
	rest = n->digits % unit;
	if (rest > unit / 2)
		return q + 1;
	if (rest == unit / 2 && k)
		return q + (n->inexact || (q & 1));
	return q;
}

static int shift_up(const struct number *n, long k, u128 *out)
{
	*out = n->digits;
	while (k-- > 0) {
		if (*out > (u128)INT64_MAX)
			return -ERANGE;
		*out *= 10;
	}
	return 0;
}

int amount_parse(struct lg_slice text, int shift, int64_t *pusd)
{
	struct number n;
	u128 v = 0;
	long k;
	int err = read_number(text, &n);

	if (err)
		return err;
	*pusd = 0;
	if (!n.digits)
		return 0; /* "0E-6176" has been seen */
	k = n.exponent + shift + 12;
	if (k < 0)
		v = k < -DIGITS_MAX - 1 ? 0 : shift_down(&n, (unsigned)-k);
	else if (shift_up(&n, k, &v))
		return -ERANGE;
	if (v > (u128)INT64_MAX)
		return -ERANGE;
	*pusd = n.negative ? -(int64_t)v : (int64_t)v;
	return 0;
}

/* "1,234,567": a comma before each group of three, and no other. */
static bool take_comma(const char *p, const char *end)
{
	return end - p > 3 && is_digit(p[1]) && is_digit(p[2]) &&
	       is_digit(p[3]) && (end - p == 4 || !is_digit(p[4]));
}

int amount_parse_loose(struct lg_slice text, int64_t *pusd)
{
	struct lg_slice s = lg_slice_trim(text);
	char plain[64];
	size_t n = 0;

	if (s.len >= sizeof(plain))
		return amount_parse(s, 0, pusd);
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '$' && (!i || (i == 1 && s.p[0] == '-')))
			continue;
		if (s.p[i] == ',' && i && take_comma(s.p + i, s.p + s.len))
			continue;
		plain[n++] = s.p[i];
	}
	return amount_parse((struct lg_slice){plain, n}, 0, pusd);
}

int64_t amount_gap_ppm(int64_t ours, int64_t theirs)
{
	__int128 d = (__int128)ours - theirs, base = theirs, ppm;

	if (!d)
		return 0;
	if (!base)
		return d < 0 ? INT64_MIN : INT64_MAX;
	if (base < 0)
		base = -base;
	ppm = (d < 0 ? -d : d) * 1000000;
	ppm = (ppm + base - 1) / base;
	if (ppm >= INT64_MAX)
		ppm = INT64_MAX - 1;
	return d < 0 ? -(int64_t)ppm : (int64_t)ppm;
}

void amount_gap_text(int64_t ppm, char *out, size_t cap)
{
	uint64_t n = ppm < 0 ? -(uint64_t)ppm : (uint64_t)ppm;

	if (ppm == INT64_MAX || ppm == INT64_MIN)
		snprintf(out, cap, "all");
	else
		snprintf(out, cap, "%s%llu.%02llu %%", ppm < 0 ? "-" : "+",
			 (unsigned long long)n / 10000,
			 (unsigned long long)n / 100 % 100);
}
