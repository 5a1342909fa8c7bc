#ifndef LG_BPF_CODE_H
#define LG_BPF_CODE_H

#include <Zydis/Zydis.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/site.h"

/*
 * One x86-64 instruction, and what the kernel does with a uprobe on it. Any
 * thread; allocates nothing.
 */
enum code_flow {
	CODE_NEXT,	   /* goes on behind it */
	CODE_CALL,	   /* relative; target */
	CODE_CALL_FAR_OFF, /* through a register or memory */
	CODE_JCC,	   /* target, or behind it */
	CODE_JMP,	   /* target */
	CODE_JMP_FAR_OFF,  /* through a register or memory */
	CODE_RET,
	CODE_TRAP, /* ud2, int3, hlt, syscall: nothing for us behind it */
};

struct code {
	uint64_t at, next;
	uint64_t target; /* of a relative branch */
	enum code_flow flow;
	const uint8_t *p;
	ZydisDecodedInstruction z;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

/* False: no instruction there, or it leaves the text. */
bool code_decode(const struct site_text *text, uint64_t at, struct code *out);

/*
 * What arch/x86/kernel/uprobes.c (Linux 6.12) does with it:
 * arch_uprobe_analyze_insn() asks branch_setup_xol_ops() first (0x90 with any
 * prefixes, jmp eb/e9, call e8, jcc 70-7f and 0f 80-8f; with a 66 prefix
 * -ENOTSUPP), then push_setup_xol_ops() (50-57, alone or behind a REX of
 * exactly 41); both are carried out by the handler of the breakpoint itself.
 * Everything else is copied out of line and single-stepped: a second trap.
 * is_prefix_bad() refuses es, cs, ss, ds and lock. Since Linux 6.18
 * insn_is_nop() (arch/x86/lib/insn-eval.c) takes nopl 0f 1f /0 too, and no
 * longer f3 90 and 41 90: those are none of ours in any version.
 */
enum code_cost {
	CODE_EMULATED,
	CODE_EMULATED_LATE, /* nopl: since 6.18 */
	CODE_STEPPED,
	CODE_REFUSED,
};
enum code_cost code_cost(const struct code *c);
/* Does this kernel emulate nopl? By its version, asked once. */
bool code_kernel_has_nopl(void);

/* Is some part of this 64-bit register written? */
bool code_writes(const struct code *c, ZydisRegister reg);
/* The 64-bit register behind any of its parts; NONE. */
ZydisRegister code_whole(ZydisRegister reg);
/* Is its first or second operand this register, in whole or in part? */
bool code_operand_is(const struct code *c, unsigned i, ZydisRegister reg);
/* It compares with the stack guard at fs:0x28. */
bool code_reads_guard(const struct code *c);
bool code_is_padding(const struct code *c);

#endif
