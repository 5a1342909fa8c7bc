#include "base/money.h"

#include <errno.h>
#include <string.h>

#define SCALE 12      /* decimals of a picodollar */
#define DIGITS_MAX 40 /* significant digits that are looked at */
#define EXP_MAX 10000

/* A literal taken apart: value = digits * 10^exp. */
struct decimal {
	bool negative;
	unsigned char digit[DIGITS_MAX];
	unsigned n;
	long exp;
	bool inexact; /* digits that are not zero were dropped */
};

static void decimal_push(struct decimal *d, unsigned char v, bool fraction)
{
	if (d->n == 0 && v == 0) {
		d->exp -= fraction;
		return;
	}
	if (d->n == DIGITS_MAX) {
		d->exp += !fraction;
		d->inexact |= v != 0;
		return;
	}
	d->digit[d->n++] = v;
	d->exp -= fraction;
}

static int parse_exponent(const char *p, const char *end, long *out)
{
	bool negative = false;
	long v = 0;

	if (p < end && (*p == '+' || *p == '-'))
		negative = *p++ == '-';
	if (p == end)
		return -EINVAL;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		if (v < EXP_MAX)
			v = v * 10 + (*p - '0');
	}
	*out = negative ? -v : v;
	return 0;
}

static int parse_decimal(struct lg_slice s, struct decimal *d)
{
	const char *p = s.p, *end = s.p + s.len;
	bool fraction = false, any = false;
	long exp = 0;
	int err;

	if (p < end && (*p == '+' || *p == '-'))
		d->negative = *p++ == '-';
	for (; p < end && *p != 'e' && *p != 'E'; p++) {
		if (*p == '.' && !fraction) {
			fraction = true;
			continue;
		}
		if (*p < '0' || *p > '9')
			return -EINVAL;
		any = true;
		decimal_push(d, (unsigned char)(*p - '0'), fraction);
	}
	if (!any)
		return -EINVAL;
	if (p < end) {
		err = parse_exponent(p + 1, end, &exp);
		if (err)
			return err;
	}
	d->exp += exp;
	return 0;
}

int lg_money_parse_scaled(struct lg_slice text, unsigned decimals, int64_t *out)
{
	struct decimal d = {0};
	unsigned __int128 v = 0;
	const unsigned __int128 limit = (unsigned __int128)1 << 63;
	int err;

	if (text.len == 0)
		return -EINVAL;
	err = parse_decimal(text, &d);
	if (err)
		return err;
	while (d.n && d.digit[d.n - 1] == 0) {
		d.n--;
		d.exp++;
	}
	if (d.n == 0) {
		*out = 0;
		return 0;
	}
	d.exp += (long)decimals;
	if (d.inexact || d.exp < 0 || d.exp + (long)d.n > 19)
		return -ERANGE;
	for (unsigned i = 0; i < d.n; i++)
		v = v * 10 + d.digit[i];
	for (; d.exp > 0; d.exp--)
		v *= 10;
	if (v > limit || (v == limit && !d.negative))
		return -ERANGE;
	*out = d.negative ? (int64_t)(0 - (uint64_t)v) : (int64_t)v;
	return 0;
}

int lg_money_parse(struct lg_slice text, int64_t *pusd)
{
	return lg_money_parse_scaled(text, SCALE, pusd);
}

static size_t put_u64(uint64_t v, char *out)
{
	char tmp[20];
	size_t n = 0;

	if (v < 10) {
		*out = (char)('0' + v);
		return 1;
	}
	do {
		tmp[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	for (size_t i = 0; i < n; i++)
		out[i] = tmp[n - 1 - i];
	return n;
}

/* Four decimals. */
static void put_four(uint32_t v, char *out)
{
	out[0] = (char)('0' + v / 1000);
	out[1] = (char)('0' + v / 100 % 10);
	out[2] = (char)('0' + v / 10 % 10);
	out[3] = (char)('0' + v % 10);
}

/* The twelve decimals of a fraction; how many are not zeros at its end. */
static size_t put_fraction(uint64_t frac, char out[static SCALE])
{
	uint32_t high = (uint32_t)(frac / 100000000);
	uint32_t low = (uint32_t)(frac % 100000000);
	size_t n = low % 10000 ? 12 : low ? 8 : 4;

	put_four(high, out);
	if (n > 4)
		put_four(low / 10000, out + 4);
	if (n > 8)
		put_four(low % 10000, out + 8);
	while (out[n - 1] == '0')
		n--;
	return n;
}

static uint64_t magnitude(int64_t v)
{
	return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

size_t lg_money_print(int64_t pusd, char *buf)
{
	uint64_t v = magnitude(pusd);
	uint64_t frac = v % (uint64_t)LG_PUSD_PER_USD;
	size_t n = 0;

	if (pusd < 0)
		buf[n++] = '-';
	n += put_u64(v / (uint64_t)LG_PUSD_PER_USD, buf + n);
	if (frac) {
		buf[n++] = '.';
		n += put_fraction(frac, buf + n);
	}
	buf[n] = '\0';
	return n;
}

size_t lg_money_pretty(int64_t pusd, unsigned decimals, char *buf, size_t cap)
{
	char tmp[LG_MONEY_TEXT + 4];
	uint64_t v = magnitude(pusd), unit = 1, frac;
	size_t n = 0;

	decimals = decimals < 2 ? 2 : decimals > SCALE ? SCALE : decimals;
	for (unsigned i = decimals; i < SCALE; i++)
		unit *= 10;
	/* half away from zero: for reading, never for sums */
	v = v / unit + (v % unit >= unit - unit / 2);
	for (unit = 1; decimals > 2 && v % 10 == 0; decimals--)
		v /= 10;
	for (unsigned i = 0; i < decimals; i++)
		unit *= 10;
	if (pusd < 0 && v)
		tmp[n++] = '-';
	tmp[n++] = '$';
	n += put_u64(v / unit, tmp + n);
	tmp[n++] = '.';
	frac = v % unit;
	for (size_t i = decimals; i-- > 0; frac /= 10)
		tmp[n + i] = (char)('0' + frac % 10);
	n += decimals;
	if (cap == 0)
		return 0;
	n = n < cap ? n : cap - 1;
	memcpy(buf, tmp, n);
	buf[n] = '\0';
	return n;
}

int64_t lg_money_add(int64_t a, int64_t b)
{
	int64_t r;

	if (__builtin_add_overflow(a, b, &r))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return r;
}

int64_t lg_money_sub(int64_t a, int64_t b)
{
	int64_t r;

	if (__builtin_sub_overflow(a, b, &r))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return r;
}
