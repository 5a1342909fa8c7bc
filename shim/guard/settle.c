#include "guard/settle.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "guard/admit.h"
#include "guard/alert.h"
#include "guard/chain.h"
#include "guard/cost.h"
#include "guard/crossing.h"
#include "guard/engine.h"
#include "guard/event.h"
#include "guard/later.h"
#include "guard/learn.h"
#include "guard/record.h"
#include "guard/recover.h"
#include "ledger/ledger.h"

static void tell_unwritten(struct lg_exchange *x, struct lg_region *r,
			   bool lost, int err)
{
	struct lg_log_kv kv[] = {
		{"id", lg_slice_str(x->row.id), 0},
		{"folder", lg_slice_str(lg_engine_ledger(x->engine)->dir), 0},
		{"errno", {NULL, 0}, -err},
	};

	lg_log(LG_LOG_ERROR, lost ? "row_lost" : "row_staged", kv, 3);
	lg_alert_unwritten(x, r, lost);
}

static void close_row(struct lg_exchange *x)
{
	struct lg_row *row = &x->row;

	row->duration_ms = (lg_who_now_ns(x->who) - x->start_boot_ns) / 1000000;
	row->end_ms = row->ts_ms + row->duration_ms;
	lg_cost_fill(x);
	if (row->response_id[0] && row->conversation[0])
		lg_chain_put(row->response_id, row->conversation);
}

/* -- a region that was replaced meanwhile --------------------------------- */

static int same_rule(const struct lg_world *w, struct lg_hash128 id)
{
	for (unsigned i = 0; i < w->nrules; i++)
		if (w->rules[i].id.a == id.a && w->rules[i].id.b == id.b)
			return (int)i;
	return -1;
}

/* The same counters in the region now current; how many were found. */
static unsigned find_again(struct lg_exchange *x, struct lg_world *now,
			   struct lg_charge *out)
{
	struct lg_windows wins = {0};
	unsigned n = 0;

	for (unsigned i = 0; i < x->ncharged; i++) {
		const struct lg_charged *c = &x->charged[i];
		int rule = same_rule(now, x->world->rules[c->rule].id);
		const struct lg_window *win;
		int cell;

		if (rule < 0)
			continue;
		win = lg_windows_get(&wins, now,
				     (enum lg_period)now->rules[rule].b->period,
				     lg_clock_real_ms());
		if (win->tag != c->window)
			continue; /* a past window is the ledger's alone */
		cell = lg_admit_cell(x->engine, now, (unsigned)rule, &c->hit,
				     win, NULL);
		if (cell < 0)
			continue;
		out[n++] = (struct lg_charge){
			.cell = cell,
			.window = win->tag,
			.amount_pusd = x->row.cost_pusd,
			.limit_pusd = INT64_MAX,
		};
	}
	return n;
}

/*
 * The row's money counts in the region now current as well. Its cells are
 * found, and so seeded, before the row reaches the ledger: no seed can have
 * seen the row, and it is charged exactly once.
 */
static void move(struct lg_exchange *x, struct lg_world *now,
		 struct lg_hold *out)
{
	struct lg_charge charge[LG_HOLD_CELLS_MAX];
	struct lg_region *r = lg_world_region(now);
	struct lg_hold_refusal why;
	unsigned n = find_again(x, now, charge);

	if (n &&
	    !lg_hold_take(r, charge, n, &x->row, sizeof(x->row), out, &why)) {
		lg_hold_dispatched(r, out);
		lg_hold_settle(r, out, x->row.cost_pusd, &x->row,
			       sizeof(x->row));
		return;
	}
	for (unsigned i = 0; i < n; i++)
		lg_cell_charge(r, charge[i].cell, charge[i].window,
			       x->row.cost_pusd);
}

static void count(const struct lg_exchange *x, struct lg_region *r)
{
	lg_region_count(r, LG_COUNT_CALLS, 1);
	if (x->denial)
		lg_region_count(r, LG_COUNT_BLOCKED, 1);
	if (x->row.flags & LG_ROW_UNGUARDED)
		lg_region_count(r, LG_COUNT_UNGUARDED, 1);
	if (x->row.flags & LG_ROW_CONTENTION)
		lg_region_count(r, LG_COUNT_CONTENTION, 1);
}

/* -- the hold and the row -------------------------------------------------- */

/* Nothing was held (no region then, or no slot): count it at least. */
static void charge_late(struct lg_exchange *x, struct lg_region *r)
{
	if (x->row.flags & LG_ROW_UNGUARDED && !x->denial)
		for (unsigned i = 0; i < x->ncharged; i++)
			lg_cell_charge(r, x->charged[i].cell,
				       x->charged[i].window, x->row.cost_pusd);
}

