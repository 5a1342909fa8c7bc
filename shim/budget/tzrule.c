#include "budget/tzrule.h"

#include <errno.h>

#include "base/civil.h"

struct cursor {
	const char *p, *end;
};

static bool accept(struct cursor *c, char ch)
{
	if (c->p == c->end || *c->p != ch)
		return false;
	c->p++;
	return true;
}

static bool is_alpha(char ch)
{
	return (ch | 0x20) >= 'a' && (ch | 0x20) <= 'z';
}

static int skip_name(struct cursor *c)
{
	const char *start = c->p;

	if (accept(c, '<')) {
		while (c->p < c->end && *c->p != '>')
			c->p++;
		return accept(c, '>') ? 0 : -EPROTO;
	}
	while (c->p < c->end && is_alpha(*c->p))
		c->p++;
	return c->p - start >= 3 ? 0 : -EPROTO;
}

static int number(struct cursor *c, int max)
{
	const char *start = c->p;
	int v = 0;

	while (c->p < c->end && *c->p >= '0' && *c->p <= '9') {
		v = v * 10 + (*c->p++ - '0');
		if (v > max)
			return -EPROTO;
	}
	return c->p > start ? v : -EPROTO;
}

/* [+-]h[hh][:mm[:ss]] */
static int clock_time(struct cursor *c, int32_t *out)
{
	bool negative = accept(c, '-');
	int h, m = 0, s = 0;

	if (!negative)
		accept(c, '+');
	h = number(c, 167);
	if (h >= 0 && accept(c, ':')) {
		m = number(c, 59);
		if (m >= 0 && accept(c, ':'))
			s = number(c, 59);
	}
	if (h < 0 || m < 0 || s < 0)
		return -EPROTO;
	*out = h * 3600 + m * 60 + s;
	if (negative)
		*out = -*out;
	return 0;
}

static int ranged(struct cursor *c, int min, int max)
{
	int v = number(c, max);

	return v < min ? -EPROTO : v;
}

static int month_date(struct cursor *c, struct lg_tzdate *d)
{
	int month = ranged(c, 1, 12);
	int week = accept(c, '.') ? ranged(c, 1, 5) : -EPROTO;
	int day = accept(c, '.') ? ranged(c, 0, 6) : -EPROTO;

	if (month < 0 || week < 0 || day < 0)
		return -EPROTO;
	d->kind = 'M';
	d->month = (uint8_t)month;
	d->week = (uint8_t)week;
	d->day = (uint16_t)day;
	return 0;
}

static int date(struct cursor *c, struct lg_tzdate *d)
{
	int day;

	if (!accept(c, ','))
		return -EPROTO;
	d->time_s = 7200;
	if (accept(c, 'M')) {
		if (month_date(c, d))
			return -EPROTO;
	} else {
		d->kind = accept(c, 'J') ? 'J' : '0';
		day = d->kind == 'J' ? ranged(c, 1, 365) : ranged(c, 0, 365);
		if (day < 0)
			return -EPROTO;
		d->day = (uint16_t)day;
	}
	return accept(c, '/') ? clock_time(c, &d->time_s) : 0;
}

int lg_tzrule_parse(struct lg_slice text, struct lg_tzrule *out)
{
	struct cursor c = {text.p, text.p + text.len};
	struct lg_tzrule r = {0};

	if (!text.len || skip_name(&c) || clock_time(&c, &r.std_s))
		return -EPROTO;
	r.std_s = -r.std_s;
	r.dst_s = r.std_s + 3600;
	if (c.p < c.end) {
		if (skip_name(&c))
			return -EPROTO;
		if (c.p < c.end && *c.p != ',') {
			if (clock_time(&c, &r.dst_s))
				return -EPROTO;
			r.dst_s = -r.dst_s;
		}
		if (date(&c, &r.start) || date(&c, &r.end))
			return -EPROTO;
		r.has_dst = true;
	}
	if (c.p != c.end)
		return -EPROTO;
	*out = r;
	return 0;
}

static bool is_leap(int64_t y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* Local seconds since 1970 at which the date's change comes in this year. */
static int64_t local_change(const struct lg_tzdate *d, int64_t year)
{
	int64_t day = lg_civil_days(year, 1, 1);
	int64_t next;

	if (d->kind == 'J') {
		day += d->day - 1 + (d->day >= 60 && is_leap(year));
	} else if (d->kind == '0') {
		day += d->day;
	} else {
		day = lg_civil_days(year, d->month, 1);
		next = d->month == 12 ? lg_civil_days(year + 1, 1, 1)
				      : lg_civil_days(year, d->month + 1u, 1);
		/* weekday: ours counts from Monday, TZ's from Sunday */
		day += (d->day + 6 - lg_civil_weekday(day) + 7) % 7;
		day += 7 * (d->week - 1);
		if (day >= next)
			day -= 7;
	}
	return day * 86400 + d->time_s;
}

void lg_tzrule_span(const struct lg_tzrule *r, int64_t unix_s,
		    struct lg_zone_span *out)
{
	int64_t edge[4], tmp;
	struct lg_civil c;
	bool dst;
	int i, j;

	*out = (struct lg_zone_span){INT64_MIN, INT64_MAX, r->std_s};
	if (!r->has_dst)
		return;
	lg_civil_from_days(lg_floor_div(unix_s + r->std_s, 86400), &c);
	edge[0] = lg_civil_days(c.year, 1, 1) * 86400 - r->std_s;
	edge[1] = local_change(&r->start, c.year) - r->std_s;
	edge[2] = local_change(&r->end, c.year) - r->dst_s;
	edge[3] = lg_civil_days(c.year + 1, 1, 1) * 86400 - r->std_s;
	if (edge[1] < edge[2])
		dst = unix_s >= edge[1] && unix_s < edge[2];
	else
		dst = !(unix_s >= edge[2] && unix_s < edge[1]);
	out->offset_s = dst ? r->dst_s : r->std_s;
	for (i = 1; i < 4; i++)
		for (j = i; j > 0 && edge[j] < edge[j - 1]; j--) {
			tmp = edge[j];
			edge[j] = edge[j - 1];
			edge[j - 1] = tmp;
		}
	for (i = 0; i < 4; i++) {
		if (edge[i] <= unix_s)
			out->start_s = edge[i];
		else if (out->end_s == INT64_MAX)
			out->end_s = edge[i];
	}
}
