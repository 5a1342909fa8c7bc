#include <errno.h>
#include <string.h>

#include "base/money.h"
#include "budget/cell.h"

/* Bytes that another process may be writing: cut to a string. */
static void copy_text(char *dst, size_t cap, const char *src, size_t src_cap)
{
	size_t n = src_cap < cap ? src_cap : cap;

	memcpy(dst, src, n);
	dst[n - 1] = '\0';
}

int64_t lg_cell_held(struct lg_map *m, uint32_t cell, uint32_t window)
{
	int64_t sum = 0;
	uint32_t slot;
	unsigned i, n;

	for (slot = 0; slot < LG_SLOTS; slot++) {
		struct lg_slot *s = &m->slot[slot];
		uint64_t w = lg_load_seq(&s->word);
		unsigned state = lg_word_state(w);
		bool taking = state == LG_SLOT_TAKING;

		if (state == LG_SLOT_FREE || state >= LG_SLOT_SETTLED)
			continue;
		n = lg_slot_count(s);
		for (i = 0; i < n; i++) {
			if (lg_cell_index(lg_load_relaxed(&s->cell[i])) !=
				    cell ||
			    lg_load_relaxed(&s->window[i]) != window)
				continue;
			if (state != LG_SLOT_HELD &&
			    state != LG_SLOT_DISPATCHED &&
			    lg_step_happened(m, slot, lg_word_seq(w), i) !=
				    taking)
				continue;
			sum = lg_money_add(sum,
					   lg_load_relaxed(&s->amount_pusd[i]));
		}
	}
	return sum;
}

static uint64_t of_window(uint64_t v, uint32_t window)
{
	return v >> 32 == window ? (uint32_t)v : 0;
}

unsigned lg_cell_count(const struct lg_region *r)
{
	(void)r;
	return LG_CELLS;
}

int lg_cell_view(const struct lg_region *r, unsigned cell,
		 struct lg_cell_view *out)
{
	struct lg_map *m = r->map;
	uint32_t i = lg_cell_index(cell), text;
	struct lg_cell_meta *meta = &m->meta[i];
	struct lg_cell *c = &m->cell[i];
	struct lg_pair w;
	uint8_t flags;

	memset(out, 0, sizeof(*out));
	if (lg_load_acquire(&meta->state) != LG_CELL_READY)
		return -ENOENT;
	w = lg_pair_load(&c->word, r->readonly);
	out->window = (uint32_t)(w.hi >> 32);
	out->id = (struct lg_hash128){lg_load_relaxed(&meta->id.lo),
				      lg_load_relaxed(&meta->id.hi)};
	text = lg_load_relaxed(&meta->text);
	if (text < LG_TEXTS) {
		copy_text(out->name, sizeof(out->name), m->text[text].name,
			  LG_NAME_CAP);
		copy_text(out->scope, sizeof(out->scope), m->text[text].scope,
			  LG_SCOPE_CAP);
	}
	copy_text(out->value, sizeof(out->value), meta->value, LG_VALUE_CAP);
	out->period = lg_load_relaxed(&meta->period) % (LG_PERIOD_TOTAL + 1);
	out->touched_s = lg_load_relaxed(&meta->touched_s);
	out->window_start_ms = INT64_MIN;
	out->window_end_ms = INT64_MAX;
	if (lg_load_acquire(&meta->window_tag) == out->window) {
		out->window_start_ms = lg_load_relaxed(&meta->window_start_ms);
		out->window_end_ms = lg_load_relaxed(&meta->window_end_ms);
	}
	out->used_pusd =
		lg_money_add((int64_t)w.lo, lg_cell_seeded(m, i, out->window));
	out->held_pusd = lg_cell_held(m, i, out->window);
	out->limit_pusd = lg_load_relaxed(&meta->limit_pusd);
	out->config_id = lg_load_relaxed(&meta->config_id);
	out->since_ms = lg_load_relaxed(&meta->since_ms);
	out->calls = of_window(lg_load_relaxed(&c->calls), out->window);
	out->blocked = of_window(lg_load_relaxed(&c->blocked), out->window);
	out->warned =
		(uint32_t)of_window(lg_load_relaxed(&c->warned), out->window);
	out->refusing = out->warned >> 31;
	out->warned &= ~(UINT32_C(1) << 31);
	flags = lg_load_relaxed(&meta->flags);
	out->hard = flags & LG_CELL_HARD;
	out->each = flags & LG_CELL_EACH;
	out->strict = flags & LG_CELL_STRICT;
	return 0;
}

int64_t lg_cell_used(const struct lg_region *r, int cell, uint32_t window)
{
	uint32_t i = lg_cell_index((uint32_t)cell);
	struct lg_pair w;

	if (cell < 0)
		return 0;
	w = lg_pair_load(&r->map->cell[i].word, r->readonly);
	if (w.hi >> 32 != window)
		return 0;
	return lg_money_add((int64_t)w.lo, lg_cell_seeded(r->map, i, window));
}

unsigned lg_hold_slots(const struct lg_region *r)
{
	(void)r;
	return LG_SLOTS;
}

int lg_hold_view(const struct lg_region *r, unsigned slot,
		 struct lg_hold_view *out, void *draft)
{
	struct lg_slot *s = &r->map->slot[slot % LG_SLOTS];
	enum lg_owner_state judged;
	struct lg_pair o;
	unsigned state, i;
	uint64_t w;

	memset(out, 0, sizeof(*out));
	o.lo = lg_load_acquire(&s->owner.lo);
	o.hi = lg_load_acquire(&s->owner.hi);
	w = lg_load_acquire(&s->word);
	state = lg_word_state(w);
	if (slot >= LG_SLOTS || state == LG_SLOT_FREE ||
	    state >= LG_SLOT_STATES)
		return -ENOENT;
	out->slot = (int)slot;
	out->generation = lg_word_seq(w);
	out->pid = (int32_t)lg_owner_pid(o);
	if (lg_owner_pid(o) != 0) {
		judged = lg_owner_judge(o);
		out->alive = judged == LG_OWNER_ALIVE;
		out->foreign = judged == LG_OWNER_FOREIGN;
	}
	out->dispatched =
		state == LG_SLOT_DISPATCHED || state == LG_SLOT_ORPHAN;
	out->staged = state == LG_SLOT_STAGED || state == LG_SLOT_ORPHAN ||
		      state == LG_SLOT_SETTLED;
	out->settling = state == LG_SLOT_SETTLING;
	out->since_boot_ns =
		(int64_t)(lg_load_relaxed(&s->since) & ~UINT64_C(0xff));
	out->ncells = lg_slot_count(s);
	for (i = 0; i < out->ncells; i++) {
		out->cell[i] = (int)lg_cell_index(lg_load_relaxed(&s->cell[i]));
		out->amount_pusd[i] = lg_load_relaxed(&s->amount_pusd[i]);
	}
	if (draft != NULL)
		out->draft_len = lg_draft_get(r->map, slot, draft);
	return 0;
}
