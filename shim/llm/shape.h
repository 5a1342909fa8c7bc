#ifndef LG_LLM_SHAPE_H
#define LG_LLM_SHAPE_H

#include <stdbool.h>

#include "base/slice.h"
#include "llm/dialect.h"

/*
 * Whose answer is that, where the request was not seen? text: decoded bytes of
 * its body, from anywhere on. NULL: nothing in them says so. A string inside a
 * JSON string cannot pretend: its quotes are escaped. Any thread.
 */
const struct lg_dialect *lg_shape_answer(struct lg_slice text);
/* Lines of server-sent events with JSON in them? */
bool lg_shape_is_sse(struct lg_slice text);
/* The provider whose dialect it is, as the price list calls it; NULL. */
const char *lg_shape_owner(const struct lg_dialect *d);

#endif
