#include "guard/admit.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/money.h"
#include "guard/alert.h"
#include "guard/engine.h"
#include "guard/recover.h"
#include "guard/tariff.h"

#define WAIT_STEP_NS 1000000
/* Until then a world without the expired budget is there: no gap. */
#define EXPIRY_GRACE_MS 2000

struct admission {
	struct lg_exchange *x;
	struct lg_windows *wins;
	bool never;  /* refuse nothing */
	bool strict; /* a hard strict budget counts it */
	int strict_rule;
	bool incomplete; /* a cell could not be had */
	bool crowded;	 /* more counters than one hold can charge */
	int excess;	 /* a hard budget among those, or -1 */
	int busy_rule;	 /* one that another process is seeding, or -1 */
	struct lg_charge charge[LG_HOLD_CELLS_MAX];
};

static void deny(struct admission *a, const char *reason, int rule)
{
	struct lg_exchange *x = a->x;

	if (a->never)
		return;
	if (!x->denial)
		memset(&x->refused, 0, sizeof(x->refused));
	x->denial = &x->refused;
	x->denial->cell = -1;
	x->denial->reason = reason;
	x->denial->rule = rule;
	if (rule >= 0)
		x->denial->limit_pusd = x->world->rules[rule].b->limit_pusd;
}

/* Does a full budget refuse, or only warn? */
static bool refuses(const struct lg_exchange *x, unsigned rule)
{
	if (!lg_rule_refuses(&x->world->rules[rule]))
		return false;
	for (unsigned i = 0; i < x->nwaived; i++)
		if (x->waived[i] == rule)
			return false;
	return true;
}

int lg_admit_cell(struct lg_engine *e, struct lg_world *w, unsigned rule,
		  const struct lg_rule_hit *hit, const struct lg_window *win,
		  int64_t *limit)
{
	struct lg_region *r = lg_world_region(w);
	struct lg_cell_spec spec;
	bool fresh = false;
	int64_t spent;
	int cell, err;

	lg_rule_spec(&w->rules[rule], hit, win, &spec);
	cell = lg_cell_find(r, &spec, &fresh);
	if (cell < 0)
		return cell;
	if (fresh) {
		err = lg_recover_spent(e, w, cell, hit, win, &spent);
		if (err) {
			lg_cell_seed_drop(r, cell);
			return err;
		}
		lg_cell_seed(r, cell, win->tag, spent);
	}
	if (!lg_cell_is_seeded(r, cell))
		return -EBUSY;
	if (limit)
		*limit = lg_cell_limit(r, cell, &spec);
	return cell;
}

static void tell_no_cell(const struct lg_rule *r, int err)
{
	struct lg_log_kv kv[2] = {
		{"budget", r->name, 0},
		{"errno", {NULL, 0}, -err},
	};

	lg_log(LG_LOG_ERROR, "budget_not_counted", kv, 2);
}

/* A call has as many of its values as its maker likes. */
static bool counts_tags(const struct lg_rule *r)
{
	for (unsigned i = 0; r->b->each && i < r->nterms; i++)
		if (r->terms[i].key == LG_SCOPE_TAG)
			return true;
	return false;
}

