#ifndef LG_WIRE_WRAPPED_H
#define LG_WIRE_WRAPPED_H

#include "base/slice.h"
#include "wire/base64.h"

/*
 * JSON inside JSON: an object {"bytes": "<base64>", ...}, of which the decoded
 * bytes are passed on in pieces, never collected. Cut anywhere, any length.
 * What else the object holds is passed over; whether it is JSON is not
 * checked. One thread per object.
 */
typedef void lg_wrapped_fn(void *ctx, struct lg_slice piece);

struct lg_wrapped {
	lg_wrapped_fn *fn;
	void *ctx;
	struct lg_base64 base64;
	uint32_t depth;
	uint16_t hex; /* of \uXXXX */
	uint8_t nhex;
	uint8_t state;
	uint8_t match; /* letters of the key that fit */
	bool key_next; /* the next string of the outer object is a key */
	bool is_bytes; /* the value at hand is the one */
	bool same;     /* the key is so far */
};

void lg_wrapped_init(struct lg_wrapped *w, lg_wrapped_fn *fn, void *ctx);
void lg_wrapped_feed(struct lg_wrapped *w, const char *p, size_t len);

#endif
