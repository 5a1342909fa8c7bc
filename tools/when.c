#include "when.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/civil.h"
#include "budget/window.h"
#include "budget/zone.h"

#define DAY_S 86400
/* Where windows end: 9999-12-01. */
#define DAYS_MAX (INT64_C(253399622400) / DAY_S)

int64_t when_day(const struct lg_zone *z, int64_t unix_ms)
{
	int64_t s = lg_floor_div(unix_ms, 1000);

	if (z)
		s += lg_zone_offset(z, s);
	return lg_floor_div(s, DAY_S);
}

void when_day_span(const struct lg_zone *z, int64_t day, int64_t *start_ms,
		   int64_t *end_ms)
{
	int64_t noon = day * DAY_S + DAY_S / 2;
	struct lg_window w;

	if (!z) {
		*start_ms = day * DAY_S * 1000;
		*end_ms = *start_ms + DAY_S * 1000;
		return;
	}
	noon -= lg_zone_offset(z, noon);
	if (day < 1 || day >= DAYS_MAX) {
		*start_ms = (noon - DAY_S / 2) * 1000;
		*end_ms = *start_ms + DAY_S * 1000;
		return;
	}
	lg_window_at(LG_PERIOD_DAILY, z, 0, noon * 1000, &w);
	*start_ms = w.start_ms;
	*end_ms = w.end_ms;
}

void when_day_text(int64_t day, char out[16])
{
	struct lg_civil c;

	lg_civil_from_days(day, &c);
	snprintf(out, 16, "%04u-%02u-%02u", (unsigned)c.year % 10000, c.month,
		 c.day);
}

/* Exactly n digits at *s. */
static int take(struct lg_slice *s, unsigned n, int64_t *out)
{
	uint64_t v;

	if (s->len < n || lg_slice_u64((struct lg_slice){s->p, n}, &v))
		return -EINVAL;
	s->p += n;
	s->len -= n;
	*out = (int64_t)v;
	return 0;
}

static bool take_char(struct lg_slice *s, const char *set)
{
	if (!s->len || !s->p[0] || !strchr(set, s->p[0]))
		return false;
	s->p++;
	s->len--;
	return true;
}

static int take_day(struct lg_slice *s, int64_t *day)
{
	int64_t y, m, d;
	struct lg_civil back;

	if (take(s, 4, &y) || !take_char(s, "-") || take(s, 2, &m) ||
	    !take_char(s, "-") || take(s, 2, &d) || m < 1 || m > 12 || d < 1 ||
	    d > 31)
		return -EINVAL;
	*day = lg_civil_days(y, (unsigned)m, (unsigned)d);
	lg_civil_from_days(*day, &back);
	return back.month == m && back.day == d ? 0 : -EINVAL;
}

int when_parse_day(struct lg_slice s, int64_t *day)
{
	return take_day(&s, day) || s.len ? -EINVAL : 0;
}

/* Milliseconds of ".123456"; more digits are cut. */
static int take_fraction(struct lg_slice *s, int64_t *ms)
{
	unsigned n = 0;

	if (!take_char(s, "."))
		return 0;
	for (; s->len && s->p[0] >= '0' && s->p[0] <= '9'; n++) {
		if (n < 3)
			*ms = *ms * 10 + (s->p[0] - '0');
		s->p++;
		s->len--;
	}
	for (unsigned k = n; k < 3; k++)
		*ms *= 10;
	return n ? 0 : -EINVAL;
}

/* Seconds east; named: it says so. */
static int take_offset(struct lg_slice *s, int64_t *seconds, bool *named)
{
	int64_t h, m = 0;
	bool west;

	*seconds = 0;
	take_char(s, " ");
	*named = s->len;
	if (!s->len || take_char(s, "Zz"))
		return 0;
	west = s->p[0] == '-';
	if (!take_char(s, "+-") || take(s, 2, &h))
		return -EINVAL;
	take_char(s, ":");
	if (s->len && take(s, 2, &m))
		return -EINVAL;
	if (h > 23 || m > 59)
		return -EINVAL;
	*seconds = (h * 60 + m) * 60 * (west ? -1 : 1);
	return 0;
}

struct clock {
	int64_t ms;   /* of its day, in UTC where a zone is named */
	int64_t unit; /* ms of what was written last: a minute, a second, 1 */
	bool named;   /* its zone is */
};

static int take_clock(struct lg_slice *s, struct clock *c)
{
	int64_t h, m, sec = 0, part = 0, east;
	size_t left;

	*c = (struct clock){.unit = 60000};
	if (take(s, 2, &h) || !take_char(s, ":") || take(s, 2, &m))
		return -EINVAL;
	if (take_char(s, ":")) {
		if (take(s, 2, &sec))
			return -EINVAL;
		left = s->len;
		if (take_fraction(s, &part))
			return -EINVAL;
		c->unit = s->len < left ? 1 : 1000;
	}
	if (h > 23 || m > 59 || sec > 60 || take_offset(s, &east, &c->named))
		return -EINVAL;
	c->ms = ((h * 60 + m) * 60 + sec - east) * 1000 + part;
	return 0;
}

/*
 * The instant at which a zone's clocks show this. Of two the earlier; of none
 * as if they had not been put forward.
 */
static int64_t of_local(const struct lg_zone *z, int64_t ms)
{
	int64_t s = lg_floor_div(ms, 1000), before, after;

	if (!z)
		return ms;
	before = lg_zone_offset(z, s - DAY_S);
	after = lg_zone_offset(z, s + DAY_S);
	if (before != after && lg_zone_offset(z, s - before) != before &&
	    lg_zone_offset(z, s - after) == after)
		before = after;
	return ms - before * 1000;
}

int when_parse(struct lg_slice s, const struct lg_zone *z, bool end,
	       int64_t *unix_ms)
{
	int64_t day, start, after, ms;
	struct clock c;

	if (take_day(&s, &day))
		return -EINVAL;
	if (!s.len) {
		when_day_span(z, day, &start, &after);
		*unix_ms = end ? after : start;
		return 0;
	}
	if (!take_char(&s, "Tt ") || take_clock(&s, &c) || s.len)
		return -EINVAL;
	ms = day * DAY_S * 1000 + c.ms;
	*unix_ms = (c.named ? ms : of_local(z, ms)) + (end ? c.unit : 0);
	return 0;
}
