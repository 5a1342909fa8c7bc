#ifndef LG_LEDGER_SCAN_H
#define LG_LEDGER_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "ledger/ledger.h"

/*
 * The sound rows of one file. Between them may stand anything: torn rows,
 * NULs, lines without an end; a row that begins in the middle of a line is
 * found by its first bytes and proven by its crc.
 */

/* row: crc is right; after: offset behind it. Non-zero stops the scan. */
typedef int lg_scan_fn(void *ctx, struct lg_slice row, uint64_t after);

/*
 * Read [*offset, end) of an open file, or to its end when end is UINT64_MAX.
 * *offset moves behind what was seen; a last line without '\n' that is not a
 * whole row stays unseen, unless the file is closed: a later month has begun,
 * nobody will end that line. Reads, never maps: a file that is cut under us
 * must not kill the host. A compressed file (ledger/pack.h) is read as what
 * it was; offsets are those of that. 0, the callback's value, -ENOMEM,
 * -EPROTO a compressed file is damaged, -errno.
 */
int lg_scan_file(int fd, uint64_t *offset, uint64_t end, bool closed,
		 lg_scan_fn *fn, void *ctx, struct lg_ledger_stats *stats);

#endif
