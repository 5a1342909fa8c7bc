#ifndef LG_TESTS_MODEL_PROTOCOL_H
#define LG_TESTS_MODEL_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tests/model/world.h"

/*
 * The hold protocol of docs/region.md, one shared-memory access a step. The
 * names of the steps are those of its tables; `fault` takes one guard away.
 */
/* -- one step ------------------------------------------------------------ */

static bool names(struct tag t, unsigned slot, unsigned step, unsigned seq)
{
	return t.slot == slot && t.step == step && t.seq == (seq & SEQ_TAG);
}

static bool in_progress(unsigned state)
{
	return state == TAKING || state == UNDOING || state == SETTLING;
}

static bool is_stale(const struct world *w, unsigned me, unsigned seq)
{
	unsigned c;

	for (c = 0; c < scene.cells; c++)
		if ((w->slot[me].list >> c & 1) && w->cell[c].tag.slot == me &&
		    w->cell[c].tag.seq == (seq & SEQ_TAG))
			return true;
	return false;
}

static unsigned parity(unsigned seq)
{
	return fault == ONE_ACK ? 0 : seq & 1;
}

static void comes_to(struct proc *p, int money)
{
	unsigned c;

	for (c = 0; c < scene.cells; c++)
		if (p->needs >> c & 1)
			p->came_to[c] = (int8_t)(p->came_to[c] + money);
}

static int delta(const struct proc *p)
{
	if (p->op == TAKING)
		return scene.hold;
	return p->op == SETTLING ? scene.actual - scene.hold : -scene.hold;
}

/* Start an operation: local, its first access is BEGIN_ACK. */
static void begin(struct proc *p, unsigned op, unsigned mask)
{
	p->op = (uint8_t)op;
	p->mask = (uint8_t)mask;
	p->redo = 0;
	p->pc = op == TAKING ? FILL : BEGIN_ACK;
}

/* The next step of the operation from i on, or its end. */
static void go_on(struct proc *p)
{
	while (p->i < scene.cells && (!(p->mask >> p->i & 1) || delta(p) == 0))
		p->i++;
	if (p->i >= scene.cells)
		p->pc = OP_END;
	else
		p->pc = p->redo && fault != BLIND_REDO ? CHECK_TAG : READ;
}

static void next_call(struct proc *p)
{
	uint8_t k;

	if (p->dead || p->calls == 0) {
		p->pc = END;
		return;
	}
	p->calls--;
	p->tries = 0;
	if (p->odd != 0) {
		k = p->needs;
		p->needs = p->odd;
		p->odd = k;
	}
	begin(p, TAKING, p->needs);
}

static void try_again(struct proc *p)
{
	if (p->tries++ < scene.tries) {
		begin(p, TAKING, p->needs);
		return;
	}
	p->busy++;
	next_call(p);
}

static void swap(struct world *w, unsigned me)
{
	struct proc *p = &w->proc[me];
	struct cell *c = &w->cell[p->i];

	if (c->used != p->old_used ||
	    memcmp(&c->tag, &p->old_tag, sizeof(c->tag)) != 0) {
		p->pc = READ;
		return;
	}
	c->used = (int8_t)(c->used + delta(p));
	c->tag = (struct tag){(uint8_t)me, p->i, (uint8_t)(p->seq & SEQ_TAG)};
	if (fault == ACK_AFTER) {
		p->pc = ACK_READ;
		return;
	}
	p->i++;
	go_on(p);
}

static void after_ack(struct proc *p)
{
	if (fault == ACK_AFTER) {
		p->i++;
		go_on(p);
		return;
	}
	p->pc = SWAP;
}

static void read_cell(struct world *w, unsigned me)
{
	struct proc *p = &w->proc[me];
	struct cell *c = &w->cell[p->i];

	p->old_used = c->used;
	p->old_tag = c->tag;
	if (p->op == TAKING && c->used + scene.hold > scene.limit[p->i]) {
		p->full = p->i;
		begin(p, UNDOING, p->mask & ((1u << p->i) - 1));
		return;
	}
	p->pc = ACK_READ;
	if (fault == ACK_AFTER)
		p->pc = SWAP;
	if (fault == NO_ACK || c->tag.slot >= PROCS)
		p->pc = SWAP;
}

/* The four accesses that note in a slot that its step happened. */
static void acknowledge(struct world *w, unsigned me)
{
	struct proc *p = &w->proc[me];
	struct tag t = p->old_tag;
	struct slot *s = &w->slot[t.slot < PROCS ? t.slot : 0];
	unsigned k = parity(t.seq);

	switch (p->pc) {
	case ACK_READ:
		p->a_seq = s->ack_seq[k];
		p->a_mask = s->ack_mask[k];
		p->pc = ACK_WORD;
		if (t.slot >= PROCS || (p->a_seq & SEQ_TAG) != t.seq ||
		    (p->a_mask >> t.step & 1))
			after_ack(p);
		break;
	case ACK_WORD:
		p->pc = ACK_TAG;
		if (fault == NO_TAG_CHECK)
			p->pc = ACK_CAS;
		if (s->seq != p->a_seq || !in_progress(s->state) ||
		    !(s->list >> t.step & 1))
			after_ack(p);
		break;
	case ACK_TAG:
		p->pc = ACK_CAS;
		if (fault != ACK_AFTER &&
		    memcmp(&w->cell[p->i].tag, &t, sizeof(t)) != 0)
			p->pc = READ;
		break;
	default:
		if (s->ack_seq[k] != p->a_seq || s->ack_mask[k] != p->a_mask) {
			p->pc = ACK_READ;
			break;
		}
		s->ack_mask[k] |= (uint8_t)(1u << t.step);
		after_ack(p);
		break;
	}
}

