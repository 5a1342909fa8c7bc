#ifndef LG_GUARD_EXCHANGE_H
#define LG_GUARD_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "budget/hold.h"
#include "guard/body.h"
#include "guard/cut.h"
#include "guard/inject_answer.h"
#include "guard/local.h"
#include "guard/memo.h"
#include "guard/parts.h"
#include "guard/who.h"
#include "guard/world.h"
#include "ledger/row.h"
#include "llm/dialect.h"
#include "base/hash.h"
#include "llm/facts.h"
#include "llm/route.h"
#include "price/price.h"

struct lg_engine;

/* A counter that a call was admitted on. */
struct lg_charged {
	uint16_t rule; /* index in the world */
	int cell;
	uint32_t window;
	bool hard;		/* refuses what does not fit */
	int64_t limit_pusd;	/* in force at admission */
	struct lg_rule_hit hit; /* to find it again in another region */
};

/* Why a call was refused. */
struct lg_denial {
	const char *reason; /* "budget", "contention", "unbounded" ... */
	int rule;	    /* index in the world, -1: no budget */
	char scope[160];    /* with the value of an each: budget */
	int64_t spent_pusd, held_pusd, limit_pusd;
	int64_t resets_at_ms; /* 0: does not reset */
	bool transient;	      /* only other calls' holds are in the way */
	int cell;	      /* the counter that refused, -1: none */
	uint32_t window;
	int64_t retry_ms; /* worth another try then, 0: not said */
};

/*
 * One request and its answer, from the head's last byte to the row. Memory
 * from base/mem.h; one thread. It pins the world it was decided from.
 */
struct lg_exchange {
	struct lg_exchange *next; /* in order of their requests */
	struct lg_engine *engine;
	struct lg_world *world;
	struct lg_route route;
	const struct lg_dialect *d; /* NULL: nothing to read */
	struct lg_memo *memo;	    /* the connection's, NULL none */
	const struct lg_who *who;   /* whose call it is, NULL: ours */
	bool priced_by_body;   /* price is of the body's model, not the URL's */
	struct lg_price price; /* of the requested model */

	struct lg_hold hold;
	struct lg_region_ref *region; /* where it was taken, NULL none */
	int64_t held_pusd;	      /* x->cut's holds included */
	struct lg_cut cut;
	uint64_t input_estimate; /* tokens */
	unsigned ncharged;
	struct lg_denial *denial; /* &refused, NULL: let go */
	uint32_t soft;	  /* bit i: charged[i] is past a soft limit that acts */
	unsigned nwaived; /* budgets whose chain ended in a warning */
	uint16_t waived[LG_HOLD_CELLS_MAX];
	int64_t nap_ns; /* the program waits so long before it is sent */

	int64_t start_boot_ns;
	struct lg_inject_answer *edit; /* NULL: the answer passes as it is */
	struct lg_local *local;	       /* a local server answers, NULL: no */
	struct lg_parts *parts;	       /* NULL: the answer had none */
	int64_t price_ms; /* priced as of then, 0: of the row's start */

	struct lg_price_trace *trace; /* of its look-ups, NULL: none */

	struct lg_text_hash seen; /* of the request's body */

	bool head_request, connect_request;
	bool quiet;	  /* no row (not an LLM path) */
	bool whole;	  /* the facts come from all of the body */
	bool released;	  /* may be answered by the server */
	bool written;	  /* every byte of it was accepted */
	bool dispatched;  /* stored in its hold */
	bool continues;	  /* a 100 of ours is due to the program */
	bool swallow_100; /* the server's 100 is not for the program */
	bool denied_told; /* the 429 stands in the synthetic bytes */
	bool answered;	  /* a final status line was seen */
	bool complete;	  /* the answer ended as its framing says */
	bool closed;	  /* the answer is over, one way or another */
	bool settled;
	bool withheld;	 /* observed: it waits at the write of its head */
	bool forsaken;	 /* observed: it goes on, and nobody looks */
	bool disowned;	 /* another process has it (fork) */
	bool parts_lost; /* no memory for them */
	bool injected;	 /* asked for its usage by us */
	bool fell_back;	 /* facts and route name another model than asked */
	bool waited;	 /* admit_wait_ms is over for it */
	bool clamped;	 /* its output cap is ours: what it can cost is held */
	bool unsure;   /* its request was not seen: whose it is, its answer says
			*/
	bool nameless; /* its provider is only its dialect's owner */
	bool holed; /* bytes of its answer are missing: the rest goes unread */

	/* From here on not zeroed: each has a beginning of its own. */
	struct lg_facts facts;
	struct lg_answer answer;
	struct lg_row row;
	struct lg_body body;
	struct lg_denial refused;
	struct lg_charged charged[LG_HOLD_CELLS_MAX]; /* ncharged of them */
};

/* NULL without memory. The world is pinned for it. who: NULL, this process. */
struct lg_exchange *lg_exchange_new(struct lg_engine *e,
				    const struct lg_who *who);
/* Frees; settles nothing. NULL is accepted. */
void lg_exchange_del(struct lg_exchange *x);

/* x->d is known; the body's type and coding. */
void lg_exchange_request_head(struct lg_exchange *x, struct lg_slice type,
			      struct lg_slice coding);
/* Body bytes (transfer-decoded), for the facts. */
void lg_exchange_request_body(struct lg_exchange *x, const char *p, size_t n);
/* The body is complete, or as much as will be seen. */
void lg_exchange_request_end(struct lg_exchange *x, bool whole);

/* The answer's head, its body and its end. */
void lg_exchange_answer_head(struct lg_exchange *x, struct lg_slice head,
			     unsigned status);
void lg_exchange_answer_body(struct lg_exchange *x, const char *p, size_t n);
/* complete: the framing's end was seen. */
void lg_exchange_answer_end(struct lg_exchange *x, bool complete);

#endif
