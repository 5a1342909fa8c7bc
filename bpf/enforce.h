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
struct meter;

struct enforce_options {
	enum enforce_rung hard; /* what a hard budget's breach does */
	struct meter *meter;	/* borrowed, outlives it */
	uint64_t cgroup;	/* --cgroup: its later processes, too; 0 */
};

int enforce_new(struct loader *l, const struct enforce_options *o,
		struct enforce **out);
/*
 * The tracer goes: whom it denied may connect again; whom it stopped goes on
 * where the settings say fail: open, and stays stopped for `llmguard resume`
 * where they say closed. Before meter_del.
 */
void enforce_del(struct enforce *e);
/* What this kernel lets us do, tried, not guessed. */
const struct enforce_rung_state *enforce_rungs(const struct enforce *e);
/* What a breach does: what was asked for, or the best that works here. */
enum enforce_rung enforce_in_force(const struct enforce *e);
/* The rungs for whoever has no tracer: fills out[ENFORCE_RUNGS]. */
void enforce_probe(struct enforce_rung_state *out);
/* "warn", "deny", ...; ENFORCE_RUNGS when there is none. */
enum enforce_rung enforce_rung_by_name(const char *name);

/* A process came under trace (judged at once), or left. */
void enforce_target(struct enforce *e, uint32_t tgid, bool on);
/* A call was admitted or settled: are its budgets exhausted now? */
void enforce_call(struct enforce *e, const struct lg_row *row, bool settled);
/*
 * A connection was judged (state LLM), or its descriptor became known; fd -1:
 * not known. Its peer is an LLM peer from here on.
 */
void enforce_conn(struct enforce *e, const struct probe_conn_key *key, int fd);
/* Every record of the ring, before meter_feed has it: was a call that waits
 * let go by somebody else? Then the meter must know. */
void enforce_before(struct enforce *e, const struct probe_event *ev);
/* The same, after meter_feed had it. */
void enforce_event(struct enforce *e, const struct probe_event *ev);
/*
 * Budgets raised, windows over, orders given: who may go on? At least four
 * times a second.
 */
void enforce_tick(struct enforce *e, int64_t now_ms);

/* For the summary. */
struct enforce_totals {
	uint64_t stopped, resumed, denied, reset, killed;
	unsigned waiting; /* processes that are stopped now */
};
void enforce_totals(const struct enforce *e, struct enforce_totals *out);

#endif
