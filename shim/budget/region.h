#ifndef LG_BUDGET_REGION_H
#define LG_BUDGET_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/image.h"
#include "base/slice.h"

/*
 * The shared region: one mapped file, budget cells and hold slots. Byte map
 * and state machine: docs/region.md. Everything in it is untrusted: a bad
 * index or tag gives an error, never a fault. Any thread unless said.
 */
struct lg_region;

struct lg_region_options {
	const char *path;      /* LLMGUARD_REGION or the default */
	const char *state_dir; /* whose ledger this region caches */
	bool create;	       /* build and publish it when absent */
	bool readonly;
};

/*
 * 0; -ENOENT absent (create false); -EPROTO damaged or foreign; -ENOTSUP
 * another ABI; -EPERM owner, mode or links are not ours; -EEXIST another live
 * region caches this state directory's ledger (lg_region_rival names it);
 * -EXDEV this region caches another ledger; -ENOSPC, -EFBIG no room; -errno.
 * *created is set when this call published a new, empty region. May block on
 * the disk; keeps errno.
 */
int lg_region_open(const struct lg_region_options *o, struct lg_region **out,
		   bool *created);
void lg_region_close(struct lg_region *r);
/* Default path for a uid and state dir (design 6 and 10.18). */
int lg_region_default_path(const char *state_dir, bool state_is_default,
			   char *out, size_t cap);
/*
 * The region named by $STATE/region: its path, cut to cap. 0, -ENOENT. For
 * the message of -EEXIST ("set LLMGUARD_REGION=... to share it").
 */
int lg_region_rival(const char *state_dir, char *out, size_t cap);
/* Does the path still lead to this region (same device and inode)? */
bool lg_region_is_current(const struct lg_region *r, const char *path);
/*
 * Does the file still have all its bytes? Touching those that somebody cut off
 * would end the host by SIGBUS. When they are gone (false, once), zeroes that
 * are ours alone stand in their place: a region that was written over.
 * A system call, but where it was asked less than 20 us ago: a step of a hook
 * takes so long, and nothing could be safe against a cut in the midst of one.
 */
bool lg_region_is_whole(struct lg_region *r);
/* Is it whole, and its head still one? Somebody may have written over it. */
bool lg_region_is_sound(struct lg_region *r);
/* Unique id of the region's build, for rows and status: 32 hex digits. */
void lg_region_uuid(const struct lg_region *r, char out[33]);

/* A word bumped by `budget set` and friends; one relaxed load. */
uint64_t lg_region_generation(const struct lg_region *r);
void lg_region_bump(struct lg_region *r);
/* Kill switch for all processes (llmguard disable). */
bool lg_region_is_disabled(const struct lg_region *r);
void lg_region_set_disabled(struct lg_region *r, bool off);

/* Figures over all processes since the region was built. */
enum lg_counter {
	LG_COUNT_CALLS,
	LG_COUNT_BLOCKED,
	LG_COUNT_UNGUARDED,
	LG_COUNT_SWEPT,	 /* slots of dead owners that were finished */
	LG_COUNT_STAGED, /* rows that could not be written at once */
	LG_COUNT_CONTENTION,
	LG_COUNT_NO_SLOT,
	LG_COUNT_ROWS, /* rows written to the ledger */
	LG_COUNT_LOST, /* rows that nobody will write */
	LG_COUNT_DARK, /* connections without a captured exchange */
	LG_COUNTS
};
void lg_region_count(struct lg_region *r, enum lg_counter c, uint64_t n);
/* Counts a row; true for every LG_CHECKPOINT_ROWS-th: a checkpoint is due. */
#define LG_CHECKPOINT_ROWS 10000
bool lg_region_row_written(struct lg_region *r);
uint64_t lg_region_counter(const struct lg_region *r, enum lg_counter c);

/* -- cells ------------------------------------------------------------- */

struct lg_cell_spec {
	struct lg_slice name;	/* shown by status; cut at 63 */
	struct lg_slice scope;	/* canonical; cut at 127 */
	struct lg_slice value;	/* of each: true, else empty; cut at 51 */
	struct lg_hash128 id;	/* (name, scope, period, zone, week, value) */
	struct lg_hash128 rule; /* without the value: of all its values */
	enum lg_period period;
	uint32_t window; /* lg_window.tag now */
	int64_t window_start_ms, window_end_ms;
	int64_t limit_pusd;
	uint64_t config_id;
	int64_t since_ms;  /* of the limit: lg_img_budget */
	uint32_t max_keys; /* cap of an each: true budget */
	bool hard, each, strict;
};

