#include "price/price.h"

#include <string.h>

#include "price/match.h"
#include "price/rate.h"

#define FALLBACKS_MAX 3
#define TIER_MAX_LEN 31

static void fill(struct lg_price *out, const struct lg_image *img,
		 const struct lg_img_price *e, enum lg_price_how how)
{
	out->img = img;
	out->entry = e;
	out->how = how;
	out->estimate = e->estimate;
	out->context_window = e->context_window;
	out->max_output_tokens = e->max_output_tokens;
	memcpy(out->rate, e->rate, sizeof(out->rate));
	out->tiers = LG_IMG_ARRAY(img, e->tiers, struct lg_img_tier);
	out->ntiers = e->tiers.n;
}

/*
 * One provider, one spelling of the name, all images in order. An image that
 * knows the model without the tier is remembered: a later one may have it.
 */
static bool find_named(const struct lg_catalog *c, struct lg_slice provider,
		       struct lg_slice name, const struct lg_price_want *w,
		       struct lg_price *out)
{
	const struct lg_img_price *e, *standard = NULL;
	const struct lg_image *where = NULL;
	enum lg_price_how how, standard_how = LG_PRICE_EXACT_NAME;
	struct lg_slice none = {"", 0};
	struct lg_price_key k;
	uint32_t first;

	if (!lg_price_key_make(&k, provider, name))
		return false;
	for (unsigned i = 0; i < c->n && i < LG_PRICE_IMAGES_MAX; i++) {
		const struct lg_image *img = c->img[i];

		how = LG_PRICE_EXACT_NAME;
		if (!lg_price_find_exact(img, &k, &first)) {
			how = LG_PRICE_MATCH_RULE;
			if (!lg_price_find_rule(img, &k, &first))
				continue;
		}
		e = lg_price_choose(img, first, w, w->tier);
		if (e) {
			fill(out, img, e, how);
			return true;
		}
		e = w->tier.len && !standard
			    ? lg_price_choose(img, first, w, none)
			    : NULL;
		if (e) {
			standard = e;
			standard_how = how;
			where = img;
		}
	}
	if (standard) {
		fill(out, where, standard, standard_how);
		out->tier_missing = true;
	}
	return standard != NULL;
}

static bool all_digits(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return true;
}

/* Without "-2026-03-05", "-20260305" or "@20260305" at its end. */
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
		if ((p[0] == '-' || p[0] == '@') && all_digits(p + 1, 8)) {
			s->len -= 9;
			return true;
		}
	}
	return false;
}

static struct lg_slice after_slash(struct lg_slice s)
{
	for (size_t i = s.len; i-- > 0;)
		if (s.p[i] == '/')
			return (struct lg_slice){s.p + i + 1, s.len - i - 1};
	return s;
}

static struct lg_slice fallback_of(const struct lg_catalog *c,
				   struct lg_slice provider)
{
	for (unsigned i = 0; i < c->n && i < LG_PRICE_IMAGES_MAX; i++) {
		const struct lg_image *img = c->img[i];
		const struct lg_img_provider *v = LG_IMG_ARRAY(
			img, img->providers, struct lg_img_provider);

		for (uint32_t k = 0; k < img->providers.n; k++)
			if (v[k].fallback.off &&
			    lg_slice_ieq(lg_img_text(img, v[k].id), provider))
				return lg_img_text(img, v[k].fallback);
	}
	return (struct lg_slice){"", 0};
}

/* The provider and those that it names, each asked for this spelling. */
static bool find_spelled(const struct lg_catalog *c, struct lg_slice provider,
			 struct lg_slice name, const struct lg_price_want *w,
			 struct lg_price *out)
{
	for (unsigned i = 0; i < FALLBACKS_MAX && provider.len; i++) {
		if (find_named(c, provider, name, w, out))
			return true;
		provider = fallback_of(c, provider);
	}
	return false;
}

static bool find_model(const struct lg_catalog *c, struct lg_slice provider,
		       struct lg_slice model, const struct lg_price_want *w,
		       struct lg_price *out)
{
	struct lg_slice last = after_slash(model);

