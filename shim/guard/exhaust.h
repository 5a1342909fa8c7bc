#ifndef LG_GUARD_EXHAUST_H
#define LG_GUARD_EXHAUST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "guard/rule.h"
#include "ledger/row.h"

struct lg_engine;
struct lg_world;

/*
 * Is a hard budget used up? For whoever sees calls without being able to
 * refuse them, but can stop who makes them. Holds, counts and refuses nothing;
 * may read the ledger when a cell is new. Calls under way count with what such
 * calls turned out to cost (held_ppm of what is held for them): a hold is what
 * they may cost, and a process that was stopped cannot read its answers to
 * prove that they cost less.
 */
struct lg_exhaust_ask {
	struct lg_engine *engine;
	struct lg_world *world; /* pinned */
	const struct lg_row *row;
	int64_t own_pusd;  /* of it, held for this very call */
	uint32_t held_ppm; /* 1000000: calls cost what is held for them */
};

/* The hard budget with the least room. */
struct lg_exhaust {
	const char *reason; /* "over_budget", "paused"; NULL: no hard budget */
	int rule;	    /* in the world, -1: none */
	char budget[64];    /* its name, "" none; cut */
	char scope[160];    /* with the value of an each: budget, or "" */
	struct lg_hash128 id;
	uint32_t window;
	int64_t spent_pusd, held_pusd, limit_pusd;
	int64_t room_pusd;    /* INT64_MAX: nothing limits it */
	int64_t resets_at_ms; /* 0: does not reset */
	const char *period;   /* NULL: no budget */
};

/* Does this very call not fit any more? ask->row is an admitted call's. */
bool lg_exhaust_call(const struct lg_exhaust_ask *ask, struct lg_exhaust *out);

/*
 * The next call of a process, whatever it asks; ask->row as meant by
 * lg_rule_foresee. LG_FORESEE_YES: no paid call fits. LG_FORESEE_PERHAPS:
 * some do not.
 */
enum lg_foresight lg_exhaust_process(const struct lg_exhaust_ask *ask,
				     struct lg_exhaust *out);

#endif
