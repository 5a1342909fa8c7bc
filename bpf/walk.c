#include "bpf/walk.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define GUESS_MAX 16384 /* bytes of a function whose end nobody says */

/* One a thread, for good: a fault of the file may end a walk anywhere. */
static __thread struct walk *kept;

static unsigned slot_of(const struct walk *w, uint64_t at)
{
	unsigned i = (unsigned)(at * 0x9e3779b97f4a7c15u >> 49);

	i %= WALK_INSNS * 2;
	while (w->index[i] && w->insn[w->index[i] - 1].at != at)
		i = (i + 1) % (WALK_INSNS * 2);
	return i;
}

const struct walk_insn *walk_at(const struct walk *w, uint64_t at)
{
	unsigned i = w->index[slot_of(w, at)];

	return i ? &w->insn[i - 1] : NULL;
}

static bool is_inside(const struct walk *w, uint64_t at)
{
	for (unsigned i = 0; i < w->nparts; i++)
		if (at >= w->part[i].from && at < w->part[i].to)
			return true;
	return false;
}

/* Filling up to an aligned address; a call that comes back has none. */
static bool is_filled(const struct site_text *text, uint64_t at, bool is_call)
{
	struct code c;

	if (!(at & 15))
		return !is_call;
	while (at & 15) {
		if (!code_decode(text, at, &c) || !code_is_padding(&c))
			return false;
		at = c.next;
	}
	return true;
}

/* Where nobody says a function's end: the last byte that filling follows. */
static uint64_t guess_end(const struct site_text *text, uint64_t at)
{
	uint64_t from = at, far = 0;
	struct code c;

	while (at - from < GUESS_MAX && code_decode(text, at, &c)) {
		at = c.next;
		if (c.flow == CODE_JCC && c.target > far &&
		    c.target - from < GUESS_MAX)
			far = c.target;
		if ((c.flow == CODE_RET || c.flow == CODE_JMP ||
		     c.flow == CODE_JMP_FAR_OFF || c.flow == CODE_TRAP ||
		     c.flow == CODE_CALL) &&
		    at > far && is_filled(text, at, c.flow == CODE_CALL))
			return at;
	}
	return at;
}

static bool enter(struct walk *w, uint64_t at, uint64_t len)
{
	uint64_t to = len ? at + len : 0;

	if (w->nparts == WALK_PARTS)
		return false;
	if (!to && w->text->end_of)
		to = w->text->end_of(w->text->arg, at);
	if (to <= at)
		to = guess_end(w->text, at);
	w->part[w->nparts].from = at;
	w->part[w->nparts++].to = to;
	return true;
}

static void want(struct walk *w, uint64_t at, uint32_t prev)
{
	if (w->nwork == WALK_INSNS) {
		w->whole = false;
		return;
	}
	w->work[w->nwork].at = at;
	w->work[w->nwork++].prev = prev;
}

static void follow(struct walk *w, const struct code *c)
{
	if (!is_inside(w, c->target) && !enter(w, c->target, 0)) {
		w->whole = false;
		return;
	}
	want(w, c->target, 0);
}

/*
 * `jmp *rax` right behind an add or a sign-extending load, and one that scales
 * a register, go through a table; all others go to another function.
 */
static bool is_table(const struct walk *w, const struct code *c, uint32_t prev)
{
	struct code before;

	if (c->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY)
		return c->op[0].mem.index != ZYDIS_REGISTER_NONE;
	for (unsigned i = 0; i < c->z.raw.prefix_count; i++)
		if (c->z.raw.prefixes[i].value == 0x3e) /* notrack */
			return true;
	if (!prev || !code_decode(w->text, w->insn[prev - 1].at, &before))
		return false;
	if (before.op[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    before.op[0].reg.value != c->op[0].reg.value)
		return false;
	return before.z.mnemonic == ZYDIS_MNEMONIC_ADD ||
	       before.z.mnemonic == ZYDIS_MNEMONIC_MOVSXD ||
	       (before.z.mnemonic == ZYDIS_MNEMONIC_MOV &&
		before.op[1].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		before.op[1].mem.index != ZYDIS_REGISTER_NONE);
}

static void go_on(struct walk *w, const struct code *c, uint32_t self,
		  uint32_t prev)
{
	switch (c->flow) {
	case CODE_NEXT:
	case CODE_CALL:
	case CODE_CALL_FAR_OFF:
		want(w, c->next, self);
		break;
	case CODE_JCC:
		want(w, c->next, self);
		follow(w, c);
		break;
	case CODE_JMP:
		follow(w, c);
		break;
	case CODE_JMP_FAR_OFF:
		if (is_table(w, c, prev))
			w->has_tables = true;
		else
			w->has_leaves = true;
		break;
	case CODE_RET:
	case CODE_TRAP:
		break;
	}
}

static void step(struct walk *w, uint64_t at, uint32_t prev)
{
	struct walk_insn *i;
	unsigned slot;
	struct code c;

	if (!is_inside(w, at)) /* behind a call that never comes back */
		return;
	slot = slot_of(w, at);
	if (w->index[slot]) {
		i = &w->insn[w->index[slot] - 1];
		if (!i->prev)
			i->prev = prev;
		return;
	}
	if (w->ninsns == WALK_INSNS || !code_decode(w->text, at, &c)) {
		w->whole = false;
		return;
	}
	i = &w->insn[w->ninsns++];
	i->at = at;
	i->len = c.z.length;
	i->branches = 0;
	i->flow = (uint8_t)c.flow;
	i->prev = prev;
	i->target = c.flow == CODE_JCC || c.flow == CODE_JMP ? c.target : 0;
	w->index[slot] = (uint16_t)w->ninsns;
	go_on(w, &c, w->ninsns, prev);
}

static void mark_targets(struct walk *w)
{
	struct walk_insn *t;

	for (unsigned i = 0; i < w->ninsns; i++) {
		if (!w->insn[i].target)
			continue;
		t = (struct walk_insn *)walk_at(w, w->insn[i].target);
		if (t && t->branches < UINT16_MAX)
			t->branches++;
	}
}

int walk_take(const struct site_text *text, uint64_t addr, uint64_t len,
	      struct walk **out)
{
	struct walk *w = kept ? kept : calloc(1, sizeof(*w));
	struct code c;

	if (!w)
		return -ENOMEM;
	kept = w;
	if (!code_decode(text, addr, &c))
		return -EILSEQ;
	memset(w, 0, offsetof(struct walk, insn));
	memset(w->index, 0, sizeof(w->index));
	w->text = text;
	w->whole = true;
	enter(w, addr, len);
	want(w, addr, 0);
	while (w->nwork) {
		w->nwork--;
		step(w, w->work[w->nwork].at, w->work[w->nwork].prev);
	}
	mark_targets(w);
	*out = w;
	return 0;
}
