#include "budget/hold.h"

#include <errno.h>
#include <sched.h>

#include "base/clock.h"
#include "budget/swap.h"

#define WAIT_NS_MAX INT64_C(200000000)
/* The rest is for holds: limits count also while the disk is full. */
#define STAGED_MAX (LG_SLOTS / 4 * 3)

/* The charges in the fixed order: by cell, each cell once. */
struct plan {
	unsigned n;
	unsigned origin[LG_HOLD_CELLS_MAX];
	struct lg_charge c[LG_HOLD_CELLS_MAX];
};

static uint32_t index_of(const struct lg_charge *c)
{
	return lg_cell_index((uint32_t)c->cell);
}

static bool merge(struct plan *p, const struct lg_charge *c)
{
	struct lg_charge *into;
	unsigned j;

	for (j = 0; j < p->n; j++) {
		into = &p->c[j];
		if (index_of(into) != index_of(c))
			continue;
		if (c->amount_pusd > into->amount_pusd)
			into->amount_pusd = c->amount_pusd;
		if (c->limit_pusd < into->limit_pusd)
			into->limit_pusd = c->limit_pusd;
		return true;
	}
	return false;
}

static int make_plan(struct plan *p, const struct lg_charge *c, unsigned n)
{
	unsigned i, j;

	p->n = 0;
	for (i = 0; i < n; i++) {
		if (c[i].cell < 0 || c[i].amount_pusd < 0 ||
		    c[i].window == LG_WINDOW_RETIRED)
			return -EINVAL;
		if (merge(p, &c[i]))
			continue;
		for (j = p->n++; j > 0; j--) {
			if (index_of(&p->c[j - 1]) < index_of(&c[i]))
				break;
			p->c[j] = p->c[j - 1];
			p->origin[j] = p->origin[j - 1];
		}
		p->c[j] = c[i];
		p->origin[j] = i;
	}
	return 0;
}

/* What stands in the charge's window, and whether the charge fits. */
static bool fits(struct lg_map *m, const struct lg_charge *c, int64_t *used,
		 uint32_t *window)
{
	uint32_t i = index_of(c);
	struct lg_pair w = lg_pair_load(&m->cell[i].word, false);
	uint32_t was = (uint32_t)(w.hi >> 32);

	*window = was > c->window && was != LG_WINDOW_RETIRED ? was : c->window;
	*used = lg_sum(was == *window ? (int64_t)w.lo : 0,
		       lg_cell_seeded(m, i, *window));
	if (*used < 0) /* corrections of what is not in it give no headroom */
		*used = 0;
	return c->amount_pusd == 0 ||
	       lg_sum(*used, c->amount_pusd) <= c->limit_pusd;
}

static unsigned look(struct lg_map *m, const struct plan *p)
{
	uint32_t window;
	int64_t used;
	unsigned i;

	for (i = 0; i < p->n; i++)
		if (!fits(m, &p->c[i], &used, &window))
			break;
	return i;
}

/* More than the limit by itself: no matter what others hold. */
static bool is_hopeless(struct lg_map *m, const struct lg_charge *c,
			uint32_t window)
{
	return lg_sum(c->amount_pusd, lg_cell_seeded(m, index_of(c), window)) >
	       c->limit_pusd;
}

/*
 * A refusal counts only if at the instant when the cell was seen full no
 * money of a take that was rolled back later stood in it. -EDQUOT, or -EAGAIN
 * with *half, the slot to wait for (-1: just look again).
 */
static int confirm(struct lg_map *m, const struct plan *p, unsigned k,
		   struct lg_hold_refusal *why, int *half)
{
	const struct lg_charge *c = &p->c[k];
	struct lg_cell *cell = &m->cell[index_of(c)];
	uint32_t undos = lg_load_seq(&cell->undos), window;
	int64_t used, held;

	*half = -1;
	if (fits(m, c, &used, &window))
		return -EAGAIN;
	*half = lg_slot_half_taken(m, index_of(c), &held, window);
	if ((*half >= 0 || lg_load_seq(&cell->undos) != undos) &&
	    !is_hopeless(m, c, window))
		return -EAGAIN;
	if (why != NULL) {
		why->index = p->origin[k];
		why->used_pusd = used;
		why->held_pusd = held;
	}
	return -EDQUOT;
}

