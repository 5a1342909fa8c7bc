#ifndef LG_GUARD_DEGRADE_STATE_H
#define LG_GUARD_DEGRADE_STATE_H

#include "guard/degrade.h"
#include "ledger/row.h"

/* Private to degrade.c and degrade_plan.c. */

#define LG_DEGRADE_RULES_MAX LG_HOLD_CELLS_MAX

/* What the program asked for, to come back to. */
struct lg_asked {
	char model[LG_MODEL_MAX]; /* facts' */
	uint64_t cap;
	bool has_cap, by_body;
	struct lg_route route;
	struct lg_price price;
	char provider[sizeof(((struct lg_row *)0)->provider)];
	char served[sizeof(((struct lg_row *)0)->model)];
};

/* How far a budget's chain has been tried. */
struct lg_cursor {
	uint16_t rule, at;
	uint32_t clamped; /* plan number of its last clamp */
};

/* What is to become of the request. */
struct lg_plan {
	struct lg_slice model; /* empty: as asked */
	uint64_t cap;	       /* 0: as asked */
};

struct lg_degrade {
	struct lg_exchange *x;
	struct lg_windows *wins;
	const struct lg_degrade_means *means;
	struct lg_asked asked;
	struct lg_plan plan;
	uint32_t plans; /* models tried */
	struct lg_cursor cur[LG_DEGRADE_RULES_MAX];
	unsigned ncur;
	struct lg_buf out; /* the request as planned, empty: as it is */
	uint8_t verdict;   /* the strongest that was carried out */
	const char *reason;
	int rule; /* whose chain did it */
	unsigned halts;
	bool stopped;
	uint16_t soft[LG_DEGRADE_RULES_MAX]; /* whose soft limit was passed at
						first */
	unsigned nsoft;
};

/* -- degrade_chain.c ------------------------------------------------------ */

/* The actions of a budget and how many they are. */
const struct lg_img_action *lg_chain_of(const struct lg_rule *r, bool soft,
					unsigned *n);
/* The next that is for this request; *at moves behind it. NULL: no more. */
const struct lg_img_action *lg_chain_next(const struct lg_degrade *d,
					  const struct lg_rule *r, bool soft,
					  uint16_t *at);
/* Where a budget's hard chain stands, begun if need be; NULL: too many. */
struct lg_cursor *lg_chain_cursor(struct lg_degrade *d, int rule);
/*
 * The next of its hard chain before a block; a clamp once more for each other
 * model.
 */
const struct lg_img_action *lg_chain_next_hard(struct lg_degrade *d, int rule);
/* A budget whose chain was begun and has more to say; -1: none. */
int lg_chain_open(const struct lg_degrade *d);

/* -- degrade_plan.c ------------------------------------------------------- */

enum lg_carried {
	LG_CARRIED_NOT,	    /* the request cannot say it; nothing was asked */
	LG_CARRIED_REFUSED, /* x->denial says why */
	LG_CARRIED_OUT,	    /* it fits and is held */
};

/* What is asked for now is what it comes back to. */
void lg_plan_remember(struct lg_degrade *d);
/* Back to it, or to its output cap alone. */
void lg_plan_restore(struct lg_degrade *d);
void lg_plan_restore_cap(struct lg_degrade *d);
/*
 * Another model: all that prices and budgets look at is its own. False: it
 * is no other, or cannot be asked for here; then all is as asked.
 */
bool lg_plan_model(struct lg_degrade *d, struct lg_slice model);
/*
 * The largest output, not below `least`, whose proven cost is within room.
 * False: not possible; then the cap is as asked.
 */
bool lg_plan_cap(struct lg_degrade *d, int64_t room, uint64_t least);
/* Ask for the request as planned: rewritten into d->out, then admitted. */
enum lg_carried lg_plan_carry_out(struct lg_degrade *d);
/* The same; a plan that cannot be said gives way to `was`. */
bool lg_plan_carry_out_or(struct lg_degrade *d, const struct lg_plan *was);

#endif
