#ifndef LG_TOOLS_LDCACHE_H
#define LG_TOOLS_LDCACHE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Where the loader's cache (/etc/ld.so.cache, as ldconfig writes it) says that
 * a library of this machine lies. False: it does not, or cannot be read.
 */
bool ldcache_find(const char *name, char *out, size_t cap);
/* The same in the bytes of a cache, which may be anything. */
bool ldcache_search(const void *p, size_t size, const char *name, char *out,
		    size_t cap);

#endif
