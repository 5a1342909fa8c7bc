#include "guard/forecast.h"

#define PART 10 /* of window and limit that must be gone */

bool lg_forecast(int64_t start_ms, int64_t end_ms, int64_t now_ms,
		 int64_t spent_pusd, int64_t limit_pusd, int64_t *exceeds_ms)
{
	__int128 at, gone = (__int128)now_ms - start_ms;

	if (start_ms == INT64_MIN || end_ms == INT64_MAX ||
	    now_ms <= start_ms || now_ms >= end_ms || limit_pusd <= 0 ||
	    spent_pusd <= 0 || spent_pusd >= limit_pusd)
		return false;
	if (gone * PART < (__int128)end_ms - start_ms ||
	    (__int128)spent_pusd * PART < limit_pusd)
		return false;
	at = start_ms + gone * limit_pusd / spent_pusd;
	if (at >= end_ms)
		return false;
	*exceeds_ms = (int64_t)at;
	return true;
}
