#ifndef LG_GUARD_PARTS_H
#define LG_GUARD_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/usage.h"
#include "llm/facts.h"
#include "price/price.h"

struct lg_exchange;

/*
 * The sum of the calls that one answer bills (enum lg_part): each part is
 * priced under its own model, tier and place when it is due, so that memory
 * does not grow with their number. Sums saturate. From base/mem.h.
 */
struct lg_parts {
	uint64_t n;
	struct lg_usage usage;	  /* sums; provider's total and cost too */
	struct lg_cost cost;	  /* sums */
	uint64_t nprovider;	  /* parts with a cost of the provider's */
	bool unknown;		  /* a price was not known or not complete */
	bool estimated;		  /* ... or an estimate */
	bool interim;		  /* a part's usage was not the last word */
	char model[LG_MODEL_MAX]; /* of the first part that named one */
	char price_version[40];	  /* of the first one priced */
};

/* A lg_body_part_fn: ctx is the exchange, whose answer holds the part. */
void lg_parts_turn(void *ctx, enum lg_part part);
/*
 * Cost, usage, model and states of the row of a call that had parts. final:
 * the answer ended as it should.
 */
void lg_parts_fill(struct lg_exchange *x, bool final);
/* NULL is accepted. */
void lg_parts_del(struct lg_parts *p);

#endif