/* For display: the coarse clock, led back to BOOTTIME once a second. */
static uint64_t since_ns(void)
{
	static int64_t checked_ms = INT64_MIN / 2, offset_ms;
	int64_t now_ms = lg_clock_coarse_ms();

	if (now_ms - lg_load_relaxed(&checked_ms) >= 1000) {
		lg_store_relaxed(&offset_ms,
				 lg_clock_boot_ns() / 1000000 - now_ms);
		lg_store_relaxed(&checked_ms, now_ms);
	}
	now_ms += lg_load_relaxed(&offset_ms);
	return (uint64_t)now_ms * 1000000 & ~UINT64_C(0xff);
}

static void fill(struct lg_map *m, uint32_t slot, const struct plan *p)
{
	struct lg_slot *s = &m->slot[slot];
	unsigned i;

	for (i = 0; i < p->n; i++) {
		lg_store_relaxed(&s->cell[i], (uint32_t)p->c[i].cell);
		lg_store_relaxed(&s->window[i], p->c[i].window);
		lg_store_relaxed(&s->amount_pusd[i], p->c[i].amount_pusd);
	}
	lg_store_release(&s->since, since_ns() | p->n);
}

static void set_idle(struct lg_map *m, uint32_t slot, struct lg_pair owner)
{
	lg_store_release(&m->slot[slot].owner.lo, owner.lo & ~UINT64_C(1));
}

/* One try. *at: the charge that did not fit, on -EDQUOT. */
static int try_take(struct lg_map *m, const struct plan *p, const void *draft,
		    size_t len, struct lg_hold *out, unsigned *at)
{
	uint32_t all = (uint32_t)((UINT64_C(1) << p->n) - 1);
	struct lg_pair owner;
	int slot = lg_slot_claim(m, &owner), err = 0;
	uint64_t seq;
	unsigned i;

	if (slot < 0)
		return slot;
	fill(m, (uint32_t)slot, p);
	lg_draft_set(m, (uint32_t)slot, draft, len);
	seq = lg_step_begin(m, (uint32_t)slot, LG_SLOT_TAKING, all);
	for (i = 0; i < p->n; i++) {
		err = lg_step_take(m, (uint32_t)slot, seq, i,
				   p->c[i].limit_pusd);
		if (err != 0)
			break;
	}
	if (err != 0) {
		*at = i;
		lg_slot_undo(m, (uint32_t)slot, (1u << i) - 1, true);
		lg_slot_free(m, (uint32_t)slot, owner);
		return err;
	}
	lg_store_release(&m->slot[slot].word, lg_word(seq, LG_SLOT_HELD, all));
	set_idle(m, (uint32_t)slot, owner);
	out->slot = slot;
	out->generation = seq;
	return 0;
}

/* The half-taken hold of a dead process is undone by who waits for it. */
static void bury(struct lg_map *m, int slot)
{
	struct lg_pair o;

	if (slot < 0)
		return;
	o.lo = lg_load_seq(&m->slot[slot].owner.lo);
	o.hi = lg_load_seq(&m->slot[slot].owner.hi);
	if (lg_owner_pid(o) == 0 || lg_owner_judge(o) != LG_OWNER_DEAD ||
	    !lg_slot_seize(m, (uint32_t)slot, &o))
		return;
	if (!lg_recover(m, (uint32_t)slot, o))
		return;
	/* It has a row to write: leave it to a sweep, as anybody's. */
	lg_pair_cas(&m->slot[slot].owner, o,
		    (struct lg_pair){
			    LG_OWNER_ANYBODY | (o.lo & LG_OWNER_TURN_MASK), 0});
}

/* False: waited long enough. */
static bool wait_round(struct lg_map *m, unsigned *rounds, int64_t *since,
		       int half)
{
	unsigned n = (*rounds)++;
	int64_t now;

	if (n < 8) {
		lg_cpu_relax();
		return true;
	}
	sched_yield();
	if (n % 64 != 63)
		return true;
	bury(m, half);
	now = lg_clock_boot_ns();
	if (*since == 0)
		*since = now;
	return now - *since < WAIT_NS_MAX;
}

int lg_hold_take(struct lg_region *r, const struct lg_charge *c, unsigned n,
		 const void *draft, size_t draft_len, struct lg_hold *out,
		 struct lg_hold_refusal *why)
{
	int64_t since = 0;
	unsigned rounds = 0, at;
	struct plan p;
	int err, half = -1;

