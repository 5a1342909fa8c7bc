#include <stdlib.h>
#include <string.h>

#include "base/civil.h"
#include "budget/zone.h"
#include "index_fact.h"
#include "query_work.h"

/* Rows that are decoded together: small enough for the nearest cache. */
#define BLOCK 1024

#define DETAILS (SUM_ADDED - SUM_LIGHT)

struct scan {
	struct query *q;
	struct query_work *w;
	sqlite3_stmt *st[FACT_COLUMNS];
	struct fact_column column[FACT_COLUMNS];
	int64_t v[FACT_COLUMNS][BLOCK];
	int64_t details[DETAILS]; /* in the order of SUM_LIGHT and on */
	uint16_t chosen[BLOCK];
	unsigned nchosen;
	struct lg_zone_span span; /* around the last row */
	bool narrow;		  /* the window may cut this chunk */
	/* No sum of a column can be larger: as long as that fits, adding
	   needs no care. */
	unsigned __int128 bound[FACT_COLUMNS];
	bool careful;
	bool failed; /* out of memory, or damaged */
};

/* Enough for the totals; the others are only for details. */
static const unsigned light[] = {FACT_TS,	    FACT_WHO,  FACT_WHAT,
				 FACT_CALLS,	    FACT_COST, FACT_ESTIMATE,
				 FACT_CONVERSATION, FACT_RUN};

static bool is_wanted(const struct query *q, unsigned column)
{
	const struct query_work *w = q->work;

	if (column == FACT_CONVERSATION)
		return w->base[BASE_CONVERSATION].wanted || w->fact_passes[0];
	if (column == FACT_RUN)
		return w->base[BASE_RUN].wanted || w->fact_passes[1];
	if (column == FACT_WHO)
		return w->base[BASE_WHO].wanted || w->who_filtered;
	if (!q->light)
		return true;
	for (unsigned i = 0; i < sizeof(light) / sizeof(light[0]); i++)
		if (light[i] == column)
			return true;
	return false;
}

static int prepare(struct scan *s)
{
	int code = SQLITE_OK;

	for (unsigned i = 0; !code && i < FACT_COLUMNS; i++)
		if (is_wanted(s->q, i))
			code = sqlite3_prepare_v2(
				s->q->x->db,
				"SELECT data FROM facts WHERE id = ?", -1,
				&s->st[i], NULL);
	return code;
}

/* -- bases ------------------------------------------------------------------
 */

static int grow(struct query_base *b)
{
	size_t cap = b->cap ? b->cap * 2 : 256;
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

static struct sums *at(struct query_base *b, int64_t number)
{
	uint32_t *slot;

	/* only a damaged chunk has such */
	if (number < b->first || number > b->last)
		return NULL;
	slot = &b->slot[number - b->first];
	if (!*slot) {
		if (b->n == b->cap && grow(b))
			return NULL;
		b->number[b->n] = (uint32_t)(number - b->first);
		sums_init(&b->s[b->n]);
		*slot = (uint32_t)++b->n;
	}
	return &b->s[*slot - 1];
}

static int open_base(struct query_base *b, int64_t first, int64_t last)
{
	b->first = first;
	b->last = last;
	b->slot = calloc((size_t)(last - first + 1), sizeof(*b->slot));
	return b->slot ? SQLITE_OK : SQLITE_NOMEM;
}

/* The facts' first and last instant, cut to the window. */
static int bounds(struct query *q, int64_t *first, int64_t *last)
{
	sqlite3_stmt *st;
	int code = sqlite3_prepare_v2(
		q->x->db, "SELECT min(first_ms), max(last_ms) FROM chunks", -1,
		&st, NULL);

	if (code)
		return code;
	code = sqlite3_step(st);
	*first = sqlite3_column_int64(st, 0);
	*last = sqlite3_column_int64(st, 1);
	sqlite3_finalize(st);
	if (*first < q->from_ms)
		*first = q->from_ms;
	if (*last >= q->to_ms)
		*last = q->to_ms - 1;
	if (*last < *first)
		*last = *first;
	return code == SQLITE_ROW ? SQLITE_OK : code;
}

#define HOUR_MS INT64_C(3600000)
#define ZONE_MS (26 * HOUR_MS) /* no zone is farther from UTC */
/* A clock that was far off must not cost memory: hours of 500 years. */
#define NUMBERS_MAX (INT64_C(24) * 366 * 500)

static int open_bases(struct query *q)
{
	struct query_work *w = q->work;
	int64_t first, last, unit;
	int code = bounds(q, &first, &last);

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
			unit = i == BASE_DAY ? 24 * HOUR_MS : HOUR_MS;
			if ((last - first) / unit > NUMBERS_MAX)
				return SQLITE_TOOBIG;
			code = open_base(b, lg_floor_div(first - ZONE_MS, unit),
					 lg_floor_div(last + ZONE_MS, unit));
		}
	}
	return code;
}

