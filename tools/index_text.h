#ifndef LG_TOOLS_INDEX_TEXT_H
#define LG_TOOLS_INDEX_TEXT_H

#include <stdint.h>

#include "index_db.h"

/*
 * Texts and tuples of texts as small numbers. Looked up in memory first, then
 * in the database, then entered. 0 is the empty text.
 */

/* *id; SQLITE_OK or an error. */
int index_text(struct index *x, const char *text, uint32_t *id);
int index_who(struct index *x, const uint32_t text[WHO_COLUMNS], uint32_t *id);
int index_what(struct index *x, const uint32_t text[WHAT_COLUMNS],
	       uint32_t *id);
/* The texts of one. */
int index_what_get(struct index *x, uint32_t id, uint32_t text[WHAT_COLUMNS]);

/* Their check sums in the database. */
int64_t index_tuple_check(int64_t id, const uint32_t *text, unsigned n);
int64_t index_text_check(int64_t id, const char *text);

#endif
