#include "price/match.h"

#include <string.h>

bool lg_price_key_make(struct lg_price_key *k, struct lg_slice provider,
		       struct lg_slice name)
{
	size_t n = provider.len;

	if (!name.len || name.len > LG_PRICE_NAME_MAX || n > LG_PRICE_NAME_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		k->text[i] = lg_price_low(provider.p[i]);
	k->text[n] = '/';
	for (size_t i = 0; i < name.len; i++)
		k->text[n + 1 + i] = lg_price_low(name.p[i]);
	k->len = n + 1 + name.len;
	k->name = (struct lg_slice){k->text + n + 1, name.len};
	return true;
}

/* The entries of the model that begins at `first`, never past the array. */
static uint32_t group_size(const struct lg_image *img, uint32_t first)
{
	uint32_t left = img->prices.n - first;
	uint32_t n = lg_price_entries(img)[first].group;

	return n == 0 ? 1 : n < left ? n : left;
}

bool lg_price_find_exact(const struct lg_image *img,
			 const struct lg_price_key *k, uint32_t *first)
{
	const struct lg_img_name *t =
		LG_IMG_ARRAY(img, img->names, struct lg_img_name);
	struct lg_slice key = {k->text, k->len};
	uint32_t n = img->names.n, h = lg_img_hash(key);

	if (!n || n & (n - 1))
		return false;
	for (uint32_t i = h & (n - 1), seen = 0; t[i].text.off && seen < n;
	     i = (i + 1) & (n - 1), seen++) {
		if (t[i].hash != h || t[i].price >= img->prices.n ||
		    !lg_slice_eq(lg_img_text(img, t[i].text), key))
			continue;
		*first = t[i].price;
		return true;
	}
	return false;
}

static bool contains(struct lg_slice s, struct lg_slice part)
{
	const char *p = s.p, *end = s.p + s.len;

	if (!part.len)
		return true;
	while ((size_t)(end - p) >= part.len) {
		p = memchr(p, part.p[0], (size_t)(end - p) - part.len + 1);
		if (!p)
			return false;
		if (!memcmp(p, part.p, part.len))
			return true;
		p++;
	}
	return false;
}

static bool atom_holds(const struct lg_image *img, const struct lg_img_atom *a,
		       struct lg_slice name)
{
	struct lg_slice t = lg_img_text(img, a->text);

	if (a->op != LG_MATCH_GLOB && t.len > name.len)
		return false;
	switch (a->op) {
	case LG_MATCH_EQUALS:
		return lg_slice_eq(name, t);
	case LG_MATCH_STARTS:
		return !memcmp(name.p, t.p, t.len);
	case LG_MATCH_ENDS:
		return !memcmp(name.p + name.len - t.len, t.p, t.len);
	case LG_MATCH_CONTAINS:
		return contains(name, t);
	default:
		if (t.p[0] != '*' && t.p[0] != '?' && t.p[0] != name.p[0])
			return false;
		return lg_slice_glob(name, t);
	}
}

static bool clause_holds(const struct lg_image *img,
			 const struct lg_img_clause *c, struct lg_slice name)
{
	const struct lg_img_atom *a =
		LG_IMG_ARRAY(img, c->atoms, struct lg_img_atom);

	for (uint32_t i = 0; i < c->atoms.n; i++)
		if (!atom_holds(img, &a[i], name))
			return false;
	return c->atoms.n > 0;
}

static bool matches(const struct lg_image *img, const struct lg_img_matcher *m,
		    struct lg_slice name)
{
	const struct lg_img_clause *c =
		LG_IMG_ARRAY(img, m->clauses, struct lg_img_clause);

	for (uint32_t i = 0; i < m->clauses.n; i++)
		if (clause_holds(img, &c[i], name))
			return true;
	return false;
}

bool lg_price_find_rule(const struct lg_image *img,
			const struct lg_price_key *k, uint32_t *first)
{
	const struct lg_img_matcher *m =
		LG_IMG_ARRAY(img, img->matchers, struct lg_img_matcher);
	size_t n = k->len - k->name.len - 1; /* of the provider in the key */

	for (uint32_t i = 0; i < img->matchers.n; i++) {
		if (m[i].provider.len != n || m[i].price >= img->prices.n ||
		    memcmp(lg_img_text(img, m[i].provider).p, k->text, n) ||
		    !matches(img, &m[i], k->name))
			continue;
		*first = m[i].price;
		return true;
	}
	return false;
}

bool lg_price_in_force(const struct lg_img_price *e,
		       const struct lg_price_want *w)
{
	bool in;

	if (w->at_ms < e->effective_at_ms || w->at_ms >= e->expires_at_ms)
		return false;
	if (e->tod_start_min == 0xffff)
		return true;
	if (e->tod_start_min <= e->tod_end_min)
		return w->minute >= e->tod_start_min &&
		       w->minute < e->tod_end_min;
	in = w->minute >= e->tod_start_min || w->minute < e->tod_end_min;
	return in;
}

/*
 * With a pinned version: 3 it is that version and in force, 2 that version, 1
 * an older one in force, 0 a newer one in force. Without: 1 in force. -1: no.
 */
static int rank(const struct lg_image *img, const struct lg_img_price *e,
		const struct lg_price_want *w)
{
	struct lg_slice v = lg_img_text(img, e->price_version);
	bool now = lg_price_in_force(e, w);
	size_t n;
	int d;

	if (!w->version.len)
		return now ? 1 : -1;
	if (lg_slice_starts(v, w->version))
		return now ? 3 : 2;
	n = v.len < w->version.len ? v.len : w->version.len;
	d = memcmp(v.p, w->version.p, n);
	return !now ? -1 : d < 0 || (d == 0 && v.len < w->version.len) ? 1 : 0;
}

/* Of two that rank the same: the later start, the narrower hours, the last. */
static bool is_better(const struct lg_img_price *a,
		      const struct lg_img_price *best)
{
	if (a->effective_at_ms != best->effective_at_ms)
		return a->effective_at_ms > best->effective_at_ms;
	return a->tod_start_min != 0xffff || best->tod_start_min == 0xffff;
}

const struct lg_img_price *lg_price_choose(const struct lg_image *img,
					   uint32_t first,
					   const struct lg_price_want *w,
					   struct lg_slice tier)
{
	const struct lg_img_price *e = lg_price_entries(img) + first,
				  *best = NULL;
	uint32_t n = group_size(img, first);
	int top = -1;

	for (uint32_t i = 0; i < n; i++) {
		int r = rank(img, &e[i], w);

		if (r < 0 || r < top ||
		    !lg_slice_eq(lg_img_text(img, e[i].tier), tier))
			continue;
		if (r > top || is_better(&e[i], best)) {
			best = &e[i];
			top = r;
		}
	}
	return best;
}
