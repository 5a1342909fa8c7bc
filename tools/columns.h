#ifndef LG_TOOLS_COLUMNS_H
#define LG_TOOLS_COLUMNS_H

#include <stddef.h>

/*
 * Columns of a terminal that UTF-8 text takes: two for a letter of East Asia
 * or a picture, none for what joins the letter before. No locale is asked.
 */
unsigned columns_of(const char *text, size_t len);
/* Bytes of it, whole letters, that no more columns hold. */
size_t columns_cut(const char *text, size_t len, unsigned columns);

#endif
