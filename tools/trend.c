#include "trend.h"

#include <math.h>
#include <string.h>

#include "base/civil.h"

/* A weekday is believed as far as it was seen: this many times count half. */
#define SHRINK 1.5
#define WEEK 7
/* The level forgets: a day counts half after so many. */
#define HALF_LIFE 10.0
/* The slope is taken half, and fades within these days. */
#define SLOPE_TRUST 0.5
#define SLOPE_FADES 14.0
/* However even its days were, one day more may be off by that part of it. */
#define DAY_DOUBT 0.25
/* A level is as doubtful again after so many days that nobody has seen. */
#define DOUBT_DAYS 28.0
/* Normal distribution: four times of five. */
#define FOUR_OF_FIVE 1.2816

static unsigned weekday(int64_t day)
{
	return lg_civil_weekday(day);
}

static void fit_factors(const double *day, unsigned n, int64_t first,
			struct trend *out)
{
	double sum[7] = {0}, seen[7] = {0}, all = 0, kind[2] = {0}, kinds[2];
	unsigned i, nkind[2] = {0};

	for (i = 0; i < n; i++) {
		unsigned w = weekday(first + i);

		sum[w] += day[i];
		seen[w]++;
		kind[w >= 5] += day[i];
		nkind[w >= 5]++;
		all += day[i];
	}
	for (i = 0; i < 2; i++)
		kinds[i] = nkind[i] && all > 0 ? kind[i] / nkind[i] / (all / n)
					       : 1;
	for (i = 0; i < 7; i++) {
		double own =
			seen[i] && all > 0 ? sum[i] / seen[i] / (all / n) : 1;

		out->factor[i] = (own * seen[i] + kinds[i >= 5] * SHRINK) /
				 (seen[i] + SHRINK);
		if (out->factor[i] < 0.02)
			out->factor[i] = 0.02;
	}
}

/* Weighted line through what is left without the weekdays. */
static void fit_line(const double *day, unsigned n, int64_t first,
		     struct trend *out)
{
	double sw = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, w, x, y, det;

	for (unsigned i = 0; i < n; i++) {
		/* a dear weekday says more of the level than a cheap one */
		w = pow(0.5, (n - 1 - i) / HALF_LIFE) *
		    out->factor[weekday(first + i)];
		x = (double)i - (n - 1);
		y = day[i] / out->factor[weekday(first + i)];
		sw += w;
		sx += w * x;
		sy += w * y;
		sxx += w * x * x;
		sxy += w * x * y;
	}
	det = sw * sxx - sx * sx;
	out->level = sw > 0 ? sy / sw : 0;
	if (n >= TREND_LITTLE && det > 0) {
		out->slope = SLOPE_TRUST * (sw * sxy - sx * sy) / det;
		/* from the middle of the weights to the last day */
		out->level -= out->slope * sx / sw;
	}
	if (out->level < 0)
		out->level = 0;
}

static void fit_error(const double *day, unsigned n, int64_t first,
		      struct trend *out)
{
	double squares = 0, weights = 0;

	for (unsigned i = 0; i < n && out->level > 0; i++) {
		double at = out->level + out->slope * ((double)i - (n - 1));
		double f = out->factor[weekday(first + i)];
		double off = at > 0 ? day[i] / (at * f) - 1 : 0;
		double w = f; /* dear days weigh more */

		squares += w * off * off;
		weights += w;
	}
	out->day_error = weights > 0 ? sqrt(squares / weights) : 1;
	if (n < TREND_LITTLE)
		out->day_error += 0.5;
	/* as many days as the half-life lets count */
	out->level_error =
		(out->day_error > DAY_DOUBT ? out->day_error : DAY_DOUBT) /
		sqrt(n < 14 ? (n ? n : 1) : 14.0);
}

static unsigned busy_days(const double *day, unsigned n)
{
	unsigned busy = 0;

	for (unsigned i = 0; i < n; i++)
		busy += day[i] > 0;
	return busy;
}

/* The average of all days: a few of them show no habit. */
static void fit_average(const double *day, unsigned n, struct trend *out)
{
	double sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += day[i];
	for (unsigned i = 0; i < 7; i++)
		out->factor[i] = 1;
	out->level = n ? sum / n : 0;
}

void trend_fit(const double *day, unsigned n, int64_t first, struct trend *out)
{
	memset(out, 0, sizeof(*out));
	if (n > TREND_DAYS) {
		day += n - TREND_DAYS;
		first += n - TREND_DAYS;
		n = TREND_DAYS;
	}
	/* what was before the first costs says nothing of a day's */
	while (n > WEEK && !(day[0] > 0)) {
		day++;
		first++;
		n--;
	}
	out->days = n;
	if (busy_days(day, n) < TREND_LITTLE) {
		fit_average(day, n, out);
	} else {
		fit_factors(day, n, first, out);
		fit_line(day, n, first, out);
	}
	fit_error(day, n, first, out);
}

void trend_sum(const struct trend *t, int64_t history_end, int64_t first,
	       int64_t last, double part, struct trend_sum *out)
{
	double mean = 0, squares = 0, wide, level = t->level_error;
	double unseen = (double)(first - history_end - 1);

	level *= sqrt(1 + (unseen > 0 ? unseen : 0) / DOUBT_DAYS);
	for (int64_t d = first; d <= last; d++) {
		double ahead = (double)(d - history_end), cost;

		/* the slope fades: it goes on for two weeks' worth at most */
		cost = t->level +
		       t->slope * SLOPE_FADES * (1 - exp(-ahead / SLOPE_FADES));
		cost = (cost > 0 ? cost : 0) * t->factor[weekday(d)];
		cost *= d == first ? part : 1;
		mean += cost;
		squares += cost * cost;
	}
	/* single days are independent, the level's error is in all of them */
	wide = FOUR_OF_FIVE * sqrt(squares * t->day_error * t->day_error +
				   mean * mean * level * level);
	out->mean = mean;
	out->low = mean - wide > 0 ? mean - wide : 0;
	out->high = mean + wide;
}
