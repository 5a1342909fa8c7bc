#include "strmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define FIRST_SLOTS 64

struct strmap_entry {
	uint64_t hash;
	size_t key_len;
	max_align_t value[]; /* the value, then the key */
};

static char *key_of(const struct strmap *m, struct strmap_entry *e)
{
	return (char *)e->value + m->value_size;
}

static uint64_t hash_of(const char *key, size_t len)
{
	return lg_hash128(key, len, 0).a;
}

void strmap_init(struct strmap *m, size_t value_size)
{
	*m = (struct strmap){.value_size = value_size};
}

void strmap_fini(struct strmap *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->entry[i]);
	free(m->entry);
	free(m->slot);
	strmap_init(m, m->value_size);
}

static void index_all(struct strmap *m)
{
	memset(m->slot, 0, m->nslots * sizeof(*m->slot));
	for (size_t i = 0; i < m->n; i++) {
		size_t k = m->entry[i]->hash & (m->nslots - 1);

		while (m->slot[k])
			k = (k + 1) & (m->nslots - 1);
		m->slot[k] = (uint32_t)i + 1;
	}
}

static int grow(struct strmap *m)
{
	size_t n = m->nslots ? 2 * m->nslots : FIRST_SLOTS;
	struct strmap_entry **entry;
	uint32_t *slot;

	if (n > UINT32_MAX / 2)
		return -1;
	entry = realloc(m->entry, n / 2 * sizeof(struct strmap_entry *));
	if (!entry)
		return -1;
	m->entry = entry;
	slot = malloc(n * sizeof(*slot));
	if (!slot)
		return -1;
	free(m->slot);
	m->slot = slot;
	m->nslots = n;
	m->cap = n / 2;
	index_all(m);
	return 0;
}

static struct strmap_entry *find(const struct strmap *m, const char *key,
				 size_t len, uint64_t hash)
{
	if (!m->nslots)
		return NULL;
	for (size_t k = hash & (m->nslots - 1); m->slot[k];
	     k = (k + 1) & (m->nslots - 1)) {
		struct strmap_entry *e = m->entry[m->slot[k] - 1];

		if (e->hash == hash && e->key_len == len &&
		    !memcmp(key_of(m, e), key, len))
			return e;
	}
	return NULL;
}

void *strmap_get(const struct strmap *m, const char *key)
{
	size_t len = strlen(key);
	struct strmap_entry *e = find(m, key, len, hash_of(key, len));

	return e ? e->value : NULL;
}

void *strmap_put(struct strmap *m, const char *key)
{
	size_t len = strlen(key), k;
	uint64_t hash = hash_of(key, len);
	struct strmap_entry *e = find(m, key, len, hash);

	if (e)
		return e->value;
	if (m->n == m->cap && grow(m))
		return NULL;
	e = calloc(1, sizeof(*e) + m->value_size + len + 1);
	if (!e)
		return NULL;
	e->hash = hash;
	e->key_len = len;
	memcpy(key_of(m, e), key, len);
	for (k = hash & (m->nslots - 1); m->slot[k];)
		k = (k + 1) & (m->nslots - 1);
	m->entry[m->n++] = e;
	m->slot[k] = (uint32_t)m->n;
	return e->value;
}

void *strmap_nth(const struct strmap *m, size_t i, const char **key)
{
	if (key)
		*key = key_of(m, m->entry[i]);
	return m->entry[i]->value;
}

static int by_key(const void *a, const void *b, void *ctx)
{
	return strcmp(key_of(ctx, *(struct strmap_entry *const *)a),
		      key_of(ctx, *(struct strmap_entry *const *)b));
}

void strmap_sort(struct strmap *m)
{
	if (!m->n)
		return;
	qsort_r(m->entry, m->n, sizeof(struct strmap_entry *), by_key, m);
	index_all(m);
}
