#ifndef LG_TOOLS_REPLAY_STATE_H
#define LG_TOOLS_REPLAY_STATE_H

#include "replay.h"

/* What stands where while calls are made again. For replay_*.c alone. */

/* A counter in one window. */
struct replay_cell {
	struct lg_hash128 id;
	int64_t used_pusd, held_pusd, start_ms;
	uint32_t window;
	uint16_t rule;
	bool full;
};

struct replay_flight {
	int64_t end_ms;
	size_t call;
};

struct replay_run {
	struct replay *r;
	struct replay_cell *cell;
	size_t ncells, cells_cap;
	uint32_t *slot; /* index + 1 */
	size_t nslots;
	struct replay_flight *heap; /* by end, the first at 0 */
	size_t nheap;
	uint32_t *of;		    /* each charge's cell */
	int64_t *amount;	    /* each call's hold */
	struct replay_plan *chosen; /* and how it was made */
};

/* The cells of a plan, into run.of. 0, -ENOMEM. */
int replay_cells(struct replay_run *s, const struct replay_plan *p);
static inline struct replay_cell *replay_cell_of(struct replay_run *s,
						 const struct replay_plan *p,
						 uint32_t i)
{
	return &s->cell[s->of[p->charge + i]];
}
/* Call i is let go by this plan and holds amount until it ends. */
void replay_take(struct replay_run *s, size_t i, const struct replay_plan *p,
		 int64_t amount);
/* Say what becomes of call i, and take it where it is let go. */
void replay_decide(struct replay_run *s, size_t i);

#endif
