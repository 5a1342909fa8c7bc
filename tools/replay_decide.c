#include "base/money.h"
#include "replay_state.h"

/* As guard/admit.c and guard/degrade.c do it, by what is known afterwards. */

#define RULES_MAX 24 /* chains begun for one call: one a charge */
#define TURNS_MAX 48

struct decision {
	struct replay_run *s;
	struct replay_call *c;
	size_t i;
	uint16_t waived[RULES_MAX];
	unsigned nwaived;
	struct {
		uint16_t rule, at;
	} cursor[RULES_MAX];
	unsigned ncursors;
};

static const struct lg_rule *rule_of(const struct decision *d, int rule)
{
	return &d->s->r->w->rules[rule];
}

static const struct lg_img_action *chain(const struct lg_rule *r, bool soft,
					 unsigned *n)
{
	struct lg_img_span span = soft ? r->b->on_soft : r->b->on_hard;

	*n = span.n;
	return LG_IMG_ARRAY(r->img, span, struct lg_img_action);
}

static bool refuses(const struct decision *d, int rule)
{
	const struct lg_rule *r = rule_of(d, rule);
	unsigned n;
	const struct lg_img_action *a = chain(r, false, &n);

	if (!r->b->hard || (n && a[0].kind == LG_ACTION_WARN))
		return false;
	for (unsigned i = 0; i < d->nwaived; i++)
		if (d->waived[i] == rule)
			return false;
	return true;
}

static bool fits(struct decision *d, const struct replay_plan *p, uint32_t i)
{
	const struct replay_cell *c = replay_cell_of(d->s, p, i);

	return lg_money_add(c->used_pusd, p->estimate_pusd) <=
	       rule_of(d, c->rule)->b->limit_pusd;
}

/* The first budget that refuses this plan, -1: none does. */
static int denier(struct decision *d, const struct replay_plan *p)
{
	for (uint32_t i = 0; i < p->ncharges; i++)
		if (!fits(d, p, i) &&
		    refuses(d, replay_cell_of(d->s, p, i)->rule))
			return replay_cell_of(d->s, p, i)->rule;
	return -1;
}

static int64_t room(struct decision *d, const struct replay_plan *p)
{
	int64_t least = INT64_MAX, left;

	for (uint32_t i = 0; i < p->ncharges; i++) {
		const struct replay_cell *c = replay_cell_of(d->s, p, i);

		left = lg_money_sub(rule_of(d, c->rule)->b->limit_pusd,
				    c->used_pusd);
		if (refuses(d, c->rule) && left < least)
			least = left;
	}
	return least;
}

static bool did(struct decision *d, enum lg_verdict v, int rule, bool soft)
{
	d->c->did = (uint8_t)v;
	d->c->rule = (int16_t)rule;
	d->c->soft = soft;
	return true;
}

static bool is_for(const struct decision *d, const struct lg_rule *r,
		   const struct lg_img_action *a)
{
	struct lg_slice rest = lg_img_text(r->img, a->only), one;

	if (!rest.len)
		return true;
	while (rest.len) {
		rest = lg_slice_cut(rest, '\n', &one);
		if (lg_slice_glob(lg_slice_str(d->c->plan.model), one))
			return true;
	}
	return false;
}

static bool is_passed(const struct decision *d, const struct lg_rule *r,
		      const struct lg_img_action *a, unsigned i, unsigned n)
{
	for (; i < n; i++)
		if (a[i].kind == LG_ACTION_FALLBACK &&
		    lg_slice_eq(lg_img_text(r->img, a[i].arg),
				lg_slice_str(d->c->plan.model)))
			return true;
	return false;
}

static const struct lg_img_action *next(const struct decision *d, int rule,
					bool soft, uint16_t *at)
{
	const struct lg_rule *r = rule_of(d, rule);
	unsigned n, i;
	const struct lg_img_action *a = chain(r, soft, &n);

	for (i = *at; i < n; i++) {
		if (!is_for(d, r, &a[i]) || (a[i].kind == LG_ACTION_FALLBACK &&
					     is_passed(d, r, a, i, n)))
			continue;
		*at = (uint16_t)(i + 1);
		return &a[i];
	}
	*at = (uint16_t)n;
	return NULL;
}

