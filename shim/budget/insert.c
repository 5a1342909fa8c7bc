#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "budget/cell.h"

#define LOCK_WAIT_NS INT64_C(200000000)
#define FOREIGN_LEASE_NS INT64_C(5000000000)
#define GRACE_MS (3600 * 1000)
#define IDLE_S 600u
#define SPARE_CELLS (LG_CELLS / 8) /* never for values of each: */

/* -- lock ---------------------------------------------------------------- */

static bool lock_is_lost(struct lg_map *m, struct lg_pair holder)
{
	int64_t age = lg_clock_boot_ns() - lg_load_relaxed(&m->head.lock_since);

	switch (lg_owner_judge(holder)) {
	case LG_OWNER_DEAD:
		return true;
	case LG_OWNER_FOREIGN:
		return age < 0 || age > FOREIGN_LEASE_NS;
	default:
		return false;
	}
}

/* A mutex of the one rare path; waits at most LOCK_WAIT_NS. */
static int lock(struct lg_map *m, struct lg_pair *me)
{
	int64_t end = lg_clock_boot_ns() + LOCK_WAIT_NS;
	struct timespec nap = {0, 50000};
	struct lg_pair was;
	unsigned n;

	*me = lg_owner_self();
	me->lo |= LG_OWNER_BUSY;
	for (n = 0; lg_clock_boot_ns() < end; n++) {
		was.lo = lg_load_seq(&m->head.lock.lo);
		was.hi = lg_load_seq(&m->head.lock.hi);
		if (((was.lo | was.hi) == 0 ||
		     (n % 64 == 63 && lock_is_lost(m, was))) &&
		    lg_pair_cas(&m->head.lock, was, *me)) {
			lg_store_relaxed(&m->head.lock_since,
					 lg_clock_boot_ns());
			return 0;
		}
		if (n < 16)
			sched_yield();
		else
			nanosleep(&nap, NULL);
	}
	return -EBUSY;
}

static void unlock(struct lg_map *m, struct lg_pair me)
{
	lg_pair_cas(&m->head.lock, me, (struct lg_pair){0, 0});
}

/* -- texts --------------------------------------------------------------- */

/* Compares or copies what fits, so long names meet themselves again. */
static bool text_is(const char *have, size_t cap, struct lg_slice want)
{
	size_t len = want.len < cap - 1 ? want.len : cap - 1;

	return strnlen(have, cap) == len &&
	       (len == 0 || memcmp(have, want.p, len) == 0);
}

static uint32_t text_find(struct lg_map *m, const struct lg_cell_spec *s)
{
	uint32_t i;

	for (i = 0; i < LG_TEXTS; i++)
		if (text_is(m->text[i].name, LG_NAME_CAP, s->name) &&
		    text_is(m->text[i].scope, LG_SCOPE_CAP, s->scope))
			return i;
	return LG_TEXTS;
}

static uint32_t text_make(struct lg_map *m, const struct lg_cell_spec *s)
{
	uint32_t used[LG_TEXTS / 32] = {0}, i, t = text_find(m, s);

	if (t < LG_TEXTS)
		return t;
	for (i = 0; i < LG_CELLS; i++) {
		t = lg_load_relaxed(&m->meta[i].text);
		if (lg_load_relaxed(&m->meta[i].state) == LG_CELL_READY &&
		    t < LG_TEXTS)
			used[t / 32] |= 1u << t % 32;
	}
	for (t = 0; t < LG_TEXTS; t++)
		if (!(used[t / 32] >> t % 32 & 1))
			break;
	if (t < LG_TEXTS) {
		lg_slice_copy(s->name, m->text[t].name, LG_NAME_CAP);
		lg_slice_copy(s->scope, m->text[t].scope, LG_SCOPE_CAP);
	}
	return t;
}

/* -- room ---------------------------------------------------------------- */

