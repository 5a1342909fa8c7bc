#ifndef LG_TOOLS_INDEX_FILL_H
#define LG_TOOLS_INDEX_FILL_H

#include "index_db.h"

/*
 * -ESTALE: what was read is not in the ledger any more (x->stale says why):
 * begin anew.
 */
#define INDEX_STALE (-116)

/*
 * Take in what the segments of this folder have got since, in transactions of
 * so many bytes, each of which ends with the place it came to. SQLITE_OK, an
 * error of SQLite, INDEX_STALE, or -errno of the ledger. ms_allowed: how long
 * to wait for another writer.
 */
int index_fill(struct index *x, const char *ledger_dir, int ms_allowed);

#endif
