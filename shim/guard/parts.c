#include "guard/parts.h"

#include <string.h>

#include "base/mem.h"
#include "base/money.h"
#include "guard/exchange.h"
#include "guard/figure.h"
#include "guard/later.h"
#include "guard/tariff.h"

static uint64_t add_u64(uint64_t a, uint64_t b)
{
	uint64_t out;

	return __builtin_add_overflow(a, b, &out) ? UINT64_MAX : out;
}

static void add_usage(struct lg_usage *sum, const struct lg_usage *u)
{
	for (unsigned b = 0; b < LG_BUCKETS; b++)
		if (u->has >> b & 1)
			lg_usage_set(sum, (enum lg_bucket)b,
				     add_u64(sum->n[b], u->n[b]));
	sum->flags |= u->flags & ~(LG_USAGE_PROVIDER_COST | LG_USAGE_FEE);
	sum->total = add_u64(sum->total, u->total);
}

static void add_cost(struct lg_cost *sum, const struct lg_cost *c)
{
	sum->total_pusd = lg_money_add(sum->total_pusd, c->total_pusd);
	sum->input_pusd = lg_money_add(sum->input_pusd, c->input_pusd);
	/* the two sum to the total also where it saturates */
	sum->output_pusd = sum->total_pusd - sum->input_pusd;
	sum->economic_pusd = lg_money_add(sum->economic_pusd, c->economic_pusd);
}

/* The provider's own figure; the halves keep their proportion. */
static void take_provider_cost(struct lg_parts *p, const struct lg_usage *u,
			       struct lg_cost *c)
{
	int64_t pusd = u->provider_cost_pusd;

	c->input_pusd = c->total_pusd > 0
				? (int64_t)((__int128)pusd * c->input_pusd /
					    c->total_pusd)
				: 0;
	c->total_pusd = pusd;
	c->output_pusd = pusd - c->input_pusd;
	p->usage.provider_cost_pusd =
		lg_money_add(p->usage.provider_cost_pusd, pusd);
	p->nprovider++;
}

static void take_figure(struct lg_exchange *x, const struct lg_price *price,
			struct lg_cost *c)
{
	const struct lg_usage *u = &x->answer.usage;

	switch (lg_figure_of(x, u, price)) {
	case LG_FIGURE_BILL:
		take_provider_cost(x->parts, u, c);
		break;
	case LG_FIGURE_FEE:
		c->total_pusd =
			lg_money_add(c->total_pusd, u->provider_cost_pusd);
		x->parts->estimated = true;
		break;
	case LG_FIGURE_NONE:
		break;
	}
}

/* The part's model, else that of the parts before it, else what was asked. */
static const char *model_of(const struct lg_exchange *x)
{
	if (x->answer.model[0])
		return x->answer.model;
	if (x->parts->model[0])
		return x->parts->model;
	return lg_tariff_name(x);
}

static void find_price(struct lg_exchange *x, struct lg_price *out)
{
	const char *tier = x->answer.tier[0] ? x->answer.tier : x->facts.tier;

	lg_tariff_lookup(x, model_of(x), tier, out);
	if (lg_tariff_is_known(out) || x->route.kind != LG_ROUTE_PAID ||
	    !lg_tariff_is_known(&x->price))
		return;
	lg_tariff_lookup(x, lg_tariff_name(x), tier, out);
	x->parts->estimated = true;
}

static void price_part(struct lg_exchange *x, struct lg_cost *cost)
{
	struct lg_parts *p = x->parts;
	struct lg_price price;

	find_price(x, &price);
	lg_price_cost(&price, &x->answer.usage, cost);
	p->unknown |= !lg_tariff_is_known(&price) || price.tier_missing;
	p->estimated |= price.estimate || cost->rate_missing;
	if (!lg_tariff_is_known(&price) &&
	    x->world->set.unknown_model == LG_UNKNOWN_ALLOW)
		memset(cost, 0, sizeof(*cost));
	take_figure(x, &price, cost);
	if (price.entry && !p->price_version[0])
		lg_slice_copy(
			lg_img_text(price.img, price.entry->price_version),
			p->price_version, sizeof(p->price_version));
}

static void add_part(struct lg_exchange *x)
{
	struct lg_parts *p = x->parts;
	const struct lg_answer *a = &x->answer;
	struct lg_cost cost;

	price_part(x, &cost);
	add_usage(&p->usage, &a->usage);
	add_cost(&p->cost, &cost);
	p->n = add_u64(p->n, 1);
	p->interim |= !a->usage_final || !(a->usage.flags & LG_USAGE_PRESENT);
	if (!p->model[0])
		memcpy(p->model, a->model, sizeof(p->model));
}

void lg_parts_turn(void *ctx, enum lg_part part)
{
	struct lg_exchange *x = ctx;

	if (part == LG_PART_RESET) {
		if (x->parts)
			memset(x->parts, 0, sizeof(*x->parts));
		return;
	}
	if (!x->parts) {
		lg_later_begin(x);
		x->parts = lg_mem_alloc(sizeof(*x->parts));
	}
	if (x->parts)
		add_part(x);
	else
		x->parts_lost = true;
}

static void name_price(struct lg_row *row, const struct lg_parts *p)
{
	if (p->nprovider == p->n)
		row->price_state = LG_PRICED_PROVIDER;
	else if (p->unknown)
		row->price_state = LG_PRICED_UNKNOWN;
	else if (p->estimated)
		row->price_state = LG_PRICED_ESTIMATED;
	else
		row->price_state = LG_PRICED_EXACT;
	memcpy(row->price_version, p->price_version,
	       sizeof(row->price_version));
	if (p->nprovider)
		row->provider_cost_pusd = p->usage.provider_cost_pusd;
}

void lg_parts_fill(struct lg_exchange *x, bool final)
{
	const struct lg_parts *p = x->parts;
	struct lg_row *row = &x->row;

	if (!x->answer.model[0] && p->model[0])
		memcpy(row->model, p->model, sizeof(row->model));
	row->usage_state =
		final && !p->interim ? LG_USAGE_EXACT : LG_USAGE_ESTIMATED;
	lg_row_set_usage(row, &p->usage);
	row->cost_pusd = p->cost.total_pusd;
	row->input_cost_pusd = p->cost.input_pusd;
	row->output_cost_pusd = p->cost.output_pusd;
	row->economic_pusd = p->cost.economic_pusd;
	name_price(row, p);
}

void lg_parts_del(struct lg_parts *p)
{
	lg_mem_free(p, sizeof(*p));
}
