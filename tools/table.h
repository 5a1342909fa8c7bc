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
 * controls, direction overrides, U+FFFE, U+FFFF (text comes from the network).
 * 0: none.
 */
size_t table_hostile(const char *text);
/*
 * The next letter of a text that is not empty, or "?" for what is hostile or
 * no UTF-8. Returns how many bytes of text it stands for.
 */
size_t table_letter(const char *text, char out[5]);
/* The whole text so. */
void table_put(struct lg_buf *out, const char *text);
/* What of it has room, whole letters. */
void table_copy(const char *text, char *out, size_t cap);
/* Such bytes are shown as '?', the empty text as "-". */
void table_cell(struct table *t, const char *text);
void table_u64(struct table *t, uint64_t v);
/*
 * Write it out and release it. Of what a terminal has no room for the widest
 * texts are cut, with an ellipsis; files and pipes get all.
 */
void table_print(struct table *t, struct lg_buf *out);

#endif
