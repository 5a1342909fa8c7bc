#include "price/price.h"

#include <string.h>

#include "price/find.h"
#include "price/match.h"
#include "price/rate.h"

#define ONE_PPM 1000000u
#define TIER_MAX_LEN 47

/* It says of what phase a call is, and nothing of its price. */
static bool is_phase_only(const struct lg_img_rule *r)
{
	return r->phase && !r->free && !r->fine_tuned && !r->pricing_id.off &&
	       !r->price_version.off;
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
			if (is_phase_only(&r[k]))
				continue;
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
	memset(out, 0, sizeof(*out));
	out->how = LG_PRICE_FREE;
}

static void tell(const struct lg_price_want *w, enum lg_price_step_kind kind,
		 struct lg_slice provider, struct lg_slice name,
		 const struct lg_image *img, enum lg_price_how how)
{
	struct lg_price_step step = {
		.kind = kind,
		.provider = provider,
		.name = name,
		.img = img,
		.how = how,
	};

	if (w->trace)
		w->trace->step(w->trace, &step);
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
	tell(w, LG_STEP_RULE, q->provider, lg_img_text(img, r->match), img,
	     r->free ? LG_PRICE_FREE : LG_PRICE_MODEL_RULE);
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
		found = lg_price_find_tuned(c, provider, model, w, out);
	if (!found)
		found = lg_price_find(c, provider, model, w, out);
	if (found && (r->pricing_id.off || r->fine_tuned))
		out->how = LG_PRICE_MODEL_RULE;
	return found;
}

/* What the bucket costs in a place that has a price of its own; up. */
static int64_t scaled(int64_t rate, unsigned b, uint32_t ppm)
{
	if (rate < 0 || ppm == ONE_PPM || b >= LG_BUCKET_UNITS)
		return rate;
	return (int64_t)(((unsigned __int128)rate * ppm + ONE_PPM - 1) /
			 ONE_PPM);
}

static void raise_all(int64_t *max, const int64_t *rate, uint32_t ppm)
{
	for (unsigned b = 0; b < LG_BUCKETS; b++) {
		int64_t r = scaled(rate[b], b, ppm);

		max[b] = r > max[b] ? r : max[b];
	}
}

static void raise_rates(struct lg_price *out, const struct lg_image *img,
			const struct lg_img_price *e, uint32_t ppm)
{
	const struct lg_img_tier *t =
		LG_IMG_ARRAY(img, e->tiers, struct lg_img_tier);

	raise_all(out->rate, e->rate, ppm);
	for (uint32_t i = 0; i < e->tiers.n; i++)
		raise_all(out->rate, t[i].rate, ppm);
	if (e->context_window > out->context_window)
		out->context_window = e->context_window;
	if (e->max_output_tokens > out->max_output_tokens)
		out->max_output_tokens = e->max_output_tokens;
}

static bool counts_for_ceiling(const struct lg_image *img,
			       const struct lg_img_price *e,
			       const struct lg_price_want *w)
{
	if (e->unpriced || !lg_price_in_force(e, w))
		return false;
	return !e->tier.len || lg_slice_eq(lg_img_text(img, e->tier), w->tier);
}

/* The dearest rate of each bucket among all that is in force. */
static bool raise_provider(const struct lg_catalog *c, struct lg_slice provider,
			   const struct lg_price_want *w, struct lg_price *out)
{
	struct lg_price_key k;
	bool found = false;

	if (!lg_price_key_make(&k, provider, LG_SLICE("?")))
		return false;
	for (unsigned i = 0; i < c->n && i < LG_PRICE_IMAGES_MAX; i++) {
		const struct lg_image *img = c->img[i];
		const struct lg_img_provider *v = lg_price_provider(img, &k);
		const struct lg_img_price *e = lg_price_entries(img);

		for (uint32_t n = 0; v && n < v->nprices; n++) {
			const struct lg_img_price *one = &e[v->price + n];

			if (!counts_for_ceiling(img, one, w))
				continue;
			raise_rates(out, img, one,
				    lg_price_geo(img, one->geo, w->geo));
			found = true;
		}
	}
	return found;
}

static bool find_ceiling(const struct lg_catalog *c, struct lg_slice provider,
			 const struct lg_price_want *w, struct lg_price *out)
{
	struct lg_slice asked[LG_PRICE_PROVIDERS_MAX];
	unsigned n = lg_price_asked(c, provider, asked);
	bool found = false;

	for (unsigned i = 0; i < n; i++)
		found |= raise_provider(c, asked[i], w, out);
	lg_rate_lift(out->rate);
	tell(w, LG_STEP_CEILING, provider, (struct lg_slice){"", 0}, NULL,
	     found ? LG_PRICE_CEILING : LG_PRICE_UNKNOWN);
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
	static const char *const standard[] = {"standard", "default", "auto",
					       "on_demand"};
	struct lg_slice t = {buf, s.len};

	if (s.len > TIER_MAX_LEN)
		return s;
	for (size_t i = 0; i < s.len; i++)
		buf[i] = lg_price_low(s.p[i]);
	for (unsigned i = 0; i < sizeof(standard) / sizeof(standard[0]); i++)
		if (lg_slice_eq(t, lg_slice_str(standard[i])))
			t.len = 0;
	return t;
}

static unsigned minute_of_day(int64_t ms)
{
	int64_t minute = ms / 60000 % 1440;

	return (unsigned)(minute < 0 ? minute + 1440 : minute);
}

/* The name is listed, its price is not: its own bounds are worth more. */
static void keep_bounds(struct lg_price *out, uint64_t window, uint64_t most)
{
	if (window)
		out->context_window = window;
	if (most)
		out->max_output_tokens = most;
}

void lg_price_lookup(const struct lg_catalog *c, const struct lg_price_query *q,
		     struct lg_price *out)
{
	char tier[TIER_MAX_LEN + 1];
	struct lg_price_want w = {
		.tier = tier_name(q->tier, tier),
		.version = q->version,
		.geo = q->geo,
		.variant = q->variant,
		.at_ms = q->at_ms,
		.minute = minute_of_day(q->at_ms),
		.trace = q->trace,
	};
	uint64_t window = 0, most = 0;

	if (lg_slice_eq(w.version, LG_SLICE("latest")))
		w.version.len = 0;
	if (apply_rule(c, q, &w, out) ||
	    lg_price_find(c, q->provider, q->model, &w, out)) {
		if (!out->entry || !out->entry->unpriced)
			return;
		window = out->context_window;
		most = out->max_output_tokens;
	}
	set_unknown(out);
	if (q->own) {
		set_free(out);
		return;
	}
	if (find_ceiling(c, q->provider, &w, out) ||
	    find_ceiling(c, q->ceiling_provider, &w, out))
		out->how = LG_PRICE_CEILING;
	keep_bounds(out, window, most);
}

const char *lg_price_how_name(enum lg_price_how how)
{
	static const char *const names[] = {
		[LG_PRICE_EXACT_NAME] = "exact name",
		[LG_PRICE_MATCH_RULE] = "match rule",
		[LG_PRICE_MODEL_RULE] = "models: rule",
		[LG_PRICE_FREE] = "free",
		[LG_PRICE_CEILING] = "unknown model, dearest known price",
		[LG_PRICE_UNKNOWN] = "unknown",
	};

	return (unsigned)how < sizeof(names) / sizeof(names[0]) ? names[how]
								: "unknown";
}
