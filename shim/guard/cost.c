#include "guard/cost.h"

#include <string.h>

#include "base/money.h"
#include "guard/engine.h"
#include "guard/figure.h"
#include "guard/parts.h"
#include "guard/tariff.h"

/* Results that could not be read whole are not the last word. */
#define UNREADABLE                                                             \
	(LG_ROW_BAD_JSON | LG_ROW_UNDECODABLE | LG_ROW_CUT_SHORT |             \
	 LG_ROW_BAD_HTTP)

/* What the money of a call is made from. */
enum basis {
	BY_USAGE,    /* the provider's last word */
	BY_PARTS,    /* the sum of the calls in it */
	BY_DELIVERY, /* what arrived, counted by us */
	BY_ESTIMATE, /* nothing usable arrived: the hold */
	BY_NOTHING,  /* it cost nothing, and that is certain */
};

static bool has_usage(const struct lg_exchange *x)
{
	return (x->answer.usage.flags &
		(LG_USAGE_PRESENT | LG_USAGE_COUNTED)) != 0;
}

/* A gateway's cache may say zero: then what was saved is estimated. */
static bool is_final(const struct lg_exchange *x)
{
	const struct lg_usage *u = &x->answer.usage;

	if (x->answer.from_gateway_cache && !lg_usage_input(u) &&
	    !(u->flags & LG_USAGE_COUNTED))
		return false;
	return has_usage(x) && x->answer.usage_final;
}

static bool was_delivered(const struct lg_exchange *x)
{
	const struct lg_answer *a = &x->answer;

	if (a->delivered_bytes || a->delivered_reasoning_bytes ||
	    has_usage(x) || a->done)
		return true;
	return x->route.type == LG_REQUEST_EMBED &&
	       x->body.kind == LG_BODY_JSON && x->complete &&
	       !(x->row.flags & LG_ROW_BAD_JSON);
}

static bool has_parts(const struct lg_exchange *x)
{
	return x->parts && x->parts->n && !x->parts_lost;
}

/* Accepted, and what it used will stand in a later answer. */
static bool is_pending(const struct lg_exchange *x)
{
	if (!x->answered || x->row.status >= 300 || is_final(x))
		return false;
	if (x->facts.background)
		return x->answer.id[0] && !x->answer.failed;
	return x->answer.pending && x->answer.background;
}

static enum basis choose_basis(const struct lg_exchange *x)
{
	if (x->route.kind != LG_ROUTE_PAID || x->denial)
		return BY_NOTHING;
	if (!x->written && !x->answered)
		return BY_NOTHING; /* the server never had all of it */
	if (x->answered &&
	    (x->answer.failed || (x->row.status >= 300 && !has_usage(x))))
		return BY_NOTHING;
	if (x->parts_lost)
		return BY_ESTIMATE;
	if (has_parts(x))
		return BY_PARTS;
	if (is_final(x))
		return BY_USAGE;
	if (is_pending(x))
		return BY_ESTIMATE;
	return x->answered && was_delivered(x) ? BY_DELIVERY : BY_ESTIMATE;
}

static void max_of(struct lg_usage *u, enum lg_bucket b, uint64_t n)
{
	if (!(u->has >> b & 1) || u->n[b] < n)
		lg_usage_set(u, b, n);
}

/* Interim usage keeps its input; output is what was delivered, if more. */
static void count_delivery(const struct lg_exchange *x, struct lg_usage *u)
{
	uint64_t out = lg_answer_output_estimate(&x->answer);
	uint64_t told = lg_usage_output(u);

	if (u->flags & LG_USAGE_COUNTED)
		return;
	if (!lg_usage_input(u))
		lg_usage_set(u, LG_BUCKET_INPUT, x->input_estimate);
	if (x->route.type == LG_REQUEST_EMBED)
		return;
	if (out > told)
		max_of(u, LG_BUCKET_OUTPUT,
		       u->n[LG_BUCKET_OUTPUT] + (out - told));
}

