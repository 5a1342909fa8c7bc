#ifndef LG_TOOLS_EXPORT_H
#define LG_TOOLS_EXPORT_H

#include <stdbool.h>

#include "base/buf.h"
#include "ledger/row.h"

/*
 * Calls for other programs, one after another: a form writes what stands
 * before the first, each row, and what ends it all. Rows are as they stand
 * after their corrections.
 */
struct export_form {
	const char *name;
	void (*begin)(struct lg_buf *out); /* NULL: nothing */
	/* first: nothing stands before it in this piece */
	void (*row)(struct lg_buf *out, const struct lg_row *row, bool first);
	/* Some forms are pieces of at most so many rows; 0: one. */
	unsigned piece;
	void (*open)(struct lg_buf *out), (*close)(struct lg_buf *out);
	bool calls_only; /* it has no place for other corrections */
};
extern const struct export_form export_jsonl, export_csv, export_otlp;

#endif
