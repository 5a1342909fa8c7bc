#include "view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/money.h"
#include "budget/hold.h"
#include "budget/window.h"
#include "guard/engine.h"
#include "guard/rule.h"
#include "guard/world.h"
#include "ledger/row.h"

/* As many budgets of past runs are shown without being asked for. */
#define RUNS_SHOWN 5

static const char *const states[] = {"ok", "warn", "exceeded"};
static const char *const sources[] = {"config", "live", "env"};

const char *view_state_name(enum view_state s)
{
	return states[s];
}

static const struct lg_rule *rule_of(const struct lg_world *w,
				     const struct lg_cell_view *c)
{
	unsigned i;

	for (i = 0; i < w->nrules; i++) {
		const struct lg_rule *r = &w->rules[i];

		if (lg_slice_eq(r->name, lg_slice_str(c->name)) &&
		    r->b->period == c->period &&
		    !strncmp(r->scope.p, c->scope, sizeof(c->scope) - 1))
			return r;
	}
	return NULL;
}

/* The region keeps the names of 256 budgets; the config knows the others. */
static void name_it(const struct lg_world *w, struct lg_cell_view *c)
{
	for (unsigned i = 0; !c->name[0] && i < w->nrules; i++) {
		const struct lg_rule *r = &w->rules[i];

		if (r->id.a != c->id.a || r->id.b != c->id.b)
			continue;
		lg_slice_copy(r->name, c->name, sizeof(c->name));
		lg_slice_copy(r->scope, c->scope, sizeof(c->scope));
	}
}

static int64_t ratio_ppm(int64_t spent, int64_t limit)
{
	__int128 ppm;

	if (limit <= 0)
		return -1;
	ppm = (__int128)(spent > 0 ? spent : 0) * 1000000 / limit;
	return ppm > INT64_C(9000000000000) ? INT64_C(9000000000000)
					    : (int64_t)ppm;
}

static enum view_state state_of(const struct view *v, const struct lg_rule *r)
{
	uint32_t first = r && r->b->warns ? r->b->warn_ppm[0] : 750000;

	if (v->ratio_ppm < 0 || v->ratio_ppm >= 1000000 || v->cell.refusing)
		return VIEW_EXCEEDED;
	return v->ratio_ppm >= first ? VIEW_WARN : VIEW_OK;
}

/* What this call could cost beyond its hold; the rest of one is no call. */
static int64_t beyond_hold(const struct lg_row *row, int64_t held)
{
	if (row->kind != LG_ROW_CALL || row->worst_pusd <= held)
		return 0;
	return row->worst_pusd == INT64_MAX ? INT64_MAX
					    : row->worst_pusd - held;
}

/*
 * Strict: none. Adaptive: what the calls that are under way now could cost
 * beyond what they hold. A budget that does not block has no bound.
 */
static int64_t overshoot(struct lg_region *r, unsigned cell,
			 const struct lg_cell_view *c)
{
	_Alignas(16) char draft[LG_DRAFT_MAX];
	const struct lg_row *row = (const void *)draft;
	struct lg_hold_view h;
	int64_t sum = 0;
	unsigned i, k;

	if (!c->hard)
		return INT64_MIN;
	if (c->strict || !c->held_pusd)
		return 0;
	for (i = 0; i < lg_hold_slots(r); i++) {
		if (lg_hold_view(r, i, &h, draft) || h.staged || h.settling)
			continue;
		for (k = 0; k < h.ncells; k++)
			if (h.cell[k] == (int)cell && h.amount_pusd[k])
				break;
		if (k == h.ncells)
			continue;
		if (!lg_row_is_sound(draft, h.draft_len))
			return INT64_MIN;
		sum = lg_money_add(sum, beyond_hold(row, h.amount_pusd[k]));
	}
	return sum == INT64_MAX ? INT64_MIN : sum;
}

/*
 * The zone or the first day of the week is part of a counter's identity: what
 * was counted before it changed goes on nowhere.
 */
static bool is_of_another_zone(const struct lg_world *w,
			       const struct lg_cell_view *c,
			       const struct lg_rule *r)
{
	struct lg_window now;

	if (c->period == LG_PERIOD_RUN)
		return false;
	if (!c->each)
		return c->id.a != r->id.a || c->id.b != r->id.b;
	if (!w->zone || c->period == LG_PERIOD_TOTAL)
		return false;
	lg_window_at(c->period, w->zone, w->set.week_start, lg_clock_real_ms(),
		     &now);
	return c->window_start_ms != now.start_ms;
}

/* Budgets of our config that are gone from it stay in the region a while. */
static bool is_gone(const struct lg_world *w, const struct lg_cell_view *c,
		    const struct lg_rule *r)
{
	unsigned i;

	if (r && c->config_id == r->b->config_id)
		return is_of_another_zone(w, c, r);
	if (r || c->period == LG_PERIOD_RUN)
		return false;
	for (i = 0; i < w->nrules; i++)
		if (w->rules[i].b->config_id == c->config_id)
			return true;
	return !w->nrules && c->config_id;
}

/*
 * The cell learns of a change with the next call; status shows what will be
 * in force then: from one config the newer, of two configs the lower limit.
 */
static void apply_rule(struct view *v, const struct lg_rule *r)
{
	struct lg_cell_view *c = &v->cell;
	bool same = c->config_id == r->b->config_id;

	c->hard = r->b->hard;
	c->strict = r->b->mode == LG_MODE_STRICT;
	if (same ? r->b->since_ms >= c->since_ms
		 : r->b->limit_pusd < c->limit_pusd)
		c->limit_pusd = r->b->limit_pusd;
	v->raised_pusd = r->b->raised_pusd;
	v->raised_until_ms = r->b->raised_until_ms;
	if (!same && r->b->limit_pusd > c->limit_pusd)
		v->note = "another config names it too; the lower limit rules";
	else if (c->each && !strcmp(c->value, "*other*"))
		v->note = "values beyond max_keys share this counter";
}

