#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "replay_state.h"

/* -- counters ---------------------------------------------------------------
 */

static size_t place(const struct replay_run *s, struct lg_hash128 id,
		    uint32_t window)
{
	size_t i = (size_t)(id.a ^ (window * UINT64_C(0x9e3779b97f4a7c15)));

	for (i &= s->nslots - 1; s->slot[i]; i = (i + 1) & (s->nslots - 1)) {
		const struct replay_cell *c = &s->cell[s->slot[i] - 1];

		if (c->window == window && c->id.a == id.a && c->id.b == id.b)
			break;
	}
	return i;
}

static int make_room(struct replay_run *s)
{
	size_t n = s->nslots ? s->nslots * 2 : 4096;
	struct replay_cell *cell;
	uint32_t *slot;

	if (s->ncells * 2 < s->nslots)
		return 0;
	cell = realloc(s->cell, n * sizeof(*cell));
	if (cell)
		s->cell = cell;
	slot = calloc(n, sizeof(*slot));
	if (!cell || !slot) {
		free(slot);
		return -ENOMEM;
	}
	free(s->slot);
	s->slot = slot;
	s->nslots = n;
	for (size_t i = 0; i < s->ncells; i++)
		s->slot[place(s, s->cell[i].id, s->cell[i].window)] =
			(uint32_t)i + 1;
	return 0;
}

/* Beyond max_keys values share a counter, as in the region. */
static bool is_full_up(struct replay_run *s, const struct replay_charge *h)
{
	const struct lg_img_budget *b = s->r->w->rules[h->rule].b;
	struct replay_budget *t = &s->r->budgets[h->rule];

	if (!b->each)
		return false;
	if (t->keys_window != h->window) {
		t->keys_window = h->window;
		t->keys = 0;
	}
	return t->keys++ >= b->max_keys;
}

static int find_cell(struct replay_run *s, const struct replay_charge *h,
		     struct lg_hash128 id, bool shared, uint32_t *out)
{
	size_t at;
	struct replay_cell *c;

	if (make_room(s))
		return -ENOMEM;
	at = place(s, id, h->window);
	if (!s->slot[at]) {
		if (!shared && is_full_up(s, h)) {
			s->r->budgets[h->rule].others++;
			id = (struct lg_hash128){~s->r->w->rules[h->rule].id.a,
						 s->r->w->rules[h->rule].id.b};
			return find_cell(s, h, id, true, out);
		}
		c = &s->cell[s->ncells];
		*c = (struct replay_cell){
			.id = id,
			.start_ms = h->start_ms,
			.window = h->window,
			.rule = h->rule,
		};
		s->slot[at] = (uint32_t)++s->ncells;
		s->r->budgets[h->rule].windows++;
	}
	*out = s->slot[at] - 1;
	return 0;
}

int replay_cells(struct replay_run *s, const struct replay_plan *p)
{
	int err = 0;

	for (uint32_t i = p->charge; !err && i < p->charge + p->ncharges; i++)
		err = find_cell(s, &s->r->charges[i], s->r->charges[i].id,
				false, &s->of[i]);
	return err;
}

static void put(struct replay_run *s, const struct replay_plan *p, int64_t used,
		int64_t held)
{
	for (uint32_t i = 0; i < p->ncharges; i++) {
		struct replay_cell *c = replay_cell_of(s, p, i);
		struct replay_budget *b = &s->r->budgets[c->rule];

		c->used_pusd = lg_money_add(c->used_pusd, used);
		c->held_pusd = lg_money_add(c->held_pusd, held);
		if (!held || c->used_pusd - c->held_pusd <= b->most_pusd)
			continue;
		b->most_pusd = c->used_pusd - c->held_pusd;
		b->most_ms = c->start_ms;
	}
}

/* -- calls under way --------------------------------------------------------
 */

static bool is_sooner(const struct replay_flight *a,
		      const struct replay_flight *b)
{
	return a->end_ms < b->end_ms ||
	       (a->end_ms == b->end_ms && a->call < b->call);
}

static void push(struct replay_run *s, struct replay_flight f)
{
	size_t i = s->nheap++, up;

	for (; i; i = up) {
		up = (i - 1) / 2;
		if (!is_sooner(&f, &s->heap[up]))
			break;
		s->heap[i] = s->heap[up];
	}
	s->heap[i] = f;
}

static void pop(struct replay_run *s)
{
	struct replay_flight f = s->heap[--s->nheap];
	size_t i = 0, kid;

	for (; (kid = 2 * i + 1) < s->nheap; i = kid) {
		if (kid + 1 < s->nheap &&
		    is_sooner(&s->heap[kid + 1], &s->heap[kid]))
			kid++;
		if (!is_sooner(&s->heap[kid], &f))
			break;
		s->heap[i] = s->heap[kid];
	}
	s->heap[i] = f;
}

