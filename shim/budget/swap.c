#include "budget/swap.h"

#include <errno.h>

static bool in_progress(uint64_t word)
{
	unsigned s = lg_word_state(word);

	return s == LG_SLOT_TAKING || s == LG_SLOT_UNDOING ||
	       s == LG_SLOT_SETTLING;
}

/*
 * The loop ends: each failure means that another bit of at most 24 was set
 * or that the slot began its next operation.
 */
static void acknowledge(struct lg_map *m, uint32_t index, uint64_t tag)
{
	unsigned i = (unsigned)(tag >> 17) & 31;
	struct lg_slot *s = &m->slot[(tag >> 22) % LG_SLOTS];
	uint64_t seq = tag & LG_TAG_SEQ_MASK, bit = UINT64_C(1) << i, a, w;
	uint64_t *ack = &s->ack[seq & 1];

	if (i >= LG_HOLD_CELLS_MAX)
		return;
	a = lg_load_seq(ack);
	for (;;) {
		if ((lg_word_seq(a) & LG_TAG_SEQ_MASK) != seq || (a & bit))
			return;
		w = lg_load_seq(&s->word);
		if (lg_word_seq(w) != lg_word_seq(a) || !in_progress(w))
			return;
		if (lg_cell_index(lg_load_relaxed(&s->cell[i])) != index)
			return;
		/* The tag may be older than the seq's last turn-around. */
		if (lg_load_seq(&m->cell[index].word.hi) != tag)
			return;
		if (lg_cas_seq(ack, &a, a | bit))
			return;
	}
}

bool lg_swap(struct lg_map *m, uint32_t index, struct lg_pair old,
	     struct lg_pair new)
{
	/* Our own slot has gone on since: nobody asks for that step. */
	if (((old.hi ^ new.hi) >> 22) % LG_SLOTS != 0 ||
	    ((new.hi >> 17) & 31) == LG_TAG_NOBODY)
		acknowledge(m, index, old.hi);
	return lg_pair_cas(&m->cell[index].word, old, new);
}

bool lg_swap_free(struct lg_map *m, uint32_t index, struct lg_pair old,
		  int64_t used_pusd, uint32_t window)
{
	uint64_t n = lg_add_relaxed(&m->head.unique, 1);
	struct lg_pair new = {
		(uint64_t)used_pusd,
		lg_tag(window, (n >> LG_TAG_SEQ_BITS) % LG_SLOTS, LG_TAG_NOBODY,
		       n),
	};

	return lg_swap(m, index, old, new);
}

static bool names(uint64_t tag, uint32_t slot, uint64_t seq)
{
	return (tag >> 22) % LG_SLOTS == slot &&
	       ((tag >> 17) & 31) != LG_TAG_NOBODY &&
	       (tag & LG_TAG_SEQ_MASK) == (seq & LG_TAG_SEQ_MASK);
}

bool lg_step_happened(struct lg_map *m, uint32_t slot, uint64_t seq, unsigned i)
{
	struct lg_slot *s = &m->slot[slot];
	uint32_t c = lg_cell_index(lg_load_relaxed(&s->cell[i]));
	uint64_t tag = lg_load_seq(&m->cell[c].word.hi), a;

	if (names(tag, slot, seq) && ((tag >> 17) & 31) == i)
		return true;
	/* After the tag: whoever replaced it has acknowledged before. */
	a = lg_load_seq(&s->ack[seq & 1]);
	return lg_word_seq(a) == seq && (a >> i & 1);
}

/* seq turns around after 2^17: no cell may still bear it from then. */
static bool seq_is_stale(struct lg_map *m, uint32_t slot, uint64_t seq)
{
	struct lg_slot *s = &m->slot[slot];
	unsigned i, n = lg_slot_count(s);
	uint32_t c;

	for (i = 0; i < n; i++) {
		c = lg_cell_index(lg_load_relaxed(&s->cell[i]));
		if (names(lg_load_seq(&m->cell[c].word.hi), slot, seq))
			return true;
	}
	return false;
}

uint64_t lg_step_begin(struct lg_map *m, uint32_t slot,
		       enum lg_slot_state state, uint32_t mask)
{
	struct lg_slot *s = &m->slot[slot];
	uint64_t seq = lg_word_seq(lg_load_relaxed(&s->word)) + 1;

	/* By two: the other parity's acknowledgements are still needed. */
	while (seq_is_stale(m, slot, seq))
		seq += 2;
	lg_store_release(&s->ack[seq & 1], lg_word(seq, 0, 0));
	lg_store_release(&s->word, lg_word(seq, state, mask));
	return seq;
}

int lg_step_take(struct lg_map *m, uint32_t slot, uint64_t seq, unsigned i,
		 int64_t limit_pusd)
{
	struct lg_slot *s = &m->slot[slot];
	uint32_t handle = lg_load_relaxed(&s->cell[i]), was, window;
	uint32_t c = lg_cell_index(handle);
	int64_t amount = lg_load_relaxed(&s->amount_pusd[i]), used, total;
	struct lg_pair old, new;

	/* Another writer was faster each time round: lock-free. */
	for (;;) {
		old = lg_pair_load(&m->cell[c].word, false);
		was = (uint32_t)(old.hi >> 32);
		if (was == LG_WINDOW_RETIRED || !lg_cell_is_same(m, handle))
			return -ESTALE;
		window = lg_load_relaxed(&s->window[i]);
		if (was > window) {
			window = was;
			lg_store_relaxed(&s->window[i], window);
		}
		used = was == window ? (int64_t)old.lo : 0;
		new.lo = (uint64_t)lg_sum(used, amount);
		total = lg_sum(used, lg_cell_seeded(m, c, window));
		if (amount > 0 &&
		    (new.lo == INT64_MAX ||
		     lg_sum(total > 0 ? total : 0, amount) > limit_pusd))
			return -EDQUOT;
		new.hi = lg_tag(window, slot, i, seq);
		if (lg_swap(m, c, old, new))
			return 0;
	}
}

void lg_step_add(struct lg_map *m, uint32_t slot, uint64_t seq, unsigned i,
		 int64_t delta_pusd)
{
	struct lg_slot *s = &m->slot[slot];
	uint32_t handle = lg_load_relaxed(&s->cell[i]);
	uint32_t c = lg_cell_index(handle);
	uint32_t window = lg_load_relaxed(&s->window[i]);
	struct lg_pair old, new;

	if (delta_pusd == 0)
		return;
	/* Another writer was faster each time round: lock-free. */
	do {
		old = lg_pair_load(&m->cell[c].word, false);
		if ((uint32_t)(old.hi >> 32) != window ||
		    !lg_cell_is_same(m, handle))
			return;
		new.lo = (uint64_t)lg_sum((int64_t)old.lo, delta_pusd);
		new.hi = lg_tag(window, slot, i, seq);
	} while (!lg_swap(m, c, old, new));
}
