#include "budget/cell.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/money.h"

#define SEED_LEASE_NS INT64_C(2000000000)
#define SEED_WAIT_ROUNDS 10000
#define TOUCH_S 60u
#define FULLS 8u
#define CLAIM_S (24u * 3600)
/* A window that begins later than this after now is a clock's fault. */
#define CLOCK_FAULT_MS (10 * 60 * 1000)

/* To the second; the coarse clock, led back to the real one now and then. */
static uint32_t now_s(void)
{
	static int64_t checked_ms = INT64_MIN / 2, offset_ms;
	int64_t now_ms = lg_clock_coarse_ms();

	if (now_ms - lg_load_relaxed(&checked_ms) >= 1000) {
		lg_store_relaxed(&offset_ms, lg_clock_real_ms() - now_ms);
		lg_store_relaxed(&checked_ms, now_ms);
	}
	return (uint32_t)((now_ms + lg_load_relaxed(&offset_ms)) / 1000);
}

/* -- probe --------------------------------------------------------------- */

int lg_cell_probe(struct lg_map *m, struct lg_hash128 id)
{
	uint32_t i, at;
	uint8_t state;

	for (i = 0; i < LG_CELLS; i++) {
		struct lg_cell_meta *meta;

		at = (uint32_t)(id.a + i) % LG_CELLS;
		meta = &m->meta[at];
		state = lg_load_acquire(&meta->state);
		if (state == LG_CELL_NEVER)
			return -ENOENT;
		if (state == LG_CELL_READY &&
		    lg_load_relaxed(&meta->id.lo) == id.a &&
		    lg_load_relaxed(&meta->id.hi) == id.b)
			return (int)at;
	}
	return -ENOENT;
}

/* -- seed ---------------------------------------------------------------- */

static void nap(void)
{
	struct timespec ms = {0, 1000000};

	nanosleep(&ms, NULL);
}

static bool lease_is_live(struct lg_pair seed)
{
	int64_t left = (int64_t)(seed.lo - (uint64_t)lg_clock_boot_ns());

	/* An end beyond a whole lease is from another boot. */
	return left > 0 && left <= SEED_LEASE_NS;
}

/* One caller gets the lease; the rest wait for its end or for the seed. */
static bool seed_is_ours(struct lg_map *m, uint32_t i, uint32_t window)
{
	struct lg_pair *seed = &m->cell[i].seed, old, new;
	unsigned rounds;

	for (rounds = 0; rounds < SEED_WAIT_ROUNDS; rounds++) {
		old = lg_pair_load(seed, false);
		if ((uint32_t)old.hi == LG_SEED_DONE)
			return false;
		if ((uint32_t)old.hi == LG_SEED_LEASED && lease_is_live(old)) {
			nap();
			continue;
		}
		new.lo = (uint64_t)(lg_clock_boot_ns() + SEED_LEASE_NS);
		new.hi = (uint64_t)window << 32 | LG_SEED_LEASED;
		if (lg_pair_cas(seed, old, new))
			return true;
	}
	return false;
}

static void set_lease(struct lg_region *r, int cell, int64_t left_ns)
{
	struct lg_pair *seed, old, new;

	if (cell < 0 || r->readonly || !lg_cell_is_same(r->map, (uint32_t)cell))
		return;
	seed = &r->map->cell[lg_cell_index((uint32_t)cell)].seed;
	old = lg_pair_load(seed, false);
	new.lo = (uint64_t)(lg_clock_boot_ns() + left_ns);
	new.hi = old.hi;
	if ((uint32_t)old.hi == LG_SEED_LEASED)
		lg_pair_cas(seed, old, new);
}

void lg_cell_seed_renew(struct lg_region *r, int cell)
{
	set_lease(r, cell, SEED_LEASE_NS);
}

void lg_cell_seed_drop(struct lg_region *r, int cell)
{
	set_lease(r, cell, 0);
}

bool lg_cell_is_seeded(const struct lg_region *r, int cell)
{
	const struct lg_cell *c;

	if (cell < 0 || !lg_cell_is_same(r->map, (uint32_t)cell))
		return false;
	c = &r->map->cell[lg_cell_index((uint32_t)cell)];
	return (uint32_t)lg_load_acquire(&c->seed.hi) == LG_SEED_DONE;
}

