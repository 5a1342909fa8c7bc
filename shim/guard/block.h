#ifndef LG_GUARD_BLOCK_H
#define LG_GUARD_BLOCK_H

#include "base/buf.h"
#include "guard/exchange.h"
#include "llm/dialect.h"

#define LG_ADVICE_MAX 8

/* The remedies of one refusal, with one that names its model. */
struct lg_advice {
	struct lg_slice text[LG_ADVICE_MAX];
	char price[LG_MODEL_MAX + LG_NAME_MAX + 128];
};

/* What the error object says of d; both live as long as *r is used. */
void lg_block_describe(const struct lg_exchange *x, const struct lg_denial *d,
		       struct lg_refusal *r, struct lg_advice *a);

/*
 * The answer to a refused request: HTTP/1.1 429 with the error object of its
 * dialect. Appended to out. 0, -EMSGSIZE, -ENOMEM.
 */
int lg_block_answer(const struct lg_exchange *x, struct lg_buf *out);

#endif