	out->slot = -1;
	if (r->readonly)
		return -EROFS;
	if (n > LG_HOLD_CELLS_MAX || draft_len > LG_DRAFT_MAX ||
	    make_plan(&p, c, n) != 0)
		return -EINVAL;
	do {
		at = look(r->map, &p);
		err = -EDQUOT;
		if (at == p.n)
			err = try_take(r->map, &p, draft, draft_len, out, &at);
		if (err == -EDQUOT)
			err = confirm(r->map, &p, at, why, &half);
		if (err != -EAGAIN)
			return err;
	} while (wait_round(r->map, &rounds, &since, half));
	return -EBUSY;
}

/* Is the handle ours, in one of these states? *owner: its word. */
static bool is_ours(struct lg_region *r, const struct lg_hold *h,
		    unsigned states, struct lg_pair *owner)
{
	struct lg_slot *s;
	uint64_t w;

	if (h->slot < 0 || h->slot >= (int)LG_SLOTS || r->readonly ||
	    !lg_region_is_whole(r))
		return false;
	s = &r->map->slot[h->slot];
	owner->lo = lg_load_acquire(&s->owner.lo);
	owner->hi = lg_load_acquire(&s->owner.hi);
	w = lg_load_acquire(&s->word);
	return lg_owner_same(*owner, lg_owner_self()) &&
	       lg_word_seq(w) == h->generation &&
	       (states >> lg_word_state(w) & 1);
}

#define IN_HAND (1u << LG_SLOT_HELD | 1u << LG_SLOT_DISPATCHED)
#define WITH_ROW (1u << LG_SLOT_SETTLED)

/* From here until set_idle or free no child can adopt the hold. */
static bool enter(struct lg_region *r, const struct lg_hold *h, unsigned states,
		  struct lg_pair *owner)
{
	struct lg_pair busy;

	if (!is_ours(r, h, states, owner) || (owner->lo & LG_OWNER_BUSY))
		return false;
	busy = *owner;
	busy.lo |= LG_OWNER_BUSY;
	if (!lg_pair_cas(&r->map->slot[h->slot].owner, *owner, busy))
		return false;
	*owner = busy;
	return true;
}

void lg_hold_dispatched(struct lg_region *r, const struct lg_hold *h)
{
	struct lg_pair owner;
	struct lg_slot *s;

	if (!is_ours(r, h, 1u << LG_SLOT_HELD, &owner))
		return;
	s = &r->map->slot[h->slot];
	lg_store_release(&s->word,
			 lg_word(h->generation, LG_SLOT_DISPATCHED,
				 lg_word_mask(lg_load_relaxed(&s->word))));
}

int lg_hold_redraft(struct lg_region *r, const struct lg_hold *h,
		    const void *draft, size_t draft_len)
{
	struct lg_pair owner;
	struct lg_slot *s;
	uint32_t was, now;

	if (draft_len > LG_DRAFT_MAX)
		return -EINVAL;
	if (!enter(r, h, IN_HAND, &owner))
		return -EPERM;
	s = &r->map->slot[h->slot];
	was = lg_load_relaxed(&s->draft[0]);
	now = lg_draft_spare(r->map, (uint32_t)h->slot, draft, draft_len);
	if (now != LG_DRAFT_NONE) {
		lg_store_release(&s->draft[0], now);
		lg_draft_drop(r->map, (uint32_t)h->slot, was);
	}
	set_idle(r->map, (uint32_t)h->slot, owner);
	return now != LG_DRAFT_NONE ? 0 : -EAGAIN;
}

void lg_hold_release(struct lg_region *r, struct lg_hold *h)
{
	struct lg_pair owner;
	uint32_t slot = (uint32_t)h->slot;

	if (enter(r, h, IN_HAND, &owner)) {
		lg_slot_undo(
			r->map, slot,
			lg_word_mask(lg_load_relaxed(&r->map->slot[slot].word)),
			false);
		lg_slot_free(r->map, slot, owner);
	}
	h->slot = -1;
}

/*
 * A spare buffer is busy for the length of a copy, so one comes free soon
 * unless many owners died in theirs; then the old one is overwritten.
 */
static uint32_t final_draft(struct lg_map *m, uint32_t slot, const void *p,
			    size_t len)
{
	uint32_t w = LG_DRAFT_NONE;
	unsigned i;

	for (i = 0; i < 100 && w == LG_DRAFT_NONE; i++) {
		if (i > 0)
			sched_yield();
		w = lg_draft_spare(m, slot, p, len);
	}
	if (w == LG_DRAFT_NONE) {
		lg_draft_set(m, slot, p, len);
		w = lg_load_relaxed(&m->slot[slot].draft[0]);
	}
	return w;
}

