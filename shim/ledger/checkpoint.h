#ifndef LG_LEDGER_CHECKPOINT_H
#define LG_LEDGER_CHECKPOINT_H

#include <stdint.h>

#include "base/hash.h"
#include "ledger/ledger.h"

/*
 * A checkpoint is a fold of the ledger up to a place, made by reading the
 * ledger, never by copying counters: for each budget identity and window the
 * sum of cost of the rows that match it. $STATE/checkpoint.bin, replaced by
 * rename, CRC-checked; a damaged one is ignored (the fold starts over).
 */
struct lg_fold_cell {
	struct lg_hash128 id; /* the budget's identity (guard computes) */
	uint32_t window;
	uint32_t pad;
	int64_t spent_pusd;
	uint64_t calls, blocked;
};

struct lg_fold {
	struct lg_ledger_pos pos;
	struct lg_fold_cell *cells; /* base/mem.h */
	unsigned n, cap;
	uint32_t *index; /* open hash over cells: place + 1 */
	unsigned nindex; /* a power of two, or 0 */
};

void lg_fold_init(struct lg_fold *f);
void lg_fold_fini(struct lg_fold *f);
/*
 * The sum's place for (id, window), made if new; NULL out of memory. Valid
 * until the next call.
 */
struct lg_fold_cell *lg_fold_cell(struct lg_fold *f, struct lg_hash128 id,
				  uint32_t window);
/*
 * $STATE/checkpoint.bin into an initialised fold. 0; -ENOENT; -EPROTO damaged
 * or of another version (the fold stays empty: start over); -ENOMEM; -errno.
 */
int lg_checkpoint_load(const char *state_dir, struct lg_fold *f);
/* Replace it by rename. 0, -EFBIG (RLIMIT_FSIZE), -errno. May block. */
int lg_checkpoint_save(const char *state_dir, const struct lg_fold *f);

#endif