	if (find_spelled(c, provider, model, w, out))
		return true;
	if (last.len != model.len && find_spelled(c, provider, last, w, out))
		return true;
	if (!strip_date(&last) || !find_spelled(c, provider, last, w, out))
		return false;
	/* A dated snapshot that no list names: most likely the model's price.
	 */
	out->how = LG_PRICE_MATCH_RULE;
	out->estimate = true;
	return true;
}

static const struct lg_img_rule *find_config_rule(
	const struct lg_catalog *c, const struct lg_price_query *q,
	const struct lg_image **where)
{
	for (unsigned i = 0; i < c->n && i < LG_PRICE_IMAGES_MAX; i++) {
		const struct lg_image *img = c->img[i];
		const struct lg_img_rule *r =
			LG_IMG_ARRAY(img, img->rules, struct lg_img_rule);

		for (uint32_t k = 0; k < img->rules.n; k++) {
			if (!lg_slice_glob(q->model,
					   lg_img_text(img, r[k].match)))
				continue;
			if (r[k].host.off &&
			    !lg_slice_glob(q->host,
					   lg_img_text(img, r[k].host)))
				continue;
			*where = img;
			return &r[k];
		}
	}
	return NULL;
}

static void set_free(struct lg_price *out)
{
	out->how = LG_PRICE_FREE;
	memset(out->rate, 0, sizeof(out->rate));
}

/* The provider's own rates for fine-tuned models, where it has one for all. */
static void apply_premium(const struct lg_catalog *c, struct lg_slice provider,
			  struct lg_price *out)
{
	for (unsigned i = 0; i < c->n && i < LG_PRICE_IMAGES_MAX; i++) {
		const struct lg_image *img = c->img[i];
		const struct lg_img_provider *v = LG_IMG_ARRAY(
			img, img->providers, struct lg_img_provider);

		for (uint32_t k = 0; k < img->providers.n; k++) {
			if (!lg_slice_ieq(lg_img_text(img, v[k].id), provider))
				continue;
			for (unsigned b = 0; b < LG_BUCKETS; b++) {
				if (v[k].fine_tuned_rate[b] < 0)
					continue;
				out->rate[b] = v[k].fine_tuned_rate[b];
				out->ntiers = 0;
			}
			return;
		}
	}
}

/* "openai/gpt-4o" of fine-tuned models is "openai/gpt-4o:fine-tuned". */
static bool find_tuned(const struct lg_catalog *c, struct lg_slice provider,
		       struct lg_slice model, const struct lg_price_want *w,
		       struct lg_price *out)
{
	static const char variant[] = ":fine-tuned";
	char name[LG_PRICE_NAME_MAX];
	struct lg_slice full = {name, model.len + sizeof(variant) - 1};

	if (full.len > sizeof(name))
		return false;
	memcpy(name, model.p, model.len);
	memcpy(name + model.len, variant, sizeof(variant) - 1);
	return find_named(c, provider, full, w, out);
}

static bool apply_rule(const struct lg_catalog *c,
		       const struct lg_price_query *q, struct lg_price_want *w,
		       struct lg_price *out)
{
	const struct lg_image *img;
	const struct lg_img_rule *r = find_config_rule(c, q, &img);
	struct lg_slice provider = q->provider, model = q->model, id;
	bool found = false;

	if (!r)
		return false;
	if (r->free) {
		set_free(out);
		return true;
	}
	if (r->price_version.off)
		w->version = lg_img_text(img, r->price_version);
	if (r->pricing_id.off) {
		id = lg_img_text(img, r->pricing_id);
		model = lg_slice_cut(id, '/', &provider);
	}
	if (r->fine_tuned)
		found = find_tuned(c, provider, model, w, out);
	if (!found && find_model(c, provider, model, w, out)) {
		found = true;
		if (r->fine_tuned)
			apply_premium(c, provider, out);
	}
	if (found && (r->pricing_id.off || r->fine_tuned))
		out->how = LG_PRICE_MODEL_RULE;
	return found;
}

static void raise_all(int64_t *max, const int64_t *rate)
{
	for (unsigned b = 0; b < LG_BUCKETS; b++)
		max[b] = rate[b] > max[b] ? rate[b] : max[b];
}

