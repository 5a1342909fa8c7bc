#ifndef LG_GUARD_DEGRADE_H
#define LG_GUARD_DEGRADE_H

#include <stdbool.h>

#include "base/buf.h"
#include "guard/exchange.h"
#include "guard/windows.h"

/*
 * What a budget's chains do with a request instead of refusing it, or because
 * the budget is nearly used up. A chain is tried in order; the first action
 * that is possible and leaves a request which fits all budgets is taken. Each
 * attempt is an admission of its own with nothing held from the one before.
 * Hard limits come first. One thread; may wait as throttle says.
 */
struct lg_degrade_means {
	struct lg_buf *held; /* the request as it would go out, or NULL: it
				cannot be changed any more */
	bool (*may_sleep)(void *arg); /* NULL: it may not */
	lg_local_send_fn *local;      /* NULL: no other server can be asked */
	void *arg;
};

/* Is there anything to do after lg_admit? Quick. */
bool lg_degrade_is_due(const struct lg_exchange *x);

/*
 * After an lg_admit that left a denial by a budget or x->soft. Then x is let
 * go with its hold, verdict and reason (and *held perhaps rewritten,
 * x->nap_ns set), or x->denial stands.
 */
void lg_degrade(struct lg_exchange *x, struct lg_windows *wins,
		const struct lg_degrade_means *means);

#endif