/* What the path names is what is billed, whatever the answer calls it. */
static bool is_priced_by_path(const struct lg_exchange *x)
{
	return x->d && x->d->path_prices && x->route.model[0] &&
	       !x->priced_by_body && lg_tariff_is_known(&x->price);
}

/* Price of what was served; false: known only by the requested name. */
static bool find_price(const struct lg_exchange *x, struct lg_price *p)
{
	const struct lg_row *row = &x->row;
	bool by_path = is_priced_by_path(x);
	const char *name = by_path ? lg_tariff_name(x) : row->model;

	if (x->route.kind == LG_ROUTE_PAID &&
	    !strcmp(name, lg_tariff_name(x)) &&
	    !strcmp(row->tier, x->facts.tier) && !x->answer.geo[0] &&
	    !x->answer.variant[0]) {
		*p = x->price;
		return true;
	}
	lg_tariff_lookup(x, name, row->tier, p);
	if (lg_tariff_is_known(p) && x->d && x->d->path_prices && !by_path)
		return strchr(name, '/') != NULL; /* an ARN has its region */
	if (lg_tariff_is_known(p) || x->route.kind != LG_ROUTE_PAID ||
	    !lg_tariff_is_known(&x->price))
		return true;
	lg_tariff_lookup(x, lg_tariff_name(x), row->tier, p);
	return false;
}

static void name_price(struct lg_row *row, const struct lg_price *p,
		       bool by_its_name)
{
	row->price_state = lg_tariff_state(p, by_its_name, false);
	if (p->entry)
		lg_slice_copy(lg_img_text(p->img, p->entry->price_version),
			      row->price_version, sizeof(row->price_version));
}

/* Keep the parts in proportion to ours; they must sum exactly. */
static void take_provider_cost(struct lg_row *row, int64_t pusd)
{
	__int128 in = 0;

	if (row->cost_pusd > 0)
		in = (__int128)pusd * row->input_cost_pusd / row->cost_pusd;
	row->provider_cost_pusd = pusd;
	row->cost_pusd = pusd;
	row->input_cost_pusd = (int64_t)in;
	row->output_cost_pusd = pusd - (int64_t)in;
	row->price_state = LG_PRICED_PROVIDER;
}

static void add_fee(struct lg_row *row, int64_t pusd)
{
	row->provider_cost_pusd = pusd;
	row->cost_pusd = lg_money_add(row->cost_pusd, pusd);
	row->output_cost_pusd = row->cost_pusd - row->input_cost_pusd;
	if (row->price_state == LG_PRICED_EXACT)
		row->price_state = LG_PRICED_ESTIMATED;
}

static void take_figure(struct lg_exchange *x, const struct lg_usage *u,
			const struct lg_price *p)
{
	switch (lg_figure_of(x, u, p)) {
	case LG_FIGURE_BILL:
		take_provider_cost(&x->row, u->provider_cost_pusd);
		break;
	case LG_FIGURE_FEE:
		add_fee(&x->row, u->provider_cost_pusd);
		break;
	case LG_FIGURE_NONE:
		break;
	}
}

static void charge(struct lg_exchange *x, struct lg_usage *u)
{
	struct lg_row *row = &x->row;
	struct lg_price p;
	struct lg_cost cost;
	bool by_its_name = find_price(x, &p) && !x->nameless;
	bool untold =
		u->n[LG_BUCKET_TRAINING] && !lg_tariff_lookup_training(x, &p);

	name_price(row, &p, by_its_name);
	lg_price_cost(&p, u, &cost);
	if (cost.rate_missing && row->price_state == LG_PRICED_EXACT)
		row->price_state = LG_PRICED_ESTIMATED;
	if (untold)
		row->price_state = LG_PRICED_UNKNOWN; /* it is all there is */
	if (lg_tariff_is_waived(x, &p))
		memset(&cost, 0, sizeof(cost));
	row->cost_pusd = cost.total_pusd;
	row->input_cost_pusd = cost.input_pusd;
	row->output_cost_pusd = cost.output_pusd;
	row->economic_pusd = cost.economic_pusd;
	take_figure(x, u, &p);
}

