#ifndef LG_LEDGER_LEDGER_H
#define LG_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "ledger/row.h"

/*
 * The append-only record: $STATE/ledger/YYYY-MM.jsonl (UTC month of the row's
 * ts for rotation at append time: the month of now). No descriptor is kept.
 */
struct lg_ledger {
	char dir[256];		     /* $STATE/ledger */
	uint8_t durability;	     /* enum lg_durability */
	int64_t last_sync_ms;	     /* set by any thread, relaxed */
	int64_t last_check_ms;	     /* of the file system; the same */
	uint64_t root_dev, root_ino; /* of "/" at the start */
};

/*
 * For who reads alone: where it is; nothing is made or looked at. 0;
 * -ENAMETOOLONG.
 */
int lg_ledger_look(struct lg_ledger *l, const char *state_dir,
		   uint8_t durability);
/*
 * Make $STATE and $STATE/ledger (0700) if need be. 0; -ENAMETOOLONG; -EREMOTE
 * on a network file system, where two hosts may overwrite each other; -errno.
 */
int lg_ledger_init(struct lg_ledger *l, const char *state_dir,
		   uint8_t durability);
/*
 * Append one formatted line (with '\n') by one write(2). Checks
 * RLIMIT_FSIZE first (SIGXFSZ would kill the host). 0; -EFBIG the limit;
 * -ENOSPC; -EIO short write (a torn row: the caller appends again); -EREMOTE;
 * -EPERM the month's file would have to be made under another root folder
 * than at the start; -EACCES/-EROFS/... as the kernel says. Keeps errno. Any
 * thread.
 */
int lg_ledger_append(struct lg_ledger *l, int64_t now_ms, struct lg_slice line);

/* -- reading ------------------------------------------------------------ */

/* A place in the ledger: everything before it has been seen. */
struct lg_ledger_pos {
	char file[16]; /* "2026-11.jsonl"; "" before the first */
	uint64_t offset;
	uint64_t before; /* bytes of earlier months, all seen */
};
#define LG_LEDGER_ANY UINT64_MAX /* before: whatever it is */

struct lg_ledger_stats {
	uint64_t rows, torn, duplicates, bytes;
};

/* Called for each sound row in file order; non-zero stops the walk. */
typedef int lg_row_fn(void *ctx, const struct lg_row *row,
		      const struct lg_ledger_pos *after);

/*
 * Walk rows from *pos on (or all), months up to the newest; *pos moves to
 * what was seen. Torn rows are resynchronised and counted; a row whose id
 * came before is dropped (row ids make recovery idempotent), also when the
 * first one stands before *pos, if the second is flagged `recovered`: whoever
 * writes a row again from a slot that is not its own must set that flag.
 * since_ms skips months that ended before. A last line without '\n' that may
 * still be growing is left for the next walk. 0, the callback's value,
 * -ESTALE (pos lies beyond its file, or a month before it has changed, by a
 * late writer or a clock that was set back: begin anew), -ENOMEM, or -errno.
 * Allocates on base/mem.h: a buffer and 16 bytes a row.
 */
int lg_ledger_walk(const char *dir, struct lg_ledger_pos *pos, int64_t since_ms,
		   lg_row_fn *fn, void *ctx, struct lg_ledger_stats *stats);

#endif
