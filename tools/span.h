#ifndef LG_TOOLS_SPAN_H
#define LG_TOOLS_SPAN_H

#include <stdbool.h>
#include <stdint.h>

struct lg_zone;

/* A stretch of time in local days, weeks, months. [from, to) */
struct span {
	int64_t from_ms; /* INT64_MIN: from the first call on */
	int64_t to_ms;	 /* INT64_MAX: to the last one */
};

struct span_calendar {
	const struct lg_zone *zone; /* NULL: UTC */
	unsigned week_start;	    /* 0 Monday */
	int64_t now_ms;
};

/* today yesterday week month year all; -EINVAL another word. */
int span_period(const struct span_calendar *c, const char *word,
		struct span *out);
/*
 * 12h: hours up to now; 7d, 2w: so many whole days, today the last; 3m, 1y:
 * from the day after this one, so many months ago. -EINVAL.
 */
int span_last(const struct span_calendar *c, const char *text,
	      struct span *out);
/* "2026-11"; "": this one. -EINVAL. */
int span_month(const struct span_calendar *c, const char *text,
	       struct span *out);
/* "2026". */
int span_year(const struct span_calendar *c, const char *text,
	      struct span *out);
/* "2026-W47" by ISO 8601, or a day in it: the week as the config begins it. */
int span_week(const struct span_calendar *c, const char *text,
	      struct span *out);
/* A day, a month, a year or an instant; end: what comes after it. */
int span_edge(const struct span_calendar *c, const char *text, bool end,
	      int64_t *ms);
/* Any of 2026, 2026-11, 2026-W47, 2026-11-22. */
int span_any(const struct span_calendar *c, const char *text, struct span *out);

/* The days [first, last] that a span touches, the open ends left as they are.
 */
void span_days(const struct span_calendar *c, const struct span *s,
	       int64_t *first, int64_t *last);

#endif
