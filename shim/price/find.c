#include "price/find.h"

#include <string.h>

#include "price/spell.h"

#define ONE_PPM 1000000u
#define PROVIDERS_MAX (LG_PRICE_PROVIDERS_MAX - 1) /* beside the first */
#define PARTS_MAX 4				   /* of a stacked tier */

/* Whom to ask, and what a place costs there when the asker says so. */
struct source {
	struct lg_slice provider;
	const struct lg_image *img; /* of geo */
	struct lg_img_span geo;
	bool geo_own;
	bool estimate;
};

/* What was found in one image. */
struct found {
	const struct lg_image *img;
	const struct lg_img_price *e;
	uint32_t factor_ppm;
	enum lg_price_how how;
	bool estimate;
};

uint32_t lg_price_geo(const struct lg_image *img, struct lg_img_span geo,
		      struct lg_slice place)
{
	const struct lg_img_geo *g = LG_IMG_ARRAY(img, geo, struct lg_img_geo);

	if (!place.len || lg_slice_ieq(place, LG_SLICE("not_available")))
		return ONE_PPM;
	for (uint32_t i = 0; i < geo.n; i++) {
		struct lg_slice where = lg_img_text(img, g[i].where);

		if (lg_slice_eq(where, LG_SLICE("regional"))
			    ? !lg_slice_ieq(place, LG_SLICE("global"))
			    : lg_slice_glob(place, where))
			return g[i].ppm;
	}
	return ONE_PPM;
}

static uint32_t times(uint32_t a, uint32_t b)
{
	uint64_t n = (uint64_t)a * b, q = n / ONE_PPM, r = n % ONE_PPM;

	q += r > ONE_PPM / 2 || (r == ONE_PPM / 2 && (q & 1));
	return q > UINT32_MAX ? UINT32_MAX : (uint32_t)q;
}

/* The dearest place, where nobody said which it is. */
static uint32_t worst_geo(const struct lg_image *img, struct lg_img_span geo)
{
	const struct lg_img_geo *g = LG_IMG_ARRAY(img, geo, struct lg_img_geo);
	uint32_t most = ONE_PPM;

	for (uint32_t i = 0; i < geo.n; i++)
		most = g[i].ppm > most ? g[i].ppm : most;
	return most;
}

static void fill(struct lg_price *out, const struct found *f,
		 const struct source *s, struct lg_slice place)
{
	const struct lg_img_price *e = f->e;
	const struct lg_image *img = s->geo_own ? s->img : f->img;
	struct lg_img_span places = s->geo_own ? s->geo : e->geo;
	uint32_t geo = lg_price_geo(img, places, place);
	uint32_t worst = place.len ? geo : worst_geo(img, places);

	out->img = f->img;
	out->entry = e;
	out->how = f->how;
	out->estimate = e->estimate || f->estimate || s->estimate;
	out->context_window = e->context_window;
	out->max_output_tokens = e->max_output_tokens;
	memcpy(out->rate, e->rate, sizeof(out->rate));
	out->tiers = LG_IMG_ARRAY(f->img, e->tiers, struct lg_img_tier);
	out->ntiers = e->tiers.n;
	out->factor_ppm =
		geo == ONE_PPM ? f->factor_ppm : times(geo, f->factor_ppm);
	out->worst_ppm = worst == geo ? 0 : times(worst, f->factor_ppm);
	out->min_seconds = e->min_seconds;
	out->tier_missing = false;
}

/* "fast+batch": at most one of them has rates, the others are factors. */
static bool choose_stacked(struct found *f, uint32_t first,
			   const struct lg_price_want *w)
{
	const struct lg_img_price *e, *base = NULL;
	struct lg_slice rest = w->tier, part;
	uint32_t factor = ONE_PPM;
	bool estimate = false;

	for (unsigned i = 0; rest.len; i++) {
		rest = lg_slice_cut(rest, '+', &part);
		e = lg_price_choose(f->img, first, w, part);
		if (!e || i == PARTS_MAX || (base && !e->factor_ppm))
			return false;
		estimate |= e->estimate;
		if (e->factor_ppm)
			factor = times(factor, e->factor_ppm);
		else
			base = e;
	}
	if (!base)
		base = lg_price_choose(f->img, first, w, (struct lg_slice){0});
	f->e = base;
	f->factor_ppm = factor;
	f->estimate |= estimate;
	return base != NULL;
}

