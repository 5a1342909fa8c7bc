#ifndef LG_TOOLS_REPORT_CSV_H
#define LG_TOOLS_REPORT_CSV_H

#include "query.h"

struct lg_buf;

/* One field; names that a spreadsheet would calculate are made harmless. */
void csv_put_text(struct lg_buf *out, const char *text);
/* "calls,blocked,...": no comma around it. */
extern const char csv_sums_head[];
/* A comma, those fields, the record's end (RFC 4180). */
void csv_put_sums(struct lg_buf *out, const struct sums *s);

#endif
