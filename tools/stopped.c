#include "stopped.h"

#include <signal.h>

#include "budget/hold.h"
#include "ledger/row.h"

/* Of this slot: the pid of a living process that waits in it, else 0. */
static int32_t waiting(const struct lg_region *r, unsigned slot, void *draft)
{
	const struct lg_row *row = draft;
	struct lg_hold_view h;

	if (lg_hold_view(r, slot, &h, draft) || !h.alive || h.foreign ||
	    !lg_row_is_sound(draft, h.draft_len))
		return 0;
	return row->verdict == LG_VERDICT_STOP && h.pid > 1 ? h.pid : 0;
}

unsigned stopped_resume(struct lg_region *r, int32_t pid, stopped_fn *fn,
			void *ctx)
{
	static _Alignas(16) char draft[LG_DRAFT_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < lg_hold_slots(r); i++) {
		int32_t p = waiting(r, i, draft);

		if (!p || (pid && p != pid) || kill(p, SIGCONT))
			continue;
		n++;
		if (fn)
			fn(ctx, p,
			   ((const struct lg_row *)(void *)draft)->budgets);
	}
	return n;
}
