#include "hook/patch/reloc.h"

#include <Zydis/Zydis.h>
#include <string.h>

#define SCAN_MAX ((size_t)64 * 1024)
#define GROWTH_MAX 48 /* one instruction, and the jump back */
#define ALIGNMENT 16
#define REACH ((int64_t)0x7fff0000)

struct insn {
	ZydisDecodedInstruction z;
	const uint8_t *p;
	uint64_t at;
	uint64_t target; /* of a relative branch */
	bool is_branch;	 /* relative */
};

static bool decode(const struct lg_reloc *r, size_t off, struct insn *i)
{
	ZydisDecoder d;

	if (off >= r->avail)
		return false;
	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	i->p = r->code + off;
	i->at = r->at + off;
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, NULL, i->p,
							r->avail - off, &i->z)))
		return false;
	i->is_branch = i->z.raw.imm[0].is_relative;
	i->target = i->at + i->z.length + (uint64_t)i->z.raw.imm[0].value.s;
	return true;
}

bool lg_reloc_reaches(uint64_t from, uint64_t to)
{
	int64_t d = (int64_t)(to - from);

	return d > -REACH && d < REACH;
}

static void put32(uint8_t *p, int64_t v)
{
	int32_t w = (int32_t)v;

	memcpy(p, &w, sizeof(w));
}

size_t lg_reloc_jump(uint8_t *out, uint64_t at, uint64_t target, bool is_far)
{
	static const uint8_t jmp_abs[6] = {0xff, 0x25, 0, 0, 0, 0};

	if (is_far) {
		memcpy(out, jmp_abs, sizeof(jmp_abs));
		memcpy(out + sizeof(jmp_abs), &target, sizeof(target));
		return LG_RELOC_FAR;
	}
	out[0] = 0xe9;
	put32(out + 1, (int64_t)(target - (at + LG_RELOC_NEAR)));
	return LG_RELOC_NEAR;
}

static bool refuse(struct lg_reloc *r, const char *why)
{
	r->why = why;
	return false;
}

static bool is_rip_relative(const ZydisDecodedInstruction *z)
{
	return (z->attributes & ZYDIS_ATTRIB_HAS_MODRM) &&
	       z->raw.modrm.mod == 0 && z->raw.modrm.rm == 5 &&
	       z->raw.disp.size == 32;
}

/* Nothing behind it is reached by falling through. */
static bool is_end(const ZydisDecodedInstruction *z)
{
	return z->meta.category == ZYDIS_CATEGORY_RET ||
	       z->meta.category == ZYDIS_CATEGORY_UNCOND_BR;
}

static bool is_trap(const ZydisDecodedInstruction *z)
{
	switch (z->meta.category) {
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_SYSTEM:
		return true;
	default:
		return z->mnemonic == ZYDIS_MNEMONIC_UD2 ||
		       z->mnemonic == ZYDIS_MNEMONIC_UD1 ||
		       z->mnemonic == ZYDIS_MNEMONIC_UD0;
	}
}

static bool is_padding(const struct insn *i)
{
	return i->z.mnemonic == ZYDIS_MNEMONIC_NOP ||
	       i->z.mnemonic == ZYDIS_MNEMONIC_INT3;
}

/* A copy whose memory operand still means the same byte. */
static bool put_copy(struct lg_reloc *r, const struct insn *i)
{
	uint8_t *out = r->out + r->out_len;
	uint64_t now = r->out_at + r->out_len;
	int64_t disp = i->z.raw.disp.value + (int64_t)(i->at - now);

	memcpy(out, i->p, i->z.length);
	r->out_len += i->z.length;
	if (!is_rip_relative(&i->z))
		return true;
	if (i->z.address_width != 64 || disp != (int32_t)disp)
		return refuse(r, "an operand is out of reach");
	put32(out + i->z.raw.disp.offset, disp);
	return true;
}