static void add_charge(struct admission *a, unsigned rule,
		       const struct lg_rule_hit *hit)
{
	struct lg_exchange *x = a->x;
	struct lg_rule *r = &x->world->rules[rule];
	const struct lg_window *win = lg_windows_get(
		a->wins, x->world, (enum lg_period)r->b->period, x->row.ts_ms);
	bool hard = refuses(x, rule) && !a->never;
	int64_t limit = r->b->limit_pusd;
	int cell;

	if (x->ncharged == LG_HOLD_CELLS_MAX) {
		a->crowded = true;
		if (hard && !counts_tags(r))
			a->excess = (int)rule;
		a->incomplete |= hard;
		return;
	}
	cell = lg_admit_cell(x->engine, x->world, rule, hit, win, &limit);
	if (cell < 0) {
		tell_no_cell(r, cell);
		if (hard && cell == -EBUSY)
			a->busy_rule = (int)rule;
		a->incomplete |= hard;
		return;
	}
	if (r->b->each &&
	    lg_cell_is_shared(lg_world_region(x->world), cell, hit->id))
		lg_alert_shared(x, rule, cell, win->tag);
	if (hard && r->b->mode == LG_MODE_STRICT) {
		a->strict = true;
		a->strict_rule = (int)rule;
	}
	x->charged[x->ncharged] = (struct lg_charged){
		.rule = (uint16_t)rule,
		.cell = cell,
		.window = win->tag,
		.hard = hard,
		.limit_pusd = limit,
		.hit = *hit,
	};
	a->charge[x->ncharged++] = (struct lg_charge){
		.cell = cell,
		.window = win->tag,
		.limit_pusd = hard ? limit : INT64_MAX,
	};
}

static struct lg_slice canonical(const struct lg_price *p)
{
	return p->entry ? lg_img_text(p->img, p->entry->model)
			: (struct lg_slice){NULL, 0};
}

enum whose { HARD, SOFT, OF_TAGS, ALL };

static bool is_turn(const struct lg_exchange *x, unsigned rule,
		    enum whose whose)
{
	if (whose == ALL)
		return true;
	if (counts_tags(&x->world->rules[rule]))
		return whose == OF_TAGS;
	return whose == (refuses(x, rule) ? HARD : SOFT);
}

static void collect_those(struct admission *a, enum whose whose)
{
	struct lg_exchange *x = a->x;
	const struct lg_world *w = x->world;
	struct lg_rule_hit hit;

	for (unsigned i = 0; i < w->nrules; i++) {
		const struct lg_img_budget *b = w->rules[i].b;
		unsigned k = 0;

		if (!is_turn(x, i, whose) ||
		    (b->until_ms &&
		     x->row.ts_ms >= b->until_ms + EXPIRY_GRACE_MS))
			continue;
		while (lg_rule_match(&w->rules[i], &x->row,
				     canonical(&x->price), k, &hit)) {
			add_charge(a, i, &hit);
			if (!b->each)
				break;
			k++;
		}
	}
}

/* When not all can be charged, those come first that nobody may escape. */
static void collect(struct admission *a)
{
	collect_those(a, ALL);
	if (!a->crowded)
		return;
	a->x->ncharged = 0;
	a->incomplete = false;
	a->busy_rule = a->excess = -1;
	for (enum whose w = HARD; w <= OF_TAGS; w++)
		collect_those(a, w);
}

static void name_budgets(struct lg_exchange *x)
{
	unsigned i = 0;

	x->row.budgets[0] = '\0';
	while (i < x->ncharged &&
	       lg_row_add_budget(&x->row,
				 x->world->rules[x->charged[i].rule].name))
		i++;
}

/* What the row says should somebody else have to write it. */
static void draft(struct lg_exchange *x, int64_t amount)
{
	struct lg_row *row = &x->row;

	row->estimate_pusd = amount;
	row->cost_pusd = amount;
	row->economic_pusd = amount;
	row->output_cost_pusd = amount;
	row->usage_state = LG_USAGE_ESTIMATED;
}

static void undraft(struct lg_exchange *x)
{
	x->row.cost_pusd = 0;
	x->row.economic_pusd = 0;
	x->row.output_cost_pusd = 0;
}

static int take(struct admission *a, struct lg_hold_refusal *why)
{
	struct lg_exchange *x = a->x;
	struct lg_region *r = lg_world_region(x->world);
	int err = -ENOSPC;

	for (unsigned turn = 0; turn < 2; turn++) {
		err = lg_hold_take(r, a->charge, x->ncharged, &x->row,
				   sizeof(x->row), &x->hold, why);
		/* a dead owner may be in the way */
		if (err != -ENOSPC && (err != -EDQUOT || !why->held_pusd))
			break;
		if (turn || !lg_engine_sweep_is_due(x->engine))
			break;
		lg_recover_sweep(x->engine, x->world, false);
	}
	if (!err)
		x->region = x->world->region;
	return err;
}