/*
 * Find the cell of this identity, or claim one. *fresh is set for the one
 * caller that must seed it (lg_cell_seed, also with 0); others that come
 * before the seed wait for it, at most ten seconds (see lg_cell_is_seeded);
 * when the seeder is not heard of for 2 s the next caller is the fresh one.
 * Returns the cell's handle (>= 0; good for lg_charge.cell and
 * for every lg_cell_* call here), or -ENOSPC (table full of live cells),
 * -EBUSY (another process inserts and does not come to an end), -EROFS.
 * Steady state: a hash probe, no store. Call it again for each request: a
 * handle dies when its cell, idle and expired, is given to another budget.
 * An each: true budget with max_keys live keys, and any each: true budget when
 * values have taken 7/8 of the table, gets its shared `*other*` cell.
 */
int lg_cell_find(struct lg_region *r, const struct lg_cell_spec *s,
		 bool *fresh);
/* Is what lg_cell_find gave for this identity the shared cell? */
bool lg_cell_is_shared(const struct lg_region *r, int cell,
		       struct lg_hash128 id);
/*
 * The handle of the cell of this identity if it is there, seeded and in this
 * window, else -ENOENT. Makes nothing: for money of budgets that this process
 * itself does not have.
 */
int lg_cell_known(const struct lg_region *r, struct lg_hash128 id,
		  uint32_t window);
/*
 * The same for an each: true budget: the value's own cell, else the shared one
 * if the budget has come to that.
 */
int lg_cell_peek(const struct lg_region *r, const struct lg_cell_spec *s);
/* Of all values of an each: true budget the cell with the most used; -ENOENT.
 * Looks at every cell. */
int lg_cell_fullest(const struct lg_region *r, const struct lg_cell_spec *s);
/*
 * Has the ledger's part been added? Before that a limit means nothing, and a
 * row charged here could be in the seed as well: hold nothing on the cell.
 */
bool lg_cell_is_seeded(const struct lg_region *r, int cell);
/* Whoever seeds says at least each second that it is still reading. */
void lg_cell_seed_renew(struct lg_region *r, int cell);
/* It could not read: the next caller need not wait for the lease's end. */
void lg_cell_seed_drop(struct lg_region *r, int cell);
/* Add what the ledger already knows for this window, once, and publish. */
void lg_cell_seed(struct lg_region *r, int cell, uint32_t window,
		  int64_t spent_pusd);
/*
 * The limit in force: from the same config_id the newer since_ms wins, of two
 * configs the lower limit (until the other was not seen for a day).
 */
int64_t lg_cell_limit(struct lg_region *r, int cell,
		      const struct lg_cell_spec *s);

struct lg_cell_view {
	char name[64], scope[128], value[64];
	struct lg_hash128 id;
	enum lg_period period;
	uint32_t window;
	int64_t window_start_ms, window_end_ms;
	int64_t used_pusd; /* spent + held */
	int64_t held_pusd; /* sum of live slots */
	int64_t limit_pusd;
	uint64_t config_id; /* whose limit it is */
	int64_t since_ms;
	uint32_t touched_s;	 /* CLOCK_REALTIME, to the minute */
	uint64_t calls, blocked; /* in the window */
	uint32_t warned;	 /* bit i: warn_at[i] fired */
	bool hard, each, strict, refusing;
};
unsigned lg_cell_count(const struct lg_region *r);
/* 0, -ENOENT (unused cell). */
int lg_cell_view(const struct lg_region *r, unsigned cell,
		 struct lg_cell_view *out);
/* spent + held in this window, 0 when the cell is in another. No walk. */
int64_t lg_cell_used(const struct lg_region *r, int cell, uint32_t window);
/* True for the one caller that crossed threshold `bit` in this window. */
bool lg_cell_warn_once(struct lg_region *r, int cell, uint32_t window,
		       unsigned bit);
/* Count a request that matched; set/clear `refusing` of this window. */
void lg_cell_note(struct lg_region *r, int cell, uint32_t window, bool refused);
/* Charge without a hold (record, repair, late joiners); also negative. */
void lg_cell_charge(struct lg_region *r, int cell, uint32_t window,
		    int64_t pusd);

#endif
