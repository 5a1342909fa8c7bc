#ifndef LG_GUARD_COST_H
#define LG_GUARD_COST_H

#include "guard/exchange.h"

/*
 * Fill the row of an exchange that is over: counts, cost, states and flags,
 * from what the answer said, what was delivered, or the estimate.
 */
void lg_cost_fill(struct lg_exchange *x);

#endif