static bool put_call(struct lg_reloc *r, const struct insn *i)
{
	/* call [rip + 2]; jmp over the address */
	static const uint8_t call_abs[8] = {0xff, 0x15, 2, 0, 0, 0, 0xeb, 8};
	uint8_t *out = r->out + r->out_len;

	if (r->is_far) {
		memcpy(out, call_abs, sizeof(call_abs));
		memcpy(out + sizeof(call_abs), &i->target, sizeof(i->target));
		r->out_len += sizeof(call_abs) + sizeof(i->target);
		return true;
	}
	out[0] = 0xe8;
	put32(out + 1, (int64_t)(i->target - (r->out_at + r->out_len + 5)));
	r->out_len += 5;
	return true;
}

static void put_jump(struct lg_reloc *r, uint64_t target)
{
	r->out_len += lg_reloc_jump(r->out + r->out_len, r->out_at + r->out_len,
				    target, r->is_far);
}

static bool put_condition(struct lg_reloc *r, const struct insn *i, uint8_t cc)
{
	uint8_t *out = r->out + r->out_len;

	if (r->is_far) { /* the opposite condition, over a jump */
		out[0] = 0x70 | (cc ^ 1);
		out[1] = LG_RELOC_FAR;
		r->out_len += 2;
		put_jump(r, i->target);
		return true;
	}
	out[0] = 0x0f;
	out[1] = 0x80 | cc;
	put32(out + 2, (int64_t)(i->target - (r->out_at + r->out_len + 6)));
	r->out_len += 6;
	return true;
}

static bool put_branch(struct lg_reloc *r, const struct insn *i)
{
	uint8_t op = i->z.opcode;

	if (i->z.operand_width == 16 ||
	    (i->z.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE))
		return refuse(r, "a branch of 16 bits");
	if (!r->is_far && !lg_reloc_reaches(r->out_at, i->target))
		return refuse(r, "a branch is out of reach");
	if (i->z.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT) {
		if (op == 0xe8)
			return put_call(r, i);
		if (op == 0xe9 || op == 0xeb) {
			put_jump(r, i->target);
			return true;
		}
		if ((op & 0xf0) == 0x70)
			return put_condition(r, i, op & 15);
	} else if (i->z.opcode_map == ZYDIS_OPCODE_MAP_0F &&
		   (op & 0xf0) == 0x80) {
		return put_condition(r, i, op & 15);
	}
	return refuse(r, "a branch that cannot be moved");
}

/* Behind a function's last instruction only filling may be overwritten. */
static bool is_filled(const struct lg_reloc *r, size_t off, size_t end)
{
	size_t limit = r->size > off ? r->size : off;
	struct insn i;

	limit = (size_t)(((r->at + limit + ALIGNMENT - 1) &
			  ~(uint64_t)(ALIGNMENT - 1)) -
			 r->at);
	if (end > limit)
		return false;
	for (; off < end; off += i.z.length)
		if (!decode(r, off, &i) || !is_padding(&i))
			return false;
	return true;
}

/* Branches of the moved part, back into it. */
static bool is_inside(const struct lg_reloc *r, uint64_t target)
{
	return target > r->at && target < r->at + r->to;
}

static bool move(struct lg_reloc *r)
{
	size_t end = r->from + (r->is_far ? LG_RELOC_FAR : LG_RELOC_NEAR);
	size_t off;
	struct insn i;

	r->out_len = 0;
	for (off = 0; off < end; off += i.z.length) {
		if (!decode(r, off, &i))
			return refuse(r, "bytes that are no instruction");
		if (is_trap(&i.z))
			return refuse(r, "a breakpoint or trap");
		if (r->out_len > LG_RELOC_MAX - GROWTH_MAX)
			return refuse(r, "too many branches");
		if (!(i.is_branch ? put_branch(r, &i) : put_copy(r, &i)))
			return false;
		if (is_end(&i.z)) {
			off += i.z.length;
			r->to = (uint8_t)(off > end ? off : end);
			return off >= end || is_filled(r, off, end) ||
			       refuse(r, "too short a function");
		}
	}
	r->to = (uint8_t)off;
	if (r->size && off > r->size)
		return refuse(r, "too short a function");
	put_jump(r, r->at + off);
	return true;
}

