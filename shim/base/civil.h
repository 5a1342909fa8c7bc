#ifndef LG_BASE_CIVIL_H
#define LG_BASE_CIVIL_H

#include <stdint.h>

/*
 * The proleptic Gregorian calendar in integers: days are counted from
 * 1970-01-01. Good for years 0..9999. Any thread.
 */
struct lg_civil {
	int64_t year;
	unsigned month; /* 1..12 */
	unsigned day;	/* 1..31 */
};

int64_t lg_civil_days(int64_t year, unsigned month, unsigned day);
void lg_civil_from_days(int64_t days, struct lg_civil *out);
/* 0 Monday .. 6 Sunday. */
unsigned lg_civil_weekday(int64_t days);

/* a / b rounded towards minus infinity, b > 0. */
static inline int64_t lg_floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

#endif
