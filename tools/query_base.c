#include <stdlib.h>

#include "base/civil.h"
#include "query_work.h"

static int grow(struct query_base *b)
{
	size_t cap = b->cap ? b->cap * 2 : 1024;
	struct sums *s = realloc(b->s, cap * sizeof(*s));
	uint32_t *number;

	if (!s)
		return SQLITE_NOMEM;
	b->s = s;
	number = realloc(b->number, cap * sizeof(*number));
	if (!number)
		return SQLITE_NOMEM;
	b->number = number;
	b->cap = cap;
	return SQLITE_OK;
}

int query_base_enter(struct query_base *b, int64_t number)
{
	uint32_t *slot;

	/* only a damaged chunk has such */
	if (number < b->first || number > b->last)
		return SQLITE_CORRUPT;
	slot = &b->slot[number - b->first];
	if (*slot)
		return SQLITE_OK;
	if (b->n == b->cap && grow(b))
		return SQLITE_NOMEM;
	b->number[b->n] = (uint32_t)(number - b->first);
	sums_init(&b->s[b->n]);
	*slot = (uint32_t)++b->n;
	return SQLITE_OK;
}

static int open_base(struct query_base *b, int64_t first, int64_t last)
{
	b->first = first;
	b->last = last;
	b->slot = calloc((size_t)(last - first + 1), sizeof(*b->slot));
	return b->slot ? SQLITE_OK : SQLITE_NOMEM;
}

#define ZONE_MS (26 * QUERY_HOUR_MS) /* no zone is farther from UTC */
/* A clock that was far off must not cost memory: hours of 500 years. */
#define NUMBERS_MAX (INT64_C(24) * 366 * 500)

int query_bases_open(struct query *q, int64_t first, int64_t last)
{
	struct query_work *w = q->work;
	int64_t unit;
	int code = SQLITE_OK;

	for (unsigned i = 0; !code && i < BASES; i++) {
		struct query_base *b = &w->base[i];

		if (!b->wanted)
			continue;
		if (i == BASE_WHO)
			code = open_base(b, 0, w->who.n);
		else if (i == BASE_WHAT)
			code = open_base(b, 0, w->what.n);
		else if (i == BASE_CONVERSATION || i == BASE_RUN)
			code = open_base(b, 0, w->ntexts);
		else if (i == BASE_ESTIMATE)
			code = open_base(b, 0, RATIOS);
		else {
			unit = i == BASE_DAY ? 24 * QUERY_HOUR_MS
					     : QUERY_HOUR_MS;
			if ((last - first) / unit > NUMBERS_MAX)
				return SQLITE_TOOBIG;
			code = open_base(b, lg_floor_div(first - ZONE_MS, unit),
					 lg_floor_div(last + ZONE_MS, unit));
		}
	}
	return code;
}

/* Those that the others say: they were not added. */
static void complete(struct sums *s)
{
	for (unsigned i = 0; i < SPEND_CLASSES; i++) {
		s->v[SUM_CALLS] =
			query_sum(s->v[SUM_CALLS], s->v[SUM_COVER_CALLS + i]);
		s->v[SUM_COST] =
			query_sum(s->v[SUM_COST], s->v[SUM_COVER_COST + i]);
	}
}

void query_bases_complete(struct query *q)
{
	for (unsigned i = 0; i < BASES; i++) {
		struct query_base *b = &q->work->base[i];

		for (size_t k = 0; k < b->n; k++)
			complete(&b->s[k]);
	}
}