static int write_row(struct lg_exchange *x, struct lg_region *r,
		     struct lg_hold *h)
{
	int err = lg_record_write_like(x->engine, &x->row,
				       x->memo ? &x->memo->row : NULL);

	if (!err) {
		if (h->slot >= 0)
			lg_hold_free(r, h);
		return 0;
	}
	if (h->slot < 0 && r)
		lg_region_count(r, LG_COUNT_LOST, 1);
	if (h->slot < 0 || lg_hold_stage(r, h) == -ENOSPC) {
		tell_unwritten(x, r, true, err);
		return err;
	}
	lg_engine_note_staged(x->engine, true);
	tell_unwritten(x, r, false, err);
	return err;
}

static int settle_held(struct lg_exchange *x, struct lg_world *now)
{
	struct lg_region *r = x->region->r;
	struct lg_region *fresh = lg_world_region(now);
	struct lg_hold other = {.slot = -1};
	int err = lg_hold_settle(r, &x->hold, x->row.cost_pusd, &x->row,
				 sizeof(x->row));

	lg_cut_release(x);
	if (err && lg_region_is_sound(r))
		return 0; /* another process has taken it over, with its row */
	if (err) {
		x->hold.slot = -1; /* written over: the row is all there is */
	} else {
		lg_crossing_look(x);
		lg_region_count(r, LG_COUNT_CALLS, 1);
	}
	if (fresh && fresh != r)
		move(x, now, &other);
	if (other.slot < 0)
		return write_row(x, r, &x->hold);
	err = write_row(x, fresh, &other);
	lg_hold_free(r, &x->hold);
	return err;
}

static int settle_unheld(struct lg_exchange *x, struct lg_world *now)
{
	struct lg_region *r = lg_world_region(now);
	struct lg_hold keep = {.slot = -1};

	if (r && now->region == x->world->region)
		charge_late(x, r);
	if (r)
		count(x, r);
	if (r && lg_hold_row(r, &x->row, sizeof(x->row), &keep))
		keep.slot = -1;
	return write_row(x, r, &keep);
}

/* The ledger can be written again: what waited goes there too. */
static void write_staged(struct lg_engine *e, struct lg_world *now)
{
	lg_engine_note_staged(e, false);
	lg_recover_sweep(e, now, true);
	lg_event_flush(e, lg_world_region(now));
}

/* Somebody who asked for the result was charged for this call already. */
static void make_duplicate(struct lg_row *row)
{
	const struct lg_usage none = {.n = {0}};

	row->cost_pusd = row->economic_pusd = 0;
	row->input_cost_pusd = row->output_cost_pusd = 0;
	row->provider_cost_pusd = INT64_MIN;
	row->usage_state = LG_USAGE_EXACT;
	row->price_state = LG_PRICED_EXACT;
	row->flags &= ~(LG_ROW_PENDING | LG_ROW_OVERSHOOT | LG_ROW_PARTS);
	row->flags |= LG_ROW_DUPLICATE;
	lg_row_set_usage(row, &none); /* the tokens are that row's, too */
}

static void settle(struct lg_exchange *x)
{
	struct lg_world *now = lg_engine_pin_region(x->engine);
	bool waiting = lg_engine_has_staged(x->engine), due;
	int err;

	if (x->hold.slot >= 0 && x->region)
		err = settle_held(x, now);
	else
		err = settle_unheld(x, now);
	if (lg_world_region(now))
		lg_learn_settled(x, lg_world_region(now));
	lg_alert_settled(x, lg_world_region(now));
	if (waiting && !err)
		write_staged(x->engine, now);
	due = !err && lg_world_region(now) &&
	      lg_region_row_written(lg_world_region(now));
	lg_engine_unpin(x->engine, now);
	/* a lost region is never far from its checkpoint */
	if (due)
		lg_engine_checkpoint(x->engine, false);
}

void lg_settle(struct lg_exchange *x)
{
	int lock;

	if (x->settled)
		return;
	x->settled = true;
	if (x->quiet || x->disowned)
		return;
	close_row(x);
	if (x->route.kind == LG_ROUTE_LATER) {
		if (lg_later_settle(x))
			return;
		/* asking is no call of that kind */
		memcpy(x->row.request_type, "other", 6);
	}
	if (lg_later_claim(x, &lock))
		make_duplicate(&x->row);
	settle(x);
	lg_later_release(&lock);
	if (x->who && x->who->on_call)
		x->who->on_call(x->who->arg, &x->row, true);
}
