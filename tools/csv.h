#ifndef LG_TOOLS_CSV_H
#define LG_TOOLS_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * Comma-separated values (RFC 4180), pushed in pieces of any size: quotes with
 * doubled quotes inside, lines that end in LF or CRLF, a byte order mark in
 * front, tabs or semicolons instead of commas where the first line has more of
 * them. Memory is bounded by one record.
 */
#define CSV_RECORD_MAX 1048576
#define CSV_FIELDS_MAX 128

struct csv;

/* One record. Non-zero stops the reading. */
typedef int csv_fn(void *ctx, const struct csv *c);

struct csv {
	csv_fn *fn;
	void *ctx;
	uint64_t line;	/* of the record's first byte, from 1 */
	unsigned n;	/* fields of the record */
	uint64_t lines; /* line ends seen */
	size_t len;
	uint8_t state, mark;
	char separator; /* 0: not known yet */
	int err;
	uint32_t end[CSV_FIELDS_MAX];
	char text[CSV_RECORD_MAX];
};

void csv_init(struct csv *c, csv_fn *fn, void *ctx);
/*
 * 0; -EPROTO a quote where none may stand, or one that does not end; -EMSGSIZE
 * a record over the limits; what fn returned. Errors stay.
 */
int csv_feed(struct csv *c, const char *p, size_t n);
int csv_end(struct csv *c);
/* The i-th field; empty where there is none. Valid in fn. */
struct lg_slice csv_field(const struct csv *c, unsigned i);

#endif
