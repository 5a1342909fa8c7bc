#include <errno.h>

#include "base/money.h"
#include "budget/swap.h"

static __thread uint32_t last_slot = UINT32_MAX;

static uint32_t first_guess(struct lg_pair me)
{
	uint64_t v = (uintptr_t)&last_slot ^ me.lo;

	return (uint32_t)((v * UINT64_C(0x9e3779b97f4a7c15)) >> 40) % LG_SLOTS;
}

int lg_slot_claim(struct lg_map *m, struct lg_pair *owner)
{
	struct lg_pair me = lg_owner_self(), old, new;
	uint32_t i, slot;

	if (last_slot >= LG_SLOTS)
		last_slot = first_guess(me);
	for (i = 0; i < LG_SLOTS; i++) {
		slot = (last_slot + i) % LG_SLOTS;
		old.lo = lg_load_relaxed(&m->slot[slot].owner.lo);
		old.hi = lg_load_relaxed(&m->slot[slot].owner.hi);
		if ((old.lo & ~LG_OWNER_TURN_MASK) != 0 || old.hi != 0)
			continue;
		new.lo = me.lo | ((old.lo + 2) & LG_OWNER_TURN_MASK) |
			 LG_OWNER_BUSY;
		new.hi = me.hi;
		if (!lg_pair_cas(&m->slot[slot].owner, old, new))
			continue;
		last_slot = slot;
		*owner = new;
		return (int)slot;
	}
	return -ENOSPC;
}

void lg_slot_free(struct lg_map *m, uint32_t slot, struct lg_pair owner)
{
	struct lg_slot *s = &m->slot[slot];
	struct lg_pair none = {owner.lo & LG_OWNER_TURN_MASK, 0};
	uint64_t seq = lg_word_seq(lg_load_relaxed(&s->word));

	lg_store_release(&s->word, lg_word(seq, LG_SLOT_FREE, 0));
	lg_pair_cas(&s->owner, owner, none);
}

bool lg_slot_seize(struct lg_map *m, uint32_t slot, struct lg_pair *owner)
{
	struct lg_pair me = lg_owner_self(), new;

	new.lo = me.lo | ((owner->lo + 2) & LG_OWNER_TURN_MASK) | LG_OWNER_BUSY;
	new.hi = me.hi;
	if (!lg_pair_cas(&m->slot[slot].owner, *owner, new))
		return false;
	*owner = new;
	return true;
}

/* After the swaps: a refusal that still saw the money notices. */
static void count_rollback(struct lg_map *m, uint32_t slot, uint32_t mask)
{
	struct lg_slot *s = &m->slot[slot];
	unsigned i;

	for (i = 0; i < LG_HOLD_CELLS_MAX; i++)
		if (mask >> i & 1)
			lg_add_seq(&m->cell[lg_cell_index(lg_load_relaxed(
						    &s->cell[i]))]
					    .undos,
				   1);
}

void lg_slot_redo(struct lg_map *m, uint32_t slot, bool fresh)
{
	struct lg_slot *s = &m->slot[slot];
	uint64_t w = lg_load_relaxed(&s->word), seq = lg_word_seq(w);
	unsigned state = lg_word_state(w), i;
	uint32_t mask = lg_word_mask(w);
	int64_t actual = lg_load_relaxed(&s->actual_pusd), amount;

	if (state != LG_SLOT_SETTLING)
		actual = 0;
	for (; mask != 0; mask &= mask - 1) {
		i = (unsigned)__builtin_ctz(mask);
		if (!fresh && lg_step_happened(m, slot, seq, i))
			continue;
		amount = lg_load_relaxed(&s->amount_pusd[i]);
		lg_step_add(m, slot, seq, i, lg_diff(actual, amount));
	}
}

void lg_slot_undo(struct lg_map *m, uint32_t slot, uint32_t mask, bool rollback)
{
	lg_step_begin(m, slot, LG_SLOT_UNDOING, mask);
	lg_slot_redo(m, slot, true);
	if (rollback)
		count_rollback(m, slot, mask);
}

