#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "books.h"
#include "budget/layout.h"
#include "guard/engine.h"
#include "guard/tariff.h"
#include "price/price.h"
#include "replay.h"

/* What the catalog says of one name. */
struct known {
	char canonical[128];
	bool asked, is_known;
};

/* Room for one more; NULL: out of memory, and *cap as it was. */
static void *grow(void *p, size_t *cap, size_t n, size_t size)
{
	size_t want = *cap ? *cap * 2 : 1024;

	if (n < *cap)
		return p;
	p = realloc(p, want * size);
	if (p)
		*cap = want;
	return p;
}

/* The text itself, kept; NULL: out of memory. */
static const char *keep(struct replay *r, const char *text)
{
	const char *key = NULL;
	size_t *at = strmap_get(&r->texts, text);

	if (!at) {
		at = strmap_put(&r->texts, text);
		if (!at)
			return NULL;
		*at = r->texts.n - 1;
	}
	strmap_nth(&r->texts, *at, &key);
	return key;
}

static void look_up(const struct replay *r, const struct lg_row *row,
		    const char *model, struct lg_price *out)
{
	struct lg_price_query q = {
		.provider = lg_slice_str(row->provider),
		.ceiling_provider = lg_slice_str(row->provider),
		.host = lg_slice_str(row->host),
		.model = lg_slice_str(model),
		.tier = lg_slice_str(row->tier),
		.geo = lg_slice_str(row->geo),
		.variant = lg_slice_str(row->variant),
		.version = r->w->price_version,
		.at_ms = row->ts_ms,
	};

	lg_price_lookup(&r->w->catalog, &q, out);
}

/* As the guard names the model of a row when it counts a budget anew. */
static const struct known *known_of(struct replay *r, const struct lg_row *row,
				    const char *model)
{
	struct lg_price price;
	struct known *k;
	char key[384];

	snprintf(key, sizeof(key), "%s\t%s\t%s", row->provider, row->host,
		 model);
	k = strmap_put(&r->models, key);
	if (!k || k->asked)
		return k;
	k->asked = true;
	look_up(r, row, model, &price);
	k->is_known = lg_tariff_is_known(&price);
	if (price.entry)
		lg_slice_copy(lg_img_text(price.img, price.entry->model),
			      k->canonical, sizeof(k->canonical));
	return k;
}

/* -- which counters ---------------------------------------------------------
 */

static int add_charge(struct replay *r, unsigned rule,
		      const struct lg_rule_hit *hit, int64_t ts_ms)
{
	const struct lg_window *win = lg_windows_get(
		&r->wins, r->w, (enum lg_period)r->w->rules[rule].b->period,
		ts_ms);

	struct replay_charge *room =
		grow(r->charges, &r->charges_cap, r->ncharges, sizeof(*room));

	if (!room)
		return -ENOMEM;
	r->charges = room;
	r->charges[r->ncharges++] = (struct replay_charge){
		.id = hit->id,
		.start_ms = win->start_ms,
		.window = win->tag,
		.rule = (uint16_t)rule,
	};
	return 0;
}

static int match(struct replay *r, const struct lg_row *row,
		 struct lg_slice canonical, struct replay_plan *plan)
{
	struct lg_rule_hit hit;
	int err = 0;

	plan->charge = (uint32_t)r->ncharges;
	for (unsigned i = 0; !err && i < r->w->nrules; i++) {
		const struct lg_rule *rule = &r->w->rules[i];

		for (unsigned k = 0;
		     !err && lg_rule_match(rule, row, canonical, k, &hit);
		     k++) {
			if (r->ncharges - plan->charge < LG_HOLD_CELLS_MAX)
				err = add_charge(r, i, &hit, row->ts_ms);
			if (!rule->b->each)
				break;
		}
	}
	plan->ncharges = (uint32_t)(r->ncharges - plan->charge);
	return err;
}

/* -- other models -----------------------------------------------------------
 */

static int64_t scale(int64_t v, int64_t by, int64_t of)
{
	__int128 x = (__int128)v * by;

	if (of <= 0)
		return by;
	x /= of;
	return x > INT64_MAX ? INT64_MAX : (int64_t)x;
}

static bool has_alt(const struct replay *r, const struct replay_call *c,
		    struct lg_slice model)
{
	for (uint32_t i = 0; i < c->nalts; i++)
		if (lg_slice_eq(model, lg_slice_str(r->alts[c->alt + i].model)))
			return true;
	return false;
}

/* The same usage under another model's price; without one there is no way. */
static int add_alt(struct replay *r, struct replay_call *c,
		   const struct lg_row *row, struct lg_slice model)
{
	struct replay_plan plan = {0};
	struct lg_price price;
	struct lg_cost cost;
	struct lg_usage usage;
	struct lg_row as = *row;
	struct lg_slice canonical = {"", 0};
	struct replay_plan *room;

	if (has_alt(r, c, model) || !lg_row_usage(row, &usage))
		return 0;
	lg_slice_copy(model, as.model, sizeof(as.model));
	as.flags |= LG_ROW_FALLBACK;
	look_up(r, &as, as.model, &price);
	if (!lg_tariff_is_known(&price))
		return 0;
	lg_price_cost(&price, &usage, &cost);
	plan.cost_pusd = cost.total_pusd;
	plan.input_pusd = cost.input_pusd;
	plan.estimate_pusd = scale(c->plan.estimate_pusd, cost.total_pusd,
				   c->plan.cost_pusd);
	plan.model = keep(r, as.model);
	if (price.entry)
		canonical = lg_img_text(price.img, price.entry->model);
	room = grow(r->alts, &r->alts_cap, r->nalts, sizeof(*room));
	if (!room)
		return -ENOMEM;
	r->alts = room;
	if (!plan.model || match(r, &as, canonical, &plan))
		return -ENOMEM;
	r->alts[r->nalts++] = plan;
	c->nalts++;
	return 0;
}

