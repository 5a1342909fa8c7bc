#ifndef LG_BUDGET_WINDOW_H
#define LG_BUDGET_WINDOW_H

#include <stdint.h>

#include "base/image.h"
#include "budget/zone.h"

/*
 * A budget's window is computed from the instant, the zone and the week
 * start; nothing is ever reset by a job. Any thread, no allocation.
 */
struct lg_window {
	uint32_t tag;	  /* identity, grows with time; run/total: 1 */
	int64_t start_ms; /* first instant; INT64_MIN: none */
	int64_t end_ms;	  /* first instant after; INT64_MAX: none */
};

void lg_window_at(enum lg_period period, const struct lg_zone *z,
		  unsigned week_start, int64_t unix_ms, struct lg_window *out);

#endif
