#include <errno.h>
#include <string.h>

#include "bpf/code.h"
#include "bpf/site.h"

#define LOOK_MAX 48 /* instructions up to the call */
#define NREGS 16

/* What a register holds of what the function began with. */
enum value { OTHER, ARG, ARG_INT, ZERO, STACK };
struct held {
	enum value is;
	unsigned arg;
};

static unsigned number(ZydisRegister reg)
{
	int id = ZydisRegisterGetId(code_whole(reg));

	return id >= 0 && id < NREGS ? (unsigned)id : NREGS;
}

/* Register numbers of the encoding: rdi rsi rdx rcx r8. */
static const unsigned arg_regs[] = {7, 6, 2, 1, 8};
enum { RSP = 4 };

static void begin(struct held r[static NREGS + 1])
{
	memset(r, 0, (NREGS + 1) * sizeof(*r));
	for (unsigned i = 0; i < 5; i++)
		r[arg_regs[i]] = (struct held){ARG, i};
}

static bool is_gpr(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       number(op->reg.value) < NREGS;
}

static struct held copied(const struct code *c, const struct held *r)
{
	struct held h = {OTHER, 0};
	const ZydisDecodedOperand *src = &c->op[1];

	if (src->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return h;
	if (number(src->reg.value) == RSP)
		return (struct held){STACK, 0};
	if (!is_gpr(src))
		return h;
	h = r[number(src->reg.value)];
	if (h.is == ARG && src->size == 32)
		h.is = ARG_INT;
	else if (src->size != 64)
		h.is = OTHER;
	return h;
}

/* What its first operand holds behind it. */
static struct held result(const struct code *c, const struct held *r)
{
	switch (c->z.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVSXD:
		return copied(c, r);
	case ZYDIS_MNEMONIC_LEA:
		if (c->op[1].mem.base == ZYDIS_REGISTER_RSP ||
		    c->op[1].mem.base == ZYDIS_REGISTER_RBP)
			return (struct held){STACK, 0};
		break;
	case ZYDIS_MNEMONIC_XOR:
		if (is_gpr(&c->op[1]) &&
		    c->op[1].reg.value == c->op[0].reg.value)
			return (struct held){ZERO, 0};
		break;
	default:
		break;
	}
	return (struct held){OTHER, 0};
}

static void apply(const struct code *c, struct held *r)
{
	struct held h = {OTHER, 0};

	if (is_gpr(&c->op[0]) &&
	    (c->op[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
		h = result(c, r);
	for (unsigned i = 0; i < c->z.operand_count; i++)
		if (is_gpr(&c->op[i]) &&
		    (c->op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			r[number(c->op[i].reg.value)] =
				i ? (struct held){OTHER, 0} : h;
}

static bool is_own(const struct held *r, unsigned reg, unsigned arg)
{
	return r[arg_regs[reg]].is == ARG && r[arg_regs[reg]].arg == arg;
}

/* As which function the called one's arguments can be read; NONE. */
static enum probe_fn as_which(const struct held *r, enum probe_fn fn)
{
	enum value num = r[2].is, third = r[1].is, fourth = r[8].is;

	if (!is_own(r, 0, 0) || !is_own(r, 1, 1) ||
	    (num != ARG && num != ARG_INT) || r[2].arg != 2)
		return PROBE_NONE;
	switch (fn) {
	case PROBE_READ:
		return third == STACK ? PROBE_READ_EX : PROBE_NONE;
	case PROBE_READ_EX:
		return num == ARG && is_own(r, 3, 3) ? PROBE_READ_EX
						     : PROBE_NONE;
	case PROBE_WRITE:
		if (third == STACK)
			return PROBE_WRITE_EX;
		return third == ZERO && fourth == STACK ? PROBE_WRITE_EX2
							: PROBE_NONE;
	case PROBE_WRITE_EX:
		if (num == ARG && is_own(r, 3, 3))
			return PROBE_WRITE_EX;
		return num == ARG && third == ZERO && is_own(r, 4, 3)
			       ? PROBE_WRITE_EX2
			       : PROBE_NONE;
	case PROBE_WRITE_EX2:
		return num == ARG && is_own(r, 3, 3) && is_own(r, 4, 4)
			       ? PROBE_WRITE_EX2
			       : PROBE_NONE;
	case PROBE_GNUTLS_SEND:
		return num == ARG ? PROBE_GNUTLS_SEND : PROBE_NONE;
	default:
		return PROBE_NONE;
	}
}

int site_callee(const struct site_text *text, uint64_t fn_addr,
		enum probe_fn fn, uint64_t *callee, enum probe_fn *as)
{
	struct held r[NREGS + 1];
	uint64_t at = fn_addr;
	struct code c;

	begin(r);
	for (unsigned i = 0; i < LOOK_MAX; i++, at = c.next) {
		if (!code_decode(text, at, &c))
			return -EILSEQ;
		if (c.flow == CODE_CALL || c.flow == CODE_JMP) {
			*as = as_which(r, fn);
			*callee = c.target;
			return *as == PROBE_NONE ? -ENOENT : 0;
		}
		if (c.flow == CODE_JCC) /* the other way is for errors */
			continue;
		if (c.flow != CODE_NEXT)
			return -ENOENT;
		apply(&c, r);
	}
	return -ENOENT;
}
