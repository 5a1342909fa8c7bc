#include "decimal.h"

#include <errno.h>
#include <string.h>

#define DIGITS_MAX 128

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *digits(const char *p, const char *end)
{
	while (p < end && is_digit(*p))
		p++;
	return p;
}

/* RFC 8259 6 */
bool decimal_is(struct lg_slice s)
{
	const char *p = s.p, *end = s.p + s.len, *q;

	if (p < end && *p == '-')
		p++;
	q = digits(p, end);
	if (q == p || (*p == '0' && q > p + 1))
		return false;
	p = q;
	if (p < end && *p == '.') {
		q = digits(p + 1, end);
		if (q == p + 1)
			return false;
		p = q;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '-' || *p == '+'))
			p++;
		q = digits(p, end);
		if (q == p)
			return false;
		p = q;
	}
	return p == end;
}

/* Digits d[0..n), the point behind the first `point` of them. */
struct decimal {
	bool negative;
	char d[DIGITS_MAX];
	int n, point;
};

static int read_exponent(const char *p, const char *end, int *out)
{
	bool minus = p < end && *p == '-';
	int v = 0;

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	for (; p < end; p++) {
		v = v * 10 + (*p - '0');
		if (v > 10000)
			return -ERANGE;
	}
	*out = minus ? -v : v;
	return 0;
}

static int parse(struct lg_slice s, struct decimal *x)
{
	const char *p = s.p, *end = s.p + s.len;
	bool fraction = false;
	int e = 0, err;

	if (!decimal_is(s))
		return -EINVAL;
	memset(x, 0, sizeof(*x));
	if (*p == '-') {
		x->negative = true;
		p++;
	}
	for (; p < end && *p != 'e' && *p != 'E'; p++) {
		if (*p == '.') {
			fraction = true;
			continue;
		}
		if (!x->n && *p == '0') {
			x->point -= fraction;
			continue;
		}
		if (x->n == DIGITS_MAX)
			return -ERANGE;
		x->d[x->n++] = *p;
		x->point += !fraction;
	}
	err = p < end ? read_exponent(p + 1, end, &e) : 0;
	if (err)
		return err;
	x->point += e;
	while (x->n && x->d[x->n - 1] == '0')
		x->n--;
	if (!x->n) {
		x->point = 0;
		x->negative = false;
	}
	return 0;
}

/* x is not kept. */
static int print(struct decimal x, char out[DECIMAL_TEXT])
{
	int i, at = 0;

	if (!x.n) {
		memcpy(out, "0", 2);
		return 0;
	}
	if (x.point > 60 || x.point < -60 || x.n > 90)
		return -ERANGE;
	if (x.negative)
		out[at++] = '-';
	if (x.point <= 0)
		out[at++] = '0';
	for (i = 0; i < x.point; i++)
		out[at++] = i < x.n ? x.d[i] : '0';
	if (x.n > x.point) {
		out[at++] = '.';
		for (i = x.point; i < 0; i++)
			out[at++] = '0';
		for (i = x.point > 0 ? x.point : 0; i < x.n; i++)
			out[at++] = x.d[i];
	}
	out[at] = 0;
	return 0;
}

int decimal_shift(struct lg_slice s, int shift, char out[DECIMAL_TEXT])
{
	struct decimal x;
	int err = parse(s, &x);

	x.point += shift;
	return err ? err : print(x, out);
}

int decimal_times(struct lg_slice a, struct lg_slice b, char out[DECIMAL_TEXT])
{
	struct decimal x, y, z = {0};
	int digit[DIGITS_MAX + 1] = {0}, err, carry = 0;

	err = parse(a, &x);
	if (!err)
		err = parse(b, &y);
	if (err)
		return err;
	if (x.n + y.n > DIGITS_MAX)
		return -ERANGE;
	for (int i = 0; i < x.n; i++)
		for (int k = 0; k < y.n; k++)
			digit[i + k + 1] += (x.d[i] - '0') * (y.d[k] - '0');
	for (int i = x.n + y.n - 1; i >= 0 && x.n && y.n; i--) {
		carry += digit[i];
		z.d[i] = (char)('0' + carry % 10);
		carry /= 10;
	}
	z.n = x.n && y.n ? x.n + y.n : 0;
	z.point = x.point + y.point;
	if (z.n && z.d[0] == '0') {
		memmove(z.d, z.d + 1, (size_t)--z.n);
		z.point--;
	}
	while (z.n && z.d[z.n - 1] == '0')
		z.n--;
	z.negative = z.n && x.negative != y.negative;
	return print(z, out);
}

int decimal_cmp(struct lg_slice a, struct lg_slice b)
{
	struct decimal x, y;
	int sign, n, c;

	if (parse(a, &x) || parse(b, &y))
		return -2;
	if (!x.n || !y.n)
		return x.n   ? (x.negative ? -1 : 1)
		       : y.n ? (y.negative ? 1 : -1)
			     : 0;
	if (x.negative != y.negative)
		return x.negative ? -1 : 1;
	sign = x.negative ? -1 : 1;
	if (x.point != y.point)
		return x.point > y.point ? sign : -sign;
	n = x.n > y.n ? x.n : y.n;
	for (int i = x.n; i < n; i++)
		x.d[i] = '0';
	for (int i = y.n; i < n; i++)
		y.d[i] = '0';
	c = memcmp(x.d, y.d, (size_t)n);
	return c > 0 ? sign : c < 0 ? -sign : 0;
}

bool decimal_is_negative(struct lg_slice s)
{
	struct decimal x;

	return !parse(s, &x) && x.negative;
}