static uint16_t *cursor_of(struct decision *d, int rule)
{
	unsigned i = 0;

	while (i < d->ncursors && d->cursor[i].rule != rule)
		i++;
	if (i == RULES_MAX)
		return NULL;
	if (i == d->ncursors) {
		d->cursor[i].rule = (uint16_t)rule;
		d->cursor[i].at = 0;
		d->ncursors++;
	}
	return &d->cursor[i].at;
}

static bool do_fallback(struct decision *d, const struct lg_rule *r,
			const struct lg_img_action *a, int *rule, bool soft)
{
	const struct replay *all = d->s->r;
	struct lg_slice model = lg_img_text(r->img, a->arg);

	for (uint32_t k = 0; k < d->c->nalts; k++) {
		const struct replay_plan *p = &all->alts[d->c->alt + k];
		int no;

		if (!lg_slice_eq(model, lg_slice_str(p->model)))
			continue;
		if (replay_cells(d->s, p))
			return false;
		no = denier(d, p);
		if (no >= 0) {
			*rule = no;
			return false;
		}
		replay_take(d->s, d->i, p, p->estimate_pusd);
		return did(d, LG_VERDICT_FALLBACK, *rule, soft);
	}
	return false;
}

/* By what was used: the output is what a lower cap can save. */
static bool do_clamp(struct decision *d, int rule)
{
	struct replay_plan p = d->c->plan;
	int64_t left = room(d, &p);

	if (left == INT64_MAX || left <= p.input_pusd || left <= 0)
		return false;
	if (p.cost_pusd > left)
		p.cost_pusd = left;
	replay_take(d->s, d->i, &p,
		    left < p.estimate_pusd ? left : p.estimate_pusd);
	return did(d, LG_VERDICT_CLAMP, rule, false);
}

static bool do_local(struct decision *d, int rule, bool soft)
{
	d->c->would_pusd = 0;
	return did(d, LG_VERDICT_LOCAL, rule, soft);
}

/* What other calls give back to a counter until then. */
static int64_t freed(const struct replay_run *s, uint32_t cell,
		     int64_t until_ms)
{
	int64_t sum = 0;

	for (size_t i = 0; i < s->nheap; i++) {
		size_t k = s->heap[i].call;
		const struct replay_plan *p = &s->chosen[k];

		if (s->heap[i].end_ms > until_ms)
			continue;
		for (uint32_t h = p->charge; h < p->charge + p->ncharges; h++)
			if (s->of[h] == cell)
				sum = lg_money_add(sum,
						   lg_money_sub(s->amount[k],
								p->cost_pusd));
	}
	return sum;
}

/* Would the holds of others be gone within the longest delay? */
static bool do_wait(struct decision *d, const struct lg_img_action *a, int rule)
{
	const struct replay_plan *p = &d->c->plan;
	int64_t until = d->c->ts_ms + (int64_t)a->n;

	for (uint32_t i = 0; i < p->ncharges; i++) {
		const struct replay_cell *c = replay_cell_of(d->s, p, i);
		int64_t used = lg_money_sub(
			c->used_pusd,
			freed(d->s, d->s->of[p->charge + i], until));

		if (refuses(d, c->rule) &&
		    lg_money_add(used, p->estimate_pusd) >
			    rule_of(d, c->rule)->b->limit_pusd)
			return false;
	}
	replay_take(d->s, d->i, p, p->estimate_pusd);
	return did(d, LG_VERDICT_THROTTLE, rule, false);
}

static bool do_warn(struct decision *d, int *rule)
{
	int own = *rule;

	if (d->nwaived == RULES_MAX)
		return false;
	d->waived[d->nwaived++] = (uint16_t)own;
	*rule = denier(d, &d->c->plan);
	if (*rule >= 0)
		return false;
	replay_take(d->s, d->i, &d->c->plan, d->c->plan.estimate_pusd);
	return did(d, LG_VERDICT_WARN, own, false);
}

static bool do_hard(struct decision *d, int *rule,
		    const struct lg_img_action *a)
{
	switch ((enum lg_action_kind)a->kind) {
	case LG_ACTION_FALLBACK:
		return do_fallback(d, rule_of(d, *rule), a, rule, false);
	case LG_ACTION_CLAMP:
		return do_clamp(d, *rule);
	case LG_ACTION_LOCAL:
		return do_local(d, *rule, false);
	case LG_ACTION_THROTTLE:
		return do_wait(d, a, *rule);
	case LG_ACTION_WARN:
		return do_warn(d, rule);
	case LG_ACTION_STOP:
		return did(d, LG_VERDICT_STOP, *rule, false);
	default:
		return false;
	}
}

