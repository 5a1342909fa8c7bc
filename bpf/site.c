#include "bpf/site.h"

#include <errno.h>
#include <string.h>

#include "bpf/gosite.h"
#include "bpf/walk.h"

#define STRAIGHT_MAX 64 /* instructions looked at from the entry */

enum shape { SHAPE_WRITE = 1, SHAPE_READ = 2, SHAPE_GO = 4 };
static const struct {
	unsigned char nargs, shape;
} fns[] = {
	[PROBE_WRITE] = {3, SHAPE_WRITE},
	[PROBE_WRITE_EX] = {4, SHAPE_WRITE},
	[PROBE_WRITE_EX2] = {5, SHAPE_WRITE},
	[PROBE_READ] = {3, SHAPE_READ},
	[PROBE_READ_EX] = {4, SHAPE_READ},
	[PROBE_ERROR] = {2, 0},
	[PROBE_FREE] = {1, 0},
	[PROBE_CLEAR] = {1, 0},
	[PROBE_SET_FD] = {2, 0},
	[PROBE_CTRL] = {4, 0},
	[PROBE_HOST] = {2, 0},
	[PROBE_GNUTLS_SEND] = {3, SHAPE_WRITE},
	[PROBE_GNUTLS_RECV] = {3, SHAPE_READ},
	[PROBE_GNUTLS_FREE] = {1, 0},
	[PROBE_GNUTLS_NAME] = {4, 0},
	[PROBE_GO_WRITE] = {3, SHAPE_WRITE | SHAPE_GO},
	[PROBE_GO_READ] = {3, SHAPE_READ | SHAPE_GO},
	[PROBE_GO_FREE] = {1, SHAPE_GO},
};

static const ZydisRegister c_args[] = {ZYDIS_REGISTER_RDI, ZYDIS_REGISTER_RSI,
				       ZYDIS_REGISTER_RDX, ZYDIS_REGISTER_RCX,
				       ZYDIS_REGISTER_R8};
static const ZydisRegister go_args[] = {ZYDIS_REGISTER_RAX, ZYDIS_REGISTER_RBX,
					ZYDIS_REGISTER_RCX};

static unsigned shape_of(enum probe_fn fn)
{
	return (unsigned)fn < sizeof(fns) / sizeof(fns[0]) ? fns[fn].shape : 0;
}

unsigned site_nargs(enum probe_fn fn)
{
	return (unsigned)fn < sizeof(fns) / sizeof(fns[0]) ? fns[fn].nargs : 0;
}

bool site_is_read(enum probe_fn fn)
{
	return shape_of(fn) & SHAPE_READ;
}

bool site_is_write(enum probe_fn fn)
{
	return shape_of(fn) & SHAPE_WRITE;
}

static uint64_t file_at(const struct site_text *t, uint64_t addr)
{
	return t->file_at + (addr - t->addr);
}

static bool keeps_args(const struct code *c, enum probe_fn fn)
{
	const ZydisRegister *args = shape_of(fn) & SHAPE_GO ? go_args : c_args;

	for (unsigned i = 0; i < site_nargs(fn); i++)
		if (code_writes(c, args[i]))
			return false;
	return true;
}

/*
 * Linux 6.18 may make a call of a nopl of 5 bytes that is probed, and the call
 * writes below rsp, where a leaf function may keep something.
 */
static bool is_cheap(const struct code *c, bool is_first)
{
	switch (code_cost(c)) {
	case CODE_EMULATED:
		return true;
	case CODE_EMULATED_LATE:
		return code_kernel_has_nopl() && (c->z.length != 5 || is_first);
	default:
		return false;
	}
}

static int find_entry(const struct walk *w, uint64_t fn_addr, enum probe_fn fn,
		      struct site *out)
{
	uint64_t at = fn_addr, fallback = 0;
	const struct walk_insn *i;
	struct code c;
	int err;

	if (shape_of(fn) & SHAPE_GO) {
		err = gosite_begin(w->text, &at);
		if (err)
			return err;
	}
	for (unsigned n = 0; n < STRAIGHT_MAX; n++, at = c.next) {
		i = walk_at(w, at);
		/* a loop's head is passed more than once */
		if (!i || (i->branches && at != fn_addr) ||
		    !code_decode(w->text, at, &c))
			break;
		if (is_cheap(&c, at == fn_addr)) {
			out->entry_at = file_at(w->text, at);
			out->entry_is_cheap = true;
			return 0;
		}
		if (!fallback && code_cost(&c) != CODE_REFUSED)
			fallback = at;
		if (c.flow != CODE_NEXT || !keeps_args(&c, fn))
			break;
	}
	if (!fallback)
		return -EILSEQ;
	out->entry_at = file_at(w->text, fallback);
	return 0;
}

