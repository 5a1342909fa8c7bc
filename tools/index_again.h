#ifndef LG_TOOLS_INDEX_AGAIN_H
#define LG_TOOLS_INDEX_AGAIN_H

#include "index_db.h"
#include "ledger/row.h"

/*
 * Calls that were made before, by their body's hash, host, endpoint and key.
 * After one that brought no answer, at most an hour ago: a retry. After one
 * that was answered, whenever: a repeat. What we refused was not made.
 */
#define INDEX_RETRY_MS INT64_C(3600000)

/* LG_ROW_RETRY, LG_ROW_REPEAT or 0 to *mark. SQLITE_OK or an error. */
int index_again_mark(struct index *x, const struct lg_row *r, uint32_t *mark);
/* The call that was just inserted was marked. */
int index_again_keep(struct index *x);
/* The call is in the index: what comes after it is measured by it. */
int index_again_note(struct index *x, const struct lg_row *r);

#endif
