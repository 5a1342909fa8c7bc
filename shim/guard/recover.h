#ifndef LG_GUARD_RECOVER_H
#define LG_GUARD_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "guard/rule.h"
#include "guard/world.h"

struct lg_engine;

/*
 * Finish the holds of dead owners in this world's region and write their
 * rows; with `staged` also rows that waited. Returns how many slots were
 * freed. Any thread; blocks on the ledger.
 */
int lg_recover_sweep(struct lg_engine *e, struct lg_world *w, bool staged);

/*
 * The budgets that an environment may define and this world has not, at most
 * `cap`: they come and go with each run. image holds what they point to until
 * lg_buf_fini. Returns how many.
 */
#define LG_ENV_RULES_MAX 8
unsigned lg_recover_env_rules(struct lg_engine *e, const struct lg_world *w,
			      struct lg_rule out[LG_ENV_RULES_MAX],
			      struct lg_buf *image);

/*
 * What the ledger's rows of this window, matched by scope, already cost: the
 * checkpoint and the rows after it, or all rows where the checkpoint does not
 * know the budget. Writes a new checkpoint when that saves work. `cell` is the
 * one being seeded: its lease is renewed. 0; -EPERM in a sandbox; -ENOMEM;
 * -errno of the ledger: *spent is then not to be used. Any thread; blocks on
 * files.
 */
int lg_recover_spent(struct lg_engine *e, struct lg_world *w, int cell,
		     const struct lg_rule_hit *hit, const struct lg_window *win,
		     int64_t *spent);

#endif
