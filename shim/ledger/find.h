#ifndef LG_LEDGER_FIND_H
#define LG_LEDGER_FIND_H

#include <stdint.h>

#include "base/slice.h"
#include "ledger/row.h"

/* No call is looked for further back than this. */
#define LG_FIND_BYTES_MAX (UINT64_C(256) << 20)

#define LG_FIND_PAST 1
#define LG_FIND_FAR 2

/* Called for each row that was found, the newest first; non-zero stops. */
typedef int lg_find_fn(void *ctx, const struct lg_row *row);

/*
 * Sound rows in whose text `needle` stands, from the ledger's end backwards:
 * until fn says so, until rows are met that were written before since_ms
 * (with an hour's grace: clocks are set back; 0: no such end), until max
 * bytes were read, a compressed month is met, or the beginning. Torn rows are
 * passed over. A row may come twice (it may have been written twice); what is
 * appended meanwhile is not seen. 0 all was read, LG_FIND_PAST since_ms was
 * met, LG_FIND_FAR max was, the callback's value (no other than these two),
 * -ENOMEM, -errno. Takes 1 MB from base/mem.h for the call; blocks on files;
 * keeps errno. Any thread.
 */
int lg_ledger_find(const char *dir, struct lg_slice needle, int64_t since_ms,
		   uint64_t max, lg_find_fn *fn, void *ctx);

#endif