/* Where the slot lists the cell in this window, or -1. */
static int find_charge(struct lg_slot *s, unsigned n, uint32_t cell)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (lg_cell_index(lg_load_relaxed(&s->cell[i])) == cell)
			return (int)i;
	return -1;
}

/* A take that has this cell but not all that follow may be refused there. */
static bool may_roll_back(struct lg_map *m, uint32_t slot, uint64_t word,
			  unsigned i, unsigned n)
{
	struct lg_slot *s = &m->slot[slot];
	uint64_t seq = lg_word_seq(word);
	unsigned j, missing = 0;
	bool has;

	if (lg_word_state(word) == LG_SLOT_UNDOING)
		return lg_word_mask(word) >> i & 1;
	has = lg_step_happened(m, slot, seq, i);
	for (j = i + 1; j < n; j++)
		missing += !lg_step_happened(m, slot, seq, j);
	return (has && missing > 0) || lg_load_seq(&s->word) != word;
}

int lg_slot_half_taken(struct lg_map *m, uint32_t cell, int64_t *held_pusd,
		       uint32_t window)
{
	uint32_t slot;
	uint64_t word;
	unsigned n, state;
	int i;

	*held_pusd = 0;
	for (slot = 0; slot < LG_SLOTS; slot++) {
		struct lg_slot *s = &m->slot[slot];

		word = lg_load_seq(&s->word);
		state = lg_word_state(word);
		if (state == LG_SLOT_FREE || state >= LG_SLOT_SETTLED)
			continue;
		n = lg_slot_count(s);
		i = find_charge(s, n, cell);
		if (i < 0)
			continue;
		if ((state == LG_SLOT_TAKING || state == LG_SLOT_UNDOING) &&
		    may_roll_back(m, slot, word, (unsigned)i, n))
			return (int)slot;
		if (state != LG_SLOT_TAKING &&
		    lg_load_relaxed(&s->window[i]) == window)
			*held_pusd = lg_money_add(
				*held_pusd,
				lg_load_relaxed(&s->amount_pusd[i]));
	}
	return -1;
}

void lg_slot_settled(struct lg_map *m, uint32_t slot)
{
	struct lg_slot *s = &m->slot[slot];
	uint64_t seq = lg_word_seq(lg_load_relaxed(&s->word));
	uint32_t was = lg_load_relaxed(&s->draft[0]);
	uint32_t now = lg_load_relaxed(&s->draft[1]);

	lg_store_release(&s->word, lg_word(seq, LG_SLOT_SETTLED, 0));
	if (was >> 16 == now >> 16)
		return;
	lg_store_release(&s->draft[0], now);
	lg_draft_drop(m, slot, was);
}

bool lg_recover(struct lg_map *m, uint32_t slot, struct lg_pair owner)
{
	struct lg_slot *s = &m->slot[slot];
	uint64_t w = lg_load_relaxed(&s->word), seq = lg_word_seq(w);
	uint32_t mask = lg_word_mask(w), i, n = lg_slot_count(s);

	lg_draft_reclaim(m, slot);
	switch (lg_word_state(w)) {
	case LG_SLOT_TAKING:
		for (mask = 0, i = 0; i < n; i++)
			if (lg_step_happened(m, slot, seq, i))
				mask |= 1u << i;
		lg_slot_undo(m, slot, mask, true);
		break;
	case LG_SLOT_HELD:
		lg_slot_undo(m, slot, mask, false);
		break;
	case LG_SLOT_UNDOING:
		lg_slot_redo(m, slot, false);
		count_rollback(m, slot, mask);
		break;
	case LG_SLOT_DISPATCHED:
		lg_store_release(&s->word, lg_word(seq, LG_SLOT_ORPHAN, 0));
		return true;
	case LG_SLOT_SETTLING:
		lg_slot_redo(m, slot, false);
		lg_slot_settled(m, slot);
		return true;
	case LG_SLOT_SETTLED:
	case LG_SLOT_STAGED:
	case LG_SLOT_ORPHAN:
		return true;
	default:
		break;
	}
	lg_slot_free(m, slot, owner);
	return false;
}
