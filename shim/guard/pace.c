#include "guard/pace.h"

#include "base/atomic.h"

#define PLACES 256u

static uint64_t next_at[PLACES]; /* boot ns, 0: nothing went yet */

int64_t lg_pace_spacing(int64_t cost_pusd, int64_t left_pusd, int64_t left_ms,
			int64_t max_ns)
{
	__int128 ns;

	if (left_ms < 0 || left_pusd <= 0)
		return max_ns;
	if (cost_pusd <= 0)
		return 0;
	ns = (__int128)left_ms * 1000000 * cost_pusd / left_pusd;
	return ns > max_ns ? max_ns : (int64_t)ns;
}

int64_t lg_pace_wait(uint64_t key, int64_t now_ns, int64_t spacing_ns,
		     int64_t max_ns, bool book)
{
	uint64_t *at = &next_at[(key ^ key >> 32) % PLACES];
	uint64_t was = lg_load_relaxed(at), then;
	int64_t wait;

	/* another thread booked in between: it looks again, behind that one */
	do {
		wait = (int64_t)was - now_ns;
		if (!was || wait < 0)
			wait = 0;
		if (wait > max_ns)
			wait = max_ns;
		if (wait && !book)
			return wait;
		then = (uint64_t)(now_ns + wait + spacing_ns);
	} while (!lg_cas_seq(at, &was, then));
	return wait;
}