/* -- adding -----------------------------------------------------------------
 */

/* Local time in ms. */
static int64_t local(struct scan *s, int64_t ts)
{
	int64_t sec = lg_floor_div(ts, 1000);

	if (!s->q->zone)
		return ts;
	if (sec < s->span.start_s || sec >= s->span.end_s)
		lg_zone_span(s->q->zone, sec, &s->span);
	return ts + (int64_t)s->span.offset_s * 1000;
}

/* The details of one row side by side, for each base that takes them. */
static void gather(struct scan *s, unsigned i)
{
	static const unsigned column[DETAILS] = {
		FACT_INPUT_COST, FACT_ECONOMIC,	  FACT_INPUT,
		FACT_OUTPUT,	 FACT_CACHE_READ, FACT_CACHE_WRITE,
		FACT_REASONING,	 FACT_DURATION,
	};

	for (unsigned k = 0; k < DETAILS; k++)
		s->details[k] = s->v[column[k]][i];
}

#define PLUS(field, x)                                                         \
	(to->v[field] =                                                        \
		 careful ? query_sum(to->v[field], x) : to->v[field] + (x))

/* Twice: as quick as can be, and so that it saturates. */
static inline void add_one(const struct scan *s, unsigned i,
			   const struct query_tuple *what, struct sums *to,
			   bool full, bool careful)
{
	int64_t calls = s->v[FACT_CALLS][i], cost = s->v[FACT_COST][i];
	int64_t ts = s->v[FACT_TS][i];

	PLUS(SUM_CALLS, calls);
	PLUS(SUM_COST, cost);
	PLUS(what->refused ? SUM_REFUSED : SUM_ESTIMATE,
	     s->v[FACT_ESTIMATE][i]);
	PLUS(SUM_COVER_CALLS + what->coverage, calls);
	PLUS(SUM_COVER_COST + what->coverage, cost);
	if (what->refused)
		PLUS(SUM_BLOCKED, calls);
	if (calls > 0 && ts < to->v[SUM_FIRST])
		to->v[SUM_FIRST] = ts;
	if (calls > 0 && ts > to->v[SUM_LAST])
		to->v[SUM_LAST] = ts;
	if (!full)
		return;
	for (unsigned k = 0; k < DETAILS; k++)
		PLUS(SUM_LIGHT + k, s->details[k]);
}

static void add(struct scan *s, unsigned i, const struct query_tuple *what,
		struct query_base *b, int64_t number)
{
	struct sums *to = at(b, number);

	if (!to)
		s->failed = true;
	else if (s->careful)
		add_one(s, i, what, to, b->full, true);
	else
		add_one(s, i, what, to, b->full, false);
}

/* Before a block of a column is added. */
static void widen_bound(struct scan *s, unsigned column, unsigned n)
{
	const int64_t *v = s->v[column];
	uint64_t max = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t x = v[i] < 0 ? -(uint64_t)v[i] : (uint64_t)v[i];

		max = x > max ? x : max;
	}
	s->bound[column] += (unsigned __int128)max * n;
	if (s->bound[column] > INT64_MAX)
		s->careful = true;
}

/* The same for a call and for one that is taken back. */
static int64_t ratio_of(const struct scan *s, unsigned i)
{
	__int128 cost = s->v[FACT_COST][i], estimate = s->v[FACT_ESTIMATE][i];

	if (!estimate)
		return RATIO_NONE;
	if (estimate < 0) {
		cost = -cost;
		estimate = -estimate;
	}
	if (cost > estimate)
		return RATIO_ABOVE;
	if (cost * 2 > estimate)
		return RATIO_WITHIN;
	return cost * 4 > estimate ? RATIO_HALF : RATIO_QUARTER;
}

static void add_row(struct scan *s, unsigned i)
{
	struct query_base *b = s->w->base;
	int64_t here = local(s, s->v[FACT_TS][i]);
	const struct query_tuple *what = &s->w->what.t[s->v[FACT_WHAT][i]];

	if (!s->q->light)
		gather(s, i);
	add(s, i, what, &b[BASE_DAY], lg_floor_div(here, 24 * HOUR_MS));
	if (b[BASE_WHAT].wanted)
		add(s, i, what, &b[BASE_WHAT], s->v[FACT_WHAT][i]);
	if (b[BASE_WHO].wanted)
		add(s, i, what, &b[BASE_WHO], s->v[FACT_WHO][i]);
	if (b[BASE_HOUR].wanted)
		add(s, i, what, &b[BASE_HOUR], lg_floor_div(here, HOUR_MS));
	if (b[BASE_CONVERSATION].wanted)
		add(s, i, what, &b[BASE_CONVERSATION],
		    s->v[FACT_CONVERSATION][i]);
	if (b[BASE_RUN].wanted)
		add(s, i, what, &b[BASE_RUN], s->v[FACT_RUN][i]);
	if (b[BASE_ESTIMATE].wanted)
		add(s, i, what, &b[BASE_ESTIMATE], ratio_of(s, i));
}

