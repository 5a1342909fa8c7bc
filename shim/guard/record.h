#ifndef LG_GUARD_RECORD_H
#define LG_GUARD_RECORD_H

#include "ledger/row.h"

struct lg_engine;

/*
 * Bring one row into the ledger file: format, append, once more after a torn
 * write. 0, -errno (the caller stages it); in a sandbox -EPERM. Any thread;
 * blocks for one write.
 */
int lg_record_write(struct lg_engine *e, const struct lg_row *row);
/* The same where rows like this one were written before (memo NULL: not). */
int lg_record_write_like(struct lg_engine *e, const struct lg_row *row,
			 struct lg_row_memo *memo);

#endif
