#ifndef LG_BPF_GOFUNC_H
#define LG_BPF_GOFUNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/elffile.h"

/*
 * Functions of a Go program by name: by its symbols, and where those were
 * stripped by pclntab, the table that Go's own runtime cannot do without
 * (layouts of Go 1.16, 1.18 and 1.20; older ones are named, not read). All is
 * checked against the file. Any thread.
 */
struct gofunc {
	const char *name; /* given */
	uint64_t addr;	  /* 0: not there */
	uint64_t len;
};

struct gotab {
	const char *version; /* "1.16", "1.18", "1.20": the table's layout */
	uint64_t off, len;   /* in the file, to its segment's end */
	uint64_t nfuncs, text;
	uint64_t names, funcs; /* from off */
	bool is_wide;	       /* 8-byte entries (1.16) */
};

/* Is it a program of Go's own compiler? */
bool gofunc_is_go(const struct elf *e);
/* 0 with *out; -ENOENT no table; -EPROTONOSUPPORT an older one. */
int gofunc_table(const struct elf *e, struct gotab *out);
/* How many of the n were found. */
unsigned gofunc_find(const struct elf *e, struct gofunc *f, unsigned n);

#endif