static void charge_nothing(struct lg_exchange *x)
{
	struct lg_row *row = &x->row;

	row->cost_pusd = row->economic_pusd = 0;
	row->input_cost_pusd = row->output_cost_pusd = 0;
	row->usage_state = LG_USAGE_EXACT;
	row->price_state = LG_PRICED_EXACT;
	if (has_usage(x) && x->answer.failed) /* told, and not billed */
		lg_row_set_usage(row, &x->answer.usage);
	if (x->denial)
		row->input_tokens = row->output_tokens = 0;
	if (x->route.kind == LG_ROUTE_UNKNOWN) {
		row->usage_state = LG_USAGE_MISSING;
		row->price_state = LG_PRICED_UNKNOWN;
	}
}

/* A batch of a file, a training job: what it costs nobody can say yet. */
static void charge_unsized(struct lg_row *row)
{
	row->cost_pusd = row->economic_pusd = 0;
	row->input_cost_pusd = row->output_cost_pusd = 0;
	row->estimate_pusd = INT64_MIN; /* null */
	row->usage_state = LG_USAGE_MISSING;
	row->price_state = LG_PRICED_UNKNOWN;
}

/* The amount that was held is what is owed: row and cells say the same. */
static void charge_estimate(struct lg_exchange *x)
{
	struct lg_row *row = &x->row;

	row->flags |= is_pending(x) ? LG_ROW_PENDING : 0;
	if (x->facts.unsized) {
		charge_unsized(row);
		return;
	}
	name_price(row, &x->price, !x->nameless);
	row->cost_pusd = row->economic_pusd = x->held_pusd;
	if (lg_price_is_free(&x->price) || lg_tariff_is_waived(x, &x->price))
		row->cost_pusd = row->economic_pusd = 0;
	row->input_cost_pusd = 0;
	row->output_cost_pusd = row->cost_pusd;
	row->usage_state =
		is_pending(x) ? LG_USAGE_ESTIMATED : LG_USAGE_MISSING;
}

/* Nobody was asked: what it would have cost is what was saved. */
static void credit_gateway(struct lg_row *row)
{
	row->cost_pusd = row->input_cost_pusd = row->output_cost_pusd = 0;
	row->provider_cost_pusd = INT64_MIN;
	row->cache_hit = LG_CACHE_GATEWAY;
	row->usage_state = LG_USAGE_EXACT;
	if (row->price_state == LG_PRICED_PROVIDER)
		row->price_state = LG_PRICED_EXACT;
}

static void put_if_said(char *dst, size_t cap, const char *one,
			const char *other)
{
	if (*one || *other)
		lg_slice_copy(lg_slice_str(*one ? one : other), dst, cap);
}

static void name_answer(struct lg_exchange *x)
{
	const struct lg_answer *a = &x->answer;
	struct lg_row *row = &x->row;
	const char *model = a->model[0] ? a->model : row->model;
	const char *tier = a->tier[0] ? a->tier : row->tier;

	/* whose prices hold was for the router to choose */
	if (a->provider[0] && !strcmp(row->provider, "huggingface"))
		lg_slice_copy(lg_slice_str(a->provider), row->provider,
			      sizeof(row->provider));

	lg_slice_copy(lg_slice_str(model), row->model, sizeof(row->model));
	lg_slice_copy(lg_slice_str(tier), row->tier, sizeof(row->tier));
	put_if_said(row->geo, sizeof(row->geo),
		    a->geo[0] ? a->geo : x->facts.geo, x->route.geo);
	put_if_said(row->variant, sizeof(row->variant), a->variant,
		    x->facts.variant);
	lg_slice_copy(lg_slice_str(a->id), row->response_id,
		      sizeof(row->response_id));
	/* a cut object would not be JSON */
	if (strlen(a->usage_raw) < sizeof(row->usage_raw))
		memcpy(row->usage_raw, a->usage_raw, strlen(a->usage_raw) + 1);
}

