#ifndef LG_GUARD_HALT_H
#define LG_GUARD_HALT_H

struct lg_exchange;

/*
 * The action `stop`: this process stops (SIGSTOP) until somebody continues it
 * (SIGCONT, `llmguard resume`). Nothing may be held. While it is stopped a
 * slot of the region without money keeps the request's row with the verdict
 * stop: `holds` and `status` list it with its owner, and if the process dies
 * there, the row reaches the ledger. Returns when it goes on. 0; -EPERM pid 1
 * (a stop is not obeyed there), or inside of a sandbox; -errno of kill.
 */
int lg_halt(struct lg_exchange *x);

#endif
