#ifndef LG_GUARD_COST_H
#define LG_GUARD_COST_H

#include "guard/exchange.h"

/*
 * Fill the row of an exchange that is over: counts, cost, states and flags,
 * from what the answer said, what was delivered, or the estimate.
 */
void lg_cost_fill(struct lg_exchange *x);

/*
 * What the answer has cost so far, from interim usage or what was delivered;
 * *u and *p get the counts and the price that say so. 0 where it costs nothing.
 * Needs an answer whose head is there; leaves it as it was.
 */
int64_t lg_cost_running(struct lg_exchange *x, struct lg_usage *u,
			struct lg_price *p);

/*
 * Of an answer that may bill a call made earlier (LG_ROUTE_LATER): is it the
 * last word on what that call used, or that it cost nothing? All lines of a
 * file of results must have been read.
 */
bool lg_cost_is_told(const struct lg_exchange *x);
/*
 * Fill x->row from the answer as if it were the row of the call that the
 * answer bills: its start, provider, host, model and tier name the price.
 */
void lg_cost_late(struct lg_exchange *x);

#endif
