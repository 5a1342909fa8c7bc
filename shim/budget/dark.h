#ifndef LG_BUDGET_DARK_H
#define LG_BUDGET_DARK_H

#include "budget/region.h"

/*
 * Dark traffic: connections of guarded programs to LLM hosts whose inside no
 * hook saw. One place in the region for each program and host; when all are
 * taken the one not heard of longest makes room. Any thread.
 */
struct lg_dark {
	char exe[25], host[57]; /* cut */
	uint64_t count;		/* connections */
	uint64_t sent, received;
	uint32_t first_s, last_s; /* CLOCK_REALTIME */
	uint32_t pid;		  /* of the last one */
};

/* One more; count is 1 or more. Nothing on a read-only region. */
void lg_dark_add(struct lg_region *r, const struct lg_dark *d);
/* The i-th place, i < LG_DARK_SHOWN. 0; -ENOENT nothing there. */
#define LG_DARK_SHOWN 24u
int lg_dark_view(const struct lg_region *r, unsigned i, struct lg_dark *out);
/* Forget them all. */
void lg_dark_reset(struct lg_region *r);

#endif
