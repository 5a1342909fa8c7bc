#ifndef LG_GUARD_REWRITE_H
#define LG_GUARD_REWRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "guard/exchange.h"
#include "llm/route.h"

/*
 * Another model, or a smaller output, in a request that is held whole: in its
 * body, and in the path where the dialect has the model there. What it says
 * afterwards is read again by the dialect's own reader: a request that cannot
 * say it is not changed. One thread.
 */
struct lg_rewrite {
	struct lg_slice model; /* empty: stays */
	uint64_t cap;	       /* output tokens, 0: stays; never raised */
};

/*
 * Can this request be rewritten at all (whole, JSON, not signed, not coded)?
 * held: as it would go out.
 */
bool lg_rewrite_is_possible(const struct lg_exchange *x, struct lg_slice held);

/*
 * The route that the request would have under another model; out->model is
 * empty where the path does not name it. False: its path cannot say it.
 */
bool lg_rewrite_route(const struct lg_exchange *x, struct lg_slice held,
		      struct lg_slice model, struct lg_route *out);

/*
 * The whole message into the empty buffer out; held is not touched. False when
 * it is not possible, also without memory.
 */
bool lg_rewrite_request(const struct lg_exchange *x, struct lg_slice held,
			const struct lg_rewrite *w, struct lg_buf *out);

#endif
