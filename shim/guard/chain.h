#ifndef LG_GUARD_CHAIN_H
#define LG_GUARD_CHAIN_H

#include <stdbool.h>

/*
 * Which conversation an answer belonged to, for requests that only name the
 * answer they follow (previous_response_id). The last 128 or so of this
 * process; any thread, no lock, no allocation. Names are cut at 95 bytes.
 */
void lg_chain_put(const char *response_id, const char *conversation);
/* False: not known (here or any more). out has 96 bytes. */
bool lg_chain_get(const char *response_id, char *out);

#endif
