#ifndef LG_TOOLS_RECORDED_H
#define LG_TOOLS_RECORDED_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/row.h"

struct lg_engine;

/* A call that did not cross the wire, as somebody tells of it. "": not said. */
struct recorded {
	const char *model, *provider, *tier, *type;
	const char *run_id, *project, *user, *tags, *conversation;
	const char *experiment, *phase;
	const char *env_phase; /* where neither phase nor the run's switch says
				  it */
	enum lg_cache_hit hit; /* LG_CACHE_NONE: it was paid */
	uint64_t input_tokens, cached_tokens, output_tokens;
	bool cached; /* cached_tokens was said */
};

/*
 * The row of it: its price is looked up (unknown_model decides on a model
 * without one, as in the guard; of request type train the input is what was
 * trained, at the price of that), and who wrote it filled in. What it
 * cost is charged by lg_row_post, once each with an id of its own.
 */
void recorded_fill(struct lg_engine *e, const struct recorded *r,
		   struct lg_row *row);
/*
 * Why its price is unknown and what it counts, behind the model's name; NULL:
 * it is known. Borrowed for ever.
 */
const char *recorded_doubt(struct lg_engine *e, const struct lg_row *row);

#endif
