#ifndef LG_LEDGER_IDSET_H
#define LG_LEDGER_IDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The row ids that were seen, as 64-bit fingerprints in an open hash table on
 * base/mem.h: 16 bytes a row at the most. Two different ids of a ledger of
 * ten million rows fall together with a chance of 3 in a million.
 */
struct lg_idset {
	uint64_t *slots;
	size_t cap; /* a power of two */
	size_t n;
	bool full; /* out of memory: asks only what is in it */
};

void lg_idset_init(struct lg_idset *s);
void lg_idset_fini(struct lg_idset *s);
uint64_t lg_idset_key(const char *id, size_t len);
bool lg_idset_has(const struct lg_idset *s, uint64_t key);
void lg_idset_add(struct lg_idset *s, uint64_t key);

#endif
