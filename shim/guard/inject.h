#ifndef LG_GUARD_INJECT_H
#define LG_GUARD_INJECT_H

#include "base/buf.h"

struct lg_exchange;

/*
 * `stream_usage: inject`: a stream of chat completions is asked for its usage
 * (stream_options.include_usage) on the program's behalf; guard/inject_answer.h
 * takes out of the answer what that adds.
 *
 * Before a whole request that was let go leaves: does it apply, and can the
 * body say it? Then it is rewritten in `held` (head and body as they will go
 * out), what it accepts is reduced to identity, so that the answer can be
 * edited, and x->injected is set. Else, and without memory, nothing is touched.
 */
void lg_inject_request(struct lg_exchange *x, struct lg_buf *held);

#endif
