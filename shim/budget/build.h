#ifndef LG_BUDGET_BUILD_H
#define LG_BUDGET_BUILD_H

#include "budget/region.h"

/* How a region comes to be and who may use it. Internal to budget/. */

/*
 * Build an empty region where nobody sees it and publish it by link. 0;
 * -EEXIST somebody else was faster; -ENOSPC, -EFBIG no room; -errno.
 */
int lg_region_build(const char *path, const char *state_dir);
/*
 * Note in $STATE/region which region caches this ledger. 0; -EEXIST another
 * live one does; -EXDEV this one caches another ledger; -ESTALE it is not new
 * and another one was the ledger's since: build it anew. A state directory
 * that cannot be written is no obstacle.
 */
int lg_region_register(struct lg_region *r, const struct lg_region_options *o,
		       bool created);
/* Identity of a state directory, 0 when it does not exist. */
uint64_t lg_region_state_id(const char *state_dir);

#endif