static bool is_soft(struct decision *d, const struct replay_plan *p, uint32_t i)
{
	const struct replay_cell *c = replay_cell_of(d->s, p, i);
	const struct lg_img_budget *b = rule_of(d, c->rule)->b;

	return b->on_soft.n && (__int128)c->used_pusd * 1000000 >=
				       (__int128)b->limit_pusd * b->soft_ppm;
}

/* It fits; past a soft limit the chain holds all the same. */
static bool soften(struct decision *d, const struct replay_plan *p)
{
	const struct lg_img_action *a;
	bool slow = false;

	for (uint32_t i = 0; i < p->ncharges; i++) {
		int rule = replay_cell_of(d->s, p, i)->rule;
		uint16_t at = 0;

		if (!is_soft(d, p, i))
			continue;
		while ((a = next(d, rule, true, &at))) {
			if ((a->kind == LG_ACTION_FALLBACK &&
			     do_fallback(d, rule_of(d, rule), a, &rule,
					 true)) ||
			    (a->kind == LG_ACTION_LOCAL &&
			     do_local(d, rule, true)))
				return true;
			rule = replay_cell_of(d->s, p, i)->rule;
			if (a->kind == LG_ACTION_THROTTLE && !slow)
				slow = did(d, LG_VERDICT_THROTTLE, rule, true);
			if (a->kind == LG_ACTION_THROTTLE ||
			    a->kind == LG_ACTION_WARN)
				break;
		}
	}
	return false;
}

/* Another chain that was begun and has more to say; -1: none. */
static int open_chain(const struct decision *d)
{
	for (unsigned i = 0; i < d->ncursors; i++)
		if (d->cursor[i].at <
		    rule_of(d, d->cursor[i].rule)->b->on_hard.n)
			return d->cursor[i].rule;
	return -1;
}

/* A budget refuses: what its chain, and those of others, can do. */
static void solve(struct decision *d, int first)
{
	int rule = first;

	for (unsigned turn = 0; turn < TURNS_MAX && rule >= 0; turn++) {
		uint16_t *at = cursor_of(d, rule);
		const struct lg_img_action *a =
			at ? next(d, rule, false, at) : NULL;

		if (a && a->kind != LG_ACTION_BLOCK) {
			if (do_hard(d, &rule, a))
				return;
			continue;
		}
		if (a) /* nothing behind a block is ever tried */
			*at = (uint16_t)rule_of(d, rule)->b->on_hard.n;
		rule = at ? open_chain(d) : -1;
	}
	if (!soften(d, &d->c->plan))
		did(d, LG_VERDICT_BLOCK, first, false);
}

static void note_limits(struct decision *d, const struct replay_plan *p)
{
	for (uint32_t i = 0; i < p->ncharges; i++) {
		struct replay_cell *c = replay_cell_of(d->s, p, i);
		struct replay_budget *b = &d->s->r->budgets[c->rule];

		if (!b->soft_ms && is_soft(d, p, i))
			b->soft_ms = d->c->ts_ms;
		if (fits(d, p, i))
			continue;
		b->full += !c->full;
		c->full = true;
		if (!b->first_ms)
			b->first_ms = d->c->ts_ms;
		b->over += !refuses(d, c->rule);
	}
}

void replay_decide(struct replay_run *s, size_t i)
{
	struct replay_call *c = &s->r->calls[i];
	struct decision d = {.s = s, .c = c, .i = i};
	int no;

	for (uint32_t k = 0; k < c->plan.ncharges && !c->unseen; k++)
		s->r->budgets[replay_cell_of(s, &c->plan, k)->rule].calls +=
			!c->is_adjust;
	if (c->exempt) {
		replay_take(s, i, &c->plan,
			    c->is_adjust ? c->plan.cost_pusd
					 : c->plan.estimate_pusd);
		return;
	}
	if (c->unknown && s->r->w->set.unknown_model == LG_UNKNOWN_BLOCK) {
		did(&d, LG_VERDICT_BLOCK, -1, false);
		return;
	}
	note_limits(&d, &c->plan);
	no = denier(&d, &c->plan);
	if (no >= 0)
		solve(&d, no);
	else if (!soften(&d, &c->plan))
		replay_take(s, i, &c->plan, c->plan.estimate_pusd);
}
