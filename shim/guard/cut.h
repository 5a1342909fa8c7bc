#ifndef LG_GUARD_CUT_H
#define LG_GUARD_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "budget/hold.h"

struct lg_exchange;
struct lg_http1;

/*
 * A stream whose running cost passes what was held for it: more is held, and
 * when a hard budget has no room for that the stream ends behind the event at
 * hand with an error of its dialect. The cost is worked out only when counts
 * pass a mark that the last sum told; an event costs a few comparisons. One
 * thread per object.
 */
#define LG_CUT_HOLDS_MAX 6

struct lg_cut {
	uint64_t bytes; /* delivered, up to which no sum is needed */
	uint64_t told;	/* the same for interim counts of output */
	uint64_t sign;	/* of all else that the cost depends on */
	/* Of the bytes before: what they delivered, and what they may still. */
	uint64_t seen, seen_told, carry, last;
	unsigned nmore;
	struct lg_hold more[LG_CUT_HOLDS_MAX]; /* besides the exchange's */
	int64_t more_pusd[LG_CUT_HOLDS_MAX];
	bool done; /* the stream was cut */
};

/* The answer's head is there: watch it if a hard budget counts the call. */
void lg_cut_arm(struct lg_exchange *x);

/*
 * The end of a cut stream as the program sees it, behind the body's last byte
 * shown (after). rest: bytes of the chunk at hand that the program still
 * expects; negative: it has had all of it, with its line end. True: appended to
 * out, up to the end of the framing. False: nothing can be said in this framing
 * or there is no memory; the answer ends short.
 */
bool lg_cut_tail(const struct lg_exchange *x, const struct lg_http1 *m,
		 int64_t rest, char after, struct lg_buf *out);

/* After the settlement: the holds of ours are given back. */
void lg_cut_release(struct lg_exchange *x);
/* After fork: they are this child's. */
void lg_cut_adopt(struct lg_exchange *x);

#endif