static void fill(struct view *v, struct lg_region *reg, unsigned cell,
		 const struct lg_world *w)
{
	const struct lg_rule *r = rule_of(w, &v->cell);

	v->source = r ? sources[r->b->source % 3]
		    : v->cell.period == LG_PERIOD_RUN || !v->cell.config_id
			    ? "env"
			    : "other";
	if (r)
		apply_rule(v, r);
	v->spent_pusd = lg_money_sub(v->cell.used_pusd, v->cell.held_pusd);
	v->remaining_pusd = lg_money_sub(v->cell.limit_pusd, v->cell.used_pusd);
	if (v->remaining_pusd < 0)
		v->remaining_pusd = 0;
	v->ratio_ppm = ratio_ppm(v->spent_pusd, v->cell.limit_pusd);
	v->state = state_of(v, r);
	v->overshoot_pusd = overshoot(reg, cell, &v->cell);
}

static int by_name(const void *a, const void *b)
{
	const struct view *x = a, *y = b;
	int d = strcmp(x->cell.name, y->cell.name);

	if (!d)
		d = strcmp(x->cell.scope, y->cell.scope);
	return d ? d : strcmp(x->cell.value, y->cell.value);
}

static bool is_past(const struct lg_cell_view *c, int64_t now)
{
	return c->window_end_ms != INT64_MAX && c->window_end_ms <= now;
}

/* The run of this shell, and runs that spend or refuse right now, first. */
static bool is_quiet_run(const struct lg_cell_view *c, const char *run_id)
{
	return c->period == LG_PERIOD_RUN && !c->held_pusd &&
	       (!run_id || strcmp(c->value, run_id));
}

/* Quiet runs that were used before this are past ones. */
static uint32_t shown_since(struct lg_region *r, const char *run_id)
{
	uint32_t latest[RUNS_SHOWN] = {0};
	struct lg_cell_view c;
	unsigned i, k;

	for (i = 0; i < lg_cell_count(r); i++) {
		if (lg_cell_view(r, i, &c) || !is_quiet_run(&c, run_id))
			continue;
		for (k = RUNS_SHOWN; k && latest[k - 1] < c.touched_s; k--)
			if (k < RUNS_SHOWN)
				latest[k] = latest[k - 1];
		if (k < RUNS_SHOWN)
			latest[k] = c.touched_s;
	}
	return latest[RUNS_SHOWN - 1];
}

int views_read(struct lg_engine *e, bool all, struct views *out)
{
	struct lg_region *r = lg_engine_region(e);
	const char *run_id = lg_engine_env(e)->run_id;
	int64_t now = lg_clock_real_ms();
	uint32_t since = r && !all ? shown_since(r, run_id) : 0;
	unsigned i, n, quiet = 0;
	struct lg_world *w;

	memset(out, 0, sizeof(*out));
	if (!r)
		return -ENOENT;
	n = lg_cell_count(r);
	out->v = calloc(n ? n : 1, sizeof(*out->v));
	if (!out->v)
		return -ENOMEM;
	w = lg_engine_pin(e);
	for (i = 0; i < n; i++) {
		struct view *v = &out->v[out->n];

		memset(v, 0, sizeof(*v));
		if (lg_cell_view(r, i, &v->cell) || is_past(&v->cell, now))
			continue;
		name_it(w, &v->cell);
		if (is_gone(w, &v->cell, rule_of(w, &v->cell)))
			continue;
		if (!all && is_quiet_run(&v->cell, run_id) &&
		    (v->cell.touched_s < since || ++quiet > RUNS_SHOWN)) {
			out->hidden++;
			continue;
		}
		fill(v, r, i, w);
		out->exceeded |= v->cell.hard && v->state == VIEW_EXCEEDED;
		out->n++;
	}
	lg_engine_unpin(e, w);
	qsort(out->v, out->n, sizeof(*out->v), by_name);
	return 0;
}

void views_fini(struct views *vs)
{
	free(vs->v);
	vs->v = NULL;
	vs->n = 0;
}

void view_json_members(struct json *j, const struct view *v)
{
	const struct lg_cell_view *c = &v->cell;

	json_text(j, "name", c->name);
	json_text(j, "scope", c->scope);
	if (c->value[0])
		json_text(j, "value", c->value);
	json_text(j, "period", lg_period_name(c->period));
	json_time(j, "window_start", c->window_start_ms);
	json_time(j, "window_end", c->window_end_ms);
	json_usd(j, "limit_usd", c->limit_pusd);
	json_usd(j, "spent_usd", v->spent_pusd);
	json_usd(j, "held_usd", c->held_pusd);
	json_usd(j, "remaining_usd", v->remaining_pusd);
	json_ppm(j, "ratio", v->ratio_ppm);
	json_text(j, "state", states[v->state]);
	json_bool(j, "hard", c->hard);
	json_text(j, "mode", c->strict ? "strict" : "adaptive");
	json_bool(j, "each", c->each);
	json_u64(j, "calls", c->calls);
	json_u64(j, "blocked", c->blocked);
	json_usd(j, "overshoot_bound_usd", v->overshoot_pusd);
	json_text(j, "source", v->source);
	if (v->raised_pusd) {
		json_usd(j, "raised_usd", v->raised_pusd);
		json_time(j, "raised_until", v->raised_until_ms);
	}
	json_bool(j, "refusing", c->refusing);
	if (v->note)
		json_text(j, "note", v->note);
}

void view_json(struct json *j, const struct view *v)
{
	json_open(j, NULL, '{');
	view_json_members(j, v);
	json_close(j, '}');
}
