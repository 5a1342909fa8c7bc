#include "guard/degrade_state.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/money.h"
#include "guard/admit.h"
#include "guard/engine.h"
#include "guard/halt.h"
#include "guard/local.h"
#include "guard/pace.h"
#include "guard/tariff.h"

#define TURNS_MAX 48
#define STEP_NS 10000000	  /* between two tries of throttle */
#define HALT_NS INT64_C(20000000) /* shorter was no stop */
#define HALTS_MAX 3		  /* of such */

/* Is it for the chains to say what follows? A pause, a fault are not. */
static bool is_money(const struct lg_denial *no)
{
	return no->rule >= 0 && (!strcmp(no->reason, "over_budget") ||
				 !strcmp(no->reason, "unbounded"));
}

bool lg_degrade_is_due(const struct lg_exchange *x)
{
	const struct lg_img_action *act;
	unsigned n;

	if (!x->denial)
		return x->soft;
	if (!is_money(x->denial))
		return false;
	if (x->soft)
		return true;
	for (unsigned i = 0; i < x->ncharged; i++) {
		act = lg_chain_of(&x->world->rules[x->charged[i].rule], false,
				  &n);
		if (n && (n > 1 || act[0].kind != LG_ACTION_BLOCK))
			return true;
	}
	return false;
}

static void took(struct lg_degrade *d, enum lg_verdict v, int rule)
{
	static const uint8_t rank[] = {
		[LG_VERDICT_WARN] = 1,	[LG_VERDICT_THROTTLE] = 2,
		[LG_VERDICT_CLAMP] = 3, [LG_VERDICT_FALLBACK] = 4,
		[LG_VERDICT_LOCAL] = 5,
	};

	if (rank[v] > rank[d->verdict])
		d->verdict = (uint8_t)v;
	if (d->rule < 0)
		d->rule = rule;
}

/* -- what actions do --------------------------------------------------------
 */

static bool may_sleep(const struct lg_degrade *d)
{
	return d->means->may_sleep && d->means->may_sleep(d->means->arg);
}

static bool do_fallback(struct lg_degrade *d, const struct lg_rule *r,
			const struct lg_img_action *a, int rule)
{
	const struct lg_plan as_asked = {{"", 0}, 0};

	if (!lg_plan_model(d, lg_img_text(r->img, a->arg)) ||
	    !lg_plan_carry_out_or(d, &as_asked))
		return false;
	took(d, LG_VERDICT_FALLBACK, rule);
	return true;
}

/* Or is its cap just what the program said itself? */
static bool is_lowered(const struct lg_degrade *d)
{
	return d->x->clamped &&
	       !(d->asked.has_cap && d->plan.cap >= d->asked.cap);
}

static bool do_clamp(struct lg_degrade *d, const struct lg_img_action *a,
		     int rule)
{
	int64_t room = lg_admit_room(d->x);
	const struct lg_plan was = d->plan;

	if (room == INT64_MAX || !lg_plan_cap(d, room, a->n))
		return false;
	if (lg_plan_carry_out_or(d, &was)) {
		if (is_lowered(d))
			took(d, LG_VERDICT_CLAMP, rule);
		return true;
	}
	lg_plan_restore_cap(d);
	return false;
}

/* Only other calls' holds are in the way: they may settle. */
static bool do_wait(struct lg_degrade *d, const struct lg_img_action *a,
		    int rule)
{
	struct timespec nap = {0, STEP_NS};
	int64_t until = lg_clock_boot_ns() + (int64_t)a->n * 1000000;

	if (!d->x->denial || !d->x->denial->transient || !may_sleep(d))
		return false;
	while (lg_clock_boot_ns() < until) {
		nanosleep(&nap, NULL);
		if (lg_plan_carry_out(d) == LG_CARRIED_OUT) {
			took(d, LG_VERDICT_THROTTLE, rule);
			return true;
		}
		if (!d->x->denial || !d->x->denial->transient)
			return false;
	}
	return false;
}

/* The request as it was asked for, with nothing held; else as before. */
static bool do_local(struct lg_degrade *d, const struct lg_rule *r,
		     const struct lg_img_action *a, int rule)
{
	struct lg_exchange *x = d->x;

	if (!d->means->held || !d->means->local)
		return false;
	lg_plan_restore(d);
	lg_buf_fini(&d->out);
	lg_admit_undo(x);
	if (d->reason)
		lg_slice_copy(lg_slice_str(d->reason), x->row.reason,
			      sizeof(x->row.reason));
	if (lg_local_take(x, r->img, a, d->means->held, d->means->local,
			  d->means->arg)) {
		took(d, LG_VERDICT_LOCAL, rule);
		return true;
	}
	lg_plan_carry_out(d);
	return false;
}