static int add_alts_of(struct replay *r, struct replay_call *c,
		       const struct lg_row *row, const struct lg_rule *rule,
		       struct lg_img_span chain)
{
	const struct lg_img_action *a =
		LG_IMG_ARRAY(rule->img, chain, struct lg_img_action);
	int err = 0;

	for (uint32_t i = 0; !err && i < chain.n; i++)
		if (a[i].kind == LG_ACTION_FALLBACK)
			err = add_alt(r, c, row,
				      lg_img_text(rule->img, a[i].arg));
	return err;
}

static int add_alts(struct replay *r, struct replay_call *c,
		    const struct lg_row *row)
{
	uint32_t end = c->plan.charge + c->plan.ncharges;
	int err = 0;

	c->alt = (uint32_t)r->nalts;
	for (uint32_t i = c->plan.charge; !err && i < end; i++) {
		const struct lg_rule *rule = &r->w->rules[r->charges[i].rule];

		err = add_alts_of(r, c, row, rule, rule->b->on_soft);
		if (!err)
			err = add_alts_of(r, c, row, rule, rule->b->on_hard);
	}
	return err;
}

/* -- rows -------------------------------------------------------------------
 */

static bool was_refused(const struct lg_row *row)
{
	return row->kind == LG_ROW_CALL && !row->cost_pusd &&
	       (row->verdict == LG_VERDICT_BLOCK ||
		(row->verdict == LG_VERDICT_THROTTLE && !row->status));
}

static int fill(struct replay *r, struct replay_call *c,
		const struct lg_row *row)
{
	const char *asked = lg_row_asked(row);
	const struct known *k = NULL;
	struct lg_slice canonical = {"", 0};

	memcpy(c->id, row->id, sizeof(c->id));
	c->rule = -1;
	c->was = row->verdict;
	c->is_adjust = row->kind == LG_ROW_ADJUST;
	c->released = was_refused(row);
	c->unseen = row->ts_ms < r->since_ms;
	c->exempt = c->unseen || c->is_adjust ||
		    row->flags & LG_ROW_IGNORED_BUDGET || r->w->set.disabled;
	c->ts_ms = row->ts_ms;
	c->end_ms = row->end_ms > row->ts_ms ? row->end_ms : row->ts_ms;
	c->plan.cost_pusd = row->cost_pusd;
	c->plan.input_pusd = row->input_cost_pusd;
	c->plan.estimate_pusd = row->estimate_pusd;
	if (c->released)
		c->plan.cost_pusd = row->estimate_pusd;
	if (c->plan.estimate_pusd <= 0)
		c->plan.estimate_pusd = c->plan.cost_pusd;
	c->plan.model = keep(r, asked);
	c->comm = keep(r, row->comm);
	c->user = keep(r, row->user);
	if (!c->plan.model || !c->comm || !c->user)
		return -ENOMEM;
	if (*asked &&
	    (r->by_model || r->w->set.unknown_model == LG_UNKNOWN_BLOCK)) {
		k = known_of(r, row, asked);
		if (!k)
			return -ENOMEM;
		canonical = lg_slice_str(k->canonical);
		c->unknown = !k->is_known && c->plan.estimate_pusd > 0;
	}
	return match(r, row, canonical, &c->plan);
}

static int add_row(struct replay *r, const struct lg_row *row)
{
	struct replay_call *c;
	int err;

	c = grow(r->calls, &r->calls_cap, r->ncalls, sizeof(*c));
	if (!c)
		return -ENOMEM;
	r->calls = c;
	c = &r->calls[r->ncalls];
	memset(c, 0, sizeof(*c));
	err = fill(r, c, row);
	if (!err && !c->exempt)
		err = add_alts(r, c, row);
	r->ncalls += !err;
	return err;
}

struct reading {
	struct replay *r;
	struct books books;
};

static int take_row(void *ctx, const struct lg_row *row,
		    const struct lg_ledger_pos *after)
{
	struct reading *in = ctx;
	struct lg_row now;

	(void)after;
	/* what a call was corrected by is in its cost; the rest is no call's */
	if (row->kind == LG_ROW_AUDIT ||
	    (row->kind == LG_ROW_ADJUST &&
	     strlen(row->ref) == sizeof(row->ref) - 1))
		return 0;
	now = *row;
	if (row->kind == LG_ROW_CALL)
		books_current(&in->books, &now);
	return add_row(in->r, &now);
}

static bool asks_model(const struct lg_rule *rule)
{
	for (unsigned i = 0; i < rule->nterms; i++)
		if (rule->terms[i].key == LG_SCOPE_MODEL)
			return true;
	return false;
}

int replay_load(struct replay *r)
{
	struct reading in = {.r = r};
	struct lg_ledger_pos pos = {0};
	int err;

	strmap_init(&r->texts, sizeof(size_t));
	strmap_init(&r->models, sizeof(struct known));
	for (unsigned i = 0; i < r->w->nrules; i++)
		r->by_model |= asks_model(&r->w->rules[i]);
	err = books_open(&in.books, r->e);
	if (err)
		return err;
	err = lg_ledger_walk(lg_engine_ledger(r->e)->dir, &pos, INT64_MIN,
			     take_row, &in, &r->stats);
	books_close(&in.books);
	return err;
}

void replay_fini(struct replay *r)
{
	strmap_fini(&r->texts);
	strmap_fini(&r->models);
	free(r->calls);
	free(r->alts);
	free(r->charges);
	free(r->budgets);
}