/* Would it fit if no other call held anything? */
static bool is_transient(const struct lg_charge *c,
			 const struct lg_hold_refusal *why)
{
	int64_t spent = lg_money_sub(why->used_pusd, why->held_pusd);

	return why->held_pusd > 0 &&
	       lg_money_add(spent, c->amount_pusd) <= c->limit_pusd;
}

static int take_patiently(struct admission *a, struct lg_hold_refusal *why)
{
	uint32_t left = a->x->waited ? 0 : a->x->world->set.admit_wait_ms;
	int err = take(a, why);

	while (left-- &&
	       (err == -EBUSY || (err == -EDQUOT &&
				  is_transient(&a->charge[why->index], why)))) {
		struct timespec nap = {0, WAIT_STEP_NS};

		nanosleep(&nap, NULL);
		err = take(a, why);
	}
	return err;
}

static uint32_t ratio_ppm(int64_t used, int64_t limit)
{
	__int128 ppm;

	if (limit <= 0)
		return used > 0 ? UINT32_MAX - 1 : 0;
	ppm = (__int128)(used > 0 ? used : 0) * 1000000 / limit;
	return ppm >= UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)ppm;
}

/* Has the soft limit more to do than to warn? */
static bool softens(const struct lg_rule *r)
{
	const struct lg_img_action *act =
		LG_IMG_ARRAY(r->img, r->b->on_soft, struct lg_img_action);

	return r->b->on_soft.n && act[0].kind != LG_ACTION_WARN;
}

/* Whose soft limits have something to say about a call that does not fit? */
static void note_soft(struct lg_exchange *x)
{
	struct lg_region *r = lg_world_region(x->world);

	for (unsigned i = 0; i < x->ncharged; i++) {
		const struct lg_charged *c = &x->charged[i];
		const struct lg_rule *rule = &x->world->rules[c->rule];
		int64_t used = lg_cell_used(r, c->cell, c->window);

		if (softens(rule) &&
		    ratio_ppm(used, c->limit_pusd) >= rule->b->soft_ppm)
			x->soft |= 1u << i;
	}
}

/* "user:* (Ann)" where each value has a counter of its own. */
void lg_admit_name_scope(struct lg_denial *d, const struct lg_rule *r,
			 const struct lg_rule_hit *hit, bool shared)
{
	struct lg_buf b;

	if (!r->b->each)
		return;
	lg_buf_init_fixed(&b, d->scope, sizeof(d->scope) - 1);
	lg_buf_put(&b, r->scope.p, r->scope.len);
	lg_buf_puts(&b, " (");
	lg_buf_puts(&b, hit->value);
	lg_buf_puts(&b, shared ? ", one of *other*)" : ")");
	d->scope[b.len] = '\0';
}

static void refuse(struct admission *a, int err,
		   const struct lg_hold_refusal *why)
{
	struct lg_exchange *x = a->x;
	unsigned i = why->index < x->ncharged ? why->index : 0;
	const struct lg_charged *c = &x->charged[i];
	const struct lg_rule *rule = &x->world->rules[c->rule];
	const struct lg_window *win =
		lg_windows_get(a->wins, x->world,
			       (enum lg_period)rule->b->period, x->row.ts_ms);
	bool busy = err == -EBUSY;

	deny(a, busy ? "contention" : "over_budget", c->rule);
	if (!x->denial)
		return;
	x->denial->limit_pusd = c->limit_pusd;
	x->denial->spent_pusd = lg_money_sub(why->used_pusd, why->held_pusd);
	x->denial->held_pusd = why->held_pusd;
	x->denial->transient = busy || is_transient(&a->charge[i], why);
	if (win->end_ms != INT64_MAX)
		x->denial->resets_at_ms = win->end_ms;
	if (busy)
		x->row.flags |= LG_ROW_CONTENTION;
	lg_admit_name_scope(x->denial, rule, &c->hit,
			    lg_cell_is_shared(lg_world_region(x->world),
					      c->cell, c->hit.id));
	note_soft(x);
	x->denial->cell = c->cell;
	x->denial->window = c->window;
}

