#ifndef LG_BPF_WALK_H
#define LG_BPF_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/code.h"

/*
 * What can be reached from a function's first byte without leaving it: each
 * branch followed, also into parts that stand elsewhere and into functions
 * that it ends with a jump to. One thread per object.
 */
#define WALK_INSNS 16384
#define WALK_PARTS 12

struct walk_insn {
	uint64_t at, target;
	uint32_t prev; /* index + 1 of the one before it; 0 none */
	uint8_t len;
	uint8_t flow;
	uint16_t branches; /* that lead to it */
};

struct walk {
	const struct site_text *text;
	struct {
		uint64_t from, to;
	} part[WALK_PARTS];
	unsigned nparts;
	bool whole;	 /* everything was followed */
	bool has_leaves; /* jumps through a register or memory: no table */
	bool has_tables; /* jumps through a table */
	unsigned ninsns, nwork;
	struct walk_insn insn[WALK_INSNS];
	uint16_t index[WALK_INSNS * 2]; /* by address: number + 1 */
	struct {
		uint64_t at;
		uint32_t prev;
	} work[WALK_INSNS];
};

/*
 * 0 with *out, -ENOMEM, -EILSEQ no code at addr. len 0: not known. It is the
 * thread's: good until its next walk, never given back.
 */
int walk_take(const struct site_text *text, uint64_t addr, uint64_t len,
	      struct walk **out);
/* NULL: never reached. */
const struct walk_insn *walk_at(const struct walk *w, uint64_t addr);

#endif
