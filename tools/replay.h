#ifndef LG_TOOLS_REPLAY_H
#define LG_TOOLS_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "budget/window.h"
#include "guard/rule.h"
#include "guard/windows.h"
#include "guard/world.h"
#include "ledger/ledger.h"
#include "ledger/row.h"
#include "strmap.h"

struct lg_engine;

/*
 * The calls of the ledger, decided again by another budget file. Each is
 * matched by the guard's own rules when its row is read; then they are made
 * once more in the order of their starts: a call holds its estimate from its
 * start to its end and costs from then on what it did cost.
 */

/* One counter that a call is charged to. */
struct replay_charge {
	struct lg_hash128 id; /* of the counter */
	int64_t start_ms;     /* of the window */
	uint32_t window;
	uint16_t rule;
};

/* One way to make a call: as it was, or with another model. */
struct replay_plan {
	const char *model; /* as asked for, of replay.texts */
	int64_t estimate_pusd, cost_pusd, input_pusd;
	uint32_t charge, ncharges; /* in replay.charges */
};

struct replay_call {
	char id[27];
	uint8_t was;	/* enum lg_verdict of the row */
	uint8_t did;	/* enum lg_verdict now */
	bool exempt;	/* never refused: budgets were ignored, or too old */
	bool unseen;	/* before --since: not shown */
	bool is_adjust; /* money of no call */
	bool released;	/* was refused: never answered */
	bool soft;	/* did because of a soft limit */
	bool unknown;	/* its model has no known price */
	int16_t rule;	/* whose limit, -1 none */
	const char *comm, *user;
	int64_t ts_ms, end_ms;
	int64_t would_pusd; /* what it costs now */
	struct replay_plan plan;
	uint32_t alt, nalts; /* in replay.alts */
};

/* What one budget would have done. */
struct replay_budget {
	uint64_t calls;		 /* that it counts */
	uint64_t over;		 /* let go beyond its limit */
	uint64_t blocked, eased; /* for its sake; eased: by an action */
	int64_t blocked_pusd, eased_pusd; /* not spent for that */
	int64_t first_ms, soft_ms;  /* first call beyond limit, soft limit */
	uint64_t windows, full;	    /* counters seen; those beyond the limit */
	int64_t most_pusd, most_ms; /* fullest counter, its window's start */
	uint64_t others;	    /* calls that shared *other* */
	uint32_t keys_window, keys; /* of each: in the window that runs */
};

struct replay_sum {
	uint64_t calls, blocked, eased, released, refused_again, unknown;
	uint64_t by[LG_VERDICT_KILL + 1];
	int64_t was_pusd, would_pusd, blocked_pusd, eased_pusd;
	int64_t released_pusd, again_pusd;
	int64_t from_ms, to_ms; /* first and last start; from > to: none */
};

struct replay {
	struct lg_engine *e;
	struct lg_world *w; /* of the other file */
	int64_t since_ms;
	struct lg_ledger_stats stats;
	struct strmap texts;
	struct strmap models; /* what the catalog says of a name */
	struct lg_windows wins;
	struct replay_call *calls;
	size_t ncalls, calls_cap;
	struct replay_plan *alts;
	size_t nalts, alts_cap;
	struct replay_charge *charges;
	size_t ncharges, charges_cap;
	bool by_model;		       /* somebody asks for the model */
	struct replay_budget *budgets; /* w->nrules */
	struct replay_sum sum;
};

/* Read the ledger. 0, -ENOMEM, -errno. */
int replay_load(struct replay *r);
/* Make the calls again. 0, -ENOMEM. */
int replay_run(struct replay *r);
void replay_fini(struct replay *r);

#endif