/* How full were the budgets before this call? */
static void weigh(struct admission *a)
{
	struct lg_exchange *x = a->x;
	struct lg_region *r = lg_world_region(x->world);
	bool warns = false;
	uint32_t most = 0;

	for (unsigned i = 0; i < x->ncharged; i++) {
		const struct lg_charged *c = &x->charged[i];
		const struct lg_img_budget *b = x->world->rules[c->rule].b;
		int64_t used = lg_money_sub(lg_cell_used(r, c->cell, c->window),
					    x->held_pusd);
		uint32_t ppm = ratio_ppm(used, c->limit_pusd);

		if (ppm > most)
			most = ppm;
		if (b->on_soft.n && ppm >= b->soft_ppm && !a->never &&
		    softens(&x->world->rules[c->rule]))
			x->soft |= 1u << i;
		if ((b->warns && ppm >= b->warn_ppm[0]) ||
		    (b->on_soft.n && ppm >= b->soft_ppm) || ppm >= 1000000)
			warns = true;
	}
	/* a stop at its head says more */
	if (warns && x->row.verdict != LG_VERDICT_STOP)
		x->row.verdict = LG_VERDICT_WARN;
	if (x->ncharged)
		x->row.budget_ratio_ppm = most;
}

/* Its seed will be there in a moment: worth another try by the program. */
static void deny_busy(struct admission *a)
{
	deny(a, "contention", a->busy_rule);
	if (!a->x->denial)
		return;
	a->x->denial->transient = true;
	a->x->row.flags |= LG_ROW_CONTENTION;
}

static void admit_on_region(struct admission *a, const struct lg_estimate *est)
{
	struct lg_exchange *x = a->x;
	struct lg_hold_refusal why = {0};
	bool closed = x->world->set.fail == LG_FAIL_CLOSED;
	int err;

	collect(a);
	name_budgets(x);
	if (a->strict && !est->bounded) {
		x->row.flags |= LG_ROW_UNBOUNDED;
		deny(a, "unbounded", a->strict_rule);
	}
	if (a->excess >= 0)
		deny(a, "too_many_budgets", a->excess);
	else if (a->busy_rule >= 0)
		deny_busy(a);
	else if (a->incomplete && closed)
		deny(a, "not_counted", -1);
	x->held_pusd =
		a->strict || x->clamped ? est->worst_pusd : est->expected_pusd;
	if (x->held_pusd < 1)
		x->held_pusd = 1; /* a paid call never fits a limit of 0 */
	for (unsigned i = 0; i < x->ncharged; i++)
		a->charge[i].amount_pusd = x->held_pusd;
	draft(x, x->held_pusd);
	if (x->denial)
		return;
	err = take_patiently(a, &why);
	if (err && !lg_region_is_sound(lg_world_region(x->world)))
		err = -EPROTO; /* written over: its figures are noise */
	if (!err)
		weigh(a);
	else if (err == -EDQUOT || err == -EBUSY)
		refuse(a, err, &why);
	else if (closed)
		deny(a, "no_slot", -1);
	else
		x->row.flags |= LG_ROW_UNGUARDED;
	if ((a->incomplete || a->crowded) && !x->denial)
		x->row.flags |= LG_ROW_UNGUARDED;
}

/* Refused by policy, before any budget is asked. */
static void admit_by_policy(struct admission *a)
{
	const struct lg_world *w = a->x->world;
	bool closed = w->set.fail == LG_FAIL_CLOSED;

	if (w->set.unknown_model == LG_UNKNOWN_BLOCK &&
	    (!lg_tariff_is_known(&a->x->price) || a->x->price.tier_missing))
		deny(a, "unknown_model", -1);
	if (w->set.tag_required == LG_TAG_BLOCK && !a->x->row.tags[0])
		deny(a, "tag_required", -1);
	if (w->blind && closed)
		deny(a, "config_error", -1);
	if (lg_world_region(w))
		return;
	if (closed)
		deny(a, "no_region", -1);
	else
		a->x->row.flags |= LG_ROW_UNGUARDED;
}

