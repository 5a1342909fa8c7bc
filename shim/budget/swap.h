#ifndef LG_BUDGET_SWAP_H
#define LG_BUDGET_SWAP_H

#include <stdbool.h>
#include <stdint.h>

#include "budget/layout.h"
#include "budget/owner.h"

/*
 * Single steps on cells and the evidence that they happened. Internal to
 * budget/. The numbers of the stores are those of docs/region.md.
 */
struct lg_region {
	struct lg_map *map;
	uint64_t dev, ino;
	void *live; /* of $STATE/region: says that we are there */
	bool readonly;
	int64_t whole_ns; /* when it was last looked at, 0: not yet */
};

/* -- words --------------------------------------------------------------- */

static inline uint64_t lg_tag(uint32_t window, uint32_t slot, unsigned index,
			      uint64_t seq)
{
	return (uint64_t)window << 32 | (uint64_t)slot << 22 |
	       (uint64_t)index << 17 | (seq & LG_TAG_SEQ_MASK);
}

static inline uint64_t lg_word(uint64_t seq, enum lg_slot_state state,
			       uint32_t mask)
{
	return seq << 28 | (uint64_t)state << 24 | mask;
}

static inline uint64_t lg_word_seq(uint64_t w)
{
	return w >> 28;
}

static inline unsigned lg_word_state(uint64_t w)
{
	return (unsigned)(w >> 24) & 15;
}

static inline uint32_t lg_word_mask(uint64_t w)
{
	return (uint32_t)w & 0xffffff;
}

/* A cell handle is epoch << 11 | index: stale ones are noticed. */
static inline uint32_t lg_cell_index(uint32_t handle)
{
	return handle % LG_CELLS;
}

static inline uint32_t lg_cell_handle(uint32_t index, uint32_t epoch)
{
	return (epoch & 0xfffff) << 11 | index;
}

static inline bool lg_cell_is_same(struct lg_map *m, uint32_t handle)
{
	uint32_t i = lg_cell_index(handle);

	return lg_cell_handle(i, lg_load_acquire(&m->meta[i].epoch)) == handle;
}

/* How many charges a slot lists, never more than its arrays hold. */
static inline unsigned lg_slot_count(const struct lg_slot *s)
{
	unsigned n = (unsigned)(lg_load_acquire(&s->since) & 0xff);

	return n <= LG_HOLD_CELLS_MAX ? n : 0;
}

/* -- steps --------------------------------------------------------------- */

/* What the ledger knew of this window when the cell was made. */
static inline int64_t lg_cell_seeded(struct lg_map *m, uint32_t index,
				     uint32_t window)
{
	struct lg_pair *seed = &m->cell[index].seed;

	/* DONE of one window is never changed again: no torn pair. */
	if (lg_load_acquire(&seed->hi) !=
	    ((uint64_t)window << 32 | LG_SEED_DONE))
		return 0;
	return (int64_t)lg_load_acquire(&seed->lo);
}

/* lg_money_add and _sub, in line for the hot path. */
static inline int64_t lg_sum(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

static inline int64_t lg_diff(int64_t a, int64_t b)
{
	int64_t d;

	if (__builtin_sub_overflow(a, b, &d))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return d;
}

/*
 * Replace a cell's word, after noting in the slot that its tag names that
 * this operation happened. False: the word is another by now.
 */
bool lg_swap(struct lg_map *m, uint32_t index, struct lg_pair old,
	     struct lg_pair new);
/* The same with a tag that no slot stands behind. */
bool lg_swap_free(struct lg_map *m, uint32_t index, struct lg_pair old,
		  int64_t used_pusd, uint32_t window);

/* Did step `i` of operation `seq` of the slot happen? */
bool lg_step_happened(struct lg_map *m, uint32_t slot, uint64_t seq,
		      unsigned i);
/*
 * Start the slot's next operation: everything that its steps need is stored
 * before. Returns its seq. Only the slot's owner calls this and the steps.
 */
uint64_t lg_step_begin(struct lg_map *m, uint32_t slot,
		       enum lg_slot_state state, uint32_t mask);
/* Take charge i. 0, -EDQUOT it does not fit, -ESTALE the cell is another. */
int lg_step_take(struct lg_map *m, uint32_t slot, uint64_t seq, unsigned i,
		 int64_t limit_pusd);
/* Add delta to charge i's cell if its window is still there. */
void lg_step_add(struct lg_map *m, uint32_t slot, uint64_t seq, unsigned i,
		 int64_t delta_pusd);

/* -- slots --------------------------------------------------------------- */

/* Claim a free slot, busy: its index, or -ENOSPC. *owner is its word now. */
int lg_slot_claim(struct lg_map *m, struct lg_pair *owner);
/* Give it back; the state is made FREE first. owner: its word now. */
void lg_slot_free(struct lg_map *m, uint32_t slot, struct lg_pair owner);
/* Undo the takes in mask (state becomes UNDOING), count the roll-back. */
void lg_slot_undo(struct lg_map *m, uint32_t slot, uint32_t mask,
		  bool rollback);
/* Run the steps of an UNDOING or SETTLING slot; when not fresh (it was
 * begun by somebody who died) only those that did not happen yet. */
void lg_slot_redo(struct lg_map *m, uint32_t slot, bool fresh);

/* All steps of SETTLING are done: the money is settled, the row waits. */
void lg_slot_settled(struct lg_map *m, uint32_t slot);

/* Does a hold sit on this cell that may still be rolled back? Its slot. */
int lg_slot_half_taken(struct lg_map *m, uint32_t cell, int64_t *held_pusd,
		       uint32_t window);

/* -- drafts -------------------------------------------------------------- */

#define LG_DRAFT_NONE UINT32_MAX

/* The buffer and length a draft word names; false when it is garbage. */
bool lg_draft_is_sound(struct lg_map *m, uint32_t slot, uint32_t word);
/* Copy into the slot's own buffer (nobody reads it yet). */
void lg_draft_set(struct lg_map *m, uint32_t slot, const void *p, size_t len);
/* Copy into a spare buffer; the word that names it, or LG_DRAFT_NONE. */
uint32_t lg_draft_spare(struct lg_map *m, uint32_t slot, const void *p,
			size_t len);
/* The buffer that `word` names belongs to nobody any more. */
void lg_draft_drop(struct lg_map *m, uint32_t slot, uint32_t word);
/* After a death: drop every buffer of the slot but the one in use. */
void lg_draft_reclaim(struct lg_map *m, uint32_t slot);
/* The draft in use in the slot's present state; 0 bytes when unsound. */
size_t lg_draft_get(struct lg_map *m, uint32_t slot, void *out);

/*
 * Finish a slot that was taken over: money first. Returns whether it waits
 * with a row (state SETTLED, STAGED or ORPHAN) or was freed (false).
 */
bool lg_recover(struct lg_map *m, uint32_t slot, struct lg_pair owner);
/* Take over the slot of a dead owner. True: it is ours, busy. */
bool lg_slot_seize(struct lg_map *m, uint32_t slot, struct lg_pair *owner);

#endif
