#ifndef LG_BPF_OPTIONS_H
#define LG_BPF_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/enforce.h"
#include "bpf/target.h"
#include "tools/opt.h"

/* The command line of llmguard-trace, read. One thread. */
struct options {
	struct target_options target; /* callbacks are not set */
	uint32_t pids[OPT_MORE_MAX];
	bool pids_only; /* nothing but processes that were named */
	const char *config, *state_dir, *region; /* NULL: not given */
	enum enforce_rung hard;
	bool hard_asked; /* by name */
	bool observe;
	uint32_t ring_bytes;
	uint64_t call_max;
	uint64_t duration_s; /* 0: until a signal */
	bool print, json, summary, check, verbose;
};

/*
 * -1: go on with *o, which borrows argv; else the exit code, said why. Looks
 * at users, processes and cgroups by name. argv[0] is the first argument.
 */
int options_parse(struct options *o, int argc, char **argv);

#endif
