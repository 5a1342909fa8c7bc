#include <errno.h>

#include "base/clock.h"
#include "base/mem.h"
#include "budget/swap.h"

/* Judging reads /proc, so neighbours of one process share the answer. */
struct judge {
	struct lg_pair owner;
	enum lg_owner_state state;
	bool known;
};

static enum lg_owner_state judge_once(struct judge *j, struct lg_pair o)
{
	if (!j->known || !lg_owner_same(j->owner, o)) {
		j->owner = o;
		j->state = lg_owner_judge(o);
		j->known = true;
	}
	return j->state;
}

static bool is_free(struct lg_pair o)
{
	return (o.lo & ~LG_OWNER_TURN_MASK) == 0 && o.hi == 0;
}

static bool is_anybodys(struct lg_pair o)
{
	return (o.lo & LG_OWNER_ID_MASK) == LG_OWNER_ANYBODY && o.hi == 0;
}

static void leave_to_anybody(struct lg_map *m, uint32_t slot,
			     struct lg_pair owner)
{
	lg_pair_cas(&m->slot[slot].owner, owner,
		    (struct lg_pair){LG_OWNER_ANYBODY |
					     (owner.lo & LG_OWNER_TURN_MASK),
				     0});
}

static enum lg_swept what_is(struct lg_slot *s)
{
	switch (lg_word_state(lg_load_relaxed(&s->word))) {
	case LG_SLOT_ORPHAN:
		return LG_SWEPT_ABANDONED;
	case LG_SLOT_STAGED:
		return LG_SWEPT_STAGED;
	default:
		return LG_SWEPT_SETTLED;
	}
}

/* The slot is ours and waits with a row: have it written. */
static bool hand_over(struct lg_map *m, uint32_t slot, struct lg_pair owner,
		      lg_sweep_fn *fn, void *ctx, void *draft)
{
	struct lg_slot *s = &m->slot[slot];
	enum lg_swept what = what_is(s);
	uint64_t w = lg_load_relaxed(&s->word);
	size_t len = lg_draft_get(m, slot, draft);

	if (fn != NULL && fn(ctx, what, draft, len) == 0) {
		lg_slot_free(m, slot, owner);
		return true;
	}
	if (what == LG_SWEPT_SETTLED)
		lg_store_release(&s->word,
				 lg_word(lg_word_seq(w), LG_SLOT_STAGED, 0));
	leave_to_anybody(m, slot, owner);
	return false;
}

/*
 * Nobody here can see whether it lives. A call that was sent a day ago and is
 * in no step now is charged at its hold; its settle will find that it was.
 */
static bool is_over(const struct lg_slot *s, struct lg_pair o)
{
	unsigned state = lg_word_state(lg_load_seq(&s->word));
	int64_t since = (int64_t)(lg_load_relaxed(&s->since) & ~UINT64_C(0xff));

	return (state == LG_SLOT_DISPATCHED || state == LG_SLOT_SETTLED) &&
	       !(o.lo & LG_OWNER_BUSY) &&
	       lg_clock_boot_ns() - since > LG_FOREIGN_LEASE_NS;
}

static bool is_dead(struct judge *j, const struct lg_slot *s, struct lg_pair o)
{
	enum lg_owner_state state = judge_once(j, o);

	return state == LG_OWNER_DEAD ||
	       (state == LG_OWNER_FOREIGN && is_over(s, o));
}

static int sweep(struct lg_map *m, bool staged, lg_sweep_fn *fn, void *ctx,
		 void *draft)
{
	struct judge j = {.known = false};
	struct lg_pair o;
	uint32_t slot;
	int freed = 0;

	for (slot = 0; slot < LG_SLOTS; slot++) {
		o.lo = lg_load_seq(&m->slot[slot].owner.lo);
		o.hi = lg_load_seq(&m->slot[slot].owner.hi);
		if (is_free(o))
			continue;
		if (is_anybodys(o) ? !staged : !is_dead(&j, &m->slot[slot], o))
			continue;
		if (!lg_slot_seize(m, slot, &o))
			continue;
		if (!lg_recover(m, slot, o) ||
		    hand_over(m, slot, o, fn, ctx, draft)) {
			lg_add_relaxed(&m->head.counter[LG_COUNT_SWEPT], 1);
			freed++;
		}
	}
	return freed;
}

int lg_hold_sweep(struct lg_region *r, bool staged, lg_sweep_fn *fn, void *ctx)
{
	void *draft;
	int freed;

	if (r->readonly)
		return 0;
	draft = lg_mem_alloc(LG_DRAFT_MAX);
	if (draft == NULL)
		return 0;
	freed = sweep(r->map, staged, fn, ctx, draft);
	lg_mem_free(draft, LG_DRAFT_MAX);
	return freed;
}
