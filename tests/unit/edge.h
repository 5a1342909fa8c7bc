#ifndef LG_TESTS_EDGE_H
#define LG_TESTS_EDGE_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Copies of test bytes whose last byte lies flush against an unreadable page:
 * a parser that reads one byte too many dies there.
 */
struct edge {
	char *map;
	size_t size; /* readable bytes */
};

static inline struct edge edge_new(size_t max)
{
	struct edge e = {.size = (max + 4096) & ~(size_t)4095};

	e.map = mmap(NULL, e.size + 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (e.map == MAP_FAILED || mprotect(e.map + e.size, 4096, PROT_NONE))
		abort();
	return e;
}

/* Where n bytes of p now stand; good until the next edge_put. */
static inline char *edge_put(struct edge *e, const void *p, size_t n)
{
	if (n > e->size)
		abort();
	if (n)
		memcpy(e->map + e->size - n, p, n);
	return e->map + e->size - n;
}

static inline void edge_del(struct edge *e)
{
	munmap(e->map, e->size + 4096);
}

#endif