static void settle_until(struct replay_run *s, int64_t ts_ms)
{
	while (s->nheap && s->heap[0].end_ms <= ts_ms) {
		size_t i = s->heap[0].call;
		const struct replay_plan *p = &s->chosen[i];

		pop(s);
		put(s, p, lg_money_sub(p->cost_pusd, s->amount[i]),
		    -s->amount[i]);
	}
}

void replay_take(struct replay_run *s, size_t i, const struct replay_plan *p,
		 int64_t amount)
{
	s->chosen[i] = *p;
	s->amount[i] = amount;
	s->r->calls[i].would_pusd = p->cost_pusd;
	put(s, p, amount, amount);
	push(s, (struct replay_flight){s->r->calls[i].end_ms, i});
}

/* -- the whole --------------------------------------------------------------
 */

static void add_loss(struct replay_budget *b, const struct replay_call *c,
		     int64_t saved)
{
	bool blocked = c->did == LG_VERDICT_BLOCK || c->did == LG_VERDICT_STOP;
	int64_t *sum = blocked ? &b->blocked_pusd : &b->eased_pusd;

	*sum = lg_money_add(*sum, saved);
	if (blocked)
		b->blocked++;
	else
		b->eased++;
}

static void sum_refused(struct replay_sum *t, const struct replay_call *c,
			bool blocked)
{
	uint64_t *n = blocked ? &t->refused_again : &t->released;
	int64_t *usd = blocked ? &t->again_pusd : &t->released_pusd;

	++*n;
	*usd = lg_money_add(*usd,
			    blocked ? c->plan.estimate_pusd : c->would_pusd);
	if (!blocked)
		t->would_pusd = lg_money_add(t->would_pusd, c->would_pusd);
}

static void sum_call(struct replay *r, const struct replay_call *c)
{
	struct replay_sum *t = &r->sum;
	bool blocked = c->did == LG_VERDICT_BLOCK || c->did == LG_VERDICT_STOP;
	int64_t saved = lg_money_sub(c->plan.cost_pusd, c->would_pusd);

	if (c->ts_ms < t->from_ms)
		t->from_ms = c->ts_ms;
	if (c->ts_ms > t->to_ms)
		t->to_ms = c->ts_ms;
	t->calls += !c->is_adjust;
	if (c->released) {
		sum_refused(t, c, blocked);
		return;
	}
	t->by[c->did]++;
	t->was_pusd = lg_money_add(t->was_pusd, c->plan.cost_pusd);
	t->would_pusd = lg_money_add(t->would_pusd, c->would_pusd);
	if (c->did == LG_VERDICT_ALLOW || c->did == LG_VERDICT_WARN)
		return;
	t->unknown += c->rule < 0;
	if (c->rule >= 0)
		add_loss(&r->budgets[c->rule], c, saved);
	if (blocked) {
		t->blocked++;
		t->blocked_pusd = lg_money_add(t->blocked_pusd, saved);
	} else {
		t->eased++;
		t->eased_pusd = lg_money_add(t->eased_pusd, saved);
	}
}

static int by_start(const void *a, const void *b)
{
	const struct replay_call *x = a, *y = b;

	if (x->ts_ms != y->ts_ms)
		return x->ts_ms < y->ts_ms ? -1 : 1;
	return memcmp(x->id, y->id, sizeof(x->id));
}

static int go(struct replay_run *s)
{
	struct replay *r = s->r;

	r->sum.from_ms = INT64_MAX;
	r->sum.to_ms = INT64_MIN;
	for (size_t i = 0; i < r->ncalls; i++) {
		struct replay_call *c = &r->calls[i];

		settle_until(s, c->ts_ms);
		if (replay_cells(s, &c->plan))
			return -ENOMEM;
		/* what costs nothing asks nobody */
		if (c->plan.estimate_pusd || c->plan.cost_pusd)
			replay_decide(s, i);
		if (!c->unseen)
			sum_call(r, c);
	}
	settle_until(s, INT64_MAX);
	return 0;
}

int replay_run(struct replay *r)
{
	struct replay_run s = {.r = r};
	int err = -ENOMEM;

	if (r->ncalls)
		qsort(r->calls, r->ncalls, sizeof(*r->calls), by_start);
	r->budgets = calloc(r->w->nrules + 1, sizeof(*r->budgets));
	s.heap = calloc(r->ncalls + 1, sizeof(*s.heap));
	s.of = calloc(r->ncharges + 1, sizeof(*s.of));
	s.amount = calloc(r->ncalls + 1, sizeof(*s.amount));
	s.chosen = calloc(r->ncalls + 1, sizeof(*s.chosen));
	if (r->budgets && s.heap && s.of && s.amount && s.chosen)
		err = go(&s);
	free(s.chosen);
	free(s.amount);
	free(s.of);
	free(s.heap);
	free(s.slot);
	free(s.cell);
	return err;
}
