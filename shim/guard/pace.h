#ifndef LG_GUARD_PACE_H
#define LG_GUARD_PACE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Calls of one counter at even distances (the action throttle): when the next
 * may go. In this process alone, without locks; two counters that fall on the
 * same place slow each other down, never more than max_ns.
 */

/*
 * What a call of this cost leaves of `left`, spread over left_ms of the
 * window: the time until the next, at most max_ns. left_ms < 0: the window
 * has no end, max_ns.
 */
int64_t lg_pace_spacing(int64_t cost_pusd, int64_t left_pusd, int64_t left_ms,
			int64_t max_ns);
/*
 * How long a call at now_ns has to wait, at most max_ns; 0: not at all. book:
 * it goes then, and the next one is spacing_ns later. Without book a call that
 * has to wait leaves no trace. Any thread.
 */
int64_t lg_pace_wait(uint64_t key, int64_t now_ns, int64_t spacing_ns,
		     int64_t max_ns, bool book);

#endif
