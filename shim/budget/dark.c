#include "budget/dark.h"

#include <errno.h>
#include <string.h>

#include "budget/swap.h"

_Static_assert(LG_DARK_SHOWN == LG_DARKS, "all are shown");

static uint64_t id_of(const struct lg_dark *d)
{
	struct lg_hash128 e = lg_hash128(d->exe, strlen(d->exe), 53);

	return lg_hash128(d->host, strlen(d->host), e.a).a | 1;
}

static void put_text(uint64_t *to, unsigned words, const char *text)
{
	char all[LG_DARK_HOST * 8] = "";
	uint64_t w;

	memcpy(all, text, strnlen(text, words * 8));
	for (unsigned i = 0; i < words; i++) {
		memcpy(&w, all + i * 8, 8);
		lg_store_relaxed(&to[i], w);
	}
}

static void get_text(const uint64_t *from, unsigned words, char *out)
{
	char all[LG_DARK_HOST * 8];
	uint64_t w;

	for (unsigned i = 0; i < words; i++) {
		w = lg_load_relaxed(&from[i]);
		memcpy(all + i * 8, &w, 8);
	}
	lg_slice_copy((struct lg_slice){all, strnlen(all, words * 8)}, out,
		      words * 8 + 1);
}

/* Whoever swaps the id in fills the rest; until then it shows less. */
static struct lg_dark_slot *claim(struct lg_region *r, uint64_t id,
				  const struct lg_dark *d)
{
	struct lg_dark_slot *all = r->map->head.dark, *s = &all[0];
	uint64_t old;
	unsigned i;

	for (i = 0; i < LG_DARKS; i++)
		if (lg_load_seq(&all[i].id) == id)
			return &all[i];
	for (i = 0; i < LG_DARKS && lg_load_seq(&s->id); i++)
		if (!lg_load_seq(&all[i].id) ||
		    lg_load_relaxed(&all[i].last_s) <
			    lg_load_relaxed(&s->last_s))
			s = &all[i];
	old = lg_load_seq(&s->id);
	if (old == id)
		return s;
	if (!lg_cas_seq(&s->id, &old, id))
		return old == id ? s : NULL;
	lg_store_relaxed(&s->count, 0);
	lg_store_relaxed(&s->sent, 0);
	lg_store_relaxed(&s->received, 0);
	lg_store_relaxed(&s->first_s, d->last_s);
	put_text(s->host, LG_DARK_HOST, d->host);
	put_text(s->exe, LG_DARK_EXE, d->exe);
	return s;
}

void lg_dark_add(struct lg_region *r, const struct lg_dark *d)
{
	struct lg_dark_slot *s;

	if (r->readonly || !lg_region_is_whole(r))
		return;
	lg_region_count(r, LG_COUNT_DARK, d->count);
	s = claim(r, id_of(d), d);
	if (!s)
		return; /* another one came into its place; the sum has it */
	lg_add_relaxed(&s->count, d->count);
	lg_add_relaxed(&s->sent, d->sent);
	lg_add_relaxed(&s->received, d->received);
	lg_store_relaxed(&s->pid, d->pid);
	lg_store_relaxed(&s->last_s, d->last_s);
}

int lg_dark_view(const struct lg_region *r, unsigned i, struct lg_dark *out)
{
	const struct lg_dark_slot *s = &r->map->head.dark[i];
	uint64_t id;

	if (i >= LG_DARKS || !(id = lg_load_seq(&s->id)))
		return -ENOENT;
	get_text(s->host, LG_DARK_HOST, out->host);
	get_text(s->exe, LG_DARK_EXE, out->exe);
	out->count = lg_load_relaxed(&s->count);
	out->sent = lg_load_relaxed(&s->sent);
	out->received = lg_load_relaxed(&s->received);
	out->first_s = lg_load_relaxed(&s->first_s);
	out->last_s = lg_load_relaxed(&s->last_s);
	out->pid = lg_load_relaxed(&s->pid);
	return lg_load_seq(&s->id) == id && out->count ? 0 : -ENOENT;
}

void lg_dark_reset(struct lg_region *r)
{
	for (unsigned i = 0; !r->readonly && i < LG_DARKS; i++)
		lg_store_seq(&r->map->head.dark[i].id, 0);
}
