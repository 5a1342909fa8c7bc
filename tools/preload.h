#ifndef LG_TOOLS_PRELOAD_H
#define LG_TOOLS_PRELOAD_H

#include <stddef.h>

/*
 * Where libllmguard.so lies: beside this program, in ../lib of it, or in the
 * installation's lib folder. 0, -ENOENT.
 */
int preload_find(char *out, size_t cap);

#endif
