#include <stdio.h>
#include <string.h>

#include "base/money.h"
#include "budget/region.h"
#include "estimate.h"
#include "guard/admit.h"
#include "guard/engine.h"
#include "guard/exchange.h"

/* Where nothing may be made: what is counted already. */
static void look_only(struct estimate *s, struct estimate_budget *b,
		      const struct lg_window *win)
{
	const struct lg_region *r = s->w->region ? s->w->region->r : NULL;
	struct lg_cell_view v;
	int cell = r ? lg_cell_known(r, b->hit.id, win->tag) : -1;

	if (cell < 0 || lg_cell_view(r, (unsigned)cell, &v))
		return;
	b->counted = true;
	b->used_pusd = v.used_pusd;
	b->held_pusd = v.held_pusd;
	b->limit_pusd = v.limit_pusd;
}

/* Read what it has spent; the cell is made and seeded where it is new. */
static void look(struct estimate *s, struct estimate_budget *b, int64_t ts_ms)
{
	const struct lg_rule *r = &s->w->rules[b->rule];
	struct lg_region *region = lg_world_region(s->w);
	const struct lg_window *win = lg_windows_get(
		&s->wins, s->w, (enum lg_period)r->b->period, ts_ms);
	struct lg_cell_view v;
	int cell;

	if (!region) {
		look_only(s, b, win);
		return;
	}
	cell = lg_admit_cell(s->e, s->w, b->rule, &b->hit, win, &b->limit_pusd);
	if (cell < 0)
		return;
	b->counted = true;
	b->used_pusd = lg_cell_used(region, cell, win->tag);
	if (!lg_cell_view(region, (unsigned)cell, &v) && v.window == win->tag)
		b->held_pusd = v.held_pusd;
}

static struct estimate_budget *find(struct estimate *s, unsigned rule,
				    const struct lg_rule_hit *hit,
				    int64_t ts_ms)
{
	const struct lg_rule *r = &s->w->rules[rule];
	struct estimate_budget *b;
	unsigned i;

	for (i = 0; i < s->nbudgets; i++)
		if (s->budget[i].rule == rule &&
		    s->budget[i].hit.id.a == hit->id.a &&
		    s->budget[i].hit.id.b == hit->id.b)
			return &s->budget[i];
	if (i == ESTIMATE_BUDGETS_MAX) {
		s->uncounted++;
		return NULL;
	}
	b = &s->budget[s->nbudgets++];
	*b = (struct estimate_budget){
		.rule = rule,
		.hit = *hit,
		.period = lg_period_name((enum lg_period)r->b->period),
		.hard = r->b->hard,
		.strict = r->b->mode == LG_MODE_STRICT,
		.limit_pusd = r->b->limit_pusd,
	};
	lg_slice_copy(r->name, b->name, sizeof(b->name));
	lg_slice_copy(r->b->each ? lg_slice_str(hit->value) : r->scope,
		      b->scope, sizeof(b->scope));
	look(s, b, ts_ms);
	return b;
}

static void charge(struct estimate_budget *b, const struct estimate_sum *one,
		   int64_t hold)
{
	b->requests++;
	b->expected_pusd = lg_money_add(b->expected_pusd, one->expected_pusd);
	b->worst_pusd = lg_money_add(b->worst_pusd, one->worst_pusd);
	if (hold > b->hold_pusd)
		b->hold_pusd = hold;
}

void estimate_charge(struct estimate *s, const struct lg_exchange *x,
		     const struct estimate_sum *one, int64_t adaptive_pusd,
		     int64_t strict_pusd)
{
	const struct lg_price *p = &x->price;
	struct lg_slice canonical = {NULL, 0};
	struct estimate_budget *b;
	struct lg_rule_hit hit;

	if (p->entry)
		canonical = lg_img_text(p->img, p->entry->model);
	for (unsigned i = 0; i < s->w->nrules; i++) {
		const struct lg_rule *r = &s->w->rules[i];

		if (r->b->until_ms && x->row.ts_ms >= r->b->until_ms)
			continue;
		for (unsigned k = 0;
		     lg_rule_match(r, &x->row, canonical, k, &hit); k++) {
			b = find(s, i, &hit, x->row.ts_ms);
			if (b)
				charge(b, one,
				       b->strict ? strict_pusd : adaptive_pusd);
			if (!r->b->each)
				break;
		}
	}
}

int64_t estimate_buffered(const struct estimate *s, int64_t pusd)
{
	__int128 v = (__int128)pusd * (1000000 + (__int128)s->o.buffer_ppm);

	v = (v + 500000) / 1000000;
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

int64_t estimate_after(const struct estimate *s,
		       const struct estimate_budget *b)
{
	return lg_money_add(b->used_pusd,
			    estimate_buffered(s, b->expected_pusd));
}

bool estimate_is_over(const struct estimate *s, const struct estimate_budget *b)
{
	return b->expected_pusd > 0 && estimate_after(s, b) > b->limit_pusd;
}

/* One amount is held on all budgets; this is what this one asks for. */
bool estimate_is_refused(const struct estimate_budget *b)
{
	return b->hard && b->hold_pusd > 0 &&
	       lg_money_add(b->used_pusd, b->hold_pusd) > b->limit_pusd;
}

bool estimate_any_over(const struct estimate *s)
{
	if (s->untagged)
		return true;
	for (unsigned i = 0; i < s->nbudgets; i++)
		if (estimate_is_over(s, &s->budget[i]) ||
		    estimate_is_refused(&s->budget[i]))
			return true;
	return false;
}
