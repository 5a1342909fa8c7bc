#ifndef LG_BPF_PRINT_H
#define LG_BPF_PRINT_H

#include <stdbool.h>

#include "base/buf.h"
#include "ledger/row.h"

/*
 * A settled call as one line: for people (aligned, cut to the terminal's
 * width, coloured there alone) or the ledger's row. Text from the network
 * never steers the terminal. One thread.
 */
struct print {
	unsigned width; /* columns; 0: as wide as it gets */
	bool colour;
	bool json;
	bool headed;
};

/* Of standard output: its width and whether it is a terminal. */
void print_init(struct print *p, bool json);
/* The terminal's width may have changed. */
void print_resize(struct print *p);
/* One line, with '\n'; before the first one of a terminal, the titles. */
void print_call(struct print *p, const struct lg_row *row, struct lg_buf *out);
/* Text in at most `columns` characters, padded; hostile bytes as '?'. */
void print_cell(struct lg_buf *out, const char *text, unsigned columns,
		bool right);

#endif
