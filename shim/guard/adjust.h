#ifndef LG_GUARD_ADJUST_H
#define LG_GUARD_ADJUST_H

#include <stdint.h>

#include "ledger/row.h"

struct lg_engine;

/*
 * Rows that correct rows (design 10.2): money and counts in them are signed
 * differences, states, model, tier and price are what holds of the call after
 * them, `ts` is the start of the call that they correct (so they count in its
 * windows), `end_ts` when they were written, `ref` its id. All that budgets
 * match by is copied from it. History is never edited.
 */

/*
 * Begin a correction of that call: a fresh id, kind, ref and everything that
 * names the call, no difference yet. Write `note` (why) into adj->note.
 */
void lg_adjust_init(struct lg_row *adj, const struct lg_row *call);
/*
 * The difference from `was` to `is`, two versions of one call's row, into
 * adj: money, counts and units, with the states, model, tier, geo, variant,
 * price_version, provider's figure, response id and usage_raw of `is`.
 * Differences saturate; cost stays input + output.
 */
void lg_adjust_diff(struct lg_row *adj, const struct lg_row *was,
		    const struct lg_row *is);
/*
 * The call as it stands after one of its corrections: begin with the call's
 * own row, apply each adjust row that names it in `ref`. A count stays null
 * when neither knows it, and never falls below 0.
 */
void lg_adjust_apply(struct lg_row *call, const struct lg_row *adj);
/* The differences of two corrections of one call together, into sum. */
void lg_adjust_merge(struct lg_row *sum, const struct lg_row *adj);
/*
 * An id that depends only on the call and on `what` (a few words): two
 * processes that write the same correction write one row, and readers drop
 * the second.
 */
void lg_adjust_fixed_id(struct lg_row *adj, const char *what);
/*
 * Charge the difference to the live budgets of the call's windows that still
 * run, and append the row, so that a kill at any instruction neither loses
 * nor doubles it. Sets end_ms and budgets. 0; -EINVAL no adjust row or its
 * money does not add up; -errno of the ledger: the row waits in the region
 * (lg_record_write), or, where nobody could keep it, is lost: said in the
 * log. Any thread; blocks for one write; may read the ledger when a cell is
 * new.
 */
int lg_adjust_write(struct lg_engine *e, struct lg_row *adj);
/*
 * The same for a row of any kind that no hold stands behind: what it costs is
 * charged to the budgets that match it. Returns as lg_adjust_write.
 */
int lg_row_post(struct lg_engine *e, struct lg_row *row);

#endif
