#include "guard/record.h"

#include <errno.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "guard/engine.h"
#include "ledger/ledger.h"

int lg_record_write_like(struct lg_engine *e, const struct lg_row *row,
			 struct lg_row_memo *memo)
{
	struct lg_buf line;
	char *storage;
	int err;

	if (lg_engine_was_sandboxed())
		return -EPERM;
	storage = lg_mem_take(LG_ROW_LINE_MAX);
	if (!storage)
		return -ENOMEM;
	lg_buf_init_fixed(&line, storage, LG_ROW_LINE_MAX);
	err = lg_row_format_like(row, memo, &line);
	for (unsigned turn = 0; !err && turn < 2; turn++) {
		err = lg_ledger_append(lg_engine_ledger(e), lg_clock_real_ms(),
				       lg_buf_slice(&line));
		if (err != -EIO)
			break;
	}
	lg_mem_free(storage, LG_ROW_LINE_MAX);
	return err;
}

int lg_record_write(struct lg_engine *e, const struct lg_row *row)
{
	return lg_record_write_like(e, row, NULL);
}
