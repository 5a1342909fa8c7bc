#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/money.h"
#include "budget/region.h"
#include "budget/swap.h"
#include "guard/engine.h"
#include "guard/rule.h"
#include "guard/windows.h"
#include "guard/world.h"
#include "run.h"
#include "spend.h"
#include "tool.h"

/* So many looks in a row see a refusal whose row is nowhere. */
#define LOOKS_WITHOUT_ROW 3

static void add_refusal(struct run_watch *w, enum run_phase p, int64_t want)
{
	const unsigned at[] = {p, RUN_PHASES};
	unsigned i;

	if (want < 1)
		want = 1;
	for (i = 0; i < 2; i++) {
		int64_t sum = lg_money_add(w->cost[at[i]], want);

		if (sum > w->peak[at[i]])
			w->peak[at[i]] = sum;
		if (want > w->wanted[at[i]])
			w->wanted[at[i]] = want;
	}
}

static int count(void *ctx, const struct lg_row *row,
		 const struct lg_ledger_pos *after)
{
	struct run *r = ctx;
	struct run_watch *w = &r->watch;
	enum run_phase p = strcmp(row->phase, "train") ? RUN_INFER : RUN_TRAIN;

	(void)after;
	if (row->kind == LG_ROW_AUDIT || strcmp(row->run_id, r->id) ||
	    ((r->nested || r->resumed) && row->ts_ms < r->started_ms))
		return 0;
	w->cost[p] = lg_money_add(w->cost[p], row->cost_pusd);
	w->cost[RUN_PHASES] = lg_money_add(w->cost[RUN_PHASES], row->cost_pusd);
	if (row->kind != LG_ROW_CALL)
		return 0;
	w->calls++;
	w->cut += row->verdict == LG_VERDICT_CUT;
	if (!spend_is_refusal(row))
		return 0;
	w->refused++;
	if (!strcmp(row->reason, "over_budget"))
		add_refusal(w, p, row->estimate_pusd);
	return 0;
}

static void forget(int64_t of[RUN_PHASES + 1])
{
	unsigned i;

	for (i = 0; i <= RUN_PHASES; i++)
		of[i] = -1;
}

/* The rows since the last look. */
static void read_rows(struct run *r)
{
	const char *dir = lg_engine_ledger(r->e)->dir;
	struct run_watch *w = &r->watch;

	memset(w->cost, 0, sizeof(w->cost));
	forget(w->peak);
	if (lg_ledger_walk(dir, &w->pos, r->started_ms, count, r, NULL) !=
	    -ESTALE)
		return;
	w->pos = (struct lg_ledger_pos){.offset = 0};
	w->calls = w->refused = w->cut = 0;
	memset(w->cost, 0, sizeof(w->cost));
	lg_ledger_walk(dir, &w->pos, r->started_ms, count, r, NULL);
}

void run_watch_begin(struct run *r)
{
	r->watch = (struct run_watch){.pos = r->pos};
	forget(r->watch.wanted);
}

static bool is_ours(const struct lg_rule *rule)
{
	return rule->b->source == LG_SOURCE_ENV &&
	       (rule->b->period == LG_PERIOD_RUN ||
		lg_slice_eq(rule->name, LG_SLICE("experiment")));
}

static void take_cell(struct run *r, const struct lg_rule *rule,
		      const struct lg_cell_view *v)
{
	struct run_cell *c;

	if (r->watch.ncells == RUN_CELLS_MAX)
		return;
	c = &r->watch.cell[r->watch.ncells++];
	*c = (struct run_cell){
		.limit_pusd = rule->b->limit_pusd,
		.spent_pusd = lg_money_sub(v->used_pusd, v->held_pusd),
		.held_pusd = v->held_pusd,
		.blocked = v->blocked,
		.hard = rule->b->hard,
		.refusing = v->refusing,
	};
	/* of two runs of one experiment the limit in force counts */
	if (rule->b->period != LG_PERIOD_RUN)
		c->limit_pusd = v->limit_pusd;
	lg_slice_copy(rule->name, c->name, sizeof(c->name));
	lg_slice_copy(rule->scope, c->scope, sizeof(c->scope));
}

