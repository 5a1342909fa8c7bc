#ifndef LG_TOOLS_LIBS_H
#define LG_TOOLS_LIBS_H

#include <stdbool.h>

#include "elffile.h"

/* The libraries that a program's DT_NEEDED lead to, found as ld.so does. */
#define LIBS_MAX 512

struct lib {
	char name[96];	/* as it is asked for */
	char path[400]; /* "": not found */
	int parent;	/* who asks for it first, -1 the program */
	char rpath[200];
	bool has_runpath;
};

struct libs {
	unsigned n;
	struct lib lib[LIBS_MAX];
};

/*
 * e: of the program at path. origin: $ORIGIN of the program, NULL: path's
 * folder. root: before every path ("/proc/7/root"), "" none.
 */
void libs_find(const struct elf *e, const char *path, const char *root,
	       struct libs *out);

#endif