static bool choose(struct found *f, uint32_t first,
		   const struct lg_price_want *w)
{
	f->factor_ppm = ONE_PPM;
	f->e = lg_price_choose(f->img, first, w, w->tier);
	if (f->e || !w->tier.len)
		return f->e != NULL;
	return memchr(w->tier.p, '+', w->tier.len) &&
	       choose_stacked(f, first, w);
}

/* Do pictures of this model cost by the piece? Then the class matters. */
static bool counts_pieces(const struct lg_img_price *e)
{
	return e->rate[LG_BUCKET_IMAGES] >= 0;
}

/* The model's price list of that variant, where it has one. */
static void choose_variant(struct found *f, uint32_t *first,
			   const struct lg_price_want *w)
{
	const struct lg_img_price *e = lg_price_entries(f->img) + *first;
	struct lg_price_key k;
	uint32_t at;

	if (!w->variant.len)
		return;
	if (lg_price_key_make(&k, lg_img_text(f->img, e->provider),
			      lg_img_text(f->img, e->model)) &&
	    lg_price_key_vary(&k, w->variant) &&
	    lg_price_find_exact(f->img, &k, &at))
		*first = at;
	else
		f->estimate |= counts_pieces(e);
}

static bool find_group(struct found *f, const struct lg_price_key *k,
		       uint32_t *first)
{
	f->estimate = false;
	f->how = LG_PRICE_EXACT_NAME;
	if (lg_price_find_exact(f->img, k, first))
		return true;
	f->how = LG_PRICE_MATCH_RULE;
	return lg_price_find_rule(f->img, k, first);
}

static void tell(const struct lg_price_want *w, const struct source *s,
		 struct lg_slice name, const struct found *f, bool no_tier)
{
	struct lg_price_step step = {
		.kind = LG_STEP_NAME,
		.provider = s->provider,
		.name = name,
		.img = f->img,
		.entry = f->e,
		.how = f->how,
		.no_tier = no_tier,
	};

	if (w->trace)
		w->trace->step(w->trace, &step);
}

/*
 * One provider, one spelling of the name, all images in order. An image that
 * knows the model without the tier is remembered: a later one may have it.
 */
static bool find_named(const struct lg_catalog *c, const struct source *s,
		       struct lg_slice name, const struct lg_price_want *w,
		       struct lg_slice place, struct lg_price *out)
{
	struct found f, standard = {0};
	struct lg_price_want plain = *w;
	struct lg_price_key k;
	uint32_t first;

	plain.tier.len = 0;
	if (!lg_price_key_make(&k, s->provider, name))
		return false;
	for (unsigned i = 0; i < c->n && i < LG_PRICE_IMAGES_MAX; i++) {
		f.img = c->img[i];
		f.e = NULL;
		if (!find_group(&f, &k, &first)) {
			tell(w, s, name, &f, false);
			continue;
		}
		choose_variant(&f, &first, w);
		if (choose(&f, first, w)) {
			tell(w, s, name, &f, false);
			fill(out, &f, s, place);
			return true;
		}
		tell(w, s, name, &f, true);
		if (w->tier.len && !standard.e && choose(&f, first, &plain))
			standard = f;
	}
	if (!standard.e)
		return false;
	fill(out, &standard, s, place);
	out->tier_missing = !standard.e->unpriced;
	return true;
}

/* The fallbacks of one provider join the list of those to ask. */
static void add_fallbacks(const struct lg_catalog *c, struct source *s,
			  unsigned *n, struct lg_slice provider)
{
	struct lg_price_key k;

	if (!lg_price_key_make(&k, provider, LG_SLICE("?")))
		return;
	for (unsigned i = 0; i < c->n && i < LG_PRICE_IMAGES_MAX; i++) {
		const struct lg_image *img = c->img[i];
		const struct lg_img_provider *v = lg_price_provider(img, &k);
		const struct lg_img_fallback *b;

		if (!v || !v->fallbacks.n)
			continue;
		b = LG_IMG_ARRAY(img, v->fallbacks, struct lg_img_fallback);
		for (uint32_t m = 0; m < v->fallbacks.n; m++)
			if (*n < PROVIDERS_MAX)
				s[(*n)++] = (struct source){
					lg_img_text(img, b[m].id), img,
					b[m].geo, b[m].geo_own, b[m].estimate};
		return;
	}
}

