#ifndef LG_GUARD_MEMO_H
#define LG_GUARD_MEMO_H

#include <stdint.h>

#include "base/hash.h"
#include "ledger/row.h"
#include "llm/route.h"
#include "price/price.h"

/*
 * The last two prices that a connection asked for: of the model that was
 * requested and of the one that answered. Good for one world and one minute
 * (prices begin and end on whole minutes). And the API key's digest; of the key
 * itself no copy is kept. One thread.
 */
#define LG_MEMO_PRICES 2

/*
 * Where the last request went, of the world that routed it: clients repeat
 * themselves. It counts for the same host, method and target alone, byte by
 * byte. The connection's SNI is part of none of it: it never changes.
 */
#define LG_MEMO_TEXT 384

struct lg_memo_route {
	uint64_t seq; /* of the world; 0: empty */
	size_t host_len, method_len, target_len;
	char text[LG_MEMO_TEXT]; /* the three in a row */
	struct lg_route route;
	char host[96], endpoint[160]; /* as rows have them */
};

struct lg_memo {
	struct lg_row_memo row;
	struct lg_memo_route route;
	struct lg_memo_price {
		uint64_t seq; /* of the world; 0: empty */
		int64_t minute;
		char provider[64], host[96], model[128], tier[24];
		char geo[24], variant[32];
		struct lg_price price;
	} one[LG_MEMO_PRICES];
	unsigned next;
	struct lg_hash128 key_of; /* of the API key; zero: none yet */
	char key[13];		  /* its first 12 hex digits of SHA-256 */
};

/* NULL when the request is another one. */
const struct lg_memo_route *lg_memo_route_get(const struct lg_memo *m,
					      uint64_t seq,
					      struct lg_slice host,
					      struct lg_slice method,
					      struct lg_slice target);
/* route, host and endpoint of *out are to be filled; NULL: too long. */
struct lg_memo_route *lg_memo_route_put(struct lg_memo *m, uint64_t seq,
					struct lg_slice host,
					struct lg_slice method,
					struct lg_slice target);

/* lg_sha256_hex12, computed anew when it is another key than last time. */
void lg_memo_key(struct lg_memo *m, struct lg_slice key, char out[13]);

/* NULL when it is not there. */
const struct lg_price *lg_memo_get(const struct lg_memo *m, uint64_t seq,
				   const struct lg_price_query *q);
/* Text that does not fit is not kept. */
void lg_memo_put(struct lg_memo *m, uint64_t seq,
		 const struct lg_price_query *q, const struct lg_price *p);

#endif
