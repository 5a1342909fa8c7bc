#include "guard/exhaust.h"

#include <string.h>

#include "base/clock.h"
#include "base/money.h"
#include "guard/admit.h"
#include "guard/control.h"
#include "guard/engine.h"
#include "guard/world.h"
#include "price/price.h"

/* As long as lg_admit counts a budget that is over. */
#define EXPIRY_GRACE_MS 2000

struct asking {
	const struct lg_exhaust_ask *ask;
	struct lg_windows wins;
	int64_t now_ms;
};

static void nothing(struct lg_exhaust *out)
{
	memset(out, 0, sizeof(*out));
	out->rule = -1;
	out->room_pusd = INT64_MAX;
}

static void paused(struct lg_exhaust *out)
{
	nothing(out);
	out->reason = "paused";
	out->room_pusd = INT64_MIN;
}

static int64_t part(int64_t pusd, uint32_t ppm)
{
	return pusd <= 0 ? 0 : (int64_t)((__int128)pusd * ppm / 1000000);
}

/* Of each: budgets only counters that are there: values come with calls. */
static int cell_of(struct asking *a, unsigned rule,
		   const struct lg_rule_hit *hit, const struct lg_window *win,
		   int64_t *limit)
{
	struct lg_world *w = a->ask->world;
	struct lg_region *r = lg_world_region(w);
	struct lg_cell_spec spec;
	int cell;

	if (!w->rules[rule].b->each)
		return lg_admit_cell(a->ask->engine, w, rule, hit, win, limit);
	lg_rule_spec(&w->rules[rule], hit, win, &spec);
	cell = hit->is_any ? lg_cell_fullest(r, &spec) : lg_cell_peek(r, &spec);
	if (cell >= 0)
		*limit = lg_cell_limit(r, cell, &spec);
	return cell;
}

static void tell(const struct lg_rule *r, const struct lg_rule_hit *hit,
		 const struct lg_window *win, bool shared,
		 struct lg_exhaust *out)
{
	struct lg_denial scope = {0};

	out->reason = "over_budget";
	lg_slice_copy(r->name, out->budget, sizeof(out->budget));
	out->period = lg_period_name((enum lg_period)r->b->period);
	out->id = hit->id;
	out->window = win->tag;
	if (win->end_ms != INT64_MAX)
		out->resets_at_ms = win->end_ms;
	lg_admit_name_scope(&scope, r, hit, shared);
	memcpy(out->scope, scope.scope, sizeof(out->scope));
}

/*
 * What is left on one counter, *out gets it when it is less than it has. A
 * value's counter that is not there has all of its limit, and of all values
 * the one with the least is meant: its holds count in full, others may have
 * more behind theirs.
 */
static void look(struct asking *a, unsigned rule, const struct lg_rule_hit *hit,
		 struct lg_exhaust *out)
{
	struct lg_world *w = a->ask->world;
	struct lg_region *region = lg_world_region(w);
	const struct lg_rule *r = &w->rules[rule];
	const struct lg_window *win = lg_windows_get(
		&a->wins, w, (enum lg_period)r->b->period, a->now_ms);
	int64_t limit = r->b->limit_pusd, own = a->ask->own_pusd;
	uint32_t ppm = hit->is_any ? 1000000 : a->ask->held_ppm;
	int64_t spent, others, room;
	struct lg_cell_view v = {0};
	int cell = cell_of(a, rule, hit, win, &limit);

	if (cell < 0 && !r->b->each)
		return;
	if (cell >= 0 &&
	    (lg_cell_view(region, (unsigned)cell, &v) || v.window != win->tag))
		return;
	if (a->ask->row->ts_ms < win->start_ms)
		own = 0; /* a call of the last window */
	others = cell < 0 ? 0 : lg_money_sub(v.held_pusd, own);
	spent = lg_money_sub(v.used_pusd, v.held_pusd);
	room = lg_money_sub(limit, lg_money_add(spent, own));
	room = lg_money_sub(room, part(others, ppm));
	if (out->reason && room >= out->room_pusd)
		return;
	nothing(out);
	out->rule = (int)rule;
	out->spent_pusd = spent;
	out->held_pusd = others > 0 ? others : 0;
	out->limit_pusd = limit;
	out->room_pusd = room;
	tell(r, hit, win, cell >= 0 && lg_cell_is_shared(region, cell, hit->id),
	     out);
}

