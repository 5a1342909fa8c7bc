#include "guard/degrade_state.h"

#include "base/slice.h"

const struct lg_img_action *lg_chain_of(const struct lg_rule *r, bool soft,
					unsigned *n)
{
	struct lg_img_span s = soft ? r->b->on_soft : r->b->on_hard;

	*n = s.n;
	return LG_IMG_ARRAY(r->img, s, struct lg_img_action);
}

static bool is_for(const struct lg_degrade *d, const struct lg_rule *r,
		   const struct lg_img_action *a)
{
	struct lg_slice rest = lg_img_text(r->img, a->only), one;
	struct lg_slice model = lg_slice_str(d->x->row.model_requested);

	if (!rest.len)
		return true;
	while (rest.len) {
		rest = lg_slice_cut(rest, '\n', &one);
		if (lg_slice_glob(model, one))
			return true;
	}
	return false;
}

/* Is this very model one of the fallbacks at or behind i? Never upwards. */
static bool is_passed(const struct lg_degrade *d, const struct lg_rule *r,
		      const struct lg_img_action *a, unsigned i, unsigned n)
{
	struct lg_slice model = lg_slice_str(d->x->row.model_requested);

	for (; i < n; i++)
		if (a[i].kind == LG_ACTION_FALLBACK &&
		    lg_slice_eq(lg_img_text(r->img, a[i].arg), model))
			return true;
	return false;
}

/* The next action of a chain that is for this request; *at moves on. */
const struct lg_img_action *lg_chain_next(const struct lg_degrade *d,
					  const struct lg_rule *r, bool soft,
					  uint16_t *at)
{
	unsigned n, i;
	const struct lg_img_action *a = lg_chain_of(r, soft, &n);

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

struct lg_cursor *lg_chain_cursor(struct lg_degrade *d, int rule)
{
	unsigned i = 0;

	while (i < d->ncur && d->cur[i].rule != rule)
		i++;
	if (i < d->ncur)
		return &d->cur[i];
	if (i == LG_DEGRADE_RULES_MAX)
		return NULL;
	d->ncur++;
	d->cur[i] = (struct lg_cursor){(uint16_t)rule, 0, UINT32_MAX};
	return &d->cur[i];
}

/* A clamp that failed for one model may do for the next. */
static const struct lg_img_action *clamp_again(struct lg_degrade *d,
					       struct lg_cursor *c)
{
	const struct lg_rule *r = &d->x->world->rules[c->rule];
	unsigned n, i;
	const struct lg_img_action *a = lg_chain_of(r, false, &n);

	for (i = 0; i < n && i < c->at; i++)
		if (a[i].kind == LG_ACTION_CLAMP && c->clamped != d->plans &&
		    is_for(d, r, &a[i]))
			return &a[i];
	return NULL;
}

/* Another chain that was begun and has more to say; -1: none. */
int lg_chain_open(const struct lg_degrade *d)
{
	for (unsigned i = 0; i < d->ncur; i++) {
		const struct lg_rule *r = &d->x->world->rules[d->cur[i].rule];

		if (d->cur[i].at < r->b->on_hard.n)
			return d->cur[i].rule;
	}
	return -1;
}

const struct lg_img_action *lg_chain_next_hard(struct lg_degrade *d, int rule)
{
	struct lg_cursor *c = lg_chain_cursor(d, rule);
	const struct lg_img_action *a;

	if (!c)
		return NULL;
	a = lg_chain_next(d, &d->x->world->rules[rule], false, &c->at);
	if (!a)
		a = clamp_again(d, c);
	if (a && a->kind == LG_ACTION_CLAMP)
		c->clamped = d->plans;
	if (!a || a->kind != LG_ACTION_BLOCK)
		return a;
	/* nothing behind a block is ever tried */
	c->at = (uint16_t)d->x->world->rules[rule].b->on_hard.n;
	return clamp_again(d, c);
}
