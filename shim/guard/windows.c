#include "guard/windows.h"

#include <string.h>

const struct lg_window *lg_windows_get(struct lg_windows *c,
				       const struct lg_world *w,
				       enum lg_period period, int64_t unix_ms)
{
	struct lg_window *one;

	if ((unsigned)period > LG_PERIOD_TOTAL)
		period = LG_PERIOD_TOTAL;
	if (c->seq != w->seq) {
		memset(c, 0, sizeof(*c));
		c->seq = w->seq;
	}
	one = &c->w[period];
	if (unix_ms < one->start_ms || unix_ms >= one->end_ms)
		lg_window_at(period, w->zone, w->set.week_start, unix_ms, one);
	return one;
}
