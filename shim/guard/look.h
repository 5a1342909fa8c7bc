#ifndef LG_GUARD_LOOK_H
#define LG_GUARD_LOOK_H

#include <stdbool.h>
#include <stddef.h>

#include "guard/engine.h"

/*
 * Connections to hosts that nobody named: do these bytes begin with the whole
 * head of a request to a host of the config, or of a paid one whose path a
 * dialect knows? Any thread.
 */
bool lg_look_begins(struct lg_engine *e, const char *p, size_t len);

#endif
