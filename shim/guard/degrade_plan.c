#include "guard/degrade_state.h"

#include <string.h>

#include "base/maker.h"
#include "guard/admit.h"
#include "guard/rewrite.h"
#include "guard/tariff.h"
#include "llm/gateway.h"

#define CAP_MAX (UINT64_C(1) << 24)
#define CAP_UNKNOWN 4096 /* where neither request nor model says one */

void lg_plan_remember(struct lg_degrade *d)
{
	const struct lg_exchange *x = d->x;
	struct lg_asked *a = &d->asked;

	memcpy(a->model, x->facts.model, sizeof(a->model));
	a->cap = x->facts.max_output_tokens;
	a->has_cap = x->facts.has_max;
	a->by_body = x->priced_by_body;
	a->route = x->route;
	a->price = x->price;
	memcpy(a->provider, x->row.provider, sizeof(a->provider));
	memcpy(a->served, x->row.model, sizeof(a->served));
	d->nsoft = 0;
	for (unsigned i = 0; i < x->ncharged; i++)
		if (x->soft & 1u << i)
			d->soft[d->nsoft++] = x->charged[i].rule;
}

void lg_plan_restore_cap(struct lg_degrade *d)
{
	d->x->facts.max_output_tokens = d->asked.cap;
	d->x->facts.has_max = d->asked.has_cap;
	d->x->clamped = false;
	d->plan.cap = 0;
}

void lg_plan_restore(struct lg_degrade *d)
{
	struct lg_exchange *x = d->x;
	const struct lg_asked *a = &d->asked;

	memcpy(x->facts.model, a->model, sizeof(a->model));
	x->priced_by_body = a->by_body;
	x->route = a->route;
	x->price = a->price;
	memcpy(x->row.provider, a->provider, sizeof(a->provider));
	memcpy(x->row.model, a->served, sizeof(a->served));
	x->row.flags &= ~(uint32_t)LG_ROW_FALLBACK;
	x->fell_back = false;
	d->plan.model = (struct lg_slice){"", 0};
	lg_plan_restore_cap(d);
}

static struct lg_slice held_of(const struct lg_degrade *d)
{
	const struct lg_buf *b = d->means->held;

	return b ? lg_buf_slice(b) : (struct lg_slice){"", 0};
}

/* Its maker sells it nowhere else, and this is another maker's own host. */
static bool is_foreign(const struct lg_exchange *x, struct lg_slice model)
{
	return !lg_tariff_is_known(&x->price) &&
	       lg_maker_is_other(lg_slice_str(x->row.provider), model);
}

/* A body of Bedrock's invoke is of its maker's own form. */
static bool is_other_form(const struct lg_exchange *x, const char *was)
{
	struct lg_slice a = lg_slice_str(was);
	struct lg_slice b = lg_slice_str(x->route.model), one, two;

	if (strcmp(x->d->name, "bedrock-invoke"))
		return false;
	lg_slice_cut(a, '.', &one);
	lg_slice_cut(b, '.', &two);
	return !lg_slice_eq(one, two);
}

/* All that a price and a budget look at is the new model's. */
bool lg_plan_model(struct lg_degrade *d, struct lg_slice model)
{
	struct lg_exchange *x = d->x;
	struct lg_route route;

	lg_plan_restore(d);
	if (!lg_rewrite_is_possible(x, held_of(d)) ||
	    lg_slice_eq(lg_slice_str(lg_tariff_name(x)), model) ||
	    lg_slice_eq(lg_slice_str(x->row.model_requested), model) ||
	    !lg_rewrite_route(x, held_of(d), model, &route))
		return false;
	route.stream |= x->route.stream;
	x->route = route;
	lg_slice_copy(model, x->facts.model, sizeof(x->facts.model));
	lg_gateway_model(&x->route, x->facts.model);
	lg_slice_copy(lg_slice_str(x->route.provider), x->row.provider,
		      sizeof(x->row.provider));
	x->fell_back = true;
	x->priced_by_body = false;
	x->row.flags |= LG_ROW_FALLBACK;
	lg_slice_copy(model, x->row.model, sizeof(x->row.model));
	lg_tariff_lookup(x, lg_tariff_name(x), x->facts.tier, &x->price);
	if (is_foreign(x, model) || is_other_form(x, d->asked.route.model)) {
		lg_plan_restore(d);
		return false;
	}
	d->plan.model = model;
	d->plans++;
	/* a larger cap than it has would be refused there */
	if (x->facts.has_max && x->price.entry && x->price.max_output_tokens &&
	    x->facts.max_output_tokens > x->price.max_output_tokens) {
		d->plan.cap = x->price.max_output_tokens;
		x->facts.max_output_tokens = d->plan.cap;
	}
	return true;
}

static bool fits(struct lg_exchange *x, uint64_t cap, int64_t room)
{
	struct lg_estimate est;

	x->facts.has_max = true;
	x->facts.max_output_tokens = cap;
	lg_tariff_estimate(x, &est);
	return est.bounded && est.worst_pusd <= room;
}

/* The most that this call may be asked for, as it stands. */
static uint64_t top_cap(const struct lg_degrade *d)
{
	const struct lg_exchange *x = d->x;

	if (d->plan.cap)
		return d->plan.cap;
	if (d->asked.has_cap && d->asked.cap)
		return d->asked.cap < CAP_MAX ? d->asked.cap : CAP_MAX;
	if (x->price.max_output_tokens)
		return x->price.max_output_tokens;
	return CAP_UNKNOWN;
}

/*
 * The largest output whose proven cost is within room; the cost grows with
 * it, so halving finds it.
 */
bool lg_plan_cap(struct lg_degrade *d, int64_t room, uint64_t least)
{
	struct lg_exchange *x = d->x;
	uint64_t low = least, high = top_cap(d);
	const uint64_t was = x->facts.max_output_tokens;
	const bool had = x->facts.has_max;

	if (x->facts.reasoning_budget >= low)
		low = x->facts.reasoning_budget + 1;
	if (room <= 0 || high < low || x->d->expect ||
	    !lg_rewrite_is_possible(x, held_of(d)) || !fits(x, low, room)) {
		x->facts.max_output_tokens = was;
		x->facts.has_max = had;
		return false;
	}
	if (fits(x, high, room))
		low = high;
	while (high - low > 1) {
		uint64_t mid = low + (high - low) / 2;

		if (fits(x, mid, room))
			low = mid;
		else
			high = mid;
	}
	x->facts.max_output_tokens = d->plan.cap = low;
	x->clamped = true;
	return true;
}

enum lg_carried lg_plan_carry_out(struct lg_degrade *d)
{
	struct lg_rewrite w = {d->plan.model, d->plan.cap};
	struct lg_exchange *x = d->x;

	lg_buf_fini(&d->out);
	lg_buf_init(&d->out, d->means->held ? d->means->held->max : 0);
	if ((w.model.len || w.cap) &&
	    !lg_rewrite_request(x, held_of(d), &w, &d->out))
		return LG_CARRIED_NOT;
	lg_admit_undo(x);
	lg_admit(x, d->wins, false);
	return x->denial ? LG_CARRIED_REFUSED : LG_CARRIED_OUT;
}

/* A plan that cannot be said is none; what stood before is asked again. */
bool lg_plan_carry_out_or(struct lg_degrade *d, const struct lg_plan *was)
{
	enum lg_carried how = lg_plan_carry_out(d);

	if (how != LG_CARRIED_NOT)
		return how == LG_CARRIED_OUT;
	lg_plan_restore(d);
	if (was->model.len)
		lg_plan_model(d, was->model);
	lg_plan_carry_out(d);
	return false;
}