int lg_cell_known(const struct lg_region *r, struct lg_hash128 id,
		  uint32_t window)
{
	int i = lg_cell_probe(r->map, id), cell;
	struct lg_pair w;

	if (i < 0)
		return -ENOENT;
	w = lg_pair_load(&r->map->cell[i].word, r->readonly);
	cell = (int)lg_cell_handle((uint32_t)i,
				   lg_load_acquire(&r->map->meta[i].epoch));
	if ((uint32_t)(w.hi >> 32) != window || !lg_cell_is_seeded(r, cell))
		return -ENOENT;
	return cell;
}

void lg_cell_seed(struct lg_region *r, int cell, uint32_t window,
		  int64_t spent_pusd)
{
	struct lg_pair *seed, old, new;

	if (cell < 0 || r->readonly || !lg_cell_is_same(r->map, (uint32_t)cell))
		return;
	seed = &r->map->cell[lg_cell_index((uint32_t)cell)].seed;
	new.lo = (uint64_t)spent_pusd;
	new.hi = (uint64_t)window << 32 | LG_SEED_DONE;
	/* Ends: a failure means that the lease changed hands or it is done. */
	do {
		old = lg_pair_load(seed, false);
		if ((uint32_t)old.hi == LG_SEED_DONE)
			return;
	} while (!lg_pair_cas(seed, old, new));
}

/* -- find ---------------------------------------------------------------- */

/* Display only: writers of one window all write the same. */
static void note_window(struct lg_cell_meta *meta, const struct lg_cell_spec *s)
{
	if (lg_load_relaxed(&meta->window_tag) >= s->window)
		return;
	lg_store_relaxed(&meta->window_start_ms, s->window_start_ms);
	lg_store_relaxed(&meta->window_end_ms, s->window_end_ms);
	lg_store_release(&meta->window_tag, s->window);
}

/*
 * Into a window that the cell has seen before: with what is held there now,
 * and the rest is the ledger's to say. False: somebody else was faster.
 */
static bool come_back(struct lg_map *m, uint32_t i, struct lg_pair w,
		      uint32_t window)
{
	struct lg_cell *c = &m->cell[i];
	struct lg_pair seed;

	if (!lg_swap_free(m, i, w, lg_cell_held(m, i, window), window))
		return false;
	seed = lg_pair_load(&c->seed, false);
	lg_pair_cas(&c->seed, seed, (struct lg_pair){0, LG_SEED_NONE});
	return true;
}

/*
 * A clock that was wrong has rolled the cell into a window that begins in the
 * future: go back to the present one. Should ours be the wrong clock, the
 * others come back in their turn.
 */
static void mend_clock(struct lg_map *m, uint32_t i,
		       const struct lg_cell_spec *s, struct lg_pair w)
{
	struct lg_cell_meta *meta = &m->meta[i];
	struct lg_cell *c = &m->cell[i];
	uint32_t was = (uint32_t)(w.hi >> 32);

	if (was == LG_WINDOW_RETIRED ||
	    lg_load_acquire(&meta->window_tag) != was ||
	    lg_load_relaxed(&meta->window_start_ms) <=
		    lg_clock_real_ms() + CLOCK_FAULT_MS)
		return;
	if (was > lg_load_relaxed(&c->left))
		lg_store_release(&c->left, was);
	if (!come_back(m, i, w, s->window))
		return;
	lg_store_release(&meta->window_tag, 0);
	lg_store_relaxed(&c->warned, 0);
	lg_store_relaxed(&c->calls, 0);
	lg_store_relaxed(&c->blocked, 0);
}

/* Roll now, so that it is not taken for an expired one. */
static void roll(struct lg_map *m, uint32_t i, const struct lg_cell_spec *s,
		 struct lg_pair w)
{
	if (s->window <= lg_load_acquire(&m->cell[i].left))
		come_back(m, i, w, s->window);
	else
		lg_swap_free(m, i, w, 0, s->window);
}

