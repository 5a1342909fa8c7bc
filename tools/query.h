#ifndef LG_TOOLS_QUERY_H
#define LG_TOOLS_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "dim.h"
#include "spend.h"
#include "strmap.h"

struct index;
struct lg_catalog;
struct lg_zone;

/*
 * Sums over the calls of a stretch of time that pass filters, by what they are
 * grouped by. All numbers are exact; money in picodollars.
 */
enum sum_field {
	SUM_CALLS,   /* made or refused */
	SUM_BLOCKED, /* of them refused */
	SUM_COST,
	SUM_ESTIMATE, /* what those that were made had been estimated at */
	SUM_REFUSED,  /* what those that were not had */
	SUM_COVER_CALLS,
	SUM_COVER_COST = SUM_COVER_CALLS + SPEND_CLASSES,
	SUM_LIGHT = SUM_COVER_COST + SPEND_CLASSES, /* query.light: to here */
	SUM_INPUT_COST = SUM_LIGHT,
	SUM_ECONOMIC,
	SUM_INPUT,
	SUM_OUTPUT,
	SUM_CACHE_READ,
	SUM_CACHE_WRITE,
	SUM_REASONING,
	SUM_DURATION, /* ms */
	SUM_ADDED,
	SUM_FIRST = SUM_ADDED, /* instant of the first call, INT64_MAX: none */
	SUM_LAST,
	SUM_FIELDS
};

/* Units of DIM_OF_ESTIMATE. */
enum sum_ratio {
	RATIO_NONE, /* no estimate */
	RATIO_QUARTER,
	RATIO_HALF,
	RATIO_WITHIN,
	RATIO_ABOVE,
	RATIOS
};

struct sums {
	int64_t v[SUM_FIELDS];
};

struct group {
	const char *key; /* borrowed until query_fini; NULL: none */
	int64_t unit;	 /* of time: which hour, day ...; else 0 */
	struct sums s;
};

struct grouping {
	const struct dim *dim;
	struct group *g; /* heap */
	unsigned n;
	struct strmap names; /* keys of list dims */
};

#define QUERY_BY_MAX 16

struct query {
	/* -- what is asked ------------------------------------------------ */
	struct index *x;
	const struct lg_catalog *catalog; /* for canonical names; NULL: none */
	const struct lg_zone *zone;	  /* NULL: UTC */
	unsigned week_start;		  /* 0 Monday */
	int64_t from_ms, to_ms;		  /* [from, to) */
	const char *filter[64]; /* by dims[i]: patterns with commas, or NULL */
	const struct dim *by[QUERY_BY_MAX];
	unsigned nby;
	unsigned nlight; /* the last so many of by[] are asked for money and
			    calls alone */
	int64_t max_input, max_output; /* of one call, in tokens; 0: any */
	unsigned top; /* groups of a conversation or run: so many of the
			 dearest are filled in, though n counts all; 0: all */
	bool light;   /* only calls, money and coverage are asked for */
	/* more that is read in the same moment's view, after the groups; from
	   its beginning where the index is mended between. SQLite's code */
	int (*more)(struct query *q, void *ctx);
	void *more_ctx;
	/* -- the answer ----------------------------------------------------
	 */
	struct sums total;
	struct grouping out[QUERY_BY_MAX]; /* as by[] */
	struct grouping days;		   /* always, in order of time */
	struct query_work *work;
};

/*
 * -1 done; else the exit code, said why. Groups of time come in its order,
 * others the dearest first.
 */
int query_run(struct query *q);
void query_fini(struct query *q);

void sums_init(struct sums *s);
void sums_add(struct sums *to, const struct sums *s);
/*
 * Which week (by its first day), month (year * 12 + month), year, weekday a
 * local day belongs to.
 */
int64_t query_unit_of_day(const struct query *q, enum dim_time t, int64_t day);
/* Millionths of whole; 0 where that is 0. */
int64_t sums_share_ppm(int64_t part, int64_t whole);

#endif
