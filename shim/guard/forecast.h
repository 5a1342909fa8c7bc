#ifndef LG_GUARD_FORECAST_H
#define LG_GUARD_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When a window's limit will be reached if money goes on being spent as since
 * its start. False: not within the window, or too early to tell (a tenth of
 * the window and of the limit must be gone). Any thread.
 */
bool lg_forecast(int64_t start_ms, int64_t end_ms, int64_t now_ms,
		 int64_t spent_pusd, int64_t limit_pusd, int64_t *exceeds_ms);

#endif
