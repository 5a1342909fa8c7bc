#include <errno.h>
#include <string.h>

#include "bpf/code.h"
#include "bpf/site.h"

#define LOOK_MAX 48 /* instructions up to the call */
#define NREGS 16

/* What a register holds of what the function began with. */
enum value { OTHER, ARG, ARG_INT, ZERO, STACK };
#define NOWHERE 0x10000 /* on the stack, not known where */
struct held {
	enum value is;
	unsigned arg; /* its number; STACK: how far above rsp */
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

static struct held on_stack(const struct code *c)
{
	const ZydisDecodedOperandMem *m = &c->op[1].mem;

	if (m->base == ZYDIS_REGISTER_RBP)
		return (struct held){STACK, NOWHERE};
	if (m->base != ZYDIS_REGISTER_RSP)
		return (struct held){OTHER, 0};
	if (m->index != ZYDIS_REGISTER_NONE || m->disp.value < 0 ||
	    m->disp.value >= NOWHERE)
		return (struct held){STACK, NOWHERE};
	return (struct held){STACK, (unsigned)m->disp.value};
}

/* What its first operand holds behind it. */
static struct held result(const struct code *c, const struct held *r)
{
	switch (c->z.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVSXD:
		return copied(c, r);
	case ZYDIS_MNEMONIC_LEA:
		return on_stack(c);
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
	for (unsigned i = 0; i < NREGS && code_writes(c, ZYDIS_REGISTER_RSP);
	     i++)
		if (r[i].is == STACK)
			r[i].arg = NOWHERE;
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

/* Up to the first call; r is what the registers hold there. */
static int find_call(const struct site_text *text, uint64_t at,
		     struct held r[static NREGS + 1], struct code *c)
{
	begin(r);
	for (unsigned i = 0; i < LOOK_MAX; i++) {
		if (!code_decode(text, at, c))
			return -EILSEQ;
		if (c->flow == CODE_CALL || c->flow == CODE_JMP)
			return 0;
		at = c->next;
		if (c->flow == CODE_NEXT)
			apply(c, r);
		else if (c->flow != CODE_JCC)
			return -ENOENT;
		else if (c->z.mnemonic == ZYDIS_MNEMONIC_JNS ||
			 c->z.mnemonic == ZYDIS_MNEMONIC_JNL)
			at = c->target; /* where num is not negative */
	}
	return -ENOENT;
}

int site_callee(const struct site_text *text, uint64_t fn_addr,
		enum probe_fn fn, uint64_t *callee, enum probe_fn *as)
{
	struct held r[NREGS + 1];
	struct code c;
	int err = find_call(text, fn_addr, r, &c);

	if (err)
		return err;
	*as = as_which(r, fn);
	*callee = c.target;
	return *as == PROBE_NONE ? -ENOENT : 0;
}

bool site_count(const struct site_text *text, uint64_t fn_addr,
		enum probe_fn fn, uint64_t *jcc, uint16_t *above_rsp)
{
	struct held r[NREGS + 1];
	struct code c;
	enum probe_fn as;
	unsigned done;

	if ((fn != PROBE_READ && fn != PROBE_WRITE) ||
	    find_call(text, fn_addr, r, &c) || c.flow != CODE_CALL)
		return false;
	as = as_which(r, fn);
	done = arg_regs[as == PROBE_WRITE_EX2 ? 4 : 3];
	if (as == PROBE_NONE || r[done].is != STACK || r[done].arg >= NOWHERE ||
	    !code_decode(text, c.next, &c) ||
	    c.z.mnemonic != ZYDIS_MNEMONIC_TEST ||
	    c.op[0].reg.value != ZYDIS_REGISTER_EAX ||
	    c.op[1].reg.value != ZYDIS_REGISTER_EAX ||
	    !code_decode(text, c.next, &c) || c.flow != CODE_JCC ||
	    code_cost(&c) != CODE_EMULATED)
		return false;
	*jcc = c.at;
	*above_rsp = (uint16_t)r[done].arg;
	return true;
}
