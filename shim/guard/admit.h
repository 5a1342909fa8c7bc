#ifndef LG_GUARD_ADMIT_H
#define LG_GUARD_ADMIT_H

#include "guard/exchange.h"
#include "guard/windows.h"

/*
 * Decide one request whose facts are known: estimate it, find every budget
 * that counts it, hold the money on all of them or refuse. Fills the row's
 * verdict, estimate, budgets and ratio; x->denial stands when it is refused.
 * One amount is held on every budget, so that a hold which somebody else has
 * to settle costs the same in the row and in all cells: the proven bound when
 * any hard budget is strict, else what is expected. never: observe only.
 * Waits at most admit_wait_ms; may read the ledger when a cell is new.
 */
void lg_admit(struct lg_exchange *x, struct lg_windows *wins, bool never);
/*
 * Once a request is decided for good: its counters count one call more, or
 * one refusal.
 */
void lg_admit_note(const struct lg_exchange *x);
/* As if it had never been asked: what is held is given back. */
void lg_admit_undo(struct lg_exchange *x);
/*
 * What the tightest budget that refuses has left for this call, its own hold
 * not counted; INT64_MAX: none refuses.
 */
int64_t lg_admit_room(const struct lg_exchange *x);

/*
 * Find and, when new, seed the cell of one hit; *limit (may be NULL) gets the
 * limit in force there. Returns the cell's handle; -EBUSY another process has
 * been seeding it for too long; -errno of the ledger that cannot be read, or
 * of lg_cell_find. Without a seed nothing may be held on a cell.
 */
int lg_admit_cell(struct lg_engine *e, struct lg_world *w, unsigned rule,
		  const struct lg_rule_hit *hit, const struct lg_window *win,
		  int64_t *limit);

/* d->scope, where each value has a counter of its own or shares one. */
void lg_admit_name_scope(struct lg_denial *d, const struct lg_rule *r,
			 const struct lg_rule_hit *hit, bool shared);

#endif