void run_watch_cells(struct run *r)
{
	struct lg_windows wins = {0};
	struct lg_world *w = lg_engine_pin(r->e);
	struct lg_region *reg = w->region ? w->region->r : NULL;
	struct lg_rule_hit hit;
	struct lg_cell_view view;
	unsigned i;
	int cell;

	r->watch.ncells = 0;
	for (i = 0; i < w->nrules; i++) {
		const struct lg_rule *rule = &w->rules[i];
		const struct lg_window *win;

		if (!is_ours(rule))
			continue;
		memset(&view, 0, sizeof(view));
		view.limit_pusd = rule->b->limit_pusd;
		win = lg_windows_get(&wins, w, (enum lg_period)rule->b->period,
				     lg_clock_real_ms());
		lg_rule_hit_any(rule, lg_slice_str(r->id), &hit);
		cell = reg ? lg_cell_known(reg, hit.id, win->tag) : -1;
		if (cell >= 0)
			lg_cell_view(reg, lg_cell_index((uint32_t)cell), &view);
		take_cell(r, rule, &view);
	}
	lg_engine_unpin(r->e, w);
}

static bool is_warning(const struct run_cell *c)
{
	return lg_slice_iends(lg_slice_str(c->name), LG_SLICE("-warn"));
}

static unsigned calls_of(const struct run_cell *c)
{
	if (!strcmp(c->scope, "phase:train"))
		return RUN_TRAIN;
	return strcmp(c->scope, "phase:infer") ? RUN_PHASES : RUN_INFER;
}

/*
 * A refusal that only other calls' holds caused is no breach: the call must
 * not fit beside what was spent, then or for as long as it is refused.
 */
static bool is_breached(struct run_watch *w, const struct run_cell *c)
{
	unsigned of = calls_of(c);
	int64_t then = lg_money_sub(c->spent_pusd, w->cost[of]);

	if (is_warning(c))
		return false;
	if (c->spent_pusd > c->limit_pusd)
		return true;
	if (!c->hard)
		return false;
	if (w->peak[of] >= 0 && lg_money_add(then, w->peak[of]) > c->limit_pusd)
		return true;
	if (c->refusing && w->wanted[of] >= 0 &&
	    lg_money_add(c->spent_pusd, w->wanted[of]) > c->limit_pusd)
		return true;
	return c->refusing && !w->refused && !c->held_pusd &&
	       strcmp(c->name, "experiment") && w->quiet >= LOOKS_WITHOUT_ROW;
}

/* Another call has been let go since: the refusal is history. */
static void forget_history(struct run_watch *w)
{
	unsigned i;

	for (i = 0; i < w->ncells; i++)
		if (w->cell[i].refusing)
			return;
	forget(w->wanted);
}

static bool has_quiet_refusal(const struct run_watch *w)
{
	unsigned i;

	for (i = 0; i < w->ncells; i++)
		if (w->cell[i].refusing &&
		    strcmp(w->cell[i].name, "experiment"))
			return !w->refused;
	return false;
}

static void warn(struct run *r)
{
	struct run_watch *w = &r->watch;
	unsigned i;

	for (i = 0; i < w->ncells; i++) {
		const struct run_cell *c = &w->cell[i];
		uint32_t bit = 1u << calls_of(c);
		static const char *const of[] = {"inference", "training",
						 "this run"};

		if (!is_warning(c) || w->warned & bit ||
		    c->spent_pusd < c->limit_pusd)
			continue;
		w->warned |= bit;
		tool_warn("warning: %s has spent %s, beyond %s (%s)",
			  of[calls_of(c)], tool_usd(c->spent_pusd),
			  tool_usd(c->limit_pusd), c->name);
	}
}

static void describe(struct run *r, const struct run_cell *c)
{
	bool shared = !strcmp(c->name, "experiment") && r->experiment[0];

	snprintf(r->breach, sizeof(r->breach),
		 "budget %s%s%s: %s of %s spent%s", c->name,
		 shared ? " of " : "", shared ? r->experiment : "",
		 tool_usd(c->spent_pusd), tool_usd(c->limit_pusd),
		 c->spent_pusd > c->limit_pusd ? ""
					       : ", the next call did not fit");
}

bool run_watch_look(struct run *r)
{
	struct run_watch *w = &r->watch;
	unsigned i;

	lg_engine_refresh(r->e);
	read_rows(r);
	run_watch_cells(r);
	w->quiet = has_quiet_refusal(w) ? w->quiet + 1 : 0;
	warn(r);
	for (i = 0; i < w->ncells && !r->breached; i++) {
		if (!is_breached(w, &w->cell[i]))
			continue;
		r->breached = true;
		describe(r, &w->cell[i]);
	}
	forget_history(w);
	return r->breached;
}
