#include "bpf/code.h"

#include <stdio.h>
#include <sys/utsname.h>

static enum code_flow flow_of(const ZydisDecodedInstruction *z)
{
	bool relative = z->raw.imm[0].is_relative;

	switch (z->meta.category) {
	case ZYDIS_CATEGORY_RET:
		return CODE_RET;
	case ZYDIS_CATEGORY_CALL:
		return relative ? CODE_CALL : CODE_CALL_FAR_OFF;
	case ZYDIS_CATEGORY_UNCOND_BR:
		return relative ? CODE_JMP : CODE_JMP_FAR_OFF;
	case ZYDIS_CATEGORY_COND_BR:
		return CODE_JCC;
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
		return CODE_TRAP;
	default:
		break;
	}
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_HLT:
		return CODE_TRAP;
	default:
		return CODE_NEXT;
	}
}

bool code_decode(const struct site_text *text, uint64_t at, struct code *c)
{
	ZydisDecoder d;
	uint64_t off = at - text->addr;

	if (at < text->addr || off >= text->len)
		return false;
	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	c->p = text->p + off;
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, c->p, text->len - off,
						 &c->z, c->op)))
		return false;
	c->at = at;
	c->next = at + c->z.length;
	c->flow = flow_of(&c->z);
	c->target = c->next + (uint64_t)c->z.raw.imm[0].value.s;
	return true;
}

static bool has_prefix(const struct code *c, uint8_t byte)
{
	for (unsigned i = 0; i < c->z.raw.prefix_count; i++)
		if (c->z.raw.prefixes[i].value == byte)
			return true;
	return false;
}

static bool is_refused(const struct code *c)
{
	static const uint8_t bad[] = {0x26, 0x2e, 0x36, 0x3e, 0xf0};

	for (unsigned i = 0; i < sizeof(bad); i++)
		if (has_prefix(c, bad[i]))
			return true;
	return c->z.meta.category == ZYDIS_CATEGORY_INTERRUPT ||
	       c->z.meta.category == ZYDIS_CATEGORY_SYSCALL ||
	       c->z.meta.category == ZYDIS_CATEGORY_SYSTEM;
}

static enum code_cost branch_cost(const struct code *c)
{
	return has_prefix(c, 0x66) ? CODE_REFUSED : CODE_EMULATED;
}

static enum code_cost cost_one_byte(const struct code *c)
{
	uint8_t op = c->z.opcode;

	if (op == 0xe8 || op == 0xe9 || op == 0xeb || (op & 0xf0) == 0x70)
		return branch_cost(c);
	if (op == 0x90 && c->z.mnemonic == ZYDIS_MNEMONIC_NOP &&
	    !has_prefix(c, 0xf3) && !has_prefix(c, 0xf2))
		return CODE_EMULATED;
	if ((op & 0xf8) == 0x50 &&
	    (c->z.length == 1 || (c->z.length == 2 && c->p[0] == 0x41)))
		return CODE_EMULATED;
	return CODE_STEPPED;
}

enum code_cost code_cost(const struct code *c)
{
	if (is_refused(c))
		return CODE_REFUSED;
	if (c->z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return CODE_STEPPED;
	if (c->z.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
		return cost_one_byte(c);
	if (c->z.opcode_map != ZYDIS_OPCODE_MAP_0F)
		return CODE_STEPPED;
	if ((c->z.opcode & 0xf0) == 0x80)
		return branch_cost(c);
	if (c->z.opcode == 0x1f && c->z.raw.modrm.reg == 0)
		return CODE_EMULATED_LATE;
	return CODE_STEPPED;
}

bool code_kernel_has_nopl(void)
{
	static int known = -1;
	unsigned major = 0, minor = 0;
	struct utsname u;

	if (known < 0) {
		if (uname(&u) ||
		    sscanf(u.release, "%u.%u", &major, &minor) != 2)
			major = 0;
		known = major > 6 || (major == 6 && minor >= 18);
	}
	return known;
}

ZydisRegister code_whole(ZydisRegister reg)
{
	return reg == ZYDIS_REGISTER_NONE
		       ? reg
		       : ZydisRegisterGetLargestEnclosing(
				 ZYDIS_MACHINE_MODE_LONG_64, reg);
}

bool code_writes(const struct code *c, ZydisRegister reg)
{
	for (unsigned i = 0; i < c->z.operand_count; i++)
		if (c->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    (c->op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
		    code_whole(c->op[i].reg.value) == reg)
			return true;
	return false;
}

bool code_operand_is(const struct code *c, unsigned i, ZydisRegister reg)
{
	return i < c->z.operand_count &&
	       c->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       code_whole(c->op[i].reg.value) == reg;
}

bool code_reads_guard(const struct code *c)
{
	const ZydisDecodedOperandMem *m;

	if (c->z.mnemonic != ZYDIS_MNEMONIC_SUB &&
	    c->z.mnemonic != ZYDIS_MNEMONIC_XOR &&
	    c->z.mnemonic != ZYDIS_MNEMONIC_CMP)
		return false;
	for (unsigned i = 0; i < c->z.operand_count_visible; i++) {
		m = &c->op[i].mem;
		if (c->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    m->segment == ZYDIS_REGISTER_FS &&
		    m->base == ZYDIS_REGISTER_NONE &&
		    m->index == ZYDIS_REGISTER_NONE && m->disp.value == 0x28)
			return true;
	}
	return false;
}

bool code_is_padding(const struct code *c)
{
	return c->z.mnemonic == ZYDIS_MNEMONIC_NOP ||
	       c->z.mnemonic == ZYDIS_MNEMONIC_INT3;
}
