#ifndef LG_GUARD_LOCAL_H
#define LG_GUARD_LOCAL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

struct lg_exchange;

/*
 * The action `local` of a chain: may this request go to the model server at
 * url instead? Asked with nothing held and no denial; held is the request as
 * it would go out, may_sleep: the program's descriptor blocks. True: the
 * exchange says from here on where it goes (and costs nothing). False: not
 * possible, the next action is taken.
 */
bool lg_local_take(struct lg_exchange *x, struct lg_slice url,
		   const struct lg_buf *held, bool may_sleep);

#endif
