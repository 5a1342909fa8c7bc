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
	const char *path;	/* LLMGUARD_REGION or the default */
	const char *state_dir;	/* whose ledger this region caches */
	bool create;		/* build and publish it when absent */
	bool readonly;
};

/*
 * 0; -ENOENT absent (create false); -EPROTO damaged or foreign; -ENOTSUP
 * another ABI; -EPERM owner, mode or links are not ours; -errno.
 * *created is set when this call published a new, empty region.
 */
int lg_region_open(const struct lg_region_options *o, struct lg_region **out,
		   bool *created);
void lg_region_close(struct lg_region *r);
/* Default path for a uid and state dir (design 6 and 10.18). */
int lg_region_default_path(const char *state_dir, bool state_is_default,
			   char *out, size_t cap);
/* Does the path still lead to this region (same device and inode)? */
bool lg_region_is_current(const struct lg_region *r, const char *path);
/* Unique id of the region's build, for rows and status: 32 hex digits. */
void lg_region_uuid(const struct lg_region *r, char out[33]);

/* A word bumped by `budget set` and friends; one relaxed load. */
uint64_t lg_region_generation(const struct lg_region *r);
void lg_region_bump(struct lg_region *r);
/* Kill switch for all processes (llmguard disable). */
bool lg_region_is_disabled(const struct lg_region *r);
void lg_region_set_disabled(struct lg_region *r, bool off);

/* -- cells ------------------------------------------------------------- */

struct lg_cell_spec {
	struct lg_slice name;		/* shown by status; cut at 63 */
	struct lg_slice scope;		/* canonical; cut at 127 */
	struct lg_slice value;		/* of each: true, else empty */
	struct lg_hash128 id;		/* (name, scope, period, zone, week, value) */
	enum lg_period period;
	uint32_t window;		/* lg_window.tag now */
	int64_t window_start_ms, window_end_ms;
	int64_t limit_pusd;
	uint64_t config_id;
	uint32_t max_keys;		/* cap of an each: true budget */
	bool hard, each, strict;
};

/*
 * Find the cell of this identity, or claim one. *fresh is set for the one
 * caller that must seed it (see lg_cell_seed); others that come before the
 * seed wait briefly, then go on with what is there. Returns the cell's index,
 * or -ENOSPC (table full), -EPROTO. Steady state: a hash probe, no store.
 */
int lg_cell_find(struct lg_region *r, const struct lg_cell_spec *s,
		 bool *fresh);
/* Add what the ledger already knows for this window, once, and publish. */
void lg_cell_seed(struct lg_region *r, int cell, uint32_t window,
		  int64_t spent_pusd);

struct lg_cell_view {
	char name[64], scope[128], value[64];
	struct lg_hash128 id;
	enum lg_period period;
	uint32_t window;
	int64_t window_start_ms, window_end_ms;
	int64_t used_pusd;		/* spent + held */
	int64_t held_pusd;		/* sum of live slots */
	int64_t limit_pusd;
	uint64_t calls, blocked;
	uint32_t warned;		/* bit i: warn_at[i] fired */
	bool hard, each, strict, refusing;
};
unsigned lg_cell_count(const struct lg_region *r);
/* 0, -ENOENT (unused cell). */
int lg_cell_view(const struct lg_region *r, unsigned cell,
		 struct lg_cell_view *out);
/* True for the one caller that crossed threshold `bit` in this window. */
bool lg_cell_warn_once(struct lg_region *r, int cell, uint32_t window,
		       unsigned bit);
/* Count a refused request, set/clear `refusing` of this window. */
void lg_cell_note(struct lg_region *r, int cell, uint32_t window,
		  bool refused);
/* Charge without a hold (record, repair, late joiners). */
void lg_cell_charge(struct lg_region *r, int cell, uint32_t window,
		    int64_t pusd);

#endif