static bool is_in_force(const struct asking *a, const struct lg_rule *r)
{
	return lg_rule_refuses(r) &&
	       (!r->b->until_ms ||
		a->now_ms < r->b->until_ms + EXPIRY_GRACE_MS);
}

static struct lg_slice canonical_of(const struct lg_exhaust_ask *ask,
				    struct lg_price *p)
{
	const struct lg_row *row = ask->row;
	struct lg_price_query q = {
		.provider = lg_slice_str(row->provider),
		.ceiling_provider = lg_slice_str(row->provider),
		.host = lg_slice_str(row->host),
		.model = lg_slice_str(lg_row_asked(row)),
		.at_ms = row->ts_ms,
	};

	lg_price_lookup(&ask->world->catalog, &q, p);
	return p->entry ? lg_img_text(p->img, p->entry->model)
			: (struct lg_slice){NULL, 0};
}

static bool is_off(const struct lg_exhaust_ask *ask)
{
	return ask->world->set.disabled || lg_engine_is_off(ask->engine);
}

bool lg_exhaust_call(const struct lg_exhaust_ask *ask, struct lg_exhaust *out)
{
	struct asking a = {.ask = ask, .now_ms = lg_clock_real_ms()};
	struct lg_world *w = ask->world;
	struct lg_rule_hit hit;
	struct lg_price price;
	struct lg_slice canonical;

	nothing(out);
	if (is_off(ask))
		return false;
	canonical = canonical_of(ask, &price);
	if (lg_control_is_paused(&w->control, ask->row, canonical)) {
		paused(out);
		return true;
	}
	if (ask->own_pusd <= 0 || !lg_world_region(w))
		return false;
	for (unsigned i = 0; i < w->nrules; i++) {
		const struct lg_rule *r = &w->rules[i];

		for (unsigned k = 0;
		     is_in_force(&a, r) &&
		     lg_rule_match(r, ask->row, canonical, k, &hit);
		     k++) {
			look(&a, i, &hit, out);
			if (!r->b->each)
				break;
		}
	}
	return out->room_pusd < 0;
}

static enum lg_foresight pauses(const struct lg_controls *c,
				const struct lg_row *who)
{
	enum lg_foresight most = c->paused ? LG_FORESEE_YES : LG_FORESEE_NO;
	struct lg_rule_hit hit;

	for (unsigned i = 0; i < c->nrules; i++) {
		enum lg_foresight f = lg_rule_foresee(&c->rules[i], who, &hit);

		most = f > most ? f : most;
	}
	return most;
}

enum lg_foresight lg_exhaust_process(const struct lg_exhaust_ask *ask,
				     struct lg_exhaust *out)
{
	struct asking a = {.ask = ask, .now_ms = lg_clock_real_ms()};
	struct lg_world *w = ask->world;
	struct lg_exhaust perhaps;
	enum lg_foresight paused_is;
	struct lg_rule_hit hit;

	nothing(out);
	nothing(&perhaps);
	if (is_off(ask))
		return LG_FORESEE_NO;
	paused_is = pauses(&w->control, ask->row);
	if (paused_is != LG_FORESEE_NO) {
		paused(out);
		return paused_is;
	}
	for (unsigned i = 0; lg_world_region(w) && i < w->nrules; i++) {
		enum lg_foresight f = LG_FORESEE_NO;

		if (is_in_force(&a, &w->rules[i]))
			f = lg_rule_foresee(&w->rules[i], ask->row, &hit);
		if (f != LG_FORESEE_NO)
			look(&a, i, &hit, f == LG_FORESEE_YES ? out : &perhaps);
	}
	if (out->room_pusd <= 0)
		return LG_FORESEE_YES;
	if (perhaps.room_pusd <= 0) {
		*out = perhaps;
		return LG_FORESEE_PERHAPS;
	}
	if (perhaps.room_pusd < out->room_pusd)
		*out = perhaps;
	return LG_FORESEE_NO;
}
