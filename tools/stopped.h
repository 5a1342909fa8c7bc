#ifndef TOOLS_STOPPED_H
#define TOOLS_STOPPED_H

#include <stdint.h>

#include "budget/region.h"

/*
 * Processes that a budget's `stop` has stopped: each keeps a slot of the
 * region with its row (guard/halt.h), owned by pid and start time.
 */
typedef void stopped_fn(void *ctx, int32_t pid, const char *budgets);

/*
 * Continue (SIGCONT) those of this pid, 0: all; fn (may be NULL) hears of each.
 * Returns how many. One that may not be signalled is left out.
 */
unsigned stopped_resume(struct lg_region *r, int32_t pid, stopped_fn *fn,
			void *ctx);

#endif
