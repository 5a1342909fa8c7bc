#ifndef LG_TOOLS_TABLE_H
#define LG_TOOLS_TABLE_H

#include "base/buf.h"

/*
 * Aligned columns. The head's titles end in '\t' (left) or '\r' (right); the
 * last one needs no end. Cells come row by row.
 */
#define TABLE_COLUMNS 16

struct table {
	const char *title[TABLE_COLUMNS];
	unsigned title_len[TABLE_COLUMNS];
	char align[TABLE_COLUMNS];
	unsigned columns;
	struct lg_buf text; /* cells, each NUL-terminated */
};

void table_init(struct table *t, const char *head);
/*
 * Bytes at text that would steer a terminal instead of being shown: C0 and C1
 * controls and direction overrides (text comes from the network). 0: none.
 */
size_t table_hostile(const char *text);
/* Such bytes are shown as '?', the empty text as "-". */
void table_cell(struct table *t, const char *text);
void table_u64(struct table *t, uint64_t v);
/* Write it out and release it. */
void table_print(struct table *t, struct lg_buf *out);

#endif
