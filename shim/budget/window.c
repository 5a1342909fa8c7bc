#include "budget/window.h"

#include "base/civil.h"

/* 9999-12-01: hourly tags are minutes and must fit 32 bits. */
#define LAST_S INT64_C(253399622400)

struct calendar {
	enum lg_period period;
	unsigned week_start;
};

/* The window's number that holds this local day. */
static int64_t index_of(const struct calendar *c, int64_t day)
{
	struct lg_civil d;

	switch (c->period) {
	case LG_PERIOD_DAILY:
		return day;
	case LG_PERIOD_WEEKLY:
		return lg_floor_div(day + 3 - (int64_t)c->week_start, 7);
	default:
		lg_civil_from_days(day, &d);
		return c->period == LG_PERIOD_MONTHLY
			       ? d.year * 12 + d.month - 1
			       : d.year;
	}
}

/* The first local day of a window's number. */
static int64_t first_day(const struct calendar *c, int64_t i)
{
	switch (c->period) {
	case LG_PERIOD_DAILY:
		return i;
	case LG_PERIOD_WEEKLY:
		return i * 7 - 3 + (int64_t)c->week_start;
	case LG_PERIOD_MONTHLY:
		return lg_civil_days(lg_floor_div(i, 12),
				     (unsigned)(i % 12 + 1), 1);
	default:
		return lg_civil_days(i, 1, 1);
	}
}

/*
 * The first instant at which the local clock shows this second or a later
 * one: where the clock skips midnight, the day begins after the gap; where
 * midnight comes twice, with the first.
 */
static int64_t first_instant(const struct lg_zone *z, int64_t local_s)
{
	struct lg_zone_span s;
	int64_t t = local_s - 2 * 86400;

	for (;;) {
		lg_zone_span(z, t, &s);
		if (t + s.offset_s >= local_s)
			return t;
		if (s.end_s > local_s - s.offset_s)
			return local_s - s.offset_s;
		t = s.end_s;
	}
}

static int64_t begin_of(const struct calendar *c, const struct lg_zone *z,
			int64_t i)
{
	return first_instant(z, first_day(c, i) * 86400);
}

/* A repeated hour is two windows; a change in mid-hour ends one. */
static void hourly(const struct lg_zone *z, int64_t now_s,
		   struct lg_window *out)
{
	struct lg_zone_span s;
	int64_t start, end;

	lg_zone_span(z, now_s, &s);
	start = lg_floor_div(now_s + s.offset_s, 3600) * 3600 - s.offset_s;
	end = start + 3600;
	if (start < s.start_s && lg_zone_offset(z, s.start_s - 1) != s.offset_s)
		start = s.start_s;
	if (end > s.end_s && lg_zone_offset(z, s.end_s) != s.offset_s)
		end = s.end_s;
	out->tag = (uint32_t)(lg_floor_div(start, 60) + 1440 * 2);
	out->start_ms = start * 1000;
	out->end_ms = end * 1000;
}

void lg_window_at(enum lg_period period, const struct lg_zone *z,
		  unsigned week_start, int64_t unix_ms, struct lg_window *out)
{
	struct calendar c = {period, week_start % 7};
	int64_t now_s = lg_floor_div(unix_ms, 1000);
	int64_t i, begin, end;

	if (period == LG_PERIOD_RUN || period == LG_PERIOD_TOTAL) {
		*out = (struct lg_window){1, INT64_MIN, INT64_MAX};
		return;
	}
	if (now_s < 0)
		now_s = 0;
	if (now_s > LAST_S)
		now_s = LAST_S;
	if (period == LG_PERIOD_HOURLY) {
		hourly(z, now_s, out);
		return;
	}
	i = index_of(&c, lg_floor_div(now_s + lg_zone_offset(z, now_s), 86400));
	begin = begin_of(&c, z, i);
	end = begin_of(&c, z, i + 1);
	/* Only near a change of the clock does either loop turn. */
	while (now_s < begin) {
		end = begin;
		begin = begin_of(&c, z, --i);
	}
	while (now_s >= end) {
		begin = end;
		end = begin_of(&c, z, ++i + 1);
	}
	out->tag = (uint32_t)(i + 8);
	out->start_ms = begin * 1000;
	out->end_ms = end * 1000;
}
