#include "hook/keyed.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/atomic.h"
#include "base/mem.h"

/* Stands for an entry that is being filled: no object is there. */
static const char taken;

static unsigned slot_of(const void *key)
{
	uint64_t h = (uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15);

	return h >> 54 & (LG_KEYED_BUCKETS - 1);
}

void *lg_keyed_get(const struct lg_keyed_table *t, const void *key)
{
	struct lg_keyed *k = lg_load_acquire(&t->bucket[slot_of(key)]);

	for (; k; k = k->next)
		if (lg_load_acquire(&k->key) == key)
			return k;
	return NULL;
}

static void *reuse(const struct lg_keyed_table *t, struct lg_keyed *k)
{
	const void *free;

	for (; k; k = k->next) {
		free = NULL;
		if (lg_load_relaxed(&k->key) ||
		    !lg_cas_seq(&k->key, &free, (const void *)&taken))
			continue;
		memset(k + 1, 0, t->size - sizeof(*k));
		return k;
	}
	return NULL;
}

/* Ends: each failure means that another thread has put its entry in. */
static void *add(struct lg_keyed_table *t, struct lg_keyed **head)
{
	struct lg_keyed *k;
	int err = errno;

	if (lg_add_relaxed(&t->made, 1) >= t->max) {
		lg_add_relaxed(&t->made, -1);
		return NULL;
	}
	k = lg_mem_alloc(t->size);
	errno = err;
	if (!k) {
		lg_add_relaxed(&t->made, -1);
		return NULL;
	}
	k->key = &taken;
	k->next = lg_load_acquire(head);
	while (!lg_cas_seq(head, &k->next, k))
		;
	return k;
}

void *lg_keyed_take(struct lg_keyed_table *t, const void *key)
{
	struct lg_keyed **head = &t->bucket[slot_of(key)];
	void *k = reuse(t, lg_load_acquire(head));

	if (!k)
		k = add(t, head);
	if (k)
		lg_add_relaxed(&t->live, 1);
	return k;
}

void lg_keyed_show(void *entry, const void *key)
{
	struct lg_keyed *k = entry;

	lg_store_release(&k->key, key);
}

void lg_keyed_drop(struct lg_keyed_table *t, void *entry)
{
	struct lg_keyed *k = entry;

	lg_store_release(&k->key, NULL);
	lg_add_relaxed(&t->live, -1);
}
