#ifndef LG_TOOLS_PHASE_SWITCH_H
#define LG_TOOLS_PHASE_SWITCH_H

#include <stdbool.h>

struct lg_engine;

/* "infer", "train" or "auto"? */
bool phase_is_word(const char *text);
/*
 * From its next request on the run is of that phase. 0, -errno; *unaudited:
 * it is, but the ledger has no row of it.
 */
int phase_switch(struct lg_engine *e, const char *run, const char *phase,
		 bool *unaudited);

#endif
