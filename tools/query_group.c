#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/civil.h"
#include "query_work.h"

/* Groups by their texts: a text's id to the group's index + 1. */
struct making {
	struct query *q;
	struct grouping *out;
	uint32_t *of_text;
	struct strmap names; /* of list dims: to size_t, the index */
	size_t cap;
};

static struct sums *group_at(struct making *m, uint32_t *index)
{
	struct grouping *g = m->out;

	if (!*index) {
		if (g->n == m->cap) {
			size_t cap = m->cap ? m->cap * 2 : 64;
			struct group *more = realloc(g->g, cap * sizeof(*more));

			if (!more)
				return NULL;
			g->g = more;
			m->cap = cap;
		}
		g->g[g->n] = (struct group){0};
		sums_init(&g->g[g->n].s);
		*index = ++g->n;
	}
	return &g->g[*index - 1].s;
}

static int add_text(struct making *m, uint32_t text, const struct sums *s)
{
	bool fresh = !m->of_text[text];
	struct sums *to = group_at(m, &m->of_text[text]);

	if (!to)
		return -ENOMEM;
	if (fresh && text)
		m->out->g[m->of_text[text] - 1].key = query_text(m->q, text);
	sums_add(to, s);
	return 0;
}

static int add_name(struct making *m, struct lg_slice name,
		    const struct sums *s)
{
	char text[512];
	uint32_t *index;
	struct sums *to;
	bool fresh;

	lg_slice_copy(name, text, sizeof(text));
	index = strmap_put(&m->names, text);
	fresh = index && !*index;
	to = index ? group_at(m, index) : NULL;
	if (!to)
		return -ENOMEM;
	if (fresh && *text)
		strmap_nth(&m->names, m->names.n - 1,
			   &m->out->g[*index - 1].key);
	sums_add(to, s);
	return 0;
}

static bool is_in(struct lg_slice list, const char *end, struct lg_slice name)
{
	struct lg_slice one;

	list.len = (size_t)(end - list.p);
	while (list.len) {
		list = lg_slice_cut(list, '\x1f', &one);
		if (lg_slice_eq(one, name))
			return true;
	}
	return false;
}

/* A call with several tags counts in each of their groups, once. */
static int add_list(struct making *m, uint32_t text, const struct sums *s)
{
	const struct lg_slice all = lg_slice_str(query_text(m->q, text));
	struct lg_slice rest = all, one;
	int err = 0;

	do {
		rest = lg_slice_cut(rest, '\x1f', &one);
		if (one.p == all.p || !is_in(all, one.p, one))
			err = add_name(m, one, s);
	} while (!err && rest.len);
	return err;
}

static uint32_t text_of(const struct dim *d, const struct query_tuple *t)
{
	if (dim_is_model(d) && !t->text[WHAT_MODEL])
		return t->text[WHAT_MODEL_REQUESTED];
	return t->text[d->column];
}

static int by_tuple(struct making *m, const struct query_tuples *t,
		    const struct query_base *b)
{
	const struct dim *d = m->out->dim;
	int err = 0;

	for (size_t i = 0; !err && i < b->n; i++) {
		uint32_t text = text_of(d, &t->t[b->number[i]]);

		err = dim_is_list(d) ? add_list(m, text, &b->s[i])
				     : add_text(m, text, &b->s[i]);
	}
	return err;
}

/* -- time -------------------------------------------------------------------
 */

int64_t query_unit_of_day(const struct query *q, enum dim_time t, int64_t day)
{
	struct lg_civil c;

	switch (t) {
	case TIME_WEEK: /* by its first day; day -3 was a Monday */
		return lg_floor_div(day + 3 - q->week_start, 7) * 7 - 3 +
		       q->week_start;
	case TIME_MONTH:
		lg_civil_from_days(day, &c);
		return c.year * 12 + c.month - 1;
	case TIME_YEAR:
		lg_civil_from_days(day, &c);
		return c.year;
	case TIME_WEEKDAY:
		return lg_civil_weekday(day);
	default:
		return day;
	}
}

static int by_unit(const void *a, const void *b)
{
	int64_t x = ((const struct group *)a)->unit;
	int64_t y = ((const struct group *)b)->unit;

	return (x > y) - (x < y);
}

