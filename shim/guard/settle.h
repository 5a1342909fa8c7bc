#ifndef LG_GUARD_SETTLE_H
#define LG_GUARD_SETTLE_H

#include "guard/exchange.h"

/*
 * The end of one exchange, however it ended: its cost by the rules of design
 * 10.5, the hold turned into it on every budget, the row in the ledger or
 * staged. Does nothing the second time, for quiet exchanges and for those
 * that another process has taken over. Blocks for one write.
 */
void lg_settle(struct lg_exchange *x);

#endif