/* A damaged number must not lead us out of the tables. */
static bool text_passes(const struct scan *s, unsigned i, unsigned which)
{
	unsigned column = which ? FACT_RUN : FACT_CONVERSATION;
	uint64_t id = (uint64_t)s->v[column][i];

	if (!s->st[column])
		return true;
	return id < s->w->ntexts &&
	       (!s->w->fact_passes[which] || s->w->fact_passes[which][id]);
}

static bool passes(const struct scan *s, unsigned i)
{
	const struct query_work *w = s->w;
	uint64_t what = (uint64_t)s->v[FACT_WHAT][i];
	int64_t ts = s->v[FACT_TS][i];

	if (what >= w->what.n || !w->what.t[what].passes)
		return false;
	if (s->st[FACT_WHO]) {
		uint64_t who = (uint64_t)s->v[FACT_WHO][i];

		if (who >= w->who.n || !w->who.t[who].passes)
			return false;
	}
	if (s->narrow && (ts < s->q->from_ms || ts >= s->q->to_ms))
		return false;
	return text_passes(s, i, 0) && text_passes(s, i, 1);
}

/* Also of a call that is taken back, whose counts are negative. */
static bool is_small(const struct scan *s, unsigned i)
{
	const struct query *q = s->q;
	int64_t in = s->v[FACT_INPUT][i], out = s->v[FACT_OUTPUT][i];

	if (!q->max_input)
		return true;
	return in <= q->max_input && in >= -q->max_input &&
	       out <= q->max_output && out >= -q->max_output;
}

static void block(struct scan *s, unsigned from, unsigned n)
{
	s->nchosen = 0;
	for (unsigned k = 0; k <= FACT_RUN; k++)
		if (s->st[k])
			fact_column_read(&s->column[k], from, n, s->v[k]);
	for (unsigned i = 0; i < n; i++)
		if (passes(s, i))
			s->chosen[s->nchosen++] = (uint16_t)i;
	if (!s->nchosen)
		return;
	for (unsigned k = FACT_RUN + 1; k < FACT_COLUMNS; k++) {
		if (!s->st[k])
			continue;
		fact_column_read(&s->column[k], from, n, s->v[k]);
		widen_bound(s, k, n);
	}
	for (unsigned i = 0; i < s->nchosen; i++)
		if (is_small(s, s->chosen[i]))
			add_row(s, s->chosen[i]);
}

static int chunk(struct scan *s, int64_t id, unsigned n)
{
	int code = SQLITE_OK;

	if (n > FACT_CHUNK)
		return SQLITE_CORRUPT;
	for (unsigned k = 0; !code && k < FACT_COLUMNS; k++)
		if (s->st[k])
			code = fact_column_open(s->st[k], id * FACT_COLUMNS + k,
						n, &s->column[k]);
	for (unsigned i = 0; !code && i < n; i += BLOCK)
		block(s, i, n - i < BLOCK ? n - i : BLOCK);
	return code;
}

static int chunks(struct scan *s)
{
	struct query *q = s->q;
	sqlite3_stmt *st;
	int code = sqlite3_prepare_v2(
		q->x->db,
		"SELECT id, n, first_ms, last_ms FROM chunks"
		" WHERE first_ms < ? AND last_ms >= ? ORDER BY id",
		-1, &st, NULL);

	if (code)
		return code;
	sqlite3_bind_int64(st, 1, q->to_ms);
	sqlite3_bind_int64(st, 2, q->from_ms);
	while (!code && (code = sqlite3_step(st)) == SQLITE_ROW) {
		s->narrow = sqlite3_column_int64(st, 2) < q->from_ms ||
			    sqlite3_column_int64(st, 3) >= q->to_ms;
		code = chunk(s, sqlite3_column_int64(st, 0),
			     (unsigned)sqlite3_column_int64(st, 1));
	}
	sqlite3_finalize(st);
	if (s->failed)
		return SQLITE_CORRUPT;
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int query_scan(struct query *q)
{
	struct scan *s = calloc(1, sizeof(*s));
	int code;

	if (!s)
		return SQLITE_NOMEM;
	s->q = q;
	s->w = q->work;
	s->span.start_s = INT64_MAX;
	s->span.end_s = INT64_MIN;
	code = open_bases(q);
	if (!code)
		code = prepare(s);
	if (!code)
		code = chunks(s);
	for (unsigned i = 0; i < FACT_COLUMNS; i++)
		sqlite3_finalize(s->st[i]);
	free(s);
	return code;
}
