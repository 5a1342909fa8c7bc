#include "span.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/civil.h"
#include "base/slice.h"
#include "when.h"

/* Days [first, after) of the zone's calendar. */
static void of_days(const struct span_calendar *c, int64_t first, int64_t after,
		    struct span *out)
{
	int64_t end;

	when_day_span(c->zone, first, &out->from_ms, &end);
	when_day_span(c->zone, after - 1, &end, &out->to_ms);
}

static int64_t today(const struct span_calendar *c)
{
	return when_day(c->zone, c->now_ms);
}

static int64_t week_of(const struct span_calendar *c, int64_t day)
{
	return lg_floor_div(day + 3 - c->week_start, 7) * 7 - 3 + c->week_start;
}

/* The first day of a month that may lie outside 1..12. */
static int64_t month_day(int64_t year, int64_t month)
{
	int64_t n = year * 12 + month - 1, y = lg_floor_div(n, 12);

	return lg_civil_days(y, (unsigned)(n - y * 12) + 1, 1);
}

static void month_span(const struct span_calendar *c, int64_t year,
		       int64_t month, int64_t n, struct span *out)
{
	of_days(c, month_day(year, month), month_day(year, month + n), out);
}

int span_period(const struct span_calendar *c, const char *word,
		struct span *out)
{
	int64_t day = today(c);
	struct lg_civil d;

	lg_civil_from_days(day, &d);
	if (!strcmp(word, "today") || !strcmp(word, "day"))
		of_days(c, day, day + 1, out);
	else if (!strcmp(word, "yesterday"))
		of_days(c, day - 1, day, out);
	else if (!strcmp(word, "week"))
		of_days(c, week_of(c, day), week_of(c, day) + 7, out);
	else if (!strcmp(word, "month"))
		month_span(c, d.year, d.month, 1, out);
	else if (!strcmp(word, "year"))
		month_span(c, d.year, 1, 12, out);
	else if (!strcmp(word, "all"))
		*out = (struct span){INT64_MIN, INT64_MAX};
	else
		return -EINVAL;
	return 0;
}

int span_last(const struct span_calendar *c, const char *text, struct span *out)
{
	size_t n = strlen(text);
	uint64_t count;
	int64_t day = today(c), last, first;
	struct lg_civil d;

	if (n < 2 || lg_slice_u64((struct lg_slice){text, n - 1}, &count) ||
	    !count || count > 100000)
		return -EINVAL;
	switch (text[n - 1]) {
	case 'h':
		*out = (struct span){c->now_ms - (int64_t)count * 3600000,
				     c->now_ms + 1};
		return 0;
	case 'w':
		count *= 7; /* fall through */
	case 'd':
		of_days(c, day + 1 - (int64_t)count, day + 1, out);
		return 0;
	case 'y':
		count *= 12; /* fall through */
	case 'm':
		lg_civil_from_days(day, &d);
		first = month_day(d.year, (int64_t)d.month - (int64_t)count);
		last = month_day(d.year, (int64_t)d.month - (int64_t)count + 1);
		first += d.day; /* the day after this one */
		of_days(c, first < last ? first : last, day + 1, out);
		return 0;
	}
	return -EINVAL;
}

static bool digits(const char *text, size_t n, int64_t *v)
{
	uint64_t u;

	if (strlen(text) < n || lg_slice_u64((struct lg_slice){text, n}, &u))
		return false;
	*v = (int64_t)u;
	return true;
}

int span_month(const struct span_calendar *c, const char *text,
	       struct span *out)
{
	int64_t y, m;

	if (!*text)
		return span_period(c, "month", out);
	if (strlen(text) != 7 || text[4] != '-' || !digits(text, 4, &y) ||
	    !digits(text + 5, 2, &m) || m < 1 || m > 12)
		return -EINVAL;
	month_span(c, y, m, 1, out);
	return 0;
}

int span_year(const struct span_calendar *c, const char *text, struct span *out)
{
	int64_t y;

	if (!*text)
		return span_period(c, "year", out);
	if (strlen(text) != 4 || !digits(text, 4, &y))
		return -EINVAL;
	month_span(c, y, 1, 12, out);
	return 0;
}

/* Monday of the week of January 4th. */
static int64_t iso_start(int64_t year)
{
	int64_t d = lg_civil_days(year, 1, 4);

	return d - lg_civil_weekday(d);
}

int span_week(const struct span_calendar *c, const char *text, struct span *out)
{
	int64_t y, w, day;

	if (!*text)
		return span_period(c, "week", out);
	if (strlen(text) == 8 && !memcmp(text + 4, "-W", 2)) {
		if (!digits(text, 4, &y) || !digits(text + 6, 2, &w) || w < 1 ||
		    iso_start(y) + (w - 1) * 7 >= iso_start(y + 1))
			return -EINVAL;
		day = iso_start(y) + (w - 1) * 7;
		of_days(c, day, day + 7, out);
		return 0;
	}
	if (when_parse_day(lg_slice_str(text), &day))
		return -EINVAL;
	of_days(c, week_of(c, day), week_of(c, day) + 7, out);
	return 0;
}

int span_any(const struct span_calendar *c, const char *text, struct span *out)
{
	int64_t day;

	if (!span_period(c, text, out))
		return 0;
	if (!*text)
		return -EINVAL;
	if (!span_year(c, text, out) || !span_month(c, text, out))
		return 0;
	if (strlen(text) == 8)
		return span_week(c, text, out);
	if (when_parse_day(lg_slice_str(text), &day))
		return -EINVAL;
	of_days(c, day, day + 1, out);
	return 0;
}

int span_edge(const struct span_calendar *c, const char *text, bool end,
	      int64_t *ms)
{
	struct span s;

	if (!when_parse(lg_slice_str(text), c->zone, end, ms))
		return 0;
	if (span_any(c, text, &s))
		return -EINVAL;
	*ms = end ? s.to_ms : s.from_ms;
	return 0;
}

void span_days(const struct span_calendar *c, const struct span *s,
	       int64_t *first, int64_t *last)
{
	if (s->from_ms != INT64_MIN)
		*first = when_day(c->zone, s->from_ms);
	if (s->to_ms != INT64_MAX)
		*last = when_day(c->zone, s->to_ms - 1);
}
