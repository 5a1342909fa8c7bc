#ifndef LG_TOOLS_STRMAP_H
#define LG_TOOLS_STRMAP_H

#include <stddef.h>
#include <stdint.h>

/*
 * Text to a value of fixed size, in order of arrival. Values are zeroed when
 * new and never move. Heap; one thread.
 */
struct strmap {
	size_t value_size;
	struct strmap_entry **entry;
	uint32_t *slot; /* index + 1; 0: free */
	size_t n, cap, nslots;
};

void strmap_init(struct strmap *m, size_t value_size);
void strmap_fini(struct strmap *m);
/* NULL: not there. */
void *strmap_get(const struct strmap *m, const char *key);
/* Made if new; NULL: out of memory. */
void *strmap_put(struct strmap *m, const char *key);
/* The i-th that came, 0..n-1. */
void *strmap_nth(const struct strmap *m, size_t i, const char **key);
/* Order entries by their keys; the index is kept right. */
void strmap_sort(struct strmap *m);

#endif
