#ifndef LG_GUARD_BLOCK_H
#define LG_GUARD_BLOCK_H

#include "base/buf.h"
#include "guard/exchange.h"

/*
 * The answer to a refused request: HTTP/1.1 429 with the error object of its
 * dialect. Appended to out. 0, -EMSGSIZE, -ENOMEM.
 */
int lg_block_answer(const struct lg_exchange *x, struct lg_buf *out);

#endif
