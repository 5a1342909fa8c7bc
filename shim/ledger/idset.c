#include "ledger/idset.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#define FIRST_CAP 1024

void lg_idset_init(struct lg_idset *s)
{
	memset(s, 0, sizeof(*s));
}

void lg_idset_fini(struct lg_idset *s)
{
	lg_mem_free(s->slots, s->cap * sizeof(*s->slots));
	lg_idset_init(s);
}

uint64_t lg_idset_key(const char *id, size_t len)
{
	uint64_t key = lg_hash128(id, len, 0).a;

	return key ? key : 1;
}

static size_t place(const uint64_t *slots, size_t cap, uint64_t key)
{
	size_t i = (size_t)key & (cap - 1);

	while (slots[i] && slots[i] != key)
		i = (i + 1) & (cap - 1);
	return i;
}

static bool grow(struct lg_idset *s)
{
	size_t cap = s->cap ? s->cap * 2 : FIRST_CAP, i;
	uint64_t *slots = lg_mem_alloc(cap * sizeof(*slots));

	if (!slots)
		return false;
	for (i = 0; i < s->cap; i++)
		if (s->slots[i])
			slots[place(slots, cap, s->slots[i])] = s->slots[i];
	lg_mem_free(s->slots, s->cap * sizeof(*slots));
	s->slots = slots;
	s->cap = cap;
	return true;
}

bool lg_idset_has(const struct lg_idset *s, uint64_t key)
{
	return s->cap && s->slots[place(s->slots, s->cap, key)];
}

void lg_idset_add(struct lg_idset *s, uint64_t key)
{
	size_t i;

	/* Two of three are taken; without memory go on up to the last. */
	if (s->n >= s->cap / 3 * 2 && !s->full && !grow(s))
		s->full = true;
	if (s->n + 1 >= s->cap)
		return;
	i = place(s->slots, s->cap, key);
	if (!s->slots[i]) {
		s->slots[i] = key;
		s->n++;
	}
}
