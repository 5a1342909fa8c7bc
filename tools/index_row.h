#ifndef LG_TOOLS_INDEX_ROW_H
#define LG_TOOLS_INDEX_ROW_H

#include "index_db.h"
#include "index_fact.h"
#include "ledger/row.h"

/*
 * Take one row of the ledger in, within a transaction: a call is entered, a
 * correction applied to its call (or kept until that comes), a row whose id
 * is there already passed over, audit rows are not kept. SQLITE_OK or an
 * error.
 */
int index_row_add(struct index *x, const struct lg_row *row);
/*
 * A call's fact from a row of INDEX_CALL_COLUMNS, the others left alone.
 * SQLITE_CORRUPT: it is not as it was stored.
 */
int index_call_read(sqlite3_stmt *st, const char *id,
		    int64_t fact[FACT_COLUMNS]);

#endif
