#ifndef LG_GUARD_DARK_H
#define LG_GUARD_DARK_H

#include "guard/engine.h"

/*
 * A connection to an LLM host has ended (or stands for long) and nothing of
 * what went over it was seen: count it in the region, log it, and tell an
 * event once a day, program and host. Any thread; keeps errno.
 */
void lg_dark_tell(struct lg_engine *e, struct lg_slice host, uint64_t sent,
		  uint64_t received);

#endif
