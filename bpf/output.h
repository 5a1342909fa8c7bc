#ifndef LG_BPF_OUTPUT_H
#define LG_BPF_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * Standard output, of whose reader nothing is expected: who does not read
 * (a stalled terminal, a pipe into a program that is stopped) must not keep
 * the tracer from its work. Lines wait here, up to a limit. One thread.
 */
struct output {
	struct lg_buf lines; /* add whole ones; see output_has_room */
	size_t at;	     /* of them, written */
	int fd;
	int err; /* errno of a write that failed for good */
	bool own;
	uint64_t dropped; /* lines that found no room */
};

void output_init(struct output *o);
void output_fini(struct output *o);
/* May a line be added? Else it counts as dropped. */
bool output_has_room(struct output *o);
/* Writes what can be written; waits at most idle_ms for a reader. */
void output_flush(struct output *o, int idle_ms);

#endif