static void touch(struct lg_cell_meta *meta)
{
	uint32_t now = now_s(), was = lg_load_relaxed(&meta->touched_s);

	if (now - was >= TOUCH_S)
		lg_store_relaxed(&meta->touched_s, now);
}

/* The handle of cell i if it still bears the identity, else -ESTALE. */
static int use(struct lg_map *m, uint32_t i, const struct lg_cell_spec *s,
	       bool *fresh)
{
	struct lg_cell_meta *meta = &m->meta[i];
	uint32_t epoch = lg_load_acquire(&meta->epoch);
	struct lg_pair w;

	if (lg_cell_probe(m, s->id) != (int)i)
		return -ESTALE;
	w = lg_pair_load(&m->cell[i].word, false);
	if ((uint32_t)(w.hi >> 32) > s->window)
		mend_clock(m, i, s, w);
	note_window(meta, s);
	if ((uint32_t)(w.hi >> 32) < s->window)
		roll(m, i, s, w);
	touch(meta);
	if ((uint32_t)lg_load_acquire(&m->cell[i].seed.hi) != LG_SEED_DONE)
		*fresh = seed_is_ours(m, i, s->window);
	return (int)lg_cell_handle(i, epoch);
}

static int find_or_insert(struct lg_map *m, const struct lg_cell_spec *s,
			  bool *fresh)
{
	int i, err = -ESTALE;
	unsigned tries;

	for (tries = 0; tries < 4 && err == -ESTALE; tries++) {
		i = lg_cell_probe(m, s->id);
		if (i < 0)
			i = lg_cell_insert(m, s);
		err = i < 0 ? i : use(m, (uint32_t)i, s, fresh);
	}
	return err == -ESTALE ? -EBUSY : err;
}

/* -- each: budgets that are full ------------------------------------------- */

/*
 * Which ones were found full in this second: a hash's 40 bits | the second's
 * 24. A key that nobody has comes with each call of such a budget; the lock
 * and a walk over all cells for each would be most of its cost.
 */
static uint64_t full[FULLS];

static uint64_t full_word(const struct lg_map *m, struct lg_hash128 other)
{
	uint64_t uuid;

	memcpy(&uuid, m->head.uuid, sizeof(uuid));
	return ((other.a ^ uuid) & ~UINT64_C(0xffffff)) |
	       ((uint64_t)(lg_clock_real_ms() / 1000) & 0xffffff);
}

static bool is_full(uint64_t word)
{
	return lg_load_relaxed(&full[(word >> 32) % FULLS]) == word;
}

static void note_full(uint64_t word)
{
	lg_store_relaxed(&full[(word >> 32) % FULLS], word);
}

static int find_each(struct lg_map *m, const struct lg_cell_spec *s,
		     bool *fresh)
{
	struct lg_cell_spec other;
	uint64_t word;
	int i;

	if (lg_cell_probe(m, s->id) >= 0) {
		i = find_or_insert(m, s, fresh);
		if (i != -EDQUOT && i != -ENOSPC)
			return i;
	}
	other = *s;
	other.id = lg_cell_other_id(s);
	other.value = LG_SLICE("*other*");
	other.max_keys = 0;
	word = full_word(m, other.id);
	if (!is_full(word)) {
		i = find_or_insert(m, s, fresh);
		if (i != -EDQUOT && i != -ENOSPC)
			return i;
		note_full(word);
	}
	return find_or_insert(m, &other, fresh);
}

int lg_cell_find(struct lg_region *r, const struct lg_cell_spec *s, bool *fresh)
{
	int i;

	*fresh = false;
	if (r->readonly) {
		i = lg_cell_probe(r->map, s->id);
		return i < 0 ? -EROFS
			     : (int)lg_cell_handle(
				       (uint32_t)i,
				       lg_load_acquire(&r->map->meta[i].epoch));
	}
	if (s->each)
		return find_each(r->map, s, fresh);
	return find_or_insert(r->map, s, fresh);
}

bool lg_cell_is_shared(const struct lg_region *r, int cell,
		       struct lg_hash128 id)
{
	const struct lg_cell_meta *meta;

