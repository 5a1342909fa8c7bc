#ifndef LG_BPF_ENFORCE_H
#define LG_BPF_ENFORCE_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/loader.h"
#include "ledger/row.h"

/*
 * The ladder from outside a process: warn, deny new connections, reset the
 * connection, SIGSTOP, SIGKILL. One thread.
 */
enum enforce_rung {
	ENFORCE_WARN,
	ENFORCE_DENY,
	ENFORCE_RESET,
	ENFORCE_STOP,
	ENFORCE_KILL,
	ENFORCE_RUNGS
};
struct enforce_rung_state {
	const char *name;
	bool works;
	char why_not[96]; /* "" when it works */
};

struct enforce;
struct enforce_options {
	enum enforce_rung hard; /* what a hard budget's breach does */
};

int enforce_new(struct loader *l, const struct enforce_options *o,
		struct enforce **out);
/* Lets go of whom it stopped or denied. */
void enforce_del(struct enforce *e);
/* What this kernel lets us do, tried, not guessed. */
const struct enforce_rung_state *enforce_rungs(const struct enforce *e);
/* A call was admitted or settled: are its budgets exhausted now? */
void enforce_call(struct enforce *e, const struct lg_row *row, bool settled);
/* A peer's address of a guarded connection, found by its descriptor. */
void enforce_conn(struct enforce *e, const struct probe_conn_key *key, int fd);
/* A verdict was carried out in the kernel. */
void enforce_event(struct enforce *e, const struct probe_event *ev);
/* Budgets raised, windows over: who may go on? */
void enforce_tick(struct enforce *e, int64_t now_ms);

#endif
