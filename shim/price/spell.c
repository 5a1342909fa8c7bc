#include "price/spell.h"

#include <string.h>

static bool all_digits(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return n > 0;
}

/* "-2026-03-05", "-20260305" */
static bool strip_date(struct lg_slice *s)
{
	const char *p;

	if (s->len > 11) {
		p = s->p + s->len - 11;
		if (p[0] == '-' && p[5] == '-' && p[8] == '-' &&
		    all_digits(p + 1, 4) && all_digits(p + 6, 2) &&
		    all_digits(p + 9, 2)) {
			s->len -= 11;
			return true;
		}
	}
	if (s->len > 9) {
		p = s->p + s->len - 9;
		if (p[0] == '-' && all_digits(p + 1, 8)) {
			s->len -= 9;
			return true;
		}
	}
	return false;
}

/* Where the last c stands; 0 when there is none or only at the beginning. */
static size_t last(struct lg_slice s, char c)
{
	size_t i = s.len;

	while (i-- > 1)
		if (s.p[i] == c)
			return i;
	return 0;
}

/* "@20260305", "@default" */
static bool strip_at(struct lg_slice *s)
{
	size_t at = last(*s, '@');

	if (!at)
		return false;
	s->len = at;
	return true;
}

/* "x:nitro", "x:together": a route to the same model. */
static bool strip_route(struct lg_slice *s)
{
	size_t at = last(*s, ':');

	if (!at || memchr(s->p + at, '/', s->len - at) ||
	    lg_slice_istarts(*s, LG_SLICE("ft:")))
		return false;
	s->len = at;
	return true;
}

/* Bedrock: "us.vendor.model". */
static bool strip_place(struct lg_slice *s, struct lg_slice *place)
{
	static const char *const places[] = {
		"us.",	   "eu.", "apac.", "global.", "jp.",
		"us-gov.", "au.", "ca.",   "sa.",
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct lg_slice head = lg_slice_str(places[i]);

		if (s->len <= head.len || !lg_slice_istarts(*s, head))
			continue;
		*place = (struct lg_slice){s->p, head.len - 1};
		s->p += head.len;
		s->len -= head.len;
		return true;
	}
	return false;
}

/* Bedrock: "x-v1:0" is x-v1. */
static bool strip_minor(struct lg_slice *s)
{
	size_t at = last(*s, ':');

	if (!at || !all_digits(s->p + at + 1, s->len - at - 1))
		return false;
	s->len = at;
	return true;
}

/* ... and x. */
static bool strip_major(struct lg_slice *s)
{
	size_t at = last(*s, '-');

	if (!at || s->len - at < 3 || (s->p[at + 1] | 0x20) != 'v' ||
	    !all_digits(s->p + at + 2, s->len - at - 2))
		return false;
	s->len = at;
	return true;
}

struct list {
	struct lg_spelling *s;
	unsigned n;
};

static void add(struct list *l, struct lg_spelling s)
{
	for (unsigned i = 0; i < l->n; i++)
		if (l->s[i].name.p == s.name.p &&
		    l->s[i].name.len == s.name.len)
			return;
	if (l->n < LG_SPELLINGS_MAX && s.name.len)
		l->s[l->n++] = s;
}

/* Without region and revision; *s ends as the shortest of them. */
static void add_sure(struct list *l, struct lg_spelling *s)
{
	add(l, *s);
	if (strip_place(&s->name, &s->place))
		add(l, *s);
	if (!strip_minor(&s->name))
		return;
	add(l, *s);
	if (strip_major(&s->name))
		add(l, *s);
}

static void add_guesses(struct list *l, struct lg_spelling s)
{
	s.guess = true;
	if (strip_route(&s.name))
		add(l, s);
	if (strip_at(&s.name))
		add(l, s);
	if (strip_date(&s.name))
		add(l, s);
}

unsigned lg_price_spell(struct lg_slice name,
			struct lg_spelling out[LG_SPELLINGS_MAX])
{
	struct lg_spelling given = {.name = name}, full = given, part = given;
	struct list l = {out, 0};
	size_t slash = last(name, '/');

	add(&l, given);
	add_sure(&l, &full);
	if (slash) {
		part.name.p += slash + 1;
		part.name.len -= slash + 1;
		add_sure(&l, &part);
	}
	add_guesses(&l, full);
	if (slash)
		add_guesses(&l, part);
	/* the name itself was asked for before */
	if (l.n)
		memmove(out, out + 1, --l.n * sizeof(out[0]));
	return l.n;
}

bool lg_price_spell_tuned(struct lg_slice name, struct lg_slice *base)
{
	if (!lg_slice_istarts(name, LG_SLICE("ft:")))
		return false;
	name.p += 3;
	name.len -= 3;
	lg_slice_cut(name, ':', base);
	return base->len && base->len < name.len;
}