static bool is_off(const struct lg_world *w)
{
	return w->set.disabled || lg_control_is_off(&w->control) ||
	       (w->region && lg_region_is_disabled(w->region->r));
}

/* An order of the operator: it counts for free models too. */
static bool is_paused(const struct lg_exchange *x)
{
	return !is_off(x->world) &&
	       lg_control_is_paused(&x->world->control, &x->row,
				    canonical(&x->price));
}

/* It is no budget, so it is not ignored with them. */
static void pause_it(struct admission *a)
{
	bool never = a->never;

	a->never = false;
	deny(a, "paused", -1);
	a->never = never;
}

int64_t lg_admit_room(const struct lg_exchange *x)
{
	struct lg_region *r = lg_world_region(x->world);
	int64_t own = x->hold.slot >= 0 ? x->held_pusd : 0;
	int64_t least = INT64_MAX;

	for (unsigned i = 0; r && i < x->ncharged; i++) {
		const struct lg_charged *c = &x->charged[i];
		int64_t used = lg_cell_used(r, c->cell, c->window);
		int64_t left =
			lg_money_add(lg_money_sub(c->limit_pusd, used), own);

		if (c->hard && left < least)
			least = left;
	}
	return least;
}

void lg_admit_note(const struct lg_exchange *x)
{
	struct lg_region *r = lg_world_region(x->world);
	const struct lg_denial *d = x->denial;

	if (r && d)
		lg_cell_note(r, d->cell, d->window, true);
	else if (r && x->hold.slot >= 0)
		for (unsigned i = 0; i < x->ncharged; i++)
			lg_cell_note(r, x->charged[i].cell,
				     x->charged[i].window, false);
}

void lg_admit_undo(struct lg_exchange *x)
{
	if (x->hold.slot >= 0 && x->region)
		lg_hold_release(x->region->r, &x->hold);
	x->hold.slot = -1;
	x->region = NULL;
	x->ncharged = 0;
	x->soft = 0;
	x->denial = NULL;
	x->row.verdict = LG_VERDICT_ALLOW;
	x->row.reason[0] = '\0';
	x->row.budgets[0] = '\0';
	x->row.budget_ratio_ppm = UINT32_MAX;
	x->row.flags &= ~(uint32_t)(LG_ROW_UNBOUNDED | LG_ROW_CONTENTION |
				    LG_ROW_UNGUARDED);
}

void lg_admit(struct lg_exchange *x, struct lg_windows *wins, bool never)
{
	struct admission a = {
		.x = x,
		.wins = wins,
		.busy_rule = -1,
		.excess = -1,
		.never = never || lg_engine_ignores(x->engine) ||
			 is_off(x->world),
	};
	struct lg_estimate est;

	if (lg_engine_ignores(x->engine))
		x->row.flags |= LG_ROW_IGNORED_BUDGET;
	lg_tariff_estimate(x, &est);
	x->input_estimate = est.input_tokens;
	x->row.worst_pusd = est.bounded ? est.worst_pusd : INT64_MAX;
	x->held_pusd = est.expected_pusd;
	draft(x, est.expected_pusd);
	if (!never && is_paused(x))
		pause_it(&a);
	if (!x->denial && lg_price_is_free(&x->price)) {
		undraft(x);
		return;
	}
	if (!x->denial)
		admit_by_policy(&a);
	if (!x->denial && lg_world_region(x->world))
		admit_on_region(&a, &est);
	if (!x->denial)
		return;
	undraft(x);
	x->row.verdict = LG_VERDICT_BLOCK;
	lg_slice_copy(lg_slice_str(x->denial->reason), x->row.reason,
		      sizeof(x->row.reason));
}
