#ifndef LG_HOOK_PATCH_RELOC_H
#define LG_HOOK_PATCH_RELOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The beginning of an x86-64 function is moved elsewhere, so that a jump can
 * be written over it. Instruction lengths are the decoder's; what cannot be
 * moved for sure is refused by name. Nothing here writes to the function or
 * asks the system for anything. Any thread.
 */
#define LG_RELOC_NEAR 5	 /* jmp rel32 */
#define LG_RELOC_FAR 14	 /* jmp [rip], address */
#define LG_RELOC_MAX 256 /* bytes of a moved beginning, at most */
#define LG_RELOC_UNDO 8	 /* bytes that take back a kept instruction */

struct lg_reloc {
	/* given */
	const uint8_t *code; /* the function's bytes */
	size_t avail;	     /* readable from there */
	size_t size;	     /* of the function by its symbol, 0 unknown */
	uint64_t at;	     /* its address when it runs */
	uint64_t out_at;     /* where out will run */
	bool is_far;	     /* out is beyond the reach of a near jump */

	/* found */
	uint16_t out_len;	     /* of the moved beginning */
	uint8_t from;		     /* where the jump is written */
	uint8_t to;		     /* where the function goes on */
	uint8_t undo_len;	     /* 0: nothing to take back */
	uint8_t undo[LG_RELOC_UNDO]; /* code: as if the kept one never ran */
	uint8_t out[LG_RELOC_MAX];   /* moved, with the jump back at its end */
	const char *why;	     /* why it is refused: a constant */
};

/*
 * Fill what is to be found. The first instruction stays where it is when it
 * can be taken back (a probe of the kernel on the function's entry executes
 * its copy of it and goes on behind it); else the jump is written over it.
 * False: refused, why says so.
 */
bool lg_reloc_make(struct lg_reloc *r);

/* jmp from at to the target: 5 bytes near, 14 far. Returns how many. */
size_t lg_reloc_jump(uint8_t *out, uint64_t at, uint64_t target, bool is_far);
/* Can a 32-bit displacement lead from any byte of the one to the other? */
bool lg_reloc_reaches(uint64_t from, uint64_t to);

#endif
