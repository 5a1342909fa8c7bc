#include "price/match.h"

#include <string.h>

/* ASCII small letters, eight at a time. */
static uint64_t low8(uint64_t w)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t seven = w & 0x7f * ones;
	uint64_t above_z = seven + (0x7f - 'Z') * ones;
	uint64_t from_a = seven + (0x80 - 'A') * ones;

	return w | ((from_a ^ above_z) & ~w & 0x80 * ones) >> 2;
}

static void append(struct lg_price_key *k, struct lg_slice s)
{
	char *to = k->text + k->len;
	size_t i = 0;
	uint64_t w;

	for (; i + 8 <= s.len; i += 8) {
		memcpy(&w, s.p + i, 8);
		w = low8(w);
		memcpy(to + i, &w, 8);
	}
	for (; i < s.len; i++)
		to[i] = lg_price_low(s.p[i]);
	k->len += s.len;
}

bool lg_price_key_make(struct lg_price_key *k, struct lg_slice provider,
		       struct lg_slice name)
{
	if (!name.len || name.len > LG_PRICE_NAME_MAX ||
	    provider.len > LG_PRICE_NAME_MAX)
		return false;
	k->len = 0;
	append(k, provider);
	k->text[k->len++] = '/';
	k->provider = k->len;
	append(k, name);
	k->name = (struct lg_slice){k->text + k->provider, name.len};
	return true;
}

bool lg_price_key_vary(struct lg_price_key *k, struct lg_slice variant)
{
	if (variant.len > LG_PRICE_NAME_MAX || k->name.len > LG_PRICE_NAME_MAX)
		return false;
	k->text[k->len++] = ':';
	append(k, variant);
	k->name.len += 1 + variant.len;
	return true;
}

/* The entries of the model that begins at `first`, never past the array. */
static uint32_t group_size(const struct lg_image *img, uint32_t first)
{
	uint32_t left = img->prices.n - first;
	uint32_t n = lg_price_entries(img)[first].group;

	return n == 0 ? 1 : n < left ? n : left;
}

static const struct lg_img_name *find_name(const struct lg_image *img,
					   struct lg_slice key)
{
	const struct lg_img_name *t =
		LG_IMG_ARRAY(img, img->names, struct lg_img_name);
	uint32_t n = img->names.n, h = lg_img_hash(key);

	if (!n || n & (n - 1))
		return NULL;
	for (uint32_t i = h & (n - 1), seen = 0; t[i].text.off && seen < n;
	     i = (i + 1) & (n - 1), seen++)
		if (t[i].hash == h &&
		    lg_slice_eq(lg_img_text(img, t[i].text), key))
			return &t[i];
	return NULL;
}

const struct lg_img_provider *lg_price_provider(const struct lg_image *img,
						const struct lg_price_key *k)
{
	const struct lg_img_name *n =
		find_name(img, (struct lg_slice){k->text, k->provider});

	if (!n || n->price >= img->providers.n)
		return NULL;
	return LG_IMG_ARRAY(img, img->providers, struct lg_img_provider) +
	       n->price;
}

bool lg_price_find_exact(const struct lg_image *img,
			 const struct lg_price_key *k, uint32_t *first)
{
	const struct lg_img_name *n =
		find_name(img, (struct lg_slice){k->text, k->len});

	if (!n || n->price >= img->prices.n)
		return false;
	*first = n->price;
	return true;
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

static bool fits_one(char c, char p)
{
	return p == '?' || (p == '#' ? c >= '0' && c <= '9' : c == p);
}

/* '*' any bytes, '?' one, '#' one digit. */
static bool fits_pattern(struct lg_slice s, struct lg_slice p)
{
	size_t i = 0, k = 0, star = SIZE_MAX, from = 0;

	while (i < s.len) {
		if (k < p.len && p.p[k] == '*') {
			star = k++;
			from = i;
		} else if (k < p.len && fits_one(s.p[i], p.p[k])) {
			i++;
			k++;
		} else if (star != SIZE_MAX) {
			k = star + 1;
			i = ++from;
		} else {
			return false;
		}
	}
	while (k < p.len && p.p[k] == '*')
		k++;
	return k == p.len;
}

static bool atom_holds(const struct lg_image *img, const struct lg_img_atom *a,
		       struct lg_slice name)
{
	struct lg_slice t = lg_img_text(img, a->text);

	if (a->op < LG_MATCH_GLOB && t.len > name.len)
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
	case LG_MATCH_PATTERN:
		return fits_pattern(name, t);
	default:
		if (t.p[0] != '*' && t.p[0] != '?' && t.p[0] != name.p[0])
			return false;
		return lg_slice_glob(name, t);
	}
}

static bool matches(const struct lg_image *img, struct lg_img_span atoms,
		    struct lg_slice name)
{
	const struct lg_img_atom *a =
		LG_IMG_ARRAY(img, atoms, struct lg_img_atom);

	for (uint32_t i = 0; i < atoms.n; i++)
		if (!atom_holds(img, &a[i], name))
			return false;
	return atoms.n > 0;
}

bool lg_price_clause_holds(const struct lg_image *img,
			   const struct lg_img_clause *c, struct lg_slice name)
{
	return name.len && matches(img, c->atoms, name);
}

bool lg_price_find_rule(const struct lg_image *img,
			const struct lg_price_key *k, uint32_t *first)
{
	const struct lg_img_provider *v = lg_price_provider(img, k);
	const struct lg_img_matcher *m;
	uint64_t missing;

	if (!v || !v->nmatchers)
		return false;
	m = LG_IMG_ARRAY(img, img->matchers, struct lg_img_matcher) +
	    v->matcher;
	missing = ~lg_img_pairs(k->name);
	for (uint32_t i = 0; i < v->nmatchers; i++) {
		if (m[i].pairs & missing || m[i].price >= img->prices.n ||
		    !matches(img, m[i].atoms, k->name))
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