	if (cell < 0)
		return false;
	meta = &r->map->meta[lg_cell_index((uint32_t)cell)];
	return lg_load_relaxed(&meta->id.lo) != id.a ||
	       lg_load_relaxed(&meta->id.hi) != id.b;
}

/* -- limit --------------------------------------------------------------- */

int64_t lg_cell_limit(struct lg_region *r, int cell,
		      const struct lg_cell_spec *s)
{
	struct lg_cell_meta *meta;
	int64_t limit, since;
	uint64_t config;

	if (cell < 0)
		return s->limit_pusd;
	meta = &r->map->meta[lg_cell_index((uint32_t)cell)];
	config = lg_load_acquire(&meta->config_id);
	limit = lg_load_relaxed(&meta->limit_pusd);
	since = lg_load_relaxed(&meta->since_ms);
	if (config == s->config_id && limit == s->limit_pusd)
		return limit;
	if (config == s->config_id
		    ? since > s->since_ms
		    : limit <= s->limit_pusd &&
			      now_s() - lg_load_relaxed(&meta->touched_s) <
				      CLAIM_S)
		return limit;
	if (!r->readonly) {
		lg_store_relaxed(&meta->limit_pusd, s->limit_pusd);
		lg_store_relaxed(&meta->since_ms, s->since_ms);
		lg_store_release(&meta->config_id, s->config_id);
	}
	return s->limit_pusd;
}

/* -- marks of a window --------------------------------------------------- */

#define REFUSING (UINT64_C(1) << 31)

static uint64_t in_window(uint64_t v, uint32_t window)
{
	return v >> 32 == window ? v : (uint64_t)window << 32;
}

/* Newer windows are left alone. Ends: each failure is another's success. */
static bool mark(uint64_t *p, uint32_t window, uint64_t set, uint64_t clear)
{
	uint64_t old = lg_load_relaxed(p), new;

	do {
		if (old >> 32 > window)
			return false;
		new = (in_window(old, window) | set) & ~clear;
		if (new == old)
			return false;
	} while (!lg_cas_seq(p, &old, new));
	return true;
}

static void count(uint64_t *p, uint32_t window)
{
	uint64_t old = lg_load_relaxed(p);

	do {
		if (old >> 32 > window)
			return;
	} while (!lg_cas_seq(p, &old, in_window(old, window) + 1));
}

bool lg_cell_warn_once(struct lg_region *r, int cell, uint32_t window,
		       unsigned bit)
{
	struct lg_cell *c;
	uint64_t old, new;

	if (cell < 0 || bit > 30 || r->readonly)
		return false;
	c = &r->map->cell[lg_cell_index((uint32_t)cell)];
	old = lg_load_relaxed(&c->warned);
	do {
		new = in_window(old, window) | UINT64_C(1) << bit;
		if (old >> 32 > window || new == old)
			return false;
	} while (!lg_cas_seq(&c->warned, &old, new));
	return true;
}

void lg_cell_note(struct lg_region *r, int cell, uint32_t window, bool refused)
{
	struct lg_cell *c;

	if (cell < 0 || r->readonly)
		return;
	c = &r->map->cell[lg_cell_index((uint32_t)cell)];
	count(&c->calls, window);
	if (refused)
		count(&c->blocked, window);
	mark(&c->warned, window, refused ? REFUSING : 0,
	     refused ? 0 : REFUSING);
}

void lg_cell_charge(struct lg_region *r, int cell, uint32_t window,
		    int64_t pusd)
{
	uint32_t i, was;
	struct lg_pair w;
	int64_t used;

	if (cell < 0 || r->readonly)
		return;
	i = lg_cell_index((uint32_t)cell);
	/* Another writer was faster each time round: lock-free. */
	do {
		w = lg_pair_load(&r->map->cell[i].word, false);
		was = (uint32_t)(w.hi >> 32);
		if (was > window || !lg_cell_is_same(r->map, (uint32_t)cell))
			return;
		used = was == window ? (int64_t)w.lo : 0;
	} while (!lg_swap_free(r->map, i, w, lg_money_add(used, pusd), window));
}
