#ifndef LG_TOOLS_ROOM_H
#define LG_TOOLS_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "guard/exhaust.h"

struct lg_engine;

/*
 * Is there room for the call of a process that the tracer has stopped? Asked
 * by the call that waits where the region still has it, else by what the
 * process is: then false only where no call of it can fit. *why says what is
 * in the way. Orders to pause do not count.
 */
bool room_has(struct lg_engine *e, int32_t pid, struct lg_exhaust *why);

#endif