static bool do_warn(struct lg_degrade *d, int rule)
{
	struct lg_exchange *x = d->x;

	if (x->nwaived == LG_DEGRADE_RULES_MAX)
		return false;
	x->waived[x->nwaived++] = (uint16_t)rule;
	if (lg_plan_carry_out(d) != LG_CARRIED_OUT)
		return false;
	took(d, LG_VERDICT_WARN, rule);
	return true;
}

/* It went on: as if it came only now, to whatever is in force now. */
static void begin_again(struct lg_degrade *d)
{
	struct lg_exchange *x = d->x;

	lg_plan_restore(d);
	lg_admit_undo(x);
	lg_engine_unpin(x->engine, x->world);
	x->world = lg_engine_pin(x->engine);
	x->row.ts_ms = lg_clock_real_ms();
	x->start_boot_ns = lg_clock_boot_ns();
	x->nwaived = 0;
	lg_tariff_requested(x);
	lg_plan_remember(d);
	d->ncur = 0;
	d->rule = -1;
	d->verdict = LG_VERDICT_ALLOW;
	d->stopped = true;
}

static bool do_stop(struct lg_degrade *d, bool *again)
{
	struct lg_exchange *x = d->x;
	int64_t since = lg_clock_boot_ns();

	if (d->halts == HALTS_MAX)
		return false;
	lg_plan_restore(d);
	if (lg_halt(x))
		return false;
	if (lg_clock_boot_ns() - since < HALT_NS)
		d->halts++;
	begin_again(d);
	*again = true;
	return lg_plan_carry_out(d) == LG_CARRIED_OUT;
}

/* -- hard limits ------------------------------------------------------------
 */

static bool do_hard(struct lg_degrade *d, int rule,
		    const struct lg_img_action *a, bool *again)
{
	const struct lg_rule *r = &d->x->world->rules[rule];

	switch ((enum lg_action_kind)a->kind) {
	case LG_ACTION_FALLBACK:
		return do_fallback(d, r, a, rule);
	case LG_ACTION_CLAMP:
		return do_clamp(d, a, rule);
	case LG_ACTION_LOCAL:
		return do_local(d, r, a, rule) || !d->x->denial;
	case LG_ACTION_THROTTLE:
		return do_wait(d, a, rule);
	case LG_ACTION_WARN:
		return do_warn(d, rule);
	case LG_ACTION_STOP:
		return do_stop(d, again);
	default:
		return false;
	}
}

/*
 * Past a soft limit its chain holds for every request: also before one is
 * refused that fits no more as it is.
 */
static bool solve_softly(struct lg_degrade *d)
{
	for (unsigned i = 0; i < d->nsoft; i++) {
		const struct lg_rule *r = &d->x->world->rules[d->soft[i]];
		const struct lg_img_action *a;
		uint16_t at = 0;
		bool again;

		while ((a = lg_chain_next(d, r, true, &at)))
			if ((a->kind == LG_ACTION_FALLBACK ||
			     a->kind == LG_ACTION_CLAMP ||
			     a->kind == LG_ACTION_LOCAL) &&
			    do_hard(d, d->soft[i], a, &again))
				return true;
	}
	return false;
}

static int64_t left_of(const struct lg_exchange *x, const struct lg_charged *c)
{
	struct lg_region *r = lg_world_region(x->world);

	return lg_money_sub(c->limit_pusd, lg_cell_used(r, c->cell, c->window));
}

/*
 * All budgets that it does not fit have a say, whichever refused first; they
 * are asked in the order of their names.
 */
static int begin_chains(struct lg_degrade *d)
{
	const struct lg_exchange *x = d->x;
	int first = x->denial->rule;

	for (unsigned i = 0; i < x->ncharged; i++) {
		const struct lg_charged *c = &x->charged[i];

		if (!c->hard || left_of(x, c) >= x->held_pusd)
			continue;
		lg_chain_cursor(d, c->rule);
		if (first >= 0 && c->rule < first)
			first = c->rule;
	}
	return first;
}