static bool is_charged(struct lg_map *m, uint32_t cell)
{
	uint32_t slot;
	unsigned i, n;

	for (slot = 0; slot < LG_SLOTS; slot++) {
		struct lg_slot *s = &m->slot[slot];
		unsigned state = lg_word_state(lg_load_seq(&s->word));

		if (state == LG_SLOT_FREE || state >= LG_SLOT_SETTLED)
			continue;
		n = lg_slot_count(s);
		for (i = 0; i < n; i++)
			if (lg_cell_index(lg_load_relaxed(&s->cell[i])) == cell)
				return true;
	}
	return false;
}

static bool has_expired(struct lg_map *m, uint32_t cell, int64_t now_ms)
{
	struct lg_cell_meta *meta = &m->meta[cell];
	int64_t end = lg_load_relaxed(&meta->window_end_ms);

	return (lg_load_relaxed(&meta->flags) & LG_CELL_EACH) &&
	       lg_load_relaxed(&m->cell[cell].word.hi) >> 32 ==
		       lg_load_acquire(&meta->window_tag) &&
	       end < now_ms - GRACE_MS;
}

/*
 * From here on no take and no late settle touches the cell: its word says
 * so, and whoever rolls it first makes this fail.
 */
static bool retire(struct lg_map *m, uint32_t cell)
{
	struct lg_pair w = lg_pair_load(&m->cell[cell].word, false);

	if (is_charged(m, cell) ||
	    !lg_swap_free(m, cell, w, 0, LG_WINDOW_RETIRED))
		return false;
	lg_store_release(&m->meta[cell].state, LG_CELL_FILLING);
	return true;
}

static uint32_t longest_idle(struct lg_map *m)
{
	uint32_t now = (uint32_t)(lg_clock_real_ms() / 1000), i;
	uint32_t best = LG_CELLS, age, oldest = IDLE_S;

	for (i = 0; i < LG_CELLS; i++) {
		age = now - lg_load_relaxed(&m->meta[i].touched_s);
		if (age < oldest || age > UINT32_MAX / 2 || is_charged(m, i))
			continue;
		oldest = age;
		best = i;
	}
	return best;
}

/* Along the probe: a cell that nobody needs, else a new one. */
static int make_room(struct lg_map *m, struct lg_hash128 id)
{
	int64_t now_ms = lg_clock_real_ms();
	uint32_t i, at;
	uint8_t state;

	for (i = 0; i < LG_CELLS; i++) {
		at = (uint32_t)(id.a + i) % LG_CELLS;
		state = lg_load_relaxed(&m->meta[at].state);
		if (state != LG_CELL_READY)
			return (int)at;
		if (has_expired(m, at, now_ms) && retire(m, at))
			return (int)at;
	}
	at = longest_idle(m);
	return at < LG_CELLS && retire(m, at) ? (int)at : -ENOSPC;
}

/*
 * Has the budget max_keys live keys, or are there so many of all budgets that
 * a budget that is new to the region might find no place?
 */
static bool has_all_keys(struct lg_map *m, const struct lg_cell_spec *s)
{
	uint32_t text = text_find(m, s), i;
	int64_t now_ms = lg_clock_real_ms();
	unsigned own = 0, all = 0;

	for (i = 0; i < LG_CELLS; i++) {
		if (lg_load_relaxed(&m->meta[i].state) != LG_CELL_READY ||
		    !(lg_load_relaxed(&m->meta[i].flags) & LG_CELL_EACH) ||
		    has_expired(m, i, now_ms))
			continue;
		all++;
		own += text < LG_TEXTS &&
		       lg_load_relaxed(&m->meta[i].text) == text;
	}
	return own >= s->max_keys || all >= LG_CELLS - SPARE_CELLS;
}

/* -- fill ---------------------------------------------------------------- */

