#ifndef LG_GUARD_WINDOWS_H
#define LG_GUARD_WINDOWS_H

#include "budget/window.h"
#include "guard/world.h"

/* The windows of one world around now, computed again only when they end. */
struct lg_windows {
	uint64_t seq;
	struct lg_window w[LG_PERIOD_TOTAL + 1];
};

const struct lg_window *lg_windows_get(struct lg_windows *c,
				       const struct lg_world *w,
				       enum lg_period period, int64_t unix_ms);

#endif