/* The denial is a budget's; true: it found a way. */
static bool solve(struct lg_degrade *d)
{
	const struct lg_exchange *x = d->x;
	int rule = begin_chains(d);

	d->reason = x->denial->reason;
	for (unsigned turn = 0; turn < TURNS_MAX && rule >= 0; turn++) {
		const struct lg_img_action *a = lg_chain_next_hard(d, rule);
		bool again = false;

		if (!a) {
			rule = lg_chain_open(d);
			continue;
		}
		if (do_hard(d, rule, a, &again))
			return true;
		if (x->denial && again)
			rule = begin_chains(d);
		else if (x->denial && is_money(x->denial))
			rule = x->denial->rule;
	}
	return x->denial && is_money(x->denial) && solve_softly(d);
}

/* -- soft limits ------------------------------------------------------------
 */

/* The program cannot wait: it is told when to ask again. */
static void postpone(struct lg_degrade *d, const struct lg_charged *was,
		     int64_t wait_ns)
{
	struct lg_exchange *x = d->x;
	struct lg_denial *no = &x->refused;

	memset(no, 0, sizeof(*no));
	*no = (struct lg_denial){
		.reason = "throttled",
		.rule = was->rule,
		.limit_pusd = was->limit_pusd,
		.spent_pusd = lg_money_sub(was->limit_pusd, left_of(x, was)),
		.transient = true,
		.cell = -1, /* it refuses nothing for good */
		.retry_ms = (wait_ns + 999999) / 1000000,
	};
	lg_admit_undo(x);
	x->denial = no;
	d->verdict = LG_VERDICT_THROTTLE;
}

static bool do_pace(struct lg_degrade *d, unsigned rule,
		    const struct lg_img_action *a)
{
	struct lg_exchange *x = d->x;
	const struct lg_rule *r = &x->world->rules[rule];
	const struct lg_window *win = lg_windows_get(
		d->wins, x->world, (enum lg_period)r->b->period, x->row.ts_ms);
	int64_t max = (int64_t)a->n * 1000000, gap, wait, left_ms = -1;
	bool sleeps = may_sleep(d);
	const struct lg_charged *c = x->charged;

	while (c < x->charged + x->ncharged && c->rule != rule)
		c++;
	if (c == x->charged + x->ncharged)
		return true; /* the new model is none of its business */
	if (win->end_ms != INT64_MAX)
		left_ms = win->end_ms > x->row.ts_ms
				  ? win->end_ms - x->row.ts_ms
				  : 0;
	gap = lg_pace_spacing(x->held_pusd, left_of(x, c), left_ms, max);
	wait = lg_pace_wait(c->hit.id.a, lg_clock_boot_ns(), gap, max, sleeps);
	if (!wait)
		return true;
	if (!sleeps) {
		struct lg_charged was = *c;

		postpone(d, &was, wait);
		return true;
	}
	if (wait > x->nap_ns)
		x->nap_ns = wait;
	took(d, LG_VERDICT_THROTTLE, (int)rule);
	return true;
}

/* It fitted as it was; an action that fails leaves it so. */
static bool try_soft(struct lg_degrade *d, const struct lg_rule *r, int rule,
		     const struct lg_img_action *a)
{
	struct lg_plan was = d->plan;
	bool ok = a->kind == LG_ACTION_FALLBACK ? do_fallback(d, r, a, rule)
						: do_clamp(d, a, rule);

	if (ok)
		return true;
	lg_plan_restore(d);
	if (was.model.len && !lg_plan_model(d, was.model))
		lg_plan_restore(d);
	if (was.cap) {
		d->plan.cap = was.cap;
		d->x->facts.max_output_tokens = was.cap;
		d->x->facts.has_max = true;
		d->x->clamped = true;
	}
	lg_plan_carry_out(d);
	return false;
}

static bool do_soft(struct lg_degrade *d, int rule,
		    const struct lg_img_action *a)
{
	const struct lg_rule *r = &d->x->world->rules[rule];

	switch ((enum lg_action_kind)a->kind) {
	case LG_ACTION_FALLBACK:
		return d->plan.model.len || try_soft(d, r, rule, a);
	case LG_ACTION_CLAMP:
		return d->plan.cap || try_soft(d, r, rule, a);
	case LG_ACTION_LOCAL:
		return do_local(d, r, a, rule);
	case LG_ACTION_THROTTLE:
		return do_pace(d, (unsigned)rule, a);
	default:
		return true; /* warn: the row says so anyway */
	}
}

