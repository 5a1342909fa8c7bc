#include "bpf/gosite.h"

#include <errno.h>

#include "bpf/code.h"

#define STRAIGHT_MAX 32

/* cmp [r14 + 16], and the jump to where the stack is made larger. */
static bool is_go_check(const struct code *c)
{
	const ZydisDecodedOperandMem *m;

	if (c->z.mnemonic != ZYDIS_MNEMONIC_CMP)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		m = &c->op[i].mem;
		if (c->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    m->base == ZYDIS_REGISTER_R14 && m->disp.value == 0x10)
			return true;
	}
	return false;
}

static bool reads_fs(const struct code *c)
{
	for (unsigned i = 0; i < c->z.operand_count_visible; i++)
		if (c->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    c->op[i].mem.segment == ZYDIS_REGISTER_FS)
			return true;
	return false;
}

int gosite_begin(const struct site_text *t, uint64_t *at)
{
	bool is_checked = false;
	uint64_t a = *at;
	struct code c;

	for (unsigned i = 0; i < 8 && code_decode(t, a, &c); i++, a = c.next) {
		if (reads_fs(&c))
			return -EOPNOTSUPP;
		if (is_go_check(&c))
			is_checked = true;
		if (c.flow == CODE_JCC && is_checked) {
			*at = c.next;
			return 0;
		}
		if (c.flow != CODE_NEXT && c.flow != CODE_JCC)
			break;
	}
	return 0;
}

/* How far rsp is below where it was at the function's first byte. */
static bool deepen(const struct code *c, int64_t *depth)
{
	const ZydisDecodedOperand *by = &c->op[1];

	if (c->z.mnemonic == ZYDIS_MNEMONIC_PUSH) {
		*depth += 8;
		return true;
	}
	if (!code_operand_is(c, 0, ZYDIS_REGISTER_RSP) ||
	    by->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return !code_writes(c, ZYDIS_REGISTER_RSP);
	if (c->z.mnemonic == ZYDIS_MNEMONIC_SUB)
		*depth += by->imm.value.s;
	else if (c->z.mnemonic == ZYDIS_MNEMONIC_ADD)
		*depth -= by->imm.value.s;
	else
		return false;
	return true;
}

/* mov [rsp + ...], reg: into the place above the return address? */
static unsigned spilled(const struct code *c, int64_t depth)
{
	static const ZydisRegister args[] = {
		ZYDIS_REGISTER_RAX, ZYDIS_REGISTER_RBX, ZYDIS_REGISTER_RCX};
	const ZydisDecodedOperandMem *m = &c->op[0].mem;

	if (c->z.mnemonic != ZYDIS_MNEMONIC_MOV ||
	    c->op[0].type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    c->op[1].type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    m->base != ZYDIS_REGISTER_RSP || m->index != ZYDIS_REGISTER_NONE)
		return 0;
	for (unsigned i = 0; i < 3; i++)
		if (c->op[1].reg.value == args[i] &&
		    m->disp.value - depth == 8 * (i + 1))
			return 1u << i;
	return 0;
}

bool gosite_spills(const struct site_text *t, uint64_t at)
{
	unsigned seen = 0;
	int64_t depth = 0;
	struct code c;

	if (gosite_begin(t, &at))
		return false;
	for (unsigned i = 0; i < STRAIGHT_MAX && code_decode(t, at, &c);
	     i++, at = c.next) {
		if (c.flow != CODE_NEXT || !deepen(&c, &depth))
			return false;
		seen |= spilled(&c, depth);
		if (seen == 7)
			return true;
		if ((code_writes(&c, ZYDIS_REGISTER_RAX) && !(seen & 1)) ||
		    (code_writes(&c, ZYDIS_REGISTER_RBX) && !(seen & 2)) ||
		    (code_writes(&c, ZYDIS_REGISTER_RCX) && !(seen & 4)))
			return false;
	}
	return false;
}
