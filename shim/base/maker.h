#ifndef LG_BASE_MAKER_H
#define LG_BASE_MAKER_H

#include <stdbool.h>

#include "base/slice.h"

/*
 * Is this provider a maker that serves its own models alone, and does the
 * model's name begin as another maker's? False where that cannot be known
 * (gateways, clouds, names of one's own). Any thread.
 */
bool lg_maker_is_other(struct lg_slice provider, struct lg_slice model);

#endif