static void fill(struct lg_map *m, uint32_t i, const struct lg_cell_spec *s)
{
	struct lg_cell_meta *meta = &m->meta[i];
	struct lg_cell *c = &m->cell[i];

	lg_store_release(&meta->state, LG_CELL_FILLING);
	lg_store_seq(&meta->epoch, lg_load_relaxed(&meta->epoch) + 1);
	lg_store_relaxed(&meta->id.lo, s->id.a);
	lg_store_relaxed(&meta->id.hi, s->id.b);
	lg_store_relaxed(&meta->limit_pusd, s->limit_pusd);
	lg_store_relaxed(&meta->config_id, s->config_id);
	lg_store_relaxed(&meta->since_ms, s->since_ms);
	lg_store_relaxed(&meta->window_start_ms, s->window_start_ms);
	lg_store_relaxed(&meta->window_end_ms, s->window_end_ms);
	lg_store_relaxed(&meta->window_tag, s->window);
	lg_store_relaxed(&meta->touched_s,
			 (uint32_t)(lg_clock_real_ms() / 1000));
	lg_store_relaxed(&meta->text, text_make(m, s));
	lg_store_relaxed(&meta->period, (uint8_t)s->period);
	lg_store_relaxed(&meta->flags,
			 (uint8_t)((s->hard ? LG_CELL_HARD : 0) |
				   (s->each ? LG_CELL_EACH : 0) |
				   (s->strict ? LG_CELL_STRICT : 0)));
	lg_slice_copy(s->value, meta->value, LG_VALUE_CAP);
	lg_store_relaxed(&c->left, 0);
	lg_store_relaxed(&c->warned, 0);
	lg_store_relaxed(&c->calls, 0);
	lg_store_relaxed(&c->blocked, 0);
	lg_store_relaxed(&c->seed.lo, 0);
	lg_store_relaxed(&c->seed.hi, LG_SEED_NONE);
	/* Ends: only takes with a stale handle come here, and give up. */
	while (!lg_swap_free(m, i, lg_pair_load(&c->word, false), 0, s->window))
		lg_cpu_relax();
	lg_store_release(&meta->state, LG_CELL_READY);
}

struct lg_hash128 lg_cell_other_id(const struct lg_cell_spec *s)
{
	struct {
		struct lg_hash128 name, scope, rule;
		uint64_t period;
	} key = {lg_hash128(s->name.p, s->name.len, 1),
		 lg_hash128(s->scope.p, s->scope.len, 2), s->rule,
		 (uint64_t)s->period};

	return lg_hash128(&key, sizeof(key), 3);
}

int lg_cell_insert(struct lg_map *m, const struct lg_cell_spec *s)
{
	struct lg_pair me;
	int i = lock(m, &me);

	if (i < 0)
		return i;
	i = lg_cell_probe(m, s->id);
	if (i < 0 && s->each && s->max_keys > 0 && has_all_keys(m, s))
		i = -EDQUOT;
	else if (i < 0) {
		i = make_room(m, s->id);
		if (i >= 0)
			fill(m, (uint32_t)i, s);
	}
	unlock(m, me);
	return i;
}

/* -- look ---------------------------------------------------------------- */

int lg_cell_peek(const struct lg_region *r, const struct lg_cell_spec *s)
{
	int cell = lg_cell_known(r, s->id, s->window);

	return cell >= 0 ? cell
			 : lg_cell_known(r, lg_cell_other_id(s), s->window);
}

int lg_cell_fullest(const struct lg_region *r, const struct lg_cell_spec *s)
{
	struct lg_map *m = r->map;
	uint32_t text = text_find(m, s), i;
	int64_t most = INT64_MIN, used;
	int cell = -ENOENT;

	for (i = 0; i < LG_CELLS; i++) {
		struct lg_cell_meta *meta = &m->meta[i];

		if (lg_load_acquire(&meta->state) != LG_CELL_READY ||
		    !(lg_load_relaxed(&meta->flags) & LG_CELL_EACH) ||
		    lg_load_relaxed(&meta->text) != text ||
		    lg_load_relaxed(&m->cell[i].word.hi) >> 32 != s->window)
			continue;
		used = lg_cell_used(r, (int)i, s->window);
		if (used <= most)
			continue;
		most = used;
		cell = (int)lg_cell_handle(i, lg_load_acquire(&meta->epoch));
	}
	return cell;
}
