#ifndef LG_TOOLS_VIEW_H
#define LG_TOOLS_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "budget/region.h"
#include "json.h"
#include "price/price.h"

struct lg_engine;

enum view_state { VIEW_OK, VIEW_WARN, VIEW_EXCEEDED };

/* A budget as status shows it: the region's cell and what is known of it. */
struct view {
	struct lg_cell_view cell;
	const char *source; /* config live env other */
	const char *note;   /* where two configs name one budget, else NULL */
	int64_t spent_pusd, remaining_pusd;
	int64_t overshoot_pusd;		      /* INT64_MIN: no bound */
	int64_t raised_pusd, raised_until_ms; /* of the limit, 0: no */
	int64_t ratio_ppm; /* spent/limit; -1: the limit is 0 */
	enum view_state state;
};

struct views {
	struct view *v; /* heap */
	unsigned n;
	unsigned hidden; /* budgets of other runs that were left out */
	bool exceeded;	 /* a hard one is */
};

/*
 * The budgets in force, in order of their names. all: also those of past
 * runs. 0, -ENOENT (no region), -ENOMEM.
 */
int views_read(struct lg_engine *e, bool all, struct views *out);
void views_fini(struct views *vs);
void view_json(struct json *j, const struct view *v);
/* Without its brackets. */
void view_json_members(struct json *j, const struct view *v);
const char *view_state_name(enum view_state s);

#endif