static void op_end(struct world *w, unsigned me)
{
	struct proc *p = &w->proc[me];
	struct slot *s = &w->slot[me];

	if (p->op == TAKING) {
		s->state = HELD;
		p->pc = AFTER;
	} else if (p->op == SETTLING) {
		s->state = SETTLED;
		comes_to(p, scene.actual);
		p->pc = DONE;
	} else {
		p->i = 0;
		p->pc = COUNT;
	}
}

static void count(struct world *w, unsigned me)
{
	struct proc *p = &w->proc[me];

	while (p->i < scene.cells && !(p->mask >> p->i & 1))
		p->i++;
	if (p->i < scene.cells) {
		w->cell[p->i].undos++;
		p->i++;
		return;
	}
	p->pc = DONE;
	if (fault == UNDOS_FIRST) {
		p->i = 0;
		go_on(p);
		if (p->pc == OP_END)
			p->pc = DONE;
	}
}

/* Free the slot; then the refused one asks whether that was true. */
static void done(struct world *w, unsigned me)
{
	struct proc *p = &w->proc[me];

	w->slot[me].state = FREE;
	if (!p->dead && p->full < CELLS) {
		p->pc = WHY_UNDOS;
		return;
	}
	next_call(p);
}

/* -- is the refusal true? ------------------------------------------------ */

static void why_next(struct proc *p, unsigned me, unsigned from)
{
	for (p->other = (uint8_t)from; p->other < scene.procs; p->other++)
		if (p->other != me)
			break;
	p->pc = p->other < scene.procs ? WHY_WORD : WHY_UNDOS2;
}

static void why_step(struct world *w, unsigned me)
{
	struct proc *p = &w->proc[me];
	struct slot *o = &w->slot[p->other < PROCS ? p->other : 0];

	switch (p->pc) {
	case WHY_WORD:
		p->w_state = o->state;
		p->w_seq = o->seq;
		p->has = p->missing = 0;
		p->step = p->full;
		if (o->state == UNDOING && (o->mask >> p->full & 1))
			try_again(p);
		else if (o->state == TAKING && (o->mask >> p->full & 1))
			p->pc = WHY_TAG;
		else
			why_next(p, me, p->other + 1u);
		return;
	case WHY_TAG:
		p->pc = WHY_SLOT_ACK;
		if (!names(w->cell[p->step].tag, p->other, p->step, p->w_seq))
			return;
		p->has |= p->step == p->full;
		break;
	default:
		if (o->ack_seq[parity(p->w_seq)] == p->w_seq &&
		    (o->ack_mask[parity(p->w_seq)] >> p->step & 1))
			p->has |= p->step == p->full;
		else
			p->missing |= p->step != p->full;
		break;
	}
	do
		p->step++;
	while (p->step < scene.cells && !(o->mask >> p->step & 1));
	p->pc = p->step < scene.cells ? WHY_TAG : WHY_WORD2;
}

static void why(struct world *w, unsigned me)
{
	struct proc *p = &w->proc[me];
	struct slot *o = &w->slot[p->other < PROCS ? p->other : 0];
	struct cell *c = &w->cell[p->full < CELLS ? p->full : 0];

	switch (p->pc) {
	case WHY_UNDOS:
		p->undos = c->undos;
		p->pc = WHY_CELL;
		break;
	case WHY_CELL:
		if (c->used + scene.hold <= scene.limit[p->full]) {
			p->full = CELLS;
			try_again(p);
			break;
		}
		why_next(p, me, 0);
		if (fault == NO_HALF)
			p->pc = WHY_UNDOS2;
		break;
	case WHY_WORD2:
		if ((p->has && p->missing) || o->state != p->w_state ||
		    o->seq != p->w_seq) {
			p->full = CELLS;
			try_again(p);
			break;
		}
		why_next(p, me, p->other + 1u);
		break;
	case WHY_UNDOS2:
		p->full = CELLS;
		if (c->undos != p->undos && fault != NO_UNDOS) {
			try_again(p);
			break;
		}
		p->refused++;
		next_call(p);
		break;
	default:
		why_step(w, me);
		if (p->pc == FILL || p->pc == END)
			p->full = CELLS;
		break;
	}
}

/* -- recovery ------------------------------------------------------------ */