/* Those to ask beside the provider itself; its own come first. */
static unsigned list_fallbacks(const struct lg_catalog *c,
			       struct lg_slice provider,
			       struct source s[PROVIDERS_MAX])
{
	unsigned n = 0;

	add_fallbacks(c, s, &n, provider);
	for (unsigned i = 0; i < n; i++)
		add_fallbacks(c, s, &n, s[i].provider);
	return n;
}

unsigned lg_price_asked(const struct lg_catalog *c, struct lg_slice provider,
			struct lg_slice out[LG_PRICE_PROVIDERS_MAX])
{
	struct source s[PROVIDERS_MAX];
	unsigned n = list_fallbacks(c, provider, s);

	out[0] = provider;
	for (unsigned i = 0; i < n; i++)
		out[i + 1] = s[i].provider;
	return n + 1;
}

static bool find_elsewhere(const struct lg_catalog *c, const struct source *s,
			   unsigned n, struct lg_slice name,
			   const struct lg_price_want *w, struct lg_slice place,
			   struct lg_price *out)
{
	for (unsigned i = 0; i < n; i++)
		if (find_named(c, &s[i], name, w, place, out))
			return true;
	return false;
}

/* The name is not as the catalog spells it. */
static bool find_spelled(const struct lg_catalog *c, const struct source *own,
			 struct lg_slice model, const struct lg_price_want *w,
			 struct lg_price *out)
{
	struct lg_spelling as[LG_SPELLINGS_MAX];
	struct source s[PROVIDERS_MAX];
	unsigned n = list_fallbacks(c, own->provider, s);
	unsigned ways;

	if (find_elsewhere(c, s, n, model, w, w->geo, out))
		return true;
	ways = lg_price_spell(model, as);
	for (unsigned i = 0; i < ways; i++) {
		struct lg_slice place = w->geo.len ? w->geo : as[i].place;

		if (!find_named(c, own, as[i].name, w, place, out) &&
		    !find_elsewhere(c, s, n, as[i].name, w, place, out))
			continue;
		if (as[i].guess) {
			out->how = LG_PRICE_MATCH_RULE;
			out->estimate = true;
		}
		return true;
	}
	return false;
}

bool lg_price_find(const struct lg_catalog *c, struct lg_slice provider,
		   struct lg_slice model, const struct lg_price_want *w,
		   struct lg_price *out)
{
	struct source own = {.provider = provider};
	struct lg_slice base;

	if (find_named(c, &own, model, w, w->geo, out) ||
	    find_spelled(c, &own, model, w, out))
		return true;
	if (!lg_price_spell_tuned(model, &base) ||
	    !lg_price_find_tuned(c, provider, base, w, out))
		return false;
	out->how = LG_PRICE_MATCH_RULE;
	return true;
}

/* The provider's own rates for fine-tuned models, where it has one for all. */
static bool apply_premium(const struct lg_catalog *c, struct lg_slice provider,
			  struct lg_price *out)
{
	struct lg_price_key k;
	bool any = false;

	if (!lg_price_key_make(&k, provider, LG_SLICE("?")))
		return false;
	for (unsigned i = 0; i < c->n && i < LG_PRICE_IMAGES_MAX && !any; i++) {
		const struct lg_img_provider *v =
			lg_price_provider(c->img[i], &k);

		for (unsigned b = 0; v && b < LG_BUCKETS; b++) {
			if (v->fine_tuned_rate[b] < 0)
				continue;
			out->rate[b] = v->fine_tuned_rate[b];
			out->ntiers = 0;
			any = true;
		}
	}
	return any;
}

bool lg_price_find_tuned(const struct lg_catalog *c, struct lg_slice provider,
			 struct lg_slice model, const struct lg_price_want *w,
			 struct lg_price *out)
{
	static const char tuned[] = "fine-tuned";
	struct lg_price_want v = *w;
	struct lg_catalog rest = *c;
	struct lg_price other;

	v.variant = lg_slice_str(tuned);
	if (!lg_price_find(c, provider, model, &v, out))
		return false;
	if (lg_slice_eq(lg_img_text(out->img, out->entry->variant),
			v.variant) ||
	    apply_premium(c, provider, out))
		return true;
	/* A price of the model itself does not hide what others know. */
	if (!rest.n--)
		return false;
	memmove(rest.img, rest.img + 1, rest.n * sizeof(rest.img[0]));
	other = *out;
	if (!lg_price_find_tuned(&rest, provider, model, w, &other))
		return false;
	*out = other;
	return true;
}
