#include <stdlib.h>
#include <string.h>

#include "base/civil.h"
#include "budget/zone.h"
#include "index_fact.h"
#include "query_work.h"

/* Rows that are decoded together: small enough for the nearest cache. */
#define BLOCK 512

/* More no index has; only a damaged one says so. */
#define CHUNKS_MAX (INT64_C(1) << 24)

#define DETAILS (SUM_ADDED - SUM_LIGHT)

/* A tuple of `what` in a byte. */
#define KIND_COVERAGE 0x0f
#define KIND_REFUSED 0x10
#define KIND_PASSES 0x20

struct scan {
	struct query *q;
	struct query_work *w;
	sqlite3_stmt *st[FACT_COLUMNS];
	struct fact_column column[FACT_COLUMNS];
	uint8_t *what, *who; /* by id: the kind; whether it passes */
	int64_t v[FACT_COLUMNS][BLOCK];
	int64_t unit[BLOCK]; /* what a base goes by that is no column */
	int64_t details[BLOCK][DETAILS]; /* in the order of SUM_LIGHT and on */
	uint8_t kind[BLOCK];
	uint16_t chosen[BLOCK];
	uint32_t at[BLOCK]; /* of each chosen one, in the base */
	unsigned nchosen;
	struct lg_zone_span span; /* around the last row */
	bool narrow;		  /* the window may cut this chunk */
	/* No sum of a column can be larger: as long as that fits, adding
	   needs no care. */
	unsigned __int128 bound[FACT_COLUMNS];
	bool wide[FACT_COLUMNS]; /* measured block by block */
	bool careful;
	int code; /* out of memory, or damaged */
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

/* -- adding -----------------------------------------------------------------
 */

static int64_t ms_of(int64_t sec)
{
	if (sec > INT64_MAX / 1000)
		return INT64_MAX;
	return sec < INT64_MIN / 1000 ? INT64_MIN : sec * 1000;
}

/* Which hour or day of the local clock it is at ts; [*start, *end): the same
   one, as long as the clock goes as it does. */
static int64_t unit_at(struct scan *s, int64_t ts, int64_t unit_ms,
		       int64_t *start, int64_t *end)
{
	int64_t sec = lg_floor_div(ts, 1000), off = 0, here;

	if (s->q->zone) {
		if (sec < s->span.start_s || sec >= s->span.end_s)
			lg_zone_span(s->q->zone, sec, &s->span);
		off = (int64_t)s->span.offset_s * 1000;
	}
	here = lg_floor_div(ts + off, unit_ms);
	*start = here * unit_ms - off;
	*end = *start + unit_ms;
	if (s->q->zone && *start < ms_of(s->span.start_s))
		*start = ms_of(s->span.start_s);
	if (s->q->zone && *end > ms_of(s->span.end_s))
		*end = ms_of(s->span.end_s);
	return here;
}

static void fill_units(struct scan *s, int64_t unit_ms)
{
	int64_t start = 0, end = 0, here = 0;

	for (unsigned j = 0; j < s->nchosen; j++) {
		int64_t ts = s->v[FACT_TS][s->chosen[j]];

		if (ts < start || ts >= end)
			here = unit_at(s, ts, unit_ms, &start, &end);
		s->unit[s->chosen[j]] = here;
	}
}

/* The details of each row side by side, for each base that takes them. */
static void gather(struct scan *s)
{
	static const unsigned column[DETAILS] = {
		FACT_INPUT_COST, FACT_ECONOMIC,	  FACT_INPUT,
		FACT_OUTPUT,	 FACT_CACHE_READ, FACT_CACHE_WRITE,
		FACT_REASONING,	 FACT_DURATION,
	};

	for (unsigned j = 0; j < s->nchosen; j++)
		for (unsigned k = 0; k < DETAILS; k++)
			s->details[j][k] = s->v[column[k]][s->chosen[j]];
}

#define PLUS(field, x)                                                         \
	(to->v[field] =                                                        \
		 careful ? query_sum(to->v[field], x) : to->v[field] + (x))

/* Calls and cost are those of all coverages: see query_bases_complete. */
static inline void add_light(const struct scan *s, struct sums *sums,
			     bool careful)
{
	for (unsigned j = 0; j < s->nchosen; j++) {
		unsigned i = s->chosen[j];
		struct sums *to = &sums[s->at[j]];
		int64_t calls = s->v[FACT_CALLS][i], ts = s->v[FACT_TS][i];
		unsigned kind = s->kind[i], cover = kind & KIND_COVERAGE;

		PLUS(SUM_COVER_CALLS + cover, calls);
		PLUS(SUM_COVER_COST + cover, s->v[FACT_COST][i]);
		if (kind & KIND_REFUSED) {
			PLUS(SUM_BLOCKED, calls);
			PLUS(SUM_REFUSED, s->v[FACT_ESTIMATE][i]);
		} else {
			PLUS(SUM_ESTIMATE, s->v[FACT_ESTIMATE][i]);
		}
		if (calls <= 0)
			continue;
		if (ts < to->v[SUM_FIRST])
			to->v[SUM_FIRST] = ts;
		if (ts > to->v[SUM_LAST])
			to->v[SUM_LAST] = ts;
	}
}

static inline void add_details(const struct scan *s, struct sums *sums,
			       bool careful)
{
	for (unsigned j = 0; j < s->nchosen; j++) {
		const int64_t *restrict from = s->details[j];
		int64_t *restrict to = &sums[s->at[j]].v[SUM_LIGHT];

		for (unsigned k = 0; k < DETAILS; k++)
			to[k] = careful ? query_sum(to[k], from[k])
					: to[k] + from[k];
	}
}

static void add(struct scan *s, enum query_base_kind which,
		const int64_t *number)
{
	struct query_base *b = &s->w->base[which];

	for (unsigned j = 0; j < s->nchosen; j++) {
		int64_t n = number[s->chosen[j]];

		if (n < b->first || n > b->last || !b->slot[n - b->first]) {
			int code = query_base_enter(b, n);

			if (code) {
				s->code = code;
				return;
			}
		}
		s->at[j] = b->slot[n - b->first] - 1;
	}
	/* twice: as quick as can be, and so that it saturates */
	if (s->careful)
		add_light(s, b->s, true);
	else
		add_light(s, b->s, false);
	if (b->full && s->careful)
		add_details(s, b->s, true);
	else if (b->full)
		add_details(s, b->s, false);
}

/* Before a block of a column is added, where its chunk may be too much. */
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

/* Few of these chunks, and the sum might not fit. */
#define BOUND_CHUNK (INT64_MAX >> 10)

static void bound_chunk(struct scan *s, unsigned column, unsigned n)
{
	const struct fact_column *c = &s->column[column];
	uint64_t min = c->min < 0 ? -(uint64_t)c->min : (uint64_t)c->min;
	uint64_t max = c->max < 0 ? -(uint64_t)c->max : (uint64_t)c->max;
	unsigned __int128 most = (unsigned __int128)(max > min ? max : min) * n;

	s->wide[column] = most > BOUND_CHUNK;
	if (s->wide[column])
		return;
	s->bound[column] += most;
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

static void add_chosen(struct scan *s)
{
	static const struct {
		enum query_base_kind base;
		unsigned column;
	} columns[] = {
		{BASE_WHAT, FACT_WHAT},
		{BASE_WHO, FACT_WHO},
		{BASE_CONVERSATION, FACT_CONVERSATION},
		{BASE_RUN, FACT_RUN},
	};
	const struct query_base *b = s->w->base;

	if (!s->q->light)
		gather(s);
	fill_units(s, 24 * QUERY_HOUR_MS);
	add(s, BASE_DAY, s->unit);
	for (unsigned i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		if (b[columns[i].base].wanted)
			add(s, columns[i].base, s->v[columns[i].column]);
	if (b[BASE_HOUR].wanted) {
		fill_units(s, QUERY_HOUR_MS);
		add(s, BASE_HOUR, s->unit);
	}
	if (b[BASE_ESTIMATE].wanted) {
		for (unsigned j = 0; j < s->nchosen; j++)
			s->unit[s->chosen[j]] = ratio_of(s, s->chosen[j]);
		add(s, BASE_ESTIMATE, s->unit);
	}
}

static bool text_passes(struct scan *s, unsigned i, unsigned which)
{
	unsigned column = which ? FACT_RUN : FACT_CONVERSATION;
	uint64_t id = (uint64_t)s->v[column][i];

	if (!s->st[column])
		return true;
	if (id >= s->w->ntexts) {
		s->code = SQLITE_CORRUPT;
		return false;
	}
	return !s->w->fact_passes[which] || s->w->fact_passes[which][id];
}

/* A number that stands for nothing must not lead us out of the tables. */
static bool passes(struct scan *s, unsigned i)
{
	uint64_t what = (uint64_t)s->v[FACT_WHAT][i], who = 1;
	int64_t ts = s->v[FACT_TS][i];

	if (s->st[FACT_WHO])
		who = (uint64_t)s->v[FACT_WHO][i];
	if (!what || what >= s->w->what.n || !who || who >= s->w->who.n) {
		s->code = SQLITE_CORRUPT;
		return false;
	}
	if (!(s->what[what] & KIND_PASSES) || (s->st[FACT_WHO] && !s->who[who]))
		return false;
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

/* Of those that pass, the small ones alone where that is asked. */
static void keep_small(struct scan *s)
{
	unsigned n = 0;

	if (!s->q->max_input)
		return;
	for (unsigned j = 0; j < s->nchosen; j++)
		if (is_small(s, s->chosen[j]))
			s->chosen[n++] = s->chosen[j];
	s->nchosen = n;
}

static void block(struct scan *s, unsigned from, unsigned n)
{
	s->nchosen = 0;
	for (unsigned k = 0; k <= FACT_RUN; k++)
		if (s->st[k])
			fact_column_read(&s->column[k], from, n, s->v[k]);
	for (unsigned i = 0; i < n; i++) {
		if (!passes(s, i))
			continue;
		s->kind[i] = s->what[s->v[FACT_WHAT][i]];
		s->chosen[s->nchosen++] = (uint16_t)i;
	}
	if (!s->nchosen)
		return;
	for (unsigned k = FACT_RUN + 1; k < FACT_COLUMNS; k++) {
		if (!s->st[k])
			continue;
		fact_column_read(&s->column[k], from, n, s->v[k]);
		if (s->wide[k])
			widen_bound(s, k, n);
	}
	keep_small(s);
	add_chosen(s);
}

static int chunk(struct scan *s, int64_t id, unsigned n)
{
	int code = SQLITE_OK;

	for (unsigned k = 0; !code && k < FACT_COLUMNS; k++) {
		if (!s->st[k])
			continue;
		code = fact_column_open(s->st[k], id * FACT_COLUMNS + k, n,
					&s->column[k]);
		if (!code && k > FACT_RUN)
			bound_chunk(s, k, n);
	}
	for (unsigned i = 0; !code && i < n; i += BLOCK)
		block(s, i, n - i < BLOCK ? n - i : BLOCK);
	return code ? code : s->code;
}

/* All of them, none left out: so is no call. */
static int load_chunks(struct query *q)
{
	struct query_work *w = q->work;
	int64_t n = index_meta(q->x, "chunks");
	sqlite3_stmt *st;
	int code;

	if (n < 0 || n > CHUNKS_MAX)
		return SQLITE_CORRUPT;
	w->chunk = calloc((size_t)n + 1, sizeof(*w->chunk));
	if (!w->chunk)
		return SQLITE_NOMEM;
	code = sqlite3_prepare_v2(q->x->db,
				  "SELECT id, n, first_ms, last_ms, crc"
				  " FROM chunks ORDER BY id",
				  -1, &st, NULL);
	while (!code && (code = sqlite3_step(st)) == SQLITE_ROW) {
		struct fact_chunk *c = &w->chunk[w->nchunks++];

		code = w->nchunks > n ? SQLITE_CORRUPT : fact_chunk_read(st, c);
		if (!code && c->id != w->nchunks)
			code = SQLITE_CORRUPT;
	}
	sqlite3_finalize(st);
	if (code == SQLITE_DONE)
		code = w->nchunks == n ? SQLITE_OK : SQLITE_CORRUPT;
	return code;
}

/* The facts' first and last instant, cut to the window. */
static void bounds(const struct query *q, int64_t *first, int64_t *last)
{
	const struct query_work *w = q->work;

	*first = w->nchunks ? INT64_MAX : 0;
	*last = w->nchunks ? INT64_MIN : 0;
	for (unsigned i = 0; i < w->nchunks; i++) {
		const struct fact_chunk *c = &w->chunk[i];

		*first = c->first_ms < *first ? c->first_ms : *first;
		*last = c->last_ms > *last ? c->last_ms : *last;
	}
	if (*first < q->from_ms)
		*first = q->from_ms;
	if (*last >= q->to_ms)
		*last = q->to_ms - 1;
	if (*last < *first)
		*last = *first;
}

static int chunks(struct scan *s)
{
	const struct query *q = s->q;
	int code = SQLITE_OK;

	for (unsigned i = 0; !code && i < s->w->nchunks; i++) {
		const struct fact_chunk *c = &s->w->chunk[i];

		if (c->first_ms >= q->to_ms || c->last_ms < q->from_ms)
			continue;
		s->narrow = c->first_ms < q->from_ms || c->last_ms >= q->to_ms;
		code = chunk(s, c->id, c->n);
	}
	return code;
}

/* Tuples as bytes: theirs are too large for the nearest cache. */
static int judge(struct scan *s)
{
	const struct query_tuples *what = &s->w->what, *who = &s->w->who;

	s->what = calloc(what->n, 1);
	s->who = calloc(who->n, 1);
	if (!s->what || !s->who)
		return SQLITE_NOMEM;
	for (uint32_t i = 0; i < what->n; i++)
		s->what[i] = (uint8_t)(what->t[i].coverage |
				       (what->t[i].refused ? KIND_REFUSED : 0) |
				       (what->t[i].passes ? KIND_PASSES : 0));
	for (uint32_t i = 0; i < who->n; i++)
		s->who[i] = who->t[i].passes;
	return SQLITE_OK;
}

int query_scan(struct query *q)
{
	struct scan *s = calloc(1, sizeof(*s));
	int64_t first, last;
	int code = load_chunks(q);

	if (!s || code) {
		free(s);
		return code ? code : SQLITE_NOMEM;
	}
	s->q = q;
	s->w = q->work;
	s->span.start_s = INT64_MAX;
	s->span.end_s = INT64_MIN;
	bounds(q, &first, &last);
	code = query_bases_open(q, first, last);
	if (!code)
		code = judge(s);
	if (!code)
		code = prepare(s);
	if (!code)
		code = chunks(s);
	for (unsigned i = 0; i < FACT_COLUMNS; i++)
		sqlite3_finalize(s->st[i]);
	query_bases_complete(q);
	free(s->what);
	free(s->who);
	free(s);
	return code;
}