int lg_hold_settle(struct lg_region *r, struct lg_hold *h, int64_t actual_pusd,
		   const void *draft, size_t draft_len)
{
	uint32_t slot = (uint32_t)h->slot, mask;
	struct lg_pair owner;
	struct lg_slot *s;

	if (draft_len > LG_DRAFT_MAX)
		return -EINVAL;
	if (!enter(r, h, IN_HAND, &owner))
		return -EPERM;
	s = &r->map->slot[slot];
	mask = lg_word_mask(lg_load_relaxed(&s->word));
	lg_store_relaxed(&s->actual_pusd, actual_pusd);
	lg_store_relaxed(&s->draft[1],
			 final_draft(r->map, slot, draft, draft_len));
	h->generation = lg_step_begin(r->map, slot, LG_SLOT_SETTLING, mask);
	lg_slot_redo(r->map, slot, true);
	lg_slot_settled(r->map, slot);
	return 0;
}

void lg_hold_free(struct lg_region *r, struct lg_hold *h)
{
	struct lg_pair owner;

	if (is_ours(r, h, WITH_ROW, &owner))
		lg_slot_free(r->map, (uint32_t)h->slot, owner);
	h->slot = -1;
}

static unsigned count_staged(const struct lg_map *m)
{
	unsigned slot, n = 0;

	for (slot = 0; slot < LG_SLOTS; slot++)
		n += lg_word_state(lg_load_relaxed(&m->slot[slot].word)) ==
		     LG_SLOT_STAGED;
	return n;
}

int lg_hold_stage(struct lg_region *r, struct lg_hold *h)
{
	struct lg_pair owner, anybody;
	struct lg_slot *s;
	int slot = h->slot;

	h->slot = -1;
	if (!is_ours(r, &(struct lg_hold){slot, h->generation}, WITH_ROW,
		     &owner))
		return -EPERM;
	if (count_staged(r->map) >= STAGED_MAX) {
		lg_slot_free(r->map, (uint32_t)slot, owner);
		lg_region_count(r, LG_COUNT_LOST, 1);
		return -ENOSPC;
	}
	s = &r->map->slot[slot];
	anybody.lo = LG_OWNER_ANYBODY | (owner.lo & LG_OWNER_TURN_MASK);
	anybody.hi = 0;
	lg_store_release(&s->word, lg_word(h->generation, LG_SLOT_STAGED, 0));
	lg_pair_cas(&s->owner, owner, anybody);
	lg_region_count(r, LG_COUNT_STAGED, 1);
	return 0;
}

int lg_hold_row(struct lg_region *r, const void *draft, size_t draft_len,
		struct lg_hold *out)
{
	struct lg_pair owner;
	struct lg_slot *s;
	int slot;

	out->slot = -1;
	if (r->readonly)
		return -EROFS;
	if (draft_len > LG_DRAFT_MAX)
		return -EINVAL;
	slot = lg_slot_claim(r->map, &owner);
	if (slot < 0)
		return slot;
	s = &r->map->slot[slot];
	lg_store_release(&s->since, since_ns());
	lg_draft_set(r->map, (uint32_t)slot, draft, draft_len);
	lg_store_relaxed(&s->draft[1], lg_load_relaxed(&s->draft[0]));
	out->slot = slot;
	out->generation = lg_word_seq(lg_load_relaxed(&s->word)) + 1;
	lg_store_release(&s->word,
			 lg_word(out->generation, LG_SLOT_SETTLED, 0));
	return 0;
}

int lg_hold_adopt(struct lg_region *r, struct lg_hold *h)
{
	struct lg_pair me = lg_owner_self(), o, new;
	struct lg_slot *s;
	uint64_t w;

	if (h->slot < 0 || h->slot >= (int)LG_SLOTS || r->readonly ||
	    !lg_region_is_whole(r))
		return -EPERM;
	s = &r->map->slot[h->slot];
	o.lo = lg_load_seq(&s->owner.lo);
	o.hi = lg_load_seq(&s->owner.hi);
	w = lg_load_seq(&s->word);
	if (lg_word_seq(w) != h->generation ||
	    !(IN_HAND >> lg_word_state(w) & 1) || lg_owner_pid(o) == 0)
		return -EPERM;
	if (lg_owner_same(o, me))
		return 0;
	new.lo = me.lo | ((o.lo + 2) & LG_OWNER_TURN_MASK);
	new.hi = me.hi;
	if ((o.lo & LG_OWNER_BUSY) || !lg_pair_cas(&s->owner, o, new))
		return -EPERM;
	return 0;
}
