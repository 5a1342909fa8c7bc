#ifndef LG_BPF_ENGINES_H
#define LG_BPF_ENGINES_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/become.h"
#include "bpf/person.h"

struct lg_engine;

/*
 * The engines of the tracer: one for each uid and each set of variables that
 * an engine is made from (config, state, region, the budgets of a run). Calls
 * of processes that differ in none of these share one. One thread.
 */
struct engines_options {
	const char *config, *state_dir, *region; /* NULL: the target's */
	bool ignore_budget;
};

struct engines_one {
	struct engines_one *next;
	struct lg_engine *engine;
	struct become_user user;
	struct person *person; /* whose variables it was made from */
	unsigned refs;
	int64_t idle_since_ms; /* 0: in use */
};

struct engines {
	struct engines_options o;
	struct engines_one *first;
	int64_t next_sweep_ms;
};

void engines_init(struct engines *s, const struct engines_options *o);
void engines_fini(struct engines *s);
/* NULL: it cannot be opened (no memory, no home). Takes a reference. */
struct engines_one *engines_get(struct engines *s, const struct person *p);
/* The one of this engine; NULL: it is closed. */
struct engines_one *engines_find(struct engines *s, const struct lg_engine *e);
/* NULL is accepted. */
void engines_drop(struct engines_one *one);
/* Refreshes, sweeps dead owners, closes what nobody has used for a minute;
 * of what nobody uses only the last few are kept so long. */
void engines_tick(struct engines *s, int64_t now_ms);

#endif