static void recover(struct world *w, unsigned me)
{
	struct proc *p = &w->proc[me];
	struct slot *s = &w->slot[me];

	p->seq = s->seq;
	p->i = 0;
	p->mask = 0;
	switch (s->state) {
	case TAKING:
		p->pc = FOUND_TAG;
		return;
	case HELD:
		begin(p, UNDOING, s->mask);
		return;
	case DISPATCHED:
		s->state = ORPHAN;
		comes_to(p, scene.hold);
		p->pc = DONE;
		return;
	case UNDOING:
	case SETTLING:
		p->op = s->state;
		p->mask = s->mask;
		p->redo = 1;
		go_on(p);
		return;
	default:
		p->pc = DONE;
		return;
	}
}

static bool acked(const struct world *w, unsigned me)
{
	const struct proc *p = &w->proc[me];
	const struct slot *s = &w->slot[me];
	unsigned k = parity(p->seq);

	return s->ack_seq[k] == p->seq && (s->ack_mask[k] >> p->i & 1);
}

static void found(struct world *w, unsigned me)
{
	struct proc *p = &w->proc[me];
	bool yes;

	if (!(w->slot[me].list >> p->i & 1)) {
		yes = false;
	} else if (p->pc == FOUND_TAG) {
		yes = names(w->cell[p->i].tag, me, p->i, p->seq);
		p->pc = FOUND_ACK;
		if (!yes)
			return;
	} else {
		yes = acked(w, me);
	}
	if (yes)
		p->mask |= (uint8_t)(1u << p->i);
	p->i++;
	p->pc = FOUND_TAG;
	if (p->i >= scene.cells)
		begin(p, UNDOING, p->mask);
}

static void check(struct world *w, unsigned me)
{
	struct proc *p = &w->proc[me];

	if (p->pc == CHECK_TAG) {
		p->pc = CHECK_ACK;
		if (!names(w->cell[p->i].tag, me, p->i, p->seq))
			return;
	} else if (!acked(w, me)) {
		p->pc = READ;
		return;
	}
	p->i++;
	go_on(p);
}

/* -- step ---------------------------------------------------------------- */

/* Whoever is admitted: 0 dispatches and settles, 1 releases. */
static void after(struct world *w, unsigned me, unsigned choice)
{
	struct proc *p = &w->proc[me];
	struct slot *s = &w->slot[me];

	if (s->state == DISPATCHED) {
		begin(p, SETTLING, s->mask);
		return;
	}
	p->admitted++;
	if (scene.stay) {
		comes_to(p, scene.hold);
		p->pc = END;
		return;
	}
	if (choice == 1) {
		begin(p, UNDOING, s->mask);
		return;
	}
	s->state = DISPATCHED;
}

static unsigned choices(const struct world *w, unsigned me)
{
	const struct proc *p = &w->proc[me];

	if (p->pc == END)
		return 0;
	return p->pc == AFTER && w->slot[me].state == HELD && scene.release ? 2
									    : 1;
}

/* A flat table of the accesses. */
static void step(struct world *w, unsigned me, unsigned choice)
{
	struct proc *p = &w->proc[me];
	struct slot *s = &w->slot[me];

	switch (p->pc) {
	case FILL:
		s->list = p->mask;
		p->pc = BEGIN_ACK;
		break;
	case BEGIN_ACK:
		p->seq = (uint8_t)(s->seq + 1);
		while (fault != NO_TURN && is_stale(w, me, p->seq))
			p->seq = (uint8_t)(p->seq + 2);
		s->ack_seq[parity(p->seq)] = p->seq;
		s->ack_mask[parity(p->seq)] = 0;
		p->pc = BEGIN_WORD;
		break;
	case BEGIN_WORD:
		s->state = p->op;
		s->seq = p->seq;
		s->mask = p->mask;
		p->i = 0;
		go_on(p);
		if (fault == UNDOS_FIRST && p->op == UNDOING)
			p->pc = COUNT;
		break;
	case CHECK_TAG:
	case CHECK_ACK:
		check(w, me);
		break;
	case READ:
		read_cell(w, me);
		break;
	case ACK_READ:
	case ACK_WORD:
	case ACK_TAG:
	case ACK_CAS:
		acknowledge(w, me);
		break;
	case SWAP:
		swap(w, me);
		break;
	case OP_END:
		op_end(w, me);
		if (fault == UNDOS_FIRST && p->pc == COUNT)
			p->pc = DONE;
		break;
	case COUNT:
		count(w, me);
		break;
	case AFTER:
		after(w, me, choice);
		break;
	case DONE:
		done(w, me);
		break;
	case RECOVER:
		recover(w, me);
		break;
	case FOUND_TAG:
	case FOUND_ACK:
		found(w, me);
		break;
	default:
		why(w, me);
		break;
	}
}

/* The process dies; somebody will recover its slot, now or much later. */
static void kill_it(struct world *w, unsigned me)
{
	struct proc *p = &w->proc[me];
	struct proc fresh = {.pc = RECOVER, .dead = 1, .full = CELLS};

	memcpy(fresh.came_to, p->came_to, sizeof(fresh.came_to));
	fresh.needs = p->needs;
	fresh.admitted = p->admitted;
	fresh.refused = p->refused;
	fresh.busy = p->busy;
	*p = fresh;
	w->kills++;
}

#endif