/* Nothing of the function may jump into what is overwritten. */
static bool is_unbranched(struct lg_reloc *r)
{
	size_t off, size = r->size < SCAN_MAX ? r->size : SCAN_MAX;
	uint64_t end = r->at + r->to;
	struct insn i;

	if (size < r->to)
		size = r->to;
	for (off = 0; off < size && decode(r, off, &i); off += i.z.length) {
		if (!i.is_branch)
			continue;
		if (off < r->to && is_inside(r, i.target))
			return refuse(r, "a branch within the moved part");
		if (i.target >= r->at && i.target < end &&
		    (i.target > r->at ||
		     i.z.meta.category != ZYDIS_CATEGORY_CALL))
			return refuse(r, "a branch back to its beginning");
	}
	return true;
}

static bool is_undone_by_nothing(const struct insn *i)
{
	const uint8_t *p = i->p;

	switch (i->z.mnemonic) {
	case ZYDIS_MNEMONIC_ENDBR64:
	case ZYDIS_MNEMONIC_NOP:
	case ZYDIS_MNEMONIC_TEST:
	case ZYDIS_MNEMONIC_CMP:
		return true;
	case ZYDIS_MNEMONIC_XOR: /* eax, eax: no argument is in it */
		return i->z.length == 2 && (p[0] == 0x31 || p[0] == 0x33) &&
		       p[1] == 0xc0;
	case ZYDIS_MNEMONIC_MOV: /* eax, number */
		return p[0] == 0xb8;
	default:
		return false;
	}
}

/* How to go back to before the first instruction; false: it cannot stay. */
static bool make_undo(struct lg_reloc *r, const struct insn *i)
{
	static const uint8_t lea8[5] = {0x48, 0x8d, 0x64, 0x24, 8};
	static const uint8_t lea32[4] = {0x48, 0x8d, 0xa4, 0x24};
	const uint8_t *p = i->p;
	int64_t n = i->z.raw.imm[0].value.s;

	r->undo_len = 0;
	if (is_undone_by_nothing(i))
		return true;
	if (i->z.mnemonic == ZYDIS_MNEMONIC_PUSH &&
	    (p[0] & 0xf8) == 0x50) { /* a register */
		memcpy(r->undo, lea8, sizeof(lea8));
		r->undo_len = sizeof(lea8);
		return true;
	}
	if (i->z.length == 2 && p[0] == 0x41 && (p[1] & 0xf8) == 0x50) {
		memcpy(r->undo, lea8, sizeof(lea8));
		r->undo_len = sizeof(lea8);
		return true;
	}
	if (p[0] == 0x48 && (p[1] == 0x83 || p[1] == 0x81) && p[2] == 0xec &&
	    n > 0 && n < 4096) { /* sub rsp, n */
		memcpy(r->undo, lea32, sizeof(lea32));
		put32(r->undo + sizeof(lea32), n);
		r->undo_len = 8;
		return true;
	}
	return false;
}

bool lg_reloc_make(struct lg_reloc *r)
{
	struct insn first;

	r->why = NULL;
	r->undo_len = 0;
	if (!decode(r, 0, &first))
		return refuse(r, "bytes that are no instruction");
	if (first.z.meta.category == ZYDIS_CATEGORY_UNCOND_BR)
		return refuse(r, "a jump stands at its entry");
	if (make_undo(r, &first)) {
		r->from = first.z.length;
		if (move(r) && is_unbranched(r))
			return true;
	}
	r->why = NULL;
	r->undo_len = 0;
	r->from = 0;
	if (first.z.mnemonic == ZYDIS_MNEMONIC_ENDBR64)
		r->from = first.z.length; /* stays in any case */
	return move(r) && is_unbranched(r);
}
