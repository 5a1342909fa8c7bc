#ifndef LG_BUDGET_HOLD_H
#define LG_BUDGET_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "budget/region.h"

/*
 * A hold: money taken from every matching cell before a byte leaves. One slot
 * in the region, owned by a process, recoverable after a kill at any
 * instruction (docs/region.md). Lock-free; never blocks, never allocates.
 */
#define LG_HOLD_CELLS_MAX 24
#define LG_DRAFT_MAX 3072 /* opaque bytes kept in the slot: the row */

struct lg_charge {
	int cell;	     /* lg_cell_find */
	uint32_t window;     /* lg_window.tag at the call's start */
	int64_t amount_pusd; /* to hold, >= 0 */
	int64_t limit_pusd;  /* refuse beyond; INT64_MAX: never refuse */
};

struct lg_hold {
	int slot; /* -1: none */
	uint64_t generation;
};

/* Why a take failed, for the message. */
struct lg_hold_refusal {
	unsigned index;	   /* of the charge that did not fit */
	int64_t used_pusd; /* seen there */
	int64_t held_pusd; /* of it, other calls' holds */
};

/*
 * Take all charges or none, in one fixed order. draft (<= LG_DRAFT_MAX) is
 * what recovery needs to write the row if we die. The same cell twice counts
 * once. A window older than the cell's is taken as the cell's (a clock that
 * lags). 0; -EDQUOT with *why (held_pusd > 0: sweep dead owners, then try
 * once more before you believe it); -EBUSY contention (a half-taken hold
 * stayed on the full cell for 200 ms); -ENOSPC no slot free: call
 * lg_hold_sweep and try once more; -ESTALE a cell was given to another
 * budget: lg_cell_find again; -EROFS; -EINVAL.
 */
int lg_hold_take(struct lg_region *r, const struct lg_charge *c, unsigned n,
		 const void *draft, size_t draft_len, struct lg_hold *out,
		 struct lg_hold_refusal *why);
/* Stored before the first real write of the request. */
void lg_hold_dispatched(struct lg_region *r, const struct lg_hold *h);
/*
 * Replace the draft (same owner), e.g. when the answer's model is known. The
 * slot keeps the old one whole until the new one is. 0; -EPERM not ours;
 * -EAGAIN no spare buffer now; -EINVAL.
 */
int lg_hold_redraft(struct lg_region *r, const struct lg_hold *h,
		    const void *draft, size_t draft_len);
/* Nothing was spent: undo and free. */
void lg_hold_release(struct lg_region *r, struct lg_hold *h);
/*
 * Turn the hold into `actual` on every cell; draft is the final row. A
 * correction may be negative: what it gives back is free for others. After
 * it the slot still keeps the row: call lg_hold_free once the row is in the
 * ledger file, or lg_hold_stage when it could not be written.
 */
int lg_hold_settle(struct lg_region *r, struct lg_hold *h, int64_t actual_pusd,
		   const void *draft, size_t draft_len);
void lg_hold_free(struct lg_region *r, struct lg_hold *h);
/*
 * Leave the row in the slot for whoever can write it. 0; -ENOSPC three
 * quarters of all slots hold staged rows already (the slot is freed, the row
 * is lost, counted in LG_COUNT_LOST: the rest is for holds); -EPERM.
 */
int lg_hold_stage(struct lg_region *r, struct lg_hold *h);
/*
 * A slot without money, only to keep a row safe (blocked, free, unknown
 * calls) while it is written or staged. 0, -ENOSPC.
 */
int lg_hold_row(struct lg_region *r, const void *draft, size_t draft_len,
		struct lg_hold *out);

/* After fork: make this child the owner. 0, -EPERM somebody else has it. */
int lg_hold_adopt(struct lg_region *r, struct lg_hold *h);

/* What a sweep found in a slot it took over. */
enum lg_swept {
	LG_SWEPT_ABANDONED, /* was dispatched: settled at its hold; flag it */
	LG_SWEPT_SETTLED,   /* settle was under way: redone */
	LG_SWEPT_STAGED,    /* a row that waited */
};
/*
 * Called with the slot's draft for each row that must reach the ledger.
 * Return 0 when it is written (the slot is freed), else it stays staged.
 * draft_len 0: the draft is lost. Must not call lg_hold_sweep.
 */
typedef int lg_sweep_fn(void *ctx, enum lg_swept what, const void *draft,
			size_t draft_len);
/* A sent call of another pid namespace is taken for dead after this. */
#define LG_FOREIGN_LEASE_NS (INT64_C(24) * 3600 * 1000000000)
/*
 * Take over slots of dead owners (and staged rows when `staged`) and finish
 * them. Returns how many slots were freed.
 */
int lg_hold_sweep(struct lg_region *r, bool staged, lg_sweep_fn *fn, void *ctx);

struct lg_hold_view {
	int slot;
	uint64_t generation;
	int32_t pid;
	bool alive;   /* owner judged from here */
	bool foreign; /* another pid namespace: cannot be judged */
	bool dispatched, staged, settling;
	int64_t since_boot_ns; /* lg_clock_boot_ns() at the take */
	unsigned ncells;
	int cell[LG_HOLD_CELLS_MAX];
	int64_t amount_pusd[LG_HOLD_CELLS_MAX];
	size_t draft_len;
};
unsigned lg_hold_slots(const struct lg_region *r);
/* 0, -ENOENT free slot. draft (may be NULL) has LG_DRAFT_MAX bytes. */
int lg_hold_view(const struct lg_region *r, unsigned slot,
		 struct lg_hold_view *out, void *draft);

/* Called once in a forked child before any other call here. */
void lg_owner_after_fork(void);
/*
 * From here on no file is opened: a seccomp filter may answer that with a
 * kill. Children know their start time no more, others are not judged dead.
 */
void lg_owner_enter_sandbox(void);

#endif
