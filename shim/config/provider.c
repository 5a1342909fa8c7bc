#include "config/conf.h"

#include <errno.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

int lg_conf_id(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_slice s;
	int err = lg_conf_text(c, v, LG_CONF_NAME_MAX - 1, &s);

	if (err)
		return err;
	for (size_t i = 0; i < s.len; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') ||
		      (s.p[i] >= '0' && s.p[i] <= '9') ||
		      memchr("._-", s.p[i], 3)))
			return lg_conf_fail(c, v,
					    "allowed: small letters, "
					    "digits, . _ -");
	*(struct lg_img_ref *)dst = lg_build_text(&c->b, s);
	return 0;
}

static int read_service(struct lg_conf *c, const struct lg_yaml *v,
			struct lg_conf_service *s)
{
	const struct lg_yaml *kid;
	struct lg_yaml name = *v;
	int err;

	name.kind = LG_YAML_SCALAR;
	name.text = v->key;
	err = lg_conf_id(c, &name, &s->tier);
	if (err)
		return err;
	if (lg_slice_eq(v->key, LG_SLICE("standard")) ||
	    lg_slice_eq(v->key, LG_SLICE("default")))
		return lg_conf_fail(c, v,
				    "the standard tier is the entry "
				    "itself");
	s->ppm = 0;
	lg_conf_rates_clear(s->rate);
	if (v->kind == LG_YAML_SCALAR)
		return lg_conf_factor(c, v, &s->ppm);
	if (v->kind != LG_YAML_MAP)
		return lg_conf_fail(c, v,
				    "allowed: a factor, or a map of "
				    "rates");
	for (kid = v->child; kid; kid = kid->next) {
		err = lg_conf_rate(c, kid, s->rate);
		if (!err)
			err = lg_conf_fail(c, kid, "no such rate");
		if (err < 0)
			return err;
	}
	return 0;
}

int lg_conf_services(struct lg_conf *c, const struct lg_yaml *map,
		     struct lg_conf_service *s, unsigned *n)
{
	const struct lg_yaml *v;
	int err = 0;

	if (map->kind != LG_YAML_MAP || map->n > LG_CONF_SERVICES_MAX)
		return lg_conf_fail(c, map,
				    "must be a map of at most 6 tiers, "
				    "like {batch: 0.5}");
	for (v = map->child; v && !err; v = v->next)
		err = read_service(c, v, &s[(*n)++]);
	return err;
}

struct lg_conf_provider *lg_conf_provider_get(struct lg_conf_prices *p,
					      struct lg_img_ref id)
{
	struct lg_conf_provider *v;

	for (unsigned i = p->nproviders; i-- > 0;)
		if (p->provider[i].img.id.off == id.off)
			return &p->provider[i];
	if (p->nproviders == LG_CONF_PROVIDERS_MAX)
		return NULL;
	v = &p->provider[p->nproviders++];
	v->img.id = id;
	lg_conf_rates_clear(v->img.fine_tuned_rate);
	lg_conf_rates_clear(v->fee);
	return v;
}

static int read_fallback(struct lg_conf *c, const struct lg_yaml *v,
			 struct lg_img_fallback *f)
{
	static const struct lg_conf_key keys[] = {
		{"provider", lg_conf_id, offsetof(struct lg_img_fallback, id)},
		{"geo", lg_conf_geo, offsetof(struct lg_img_fallback, geo)},
		{"estimate", lg_conf_bool,
		 offsetof(struct lg_img_fallback, estimate)},
	};
	uint32_t set = 0;
	int err;

	if (v->kind == LG_YAML_SCALAR)
		return lg_conf_id(c, v, &f->id);
	err = lg_conf_map(c, v, keys, N(keys), f, &set);
	if (!err && !(set & 1))
		return lg_conf_fail(c, v, "needs provider: ID");
	f->geo_own = set >> 1 & 1;
	return err;
}

/* One id, or a list of ids and maps {provider, geo}. */
static int read_fallbacks(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_img_fallback f[LG_CONF_FALLBACKS_MAX] = {0};
	struct lg_conf_provider *p = dst;
	const struct lg_yaml *kid;
	unsigned n = 0;
	int err = 0;

	if (v->kind == LG_YAML_LIST && v->n > LG_CONF_FALLBACKS_MAX)
		return lg_conf_fail(c, v, "more than 16 providers");
	if (v->kind != LG_YAML_LIST)
		err = read_fallback(c, v, &f[n++]);
	else
		for (kid = v->child; kid && !err; kid = kid->next)
			err = read_fallback(c, kid, &f[n++]);
	p->img.fallbacks = lg_build_array(&c->b, f, n, sizeof(f[0]));
	return err;
}

static int read_defaults(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_conf_provider *p = dst;

	p->nservices = 0;
	return lg_conf_services(c, v, p->service, &p->nservices);
}

/* Told to whoever reads the file. */
static int read_notes(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_slice s;

	(void)dst;
	return lg_conf_text(c, v, 1024, &s);
}

/* What was given takes the place of what another file said. */
static void take_rates(int64_t *dst, const int64_t *given)
{
	for (unsigned b = 0; b < LG_BUCKETS; b++)
		if (given[b] != LG_RATE_ABSENT)
			dst[b] = given[b];
}

/* One key: a premium for fine-tuned models, a fee, or a key of the table. */
static int read_provider_key(struct lg_conf *c, const struct lg_yaml *v,
			     struct lg_conf_provider *p, int64_t *tuned,
			     int64_t *fee)
{
#define AT(f) offsetof(struct lg_conf_provider, f)
	static const struct lg_conf_key keys[] = {
		{"provider", lg_conf_id, AT(img.id)},
		{"fallback", read_fallbacks, 0},
		{"geo", lg_conf_geo, AT(geo)},
		{"service_tiers", read_defaults, 0},
		{"notes", read_notes, 0},
		{"about", lg_conf_about, 0},
	};
#undef AT
	static const char head[] = "fine_tuned_";
	const size_t skip = sizeof(head) - 1;
	struct lg_yaml rate = *v;
	int err;

	if (lg_slice_starts(v->key, lg_slice_str(head))) {
		rate.key.p += skip;
		rate.key.len -= skip;
		err = lg_conf_rate(c, &rate, tuned);
	} else {
		err = lg_conf_rate(c, v, fee);
	}
	return err ? err : lg_conf_one(c, v, keys, N(keys), p, NULL);
}

int lg_conf_provider_read(struct lg_conf *c, const struct lg_yaml *map,
			  struct lg_img_ref id)
{
	int64_t tuned[LG_BUCKETS], fee[LG_BUCKETS];
	struct lg_conf_provider *p;
	const struct lg_yaml *v;
	int err = 0;

	if (map->kind != LG_YAML_MAP)
		return lg_conf_fail(c, map, "must be a map");
	for (v = map->child; v && !err; v = v->next)
		if (lg_slice_eq(v->key, LG_SLICE("provider")))
			err = lg_conf_id(c, v, &id);
	p = err || !id.off ? NULL : lg_conf_provider_get(c->prices, id);
	if (!p)
		return err ? err
			   : lg_conf_fail(c, map,
					  "needs provider: ID (at most 256)");
	lg_conf_rates_clear(tuned);
	lg_conf_rates_clear(fee);
	for (v = map->child; v && err >= 0; v = v->next)
		err = read_provider_key(c, v, p, tuned, fee);
	take_rates(p->img.fine_tuned_rate, tuned);
	take_rates(p->fee, fee);
	return err < 0 ? err : 0;
}
