#include "base/value.h"

#include <errno.h>

#define EXP_MAX 100000

/* A literal being read: the whole part and what the fraction still owes. */
struct literal {
	uint64_t v;
	bool big;
	long zeros; /* trailing zeros of the fraction not yet in v */
	long scale; /* decimals in v */
};

static void push(struct literal *l, unsigned d)
{
	if (l->v > (UINT64_MAX - d) / 10)
		l->big = true;
	else
		l->v = l->v * 10 + d;
}

/* The digits after the point; zeros at the end do not count. */
static const char *read_fraction(struct literal *l, const char *p,
				 const char *end)
{
	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		if (*p == '0') {
			l->zeros++;
			continue;
		}
		for (; l->zeros; l->zeros--) {
			push(l, 0);
			l->scale++;
		}
		push(l, (unsigned)(*p - '0'));
		l->scale++;
	}
	return p;
}

static int read_exponent(const char *p, const char *end, long *out)
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

/* Apply 10^exp; what is not whole is refused. */
static int finish(struct literal *l, long exp, uint64_t *out)
{
	if (l->big)
		return exp < 0 ? -EINVAL : -ERANGE;
	if (l->v == 0)
		exp = 0;
	for (; exp < 0; exp++) {
		if (l->v % 10)
			return -EINVAL;
		l->v /= 10;
	}
	for (; exp > 0; exp--)
		if (__builtin_mul_overflow(l->v, 10, &l->v))
			return -ERANGE;
	*out = l->v;
	return 0;
}

static int parse_number(struct lg_slice s, uint64_t *out)
{
	const char *p = s.p, *end = s.p + s.len, *digits;
	struct literal l = {0};
	bool negative = false;
	long exp = 0;
	int err;

	if (p < end && *p == '-')
		negative = *p++ == '-';
	digits = p;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		push(&l, (unsigned)(*p - '0'));
	if (p == digits)
		return -EINVAL;
	if (p < end && *p == '.')
		p = read_fraction(&l, p + 1, end);
	if (p < end && (*p == 'e' || *p == 'E')) {
		err = read_exponent(p + 1, end, &exp);
		if (err)
			return err;
		p = end;
	}
	if (p != end || (negative && (l.v || l.big)))
		return -EINVAL;
	return finish(&l, exp - l.scale, out);
}

int lg_value_u64(const struct lg_value *v, uint64_t *out)
{
	if (v->truncated)
		return -EINVAL;
	if (v->type == LG_VALUE_STRING)
		return lg_slice_u64(v->text, out);
	if (v->type != LG_VALUE_NUMBER)
		return -EINVAL;
	return parse_number(v->text, out);
}
