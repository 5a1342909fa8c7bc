#ifndef LG_GUARD_HEAD_H
#define LG_GUARD_HEAD_H

#include <stdbool.h>

#include "base/slice.h"

#define LG_HEAD_OWN "x-llmguard-" /* fields that are for us */

/*
 * The fields of a head that the guard reads, found in one walk. Of repeated
 * ones the first; absent ones are empty. All borrowed from the head.
 */
struct lg_head {
	struct lg_slice host, expect, type, coding;
	/* keys, in the order in which they count */
	struct lg_slice authorization, x_api_key, x_goog_api_key, api_key;
	/* x-llmguard-* */
	struct lg_slice project, user, tags, conversation, phase;
	bool own; /* there is one of these, read or not */
};

/* head: complete, with its empty line. Any thread. */
void lg_head_read(struct lg_slice head, struct lg_head *out);

#endif
