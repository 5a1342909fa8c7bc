#ifndef LG_TOOLS_TREND_H
#define LG_TOOLS_TREND_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What the days to come will cost, from those that were: a level that follows
 * the last weeks, times what each weekday usually costs beside the others, and
 * a slope where the last weeks have one. Dollars as doubles: it is a guess.
 */
#define TREND_DAYS 56	/* history that counts */
#define TREND_LITTLE 14 /* fewer days with costs: the plain average */

struct trend {
	double level;	    /* of an average day at the last day of history */
	double slope;	    /* a day more, before it is damped */
	double factor[7];   /* Monday first */
	double day_error;   /* standard deviation of one day over its level */
	double level_error; /* of the level itself, as a part of it: never
			       less than so few days may say */
	unsigned days;	    /* of history */
};

/* day[0..n): complete days, the last one last; first: the first's number. */
void trend_fit(const double *day, unsigned n, int64_t first, struct trend *out);

struct trend_sum {
	double mean, low, high; /* low..high: four times of five */
};

/*
 * The sum of the days [first, last], of which the first counts by `part` of
 * it (0..1). history_end: the last day that the trend was made of; the further
 * ahead the first lies, the wider.
 */
void trend_sum(const struct trend *t, int64_t history_end, int64_t first,
	       int64_t last, double part, struct trend_sum *out);

#endif