static int64_t unit_of(const struct query *q, enum dim_time t, int64_t number)
{
	if (t == TIME_HOUR_OF_DAY)
		return number - lg_floor_div(number, 24) * 24;
	return t == TIME_HOUR ? number : query_unit_of_day(q, t, number);
}

/* The few units that come again and again are looked for. */
static struct group *unit_group(struct grouping *out, int64_t unit, bool again)
{
	unsigned i = out->n;

	while (i && out->g[i - 1].unit != unit)
		i = again ? i - 1 : 0;
	if (!i) {
		i = ++out->n;
		out->g[i - 1] = (struct group){.unit = unit};
		sums_init(&out->g[i - 1].s);
	}
	return &out->g[i - 1];
}

/* Days and hours in their order: so are weeks, months and years. */
static int by_time(struct query *q, const struct query_base *b, enum dim_time t,
		   struct grouping *out)
{
	bool again = t == TIME_WEEKDAY || t == TIME_HOUR_OF_DAY;

	out->g = malloc((b->n + 1) * sizeof(*out->g));
	if (!out->g)
		return -ENOMEM;
	for (int64_t i = 0; b->n && i <= b->last - b->first; i++) {
		if (!b->slot[i])
			continue;
		sums_add(
			&unit_group(out, unit_of(q, t, b->first + i), again)->s,
			&b->s[b->slot[i] - 1]);
	}
	if (again && out->n)
		qsort(out->g, out->n, sizeof(*out->g), by_unit);
	return 0;
}

/* -- order ------------------------------------------------------------------
 */

static int by_cost(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	int64_t c = x->s.v[SUM_COST], d = y->s.v[SUM_COST];

	if (c != d)
		return c < d ? 1 : -1;
	c = x->s.v[SUM_CALLS], d = y->s.v[SUM_CALLS];
	if (c != d)
		return c < d ? 1 : -1;
	return strcmp(x->key ? x->key : "", y->key ? y->key : "");
}

static void drop_empty(struct grouping *g)
{
	unsigned n = 0;

	for (unsigned i = 0; i < g->n; i++)
		if (!query_is_empty(&g->g[i].s))
			g->g[n++] = g->g[i];
	g->n = n;
}

static int make(struct query *q, struct grouping *out)
{
	struct query_work *w = q->work;
	const struct dim *d = out->dim;
	struct making m = {.q = q, .out = out};
	int err;

	if (d->kind == DIM_OF_ESTIMATE)
		return by_time(q, &w->base[BASE_ESTIMATE], TIME_HOUR, out);
	if (d->kind == DIM_OF_TIME)
		return by_time(
			q,
			&w->base[d->column == TIME_HOUR ||
						 d->column == TIME_HOUR_OF_DAY
					 ? BASE_HOUR
					 : BASE_DAY],
			(enum dim_time)d->column, out);
	if (d->kind == DIM_OF_FACT)
		return query_by_fact(
			q,
			&w->base[d->column == FACT_RUN ? BASE_RUN
						       : BASE_CONVERSATION],
			out);
	m.of_text = calloc(w->ntexts, sizeof(*m.of_text));
	if (!m.of_text)
		return -ENOMEM;
	strmap_init(&m.names, sizeof(uint32_t));
	if (d->kind == DIM_OF_WHO)
		err = by_tuple(&m, &w->who, &w->base[BASE_WHO]);
	else
		err = by_tuple(&m, &w->what, &w->base[BASE_WHAT]);
	out->names = m.names;
	free(m.of_text);
	drop_empty(out);
	if (out->n)
		qsort(out->g, out->n, sizeof(*out->g), by_cost);
	return err;
}

static const struct dim day = {"day", "DAY", DIM_OF_TIME, TIME_DAY};

int query_group(struct query *q)
{
	const struct query_base *whole;
	int err;

	q->days.dim = &day;
	err = make(q, &q->days);
	sums_init(&q->total);
	whole = &q->work->base[q->work->base[BASE_WHAT].wanted ? BASE_WHAT
							       : BASE_DAY];
	for (size_t i = 0; i < whole->n; i++)
		sums_add(&q->total, &whole->s[i]);
	drop_empty(&q->days);
	for (unsigned i = 0; !err && i < q->nby; i++) {
		q->out[i].dim = q->by[i];
		err = make(q, &q->out[i]);
		if (q->by[i]->kind != DIM_OF_FACT)
			drop_empty(&q->out[i]);
	}
	return err;
}
