#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "query_work.h"

/* From here on all texts are read at once. */
#define TEXTS_MANY 500

/* A text's sums, as far as its place is found by them. */
struct place {
	int64_t cost, calls;
	uint32_t at; /* in the base */
};

struct choice {
	struct query *q;
	const struct query_base *b;
	struct place *p;
	size_t n;
	unsigned asked; /* names that were */
};

static const char *name(struct choice *c, const struct place *p)
{
	/* many of one cost: all at once is quicker */
	if (c->asked++ == TEXTS_MANY)
		query_all_texts(c->q);
	return query_text(c->q, c->b->number[p->at]);
}

static int order(const void *a, const void *b, void *ctx)
{
	const struct place *x = a, *y = b;

	if (x->cost != y->cost)
		return x->cost < y->cost ? 1 : -1;
	if (x->calls != y->calls)
		return x->calls < y->calls ? 1 : -1;
	return x == y ? 0 : strcmp(name(ctx, x), name(ctx, y));
}

static void swap(struct place *a, struct place *b)
{
	struct place t = *a;

	*a = *b;
	*b = t;
}

/* p[0..n) as a heap but for its top: the last in order belongs there. */
static void sink(struct choice *c, size_t n)
{
	size_t i = 0, k;

	while ((k = 2 * i + 1) < n) {
		if (k + 1 < n && order(&c->p[k + 1], &c->p[k], c) > 0)
			k++;
		if (order(&c->p[i], &c->p[k], c) >= 0)
			return;
		swap(&c->p[i], &c->p[k]);
		i = k;
	}
}

/* The first n in order come to the front, in their order. */
static void choose(struct choice *c, size_t n)
{
	if (n < c->n) {
		/* in reverse order is a heap with the last one on top */
		qsort_r(c->p, n, sizeof(*c->p), order, c);
		for (size_t i = 0; i < n / 2; i++)
			swap(&c->p[i], &c->p[n - 1 - i]);
		for (size_t i = n; i < c->n; i++) {
			if (order(&c->p[i], &c->p[0], c) >= 0)
				continue;
			swap(&c->p[i], &c->p[0]);
			sink(c, n);
		}
	}
	qsort_r(c->p, n, sizeof(*c->p), order, c);
}

/* Where every call was taken back again nothing is left to be told. */
bool query_is_empty(const struct sums *s)
{
	for (unsigned i = 0; i < SUM_ADDED; i++)
		if (s->v[i])
			return false;
	return true;
}

static void collect(struct choice *c)
{
	for (size_t i = 0; i < c->b->n; i++) {
		const struct sums *s = &c->b->s[i];

		if (!query_is_empty(s))
			c->p[c->n++] = (struct place){
				s->v[SUM_COST], s->v[SUM_CALLS], (uint32_t)i};
	}
}

int query_by_fact(struct query *q, const struct query_base *b,
		  struct grouping *out)
{
	struct choice c = {.q = q, .b = b};
	size_t n;
	int err = -ENOMEM;

	c.p = malloc((b->n + 1) * sizeof(*c.p));
	if (!c.p)
		return -ENOMEM;
	collect(&c);
	n = q->top && q->top < c.n ? q->top : c.n;
	if (n > TEXTS_MANY && query_all_texts(q))
		goto out;
	choose(&c, n);
	out->g = calloc(n + 1, sizeof(*out->g));
	if (!out->g)
		goto out;
	for (size_t i = 0; i < n; i++) {
		uint32_t text = b->number[c.p[i].at];

		out->g[i].key = text ? query_text(q, text) : NULL;
		out->g[i].s = b->s[c.p[i].at];
	}
	out->n = (unsigned)c.n;
	err = 0;
out:
	free(c.p);
	return err;
}