/* From there straight to a RET, and nobody writes rax: that RET. */
static uint64_t straight_ret(const struct walk *w, uint64_t at)
{
	const struct walk_insn *i;
	struct code c;

	for (unsigned n = 0; n < STRAIGHT_MAX; n++, at = c.next) {
		i = walk_at(w, at);
		if (!i || (n && i->branches) || !code_decode(w->text, at, &c))
			return 0;
		if (c.flow == CODE_RET)
			return at;
		if (c.flow != CODE_NEXT || code_writes(&c, ZYDIS_REGISTER_RAX))
			return 0;
	}
	return 0;
}

static const struct walk_insn *before(const struct walk *w,
				      const struct walk_insn *i)
{
	return i->prev ? &w->insn[i->prev - 1] : NULL;
}

/* Does the flag that this jcc tests come of the stack guard? */
static bool tests_guard(const struct walk *w, const struct walk_insn *jcc)
{
	const struct walk_insn *i = before(w, jcc);
	ZydisRegister reg;
	struct code c;

	if (jcc->branches || !i || !code_decode(w->text, i->at, &c))
		return false;
	if (code_reads_guard(&c))
		return true;
	if (c.z.mnemonic != ZYDIS_MNEMONIC_CMP || i->branches)
		return false;
	reg = code_whole(c.op[0].type == ZYDIS_OPERAND_TYPE_REGISTER
				 ? c.op[0].reg.value
				 : c.op[1].reg.value);
	i = before(w, i);
	return i && code_decode(w->text, i->at, &c) &&
	       c.z.mnemonic == ZYDIS_MNEMONIC_MOV &&
	       code_operand_is(&c, 0, reg) &&
	       c.op[1].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	       c.op[1].mem.segment == ZYDIS_REGISTER_FS &&
	       c.op[1].mem.disp.value == 0x28;
}

/* Where an intact guard leads; 0: this jcc is no test of the guard. */
static uint64_t intact(const struct walk *w, const struct walk_insn *jcc)
{
	const struct walk_insn *next, *target;
	struct code c;

	if (jcc->flow != CODE_JCC || !code_decode(w->text, jcc->at, &c) ||
	    code_cost(&c) != CODE_EMULATED || !tests_guard(w, jcc))
		return 0;
	next = walk_at(w, jcc->at + jcc->len);
	target = walk_at(w, jcc->target);
	if (!next || !target)
		return 0;
	if (c.z.mnemonic == ZYDIS_MNEMONIC_JNZ)
		return next->branches ? 0 : next->at;
	/* or over a call of who reports it, and never returns */
	return c.z.mnemonic == ZYDIS_MNEMONIC_JZ && target->branches == 1 &&
			       next->flow == CODE_CALL &&
			       next->at + next->len == target->at
		       ? target->at
		       : 0;
}

static bool add_end(struct site *out, uint64_t at)
{
	for (unsigned i = 0; i < out->nends; i++)
		if (out->ends[i] == at)
			return true;
	if (out->nends == SITE_RETS_MAX)
		return false;
	out->ends[out->nends++] = at;
	return true;
}

/* Code that no branch leads to: behind tables, and Go's recovery. */
static bool sweep_rets(const struct walk *w, struct site *out)
{
	uint64_t at = w->part[0].from;
	struct code c;

	while (at < w->part[0].to && code_decode(w->text, at, &c)) {
		if (c.flow == CODE_RET && !walk_at(w, at) &&
		    !add_end(out, file_at(w->text, at)))
			return false;
		at = c.next;
	}
	return true;
}

/* The jcc that every call which leaves by a RET passes, rax being set. */
static bool put_guards(const struct walk *w, const uint64_t *ret,
		       struct site *out)
{
	unsigned n = 0;
	uint64_t at;

