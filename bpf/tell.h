#ifndef LG_BPF_TELL_H
#define LG_BPF_TELL_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/enforce.h"
#include "bpf/tally.h"
#include "tools/strmap.h"

struct lg_engine;
struct lg_env;

/* What the tracer says of itself on standard error. One thread. */

/* "pid 4711 (python3): traced", or why not, or that it is gone. */
void tell_target(uint32_t tgid, bool on, const char *reason);
/*
 * An engine without a region, once for each: its programs' limits do not hold.
 * told: a set. e NULL: nothing.
 */
void tell_no_region(struct strmap *told, struct lg_engine *e);
/* A config that is not in force, once for each reason; as above. */
void tell_trouble(struct strmap *told, const struct lg_engine *e);
/* Variables of a program that say nothing, once for each value; as above. */
void tell_variables(struct strmap *told, const struct lg_env *env);
/* Rows that its ledger does not take, once for each ledger; as above. */
void tell_staged(struct strmap *told, struct lg_engine *e);
/* A file was probed. */
void tell_object(const char *path, const char *what, unsigned nprobes);
/* What a probe costs on this machine. */
void tell_cost(struct loader *l);
/* One line a rung; all: also those that work. */
void tell_rungs(const struct enforce_rung_state *rungs, bool all);
/* "warn, stop, kill" */
void tell_rung_names(const struct enforce_rung_state *rungs, char *out,
		     unsigned cap);
/* What was lost since *told, which moves on; nothing when nothing was. */
void tell_loss(const struct tally_loss *now, struct tally_loss *told);

#endif