/* Each budget that is nearly used up has its chain. */
static void soften(struct lg_degrade *d)
{
	struct lg_exchange *x = d->x;
	uint16_t rules[LG_DEGRADE_RULES_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < x->ncharged; i++)
		if (x->soft & 1u << i)
			rules[n++] = x->charged[i].rule;
	if (n && !d->reason)
		d->reason = "soft_limit";
	for (unsigned i = 0; i < n && !x->denial; i++) {
		const struct lg_img_action *a;
		uint16_t at = 0;
		bool done = false;

		while (!done && !x->denial && d->verdict != LG_VERDICT_LOCAL &&
		       (a = lg_chain_next(d, &x->world->rules[rules[i]], true,
					  &at)))
			done = do_soft(d, rules[i], a);
	}
}

/* -- the end ----------------------------------------------------------------
 */

static void tell(const struct lg_degrade *d)
{
	const struct lg_exchange *x = d->x;
	struct lg_slice budget = {"", 0};

	if (d->rule >= 0)
		budget = x->world->rules[d->rule].name;
	struct lg_log_kv kv[] = {
		{"action",
		 lg_slice_str(lg_verdict_name((enum lg_verdict)d->verdict)), 0},
		{"reason", lg_slice_str(d->reason ? d->reason : ""), 0},
		{"budget", budget, 0},
		{"model", lg_slice_str(x->row.model_requested), 0},
		{"served", lg_slice_str(x->row.model), 0},
		{"max_output_tokens", {NULL, 0}, (int64_t)d->plan.cap},
		{"delay_ms", {NULL, 0}, x->nap_ns / 1000000},
		{"process", lg_slice_str(x->row.comm), 0},
	};
	lg_log(LG_LOG_WARN, "request_degraded", kv, sizeof(kv) / sizeof(kv[0]));
}

static void let_go(struct lg_degrade *d)
{
	struct lg_exchange *x = d->x;
	struct lg_buf *held = d->means->held, old;

	/* also what did not suffice alone */
	if (x->fell_back)
		took(d, LG_VERDICT_FALLBACK, d->rule);
	if (is_lowered(d))
		took(d, LG_VERDICT_CLAMP, d->rule);
	if (held && d->out.len) {
		old = *held;
		*held = d->out;
		d->out = old;
	}
	if (d->stopped && d->verdict == LG_VERDICT_ALLOW) {
		x->row.verdict = LG_VERDICT_STOP;
		return;
	}
	if (d->verdict == LG_VERDICT_ALLOW)
		return; /* nothing was possible, or needed */
	x->row.verdict = d->verdict;
	if (!x->row.reason[0] && d->reason)
		lg_slice_copy(lg_slice_str(d->reason), x->row.reason,
			      sizeof(x->row.reason));
	tell(d);
}

/* Refused as it was asked for: that is what the person is told. */
static void give_back(struct lg_degrade *d)
{
	struct lg_exchange *x = d->x;

	if (d->verdict == LG_VERDICT_THROTTLE) {
		x->row.verdict = LG_VERDICT_THROTTLE;
		lg_slice_copy(lg_slice_str("throttled"), x->row.reason,
			      sizeof(x->row.reason));
		lg_plan_restore(d);
		return;
	}
	lg_plan_restore(d);
	x->nwaived = 0;
	x->nap_ns = 0;
	lg_plan_carry_out(d);
}

void lg_degrade(struct lg_exchange *x, struct lg_windows *wins,
		const struct lg_degrade_means *means)
{
	struct lg_degrade *d = lg_mem_alloc(sizeof(*d));

	if (!d)
		return; /* what lg_admit said stands */
	d->x = x;
	d->wins = wins;
	d->means = means;
	d->rule = -1;
	d->plan.model = (struct lg_slice){"", 0};
	lg_buf_init(&d->out, 0);
	lg_plan_remember(d);
	x->waited = true;
	if (!x->denial || solve(d))
		soften(d);
	/* what fitted may have been taken by others meanwhile */
	if (x->denial && d->verdict != LG_VERDICT_THROTTLE &&
	    is_money(x->denial) && !d->ncur)
		solve(d);
	if (x->denial)
		give_back(d);
	if (!x->denial)
		let_go(d);
	lg_buf_fini(&d->out);
	lg_mem_free(d, sizeof(*d));
}