static void raise_rates(struct lg_price *out, const struct lg_image *img,
			const struct lg_img_price *e)
{
	const struct lg_img_tier *t =
		LG_IMG_ARRAY(img, e->tiers, struct lg_img_tier);

	raise_all(out->rate, e->rate);
	for (uint32_t i = 0; i < e->tiers.n; i++)
		raise_all(out->rate, t[i].rate);
	if (e->context_window > out->context_window)
		out->context_window = e->context_window;
	if (e->max_output_tokens > out->max_output_tokens)
		out->max_output_tokens = e->max_output_tokens;
}

static bool counts_for_ceiling(const struct lg_image *img,
			       const struct lg_img_price *e,
			       struct lg_slice provider,
			       const struct lg_price_want *w)
{
	if (e->provider.len != provider.len || !lg_price_in_force(e, w))
		return false;
	if (e->tier.len && !lg_slice_eq(lg_img_text(img, e->tier), w->tier))
		return false;
	return lg_slice_ieq(lg_img_text(img, e->provider), provider);
}

/* The dearest rate of each bucket among all that is in force. */
static bool find_ceiling(const struct lg_catalog *c, struct lg_slice provider,
			 const struct lg_price_want *w, struct lg_price *out)
{
	bool found = false;

	for (unsigned i = 0; i < c->n && i < LG_PRICE_IMAGES_MAX; i++) {
		const struct lg_image *img = c->img[i];
		const struct lg_img_price *e = lg_price_entries(img);

		for (uint32_t k = 0; k < img->prices.n; k++) {
			if (!counts_for_ceiling(img, &e[k], provider, w))
				continue;
			raise_rates(out, img, &e[k]);
			found = true;
		}
	}
	lg_rate_lift(out->rate);
	return found;
}

static void set_unknown(struct lg_price *out)
{
	memset(out, 0, sizeof(*out));
	out->how = LG_PRICE_UNKNOWN;
	for (unsigned b = 0; b < LG_BUCKETS; b++)
		out->rate[b] = LG_RATE_ABSENT;
}

static struct lg_slice tier_name(struct lg_slice s, char *buf)
{
	static const char *const standard[] = {"standard", "default", "auto"};
	struct lg_slice t = {buf, s.len};

	if (s.len > TIER_MAX_LEN)
		return s;
	for (size_t i = 0; i < s.len; i++)
		buf[i] = lg_price_low(s.p[i]);
	for (unsigned i = 0; i < 3; i++)
		if (lg_slice_eq(t, lg_slice_str(standard[i])))
			t.len = 0;
	return t;
}

static unsigned minute_of_day(int64_t ms)
{
	int64_t minute = ms / 60000 % 1440;

	return (unsigned)(minute < 0 ? minute + 1440 : minute);
}

void lg_price_lookup(const struct lg_catalog *c, const struct lg_price_query *q,
		     struct lg_price *out)
{
	char tier[TIER_MAX_LEN + 1];
	struct lg_price_want w = {
		.tier = tier_name(q->tier, tier),
		.version = q->version,
		.at_ms = q->at_ms,
		.minute = minute_of_day(q->at_ms),
	};

	set_unknown(out);
	if (lg_slice_eq(w.version, LG_SLICE("latest")))
		w.version.len = 0;
	if (apply_rule(c, q, &w, out) ||
	    find_model(c, q->provider, q->model, &w, out))
		return;
	if (find_ceiling(c, q->provider, &w, out) ||
	    find_ceiling(c, q->ceiling_provider, &w, out))
		out->how = LG_PRICE_CEILING;
}

const char *lg_price_how_name(enum lg_price_how how)
{
	static const char *const names[] = {
		[LG_PRICE_EXACT_NAME] = "exact name",
		[LG_PRICE_MATCH_RULE] = "match rule",
		[LG_PRICE_MODEL_RULE] = "models: rule",
		[LG_PRICE_FREE] = "models: rule (free)",
		[LG_PRICE_CEILING] = "unknown model, dearest known price",
		[LG_PRICE_UNKNOWN] = "unknown",
	};

	return (unsigned)how < sizeof(names) / sizeof(names[0]) ? names[how]
								: "unknown";
}
