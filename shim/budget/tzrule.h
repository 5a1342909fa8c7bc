#ifndef LG_BUDGET_TZRULE_H
#define LG_BUDGET_TZRULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "budget/zone.h"

/*
 * The TZ string at the end of a TZif file (POSIX 8.3 with the extensions of
 * RFC 8536 3.3.1: hours from -167 to 167): what holds after the last listed
 * transition.
 */
struct lg_tzdate {
	char kind;    /* 'J' 1..365, '0' 0..365, 'M' month.week.day */
	uint16_t day; /* J, 0: day of year; M: weekday, 0 Sunday */
	uint8_t month, week;
	int32_t time_s; /* local time of day at which it changes */
};

struct lg_tzrule {
	int32_t std_s, dst_s; /* seconds east of UTC */
	bool has_dst;
	struct lg_tzdate start, end;
};

/* 0, -EPROTO. */
int lg_tzrule_parse(struct lg_slice text, struct lg_tzrule *out);
/* The stretch around an instant; without DST it is all time. */
void lg_tzrule_span(const struct lg_tzrule *r, int64_t unix_s,
		    struct lg_zone_span *out);

#endif