	for (unsigned i = 0; i < w->ninsns; i++) {
		at = intact(w, &w->insn[i]);
		at = at ? straight_ret(w, at) : 0;
		for (unsigned k = 0; at && k < out->nends; k++) {
			if (ret[k] != at)
				continue;
			out->ends[k] = file_at(w->text, w->insn[i].at);
			n++;
		}
	}
	return n && n == out->nends;
}

/* All RETs, or what stands for them; the site is cheap when all are. */
static void find_rets(const struct walk *w, struct site *out)
{
	uint64_t ret[SITE_RETS_MAX];
	bool fits = true;

	for (unsigned i = 0; i < w->ninsns && fits; i++) {
		if (w->insn[i].flow != CODE_RET)
			continue;
		if (out->nends < SITE_RETS_MAX)
			ret[out->nends] = w->insn[i].at;
		fits = add_end(out, file_at(w->text, w->insn[i].at));
	}
	out->end_is_cheap = fits && put_guards(w, ret, out);
	if (fits && (w->has_tables || (shape_of(out->fn) & SHAPE_GO))) {
		unsigned n = out->nends;

		fits = sweep_rets(w, out);
		out->end_is_cheap = out->end_is_cheap && out->nends == n;
	}
	out->leaves = w->has_leaves || !w->whole || !fits || !out->nends;
	out->end = out->nends ? PROBE_END_RAX : PROBE_END_NONE;
}

/* A return probe takes the return address from where rsp points. */
static void by_return(const struct walk *w, uint64_t fn_addr, struct site *out)
{
	const struct walk_insn *i;
	uint64_t at = fn_addr;
	struct code c;

	out->end = PROBE_END_RAX;
	out->end_is_return = true;
	out->end_is_cheap = out->leaves = false;
	out->nends = 1;
	out->ends[0] = file_at(w->text, fn_addr);
	for (unsigned n = 0; n < STRAIGHT_MAX; n++, at = c.next) {
		i = walk_at(w, at);
		if (!i || i->branches || !code_decode(w->text, at, &c))
			return;
		if (is_cheap(&c, at == fn_addr)) {
			out->ends[0] = file_at(w->text, at);
			out->end_is_cheap = true;
			return;
		}
		if (c.flow != CODE_NEXT || code_writes(&c, ZYDIS_REGISTER_RSP))
			return;
	}
}

/* Every call that can have moved bytes passes it. */
static bool by_count(const struct walk *w, uint64_t fn_addr, struct site *out)
{
	const struct walk_insn *i;
	uint16_t above_rsp;
	uint64_t jcc;

	if (!site_count(w->text, fn_addr, out->fn, &jcc, &above_rsp))
		return false;
	i = walk_at(w, jcc);
	if (!i || i->branches)
		return false;
	out->end = PROBE_END_STACK;
	out->end_arg = above_rsp;
	out->end_is_cheap = true;
	out->end_is_return = out->leaves = false;
	out->nends = 1;
	out->ends[0] = file_at(w->text, jcc);
	return true;
}

/* Cheap first, then what sees every call, then what hijacks nothing. */
static void find_end(const struct walk *w, uint64_t fn_addr, bool may_return,
		     struct site *out)
{
	struct site other = *out;

	find_rets(w, out);
	if ((out->end_is_cheap && !out->leaves) || by_count(w, fn_addr, out) ||
	    !may_return)
		return;
	by_return(w, fn_addr, &other);
	if (other.end_is_cheap || out->leaves)
		*out = other;
}

static void no_end(struct site *out)
{
	out->end = PROBE_END_NONE;
	out->end_is_cheap = out->end_is_return = out->leaves = false;
	out->nends = 0;
}

int site_find(const struct site_text *text, uint64_t fn_addr, size_t fn_len,
	      enum probe_fn fn, bool may_return, struct site *out)
{
	bool is_go = shape_of(fn) & SHAPE_GO;
	struct walk *w;
	int err;

	memset(out, 0, sizeof(*out));
	out->fn = fn;
	err = walk_take(text, fn_addr, fn_len, &w);
	if (err)
		return err;
	err = find_entry(w, fn_addr, fn, out);
	if (!err && (site_is_read(fn) || (site_is_write(fn) && !is_go))) {
		find_end(w, fn_addr, may_return && !is_go, out);
		if (is_go && gosite_spills(text, fn_addr))
			out->end_arg = PROBE_ARG_SPILLED;
		if (site_is_write(fn) && (!out->end_is_cheap || out->leaves))
			no_end(out);
	}
	return err;
}