/* What the answer's counts cost, whoever's they are. */
static void charge_counts(struct lg_exchange *x, enum basis basis)
{
	struct lg_usage u = x->answer.usage;
	struct lg_row *row = &x->row;

	row->usage_state = LG_USAGE_EXACT;
	if (basis == BY_PARTS) {
		lg_parts_fill(x, x->complete || x->answer.done);
		row->flags |= x->parts->n > 1 ? LG_ROW_PARTS : 0;
		return;
	}
	if (basis == BY_DELIVERY) {
		count_delivery(x, &u);
		row->usage_state = LG_USAGE_ESTIMATED;
	}
	lg_row_set_usage(row, &u);
	charge(x, &u);
}

/* A machine of one's own answered: what it says is told, and costs nothing. */
static void charge_local(struct lg_exchange *x)
{
	struct lg_usage u = x->answer.usage;
	struct lg_row *row = &x->row;

	charge_nothing(x);
	if (!x->answered || row->status >= 300)
		return;
	if (!is_final(x) && !lg_local_usage(x->local, &u)) {
		if (was_delivered(x))
			count_delivery(x, &u);
		row->usage_state = LG_USAGE_ESTIMATED;
	}
	lg_row_set_usage(row, &u);
}

/* Nobody saw its end, and what is still to come costs as well. */
static void make_forsaken(struct lg_exchange *x, enum basis basis)
{
	struct lg_row *row = &x->row;

	row->flags &= ~LG_ROW_CUT_SHORT;
	if (basis != BY_DELIVERY || row->cost_pusd >= x->held_pusd)
		return;
	charge_estimate(x);
	row->usage_state = LG_USAGE_ESTIMATED;
}

void lg_cost_fill(struct lg_exchange *x)
{
	enum basis basis = choose_basis(x);

	/* what a later answer tells is about another row */
	if (x->route.kind != LG_ROUTE_LATER)
		name_answer(x);
	if (x->local)
		charge_local(x);
	else if (basis == BY_NOTHING)
		charge_nothing(x);
	else if (basis == BY_ESTIMATE)
		charge_estimate(x);
	else
		charge_counts(x, basis);
	if (x->answer.from_gateway_cache && basis != BY_NOTHING)
		credit_gateway(&x->row);
	if (x->forsaken)
		make_forsaken(x, basis);
	if (x->region && x->row.cost_pusd > x->held_pusd)
		x->row.flags |= LG_ROW_OVERSHOOT;
}

int64_t lg_cost_running(struct lg_exchange *x, struct lg_usage *u,
			struct lg_price *p)
{
	struct lg_answer *a = &x->answer;
	struct lg_usage kept = a->usage;
	bool final = a->usage_final;
	struct lg_cost cost;
	int64_t pusd = 0;

	a->cache_1h = x->facts.cache_1h;
	x->d->finish(a);
	*u = a->usage;
	a->usage = kept;
	a->usage_final = final;
	count_delivery(x, u);
	name_answer(x);
	find_price(x, p);
	if (!lg_tariff_is_waived(x, p) && !a->from_gateway_cache) {
		enum lg_figure figure = lg_figure_of(x, u, p);

		lg_price_cost(p, u, &cost);
		if (figure != LG_FIGURE_BILL)
			pusd = cost.total_pusd;
		if (figure != LG_FIGURE_NONE)
			pusd = lg_money_add(pusd, u->provider_cost_pusd);
	}
	return x->parts ? lg_money_add(pusd, x->parts->cost.total_pusd) : pusd;
}

bool lg_cost_is_told(const struct lg_exchange *x)
{
	if (!x->answered || x->row.status != 200 || x->parts_lost ||
	    x->answer.pending)
		return false;
	if (x->d && x->d->lines)
		return x->complete && x->answer.requests &&
		       !(x->row.flags & UNREADABLE);
	return has_parts(x) ? x->complete || x->answer.done
			    : is_final(x) || x->answer.failed;
}

void lg_cost_late(struct lg_exchange *x)
{
	struct lg_row *row = &x->row;

	name_answer(x);
	if (!x->answer.failed && (has_parts(x) || is_final(x)))
		charge_counts(x, has_parts(x) ? BY_PARTS : BY_USAGE);
	else
		charge_nothing(x);
	row->flags &= ~LG_ROW_PENDING;
}
