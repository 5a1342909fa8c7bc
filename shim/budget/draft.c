#include <string.h>

#include "budget/swap.h"

/*
 * A draft is changed by writing a spare buffer and then naming it, so that
 * the slot names a whole draft at every instruction. A slot owns the buffers
 * in whose buf_owner it stands; buf_owner is set before the first byte.
 */
static uint32_t buf_of(uint32_t word)
{
	return word >> 16;
}

static size_t len_of(uint32_t word)
{
	return word & 0xffff;
}

bool lg_draft_is_sound(struct lg_map *m, uint32_t slot, uint32_t word)
{
	return buf_of(word) < LG_BUFS && len_of(word) <= LG_DRAFT_MAX &&
	       lg_load_relaxed(&m->head.buf_owner[buf_of(word)]) == slot + 1;
}

static bool claim_buf(struct lg_map *m, uint32_t buf, uint32_t slot)
{
	uint32_t none = 0;

	return buf < LG_BUFS && lg_load_relaxed(&m->head.buf_owner[buf]) == 0 &&
	       lg_cas_seq(&m->head.buf_owner[buf], &none, slot + 1);
}

static uint32_t find_buf(struct lg_map *m, uint32_t slot)
{
	uint32_t i, buf;

	for (i = 0; i < LG_HINTS; i++) {
		buf = lg_load_relaxed(&m->head.hint[(slot + i) % LG_HINTS]);
		if (claim_buf(m, buf, slot))
			return buf;
	}
	for (i = 0; i < LG_BUFS; i++) {
		buf = (slot + i) % LG_BUFS;
		if (claim_buf(m, buf, slot))
			return buf;
	}
	return LG_DRAFT_NONE;
}

void lg_draft_set(struct lg_map *m, uint32_t slot, const void *p, size_t len)
{
	uint32_t buf = buf_of(lg_load_relaxed(&m->slot[slot].draft[0]));

	if (!lg_draft_is_sound(m, slot, buf << 16)) {
		buf = find_buf(m, slot);
		if (buf == LG_DRAFT_NONE)
			return;
	}
	memcpy(m->draft[buf].bytes, p, len);
	lg_store_release(&m->slot[slot].draft[0], buf << 16 | (uint32_t)len);
}

uint32_t lg_draft_spare(struct lg_map *m, uint32_t slot, const void *p,
			size_t len)
{
	uint32_t buf = find_buf(m, slot);

	if (buf == LG_DRAFT_NONE)
		return LG_DRAFT_NONE;
	memcpy(m->draft[buf].bytes, p, len);
	return buf << 16 | (uint32_t)len;
}

void lg_draft_drop(struct lg_map *m, uint32_t slot, uint32_t word)
{
	uint32_t buf = buf_of(word);

	/* No one else changes the owner of a buffer that is ours. */
	if (buf >= LG_BUFS ||
	    lg_load_relaxed(&m->head.buf_owner[buf]) != slot + 1)
		return;
	lg_store_release(&m->head.buf_owner[buf], 0);
	lg_store_relaxed(&m->head.hint[slot % LG_HINTS], buf);
}

static uint32_t in_use(struct lg_slot *s)
{
	unsigned state = lg_word_state(lg_load_acquire(&s->word));
	bool second = state == LG_SLOT_SETTLING || state == LG_SLOT_SETTLED ||
		      state == LG_SLOT_STAGED;

	return lg_load_acquire(&s->draft[second]);
}

void lg_draft_reclaim(struct lg_map *m, uint32_t slot)
{
	uint32_t keep = in_use(&m->slot[slot]), i;

	lg_store_release(&m->slot[slot].draft[0], keep);
	for (i = 0; i < LG_BUFS; i++)
		if (i != buf_of(keep) &&
		    lg_load_relaxed(&m->head.buf_owner[i]) == slot + 1)
			lg_draft_drop(m, slot, i << 16);
}

size_t lg_draft_get(struct lg_map *m, uint32_t slot, void *out)
{
	uint32_t word = in_use(&m->slot[slot]);

	if (!lg_draft_is_sound(m, slot, word))
		return 0;
	memcpy(out, m->draft[buf_of(word)].bytes, len_of(word));
	return len_of(word);
}
