#ifndef LG_HOOK_KEYED_H
#define LG_HOOK_KEYED_H

#include <stddef.h>

/*
 * What we know of an object that has no room for us, found by its address:
 * GnuTLS sessions and NSPR descriptors have one user pointer each, and that
 * is the program's. A hash table of chains. An entry never leaves its chain:
 * it is emptied and taken again by the next object of that chain, so lookups
 * need no lock and no reclamation. Any thread; whoever drops an entry while
 * another thread uses it misuses the object itself.
 */
#define LG_KEYED_BUCKETS 1024 /* power of two */

/* Stands first in an entry. */
struct lg_keyed {
	struct lg_keyed *next; /* constant once it is in the chain */
	const void *key;       /* NULL: free */
};

struct lg_keyed_table {
	size_t size;   /* of an entry */
	unsigned max;  /* entries at most */
	unsigned live; /* in use now */
	unsigned made; /* ever */
	struct lg_keyed *bucket[LG_KEYED_BUCKETS];
};

/* The entry of key, or NULL. */
void *lg_keyed_get(const struct lg_keyed_table *t, const void *key);

/*
 * A free entry for key, zero behind its struct lg_keyed. It is found once
 * lg_keyed_show was called. NULL: out of memory, or the table is full. key is
 * not in the table.
 */
void *lg_keyed_take(struct lg_keyed_table *t, const void *key);
void lg_keyed_show(void *entry, const void *key);
/* The entry is free; what is in it was given back by the caller. */
void lg_keyed_drop(struct lg_keyed_table *t, void *entry);

#endif
