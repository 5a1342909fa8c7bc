#include "config/conf.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define TOKENS_MAX UINT64_C(1000000000)
#define N(a) (sizeof(a) / sizeof((a)[0]))

/* What is gathered of one entry; too large for the stack. */
struct entry {
	struct lg_img_price p;
	struct lg_img_ref operator;
	struct lg_img_tier tier[LG_CONF_TIERS_MAX];
	unsigned ntiers;
	struct lg_conf_service service[LG_CONF_SERVICES_MAX];
	unsigned nservices;
	const struct lg_yaml *match;
	uint32_t line;
};

/* One catalog file: what stands above its entries. */
struct catalog {
	struct lg_img_ref provider, price_version, source;
	const struct lg_yaml *providers, *prices;
	uint32_t ignored;
};

static int read_format(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	(void)dst;
	if (v->kind != LG_YAML_SCALAR || !lg_slice_eq(v->text, LG_SLICE("1")))
		return lg_conf_fail(c, v, "this llmguard reads catalog 1");
	return 0;
}

static int read_node(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	if (v->kind != LG_YAML_LIST)
		return lg_conf_fail(c, v, "must be a list");
	*(const struct lg_yaml **)dst = v;
	return 0;
}

static int read_model(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_slice s;
	int err = lg_conf_text(c, v, LG_CONF_NAME_MAX - 1, &s);

	if (!err)
		*(struct lg_img_ref *)dst = lg_build_text(&c->b, s);
	return err;
}

static int read_tokens(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	return lg_conf_u64(c, v, TOKENS_MAX, dst);
}

static int read_minute(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_slice h, m;
	uint64_t hh, mm;

	if (v->kind == LG_YAML_SCALAR) {
		m = lg_slice_cut(v->text, ':', &h);
		if (h.len == 2 && m.len == 2 && !lg_slice_u64(h, &hh) &&
		    !lg_slice_u64(m, &mm) && hh < 24 && mm < 60) {
			*(uint16_t *)dst = (uint16_t)(hh * 60 + mm);
			return 0;
		}
	}
	return lg_conf_fail(c, v, "allowed: \"HH:MM\" in UTC, in quotes");
}

#define AT(f) offsetof(struct lg_img_price, f)
static int read_tod(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	static const struct lg_conf_key keys[] = {
		{"from", read_minute, 0},
		{"to", read_minute, AT(tod_end_min) - AT(tod_start_min)},
	};
	uint32_t set = 0;
	int err = lg_conf_map(c, v, keys, N(keys), dst, &set);

	if (!err && set != 3)
		return lg_conf_fail(c, v, "needs from and to");
	return err;
}

static int read_tier(struct lg_conf *c, const struct lg_yaml *v,
		     struct lg_img_tier *t)
{
	static const struct lg_conf_key keys[] = {
		{"above_tokens", read_tokens,
		 offsetof(struct lg_img_tier, above_tokens)},
	};
	const struct lg_yaml *kid;
	int err = 0;

	lg_conf_rates_clear(t->rate);
	if (v->kind != LG_YAML_MAP)
		return lg_conf_fail(c, v, "must be a map");
	for (kid = v->child; kid && err >= 0; kid = kid->next) {
		err = lg_conf_rate(c, kid, t->rate);
		if (!err)
			err = lg_conf_one(c, kid, keys, N(keys), t, NULL);
	}
	return err < 0 ? err : 0;
}

static int read_tiers(struct lg_conf *c, const struct lg_yaml *list, void *dst)
{
	struct entry *e = dst;
	const struct lg_yaml *v;
	int err = 0;

	if (list->kind != LG_YAML_LIST || list->n > LG_CONF_TIERS_MAX)
		return lg_conf_fail(c, list, "must be a list of at most 4");
	for (v = list->child; v && !err; v = v->next) {
		err = read_tier(c, v, &e->tier[e->ntiers]);
		if (!err && e->ntiers &&
		    e->tier[e->ntiers].above_tokens <=
			    e->tier[e->ntiers - 1].above_tokens)
			return lg_conf_fail(c, v, "above_tokens must rise");
		e->ntiers++;
	}
	return err;
}

static int read_entry_services(struct lg_conf *c, const struct lg_yaml *v,
			       void *dst)
{
	struct entry *e = dst;

	return lg_conf_services(c, v, e->service, &e->nservices);
}

static int read_geo(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_img_price *p = dst;

	p->geo_own = 1;
	return lg_conf_geo(c, v, &p->geo);
}

static int read_seconds(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	uint64_t n = 0;
	int err = lg_conf_u64(c, v, 86400, &n);

	*(uint32_t *)dst = (uint32_t)n;
	return err;
}

/* As an id, with the '/' of "hd/1024x1792". */
static int read_variant(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_slice s;
	int err = lg_conf_text(c, v, LG_CONF_NAME_MAX - 1, &s);

	for (size_t i = 0; i < s.len && !err; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') ||
		      (s.p[i] >= '0' && s.p[i] <= '9') ||
		      memchr("._-/", s.p[i], 4)))
			err = lg_conf_fail(c, v,
					   "allowed: small letters, digits, "
					   ". _ - /");
	if (!err)
		*(struct lg_img_ref *)dst = lg_build_text(&c->b, s);
	return err;
}

static int read_match(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct entry *e = dst;

	e->match = v;
	return lg_conf_match(c, v, &e->p.match);
}

static bool is_test(struct lg_slice s)
{
	static const char *const tests[] = {"equals",	 "starts_with",
					    "ends_with", "contains",
					    "glob",	 "pattern"};

	for (unsigned i = 0; i < N(tests); i++)
		if (lg_slice_eq(s, lg_slice_str(tests[i])))
			return true;
	return false;
}

/*
 * `operator: starts_with` gives a plain `match:` its meaning; any other text
 * says who entered the price.
 */
static int apply_operator(struct lg_conf *c, struct entry *e)
{
	struct lg_yaml kid, map = {.kind = LG_YAML_MAP, .n = 1};
	struct lg_slice s = lg_build_get(&c->b, e->operator);

	if (!is_test(s)) {
		e->p.operator= e->operator;
		return 0;
	}
	if (!e->match || e->match->kind != LG_YAML_SCALAR)
		return lg_conf_fail_at(c, e->line, LG_SLICE("operator"), s,
				       "needs match: TEXT");
	kid = *e->match;
	kid.key = s;
	kid.next = NULL;
	map.line = kid.line;
	map.child = &kid;
	return lg_conf_match(c, &map, &e->p.match);
}

static const struct lg_conf_key entry_keys[] = {
	{"provider", lg_conf_id, AT(provider)},
	{"model", read_model, AT(model)},
	{"match", read_match, 0},
	{"operator", lg_conf_ref, offsetof(struct entry, operator)},
	{"variant", read_variant, AT(variant)},
	{"id", lg_conf_ref, AT(pricing_id)},
	{"pricing_id", lg_conf_ref, AT(pricing_id)},
	{"price_version", lg_conf_ref, AT(price_version)},
	{"effective_at", lg_conf_time, AT(effective_at_ms)},
	{"expires_at", lg_conf_time, AT(expires_at_ms)},
	{"time_of_day", read_tod, AT(tod_start_min)},
	{"tier", lg_conf_id, AT(tier)},
	{"context_window", read_tokens, AT(context_window)},
	{"max_output_tokens", read_tokens, AT(max_output_tokens)},
	{"minimum_seconds", read_seconds, AT(min_seconds)},
	{"geo", read_geo, 0},
	{"tiers", read_tiers, 0},
	{"service_tiers", read_entry_services, 0},
	{"notes", lg_conf_ref, AT(notes)},
	{"estimate", lg_conf_bool, AT(estimate)},
	{"unpriced", lg_conf_bool, AT(unpriced)},
	{"added_at", lg_conf_time, AT(added_at_ms)},
	{"source", lg_conf_ref, AT(source)},
	{"about", lg_conf_about, 0},
};
#undef AT

static struct lg_img_ref lower(struct lg_conf *c, struct lg_img_ref provider,
			       struct lg_img_ref model,
			       struct lg_img_ref variant)
{
	char text[3 * LG_CONF_NAME_MAX];
	struct lg_buf b;
	struct lg_slice part[] = {lg_build_get(&c->b, provider),
				  lg_build_get(&c->b, model),
				  lg_build_get(&c->b, variant)};

	lg_buf_init_fixed(&b, text, sizeof(text));
	lg_buf_put(&b, part[0].p, part[0].len);
	lg_buf_putc(&b, '/');
	lg_buf_put(&b, part[1].p, part[1].len);
	if (part[2].len) {
		lg_buf_putc(&b, ':');
		lg_buf_put(&b, part[2].p, part[2].len);
	}
	for (size_t i = 0; i < b.len; i++)
		if (text[i] >= 'A' && text[i] <= 'Z')
			text[i] |= 0x20;
	return lg_build_text(&c->b, lg_buf_slice(&b));
}

/* Without a name of its own an entry is called as its pattern begins. */
static int name_entry(struct lg_conf *c, const struct lg_yaml *map,
		      struct entry *e)
{
	struct lg_slice s;

	if (!e->p.model.len && e->match && e->match->kind == LG_YAML_SCALAR) {
		s = e->match->text;
		while (s.len &&
		       (s.p[s.len - 1] == '*' || s.p[s.len - 1] == '-'))
			s.len--;
		while (s.len && s.p[0] == '*') {
			s.p++;
			s.len--;
		}
		e->p.model = lg_build_text(&c->b, s);
	}
	if (!e->p.model.len || !e->p.provider.len)
		return lg_conf_fail_at(c, map->line, LG_SLICE("prices"),
				       (struct lg_slice){NULL, 0},
				       "an entry needs provider and model");
	if (!e->p.pricing_id.len)
		e->p.pricing_id =
			lower(c, e->p.provider, e->p.model, e->p.variant);
	return 0;
}

static bool has_rate(const int64_t *rate)
{
	for (unsigned i = 0; i < LG_BUCKETS; i++)
		if (rate[i] >= 0)
			return true;
	return false;
}

static int fail_entry(struct lg_conf *c, const struct entry *e,
		      struct lg_slice key, const char *what)
{
	return lg_conf_fail_at(c, e->line, key, lg_build_get(&c->b, e->p.model),
			       what);
}

static int check_entry(struct lg_conf *c, struct entry *e)
{
	struct lg_slice tier = lg_build_get(&c->b, e->p.tier);
	bool any = has_rate(e->p.rate);

	if (!any && !e->p.unpriced)
		return fail_entry(c, e, LG_SLICE("prices"),
				  "an entry needs a rate, like input_per_1m (0 "
				  "where it is free), or unpriced: true");
	if (e->p.unpriced && (any || e->ntiers || e->nservices))
		return fail_entry(c, e, LG_SLICE("unpriced"),
				  "has a rate all the same");
	if (e->p.expires_at_ms <= e->p.effective_at_ms)
		return fail_entry(c, e, LG_SLICE("expires_at"),
				  "must be later than effective_at");
	if (lg_slice_eq(tier, LG_SLICE("standard")) ||
	    lg_slice_eq(tier, LG_SLICE("default")))
		e->p.tier = (struct lg_img_ref){0, 0};
	if (e->p.tier.len && e->nservices)
		return lg_conf_fail_at(c, e->line, LG_SLICE("service_tiers"),
				       tier, "belongs to the standard entry");
	return 0;
}

int lg_conf_price_add(struct lg_conf *c, const struct lg_img_price *e)
{
	struct lg_conf_prices *p = c->prices;
	uint32_t cap = p->cap ? p->cap * 2 : 64;
	struct lg_img_price *grown;

	if (p->n == LG_CONF_PRICES_MAX)
		return -EMSGSIZE;
	if (p->n == p->cap) {
		grown = lg_mem_grow(p->e, p->cap * sizeof(*grown),
				    cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		p->e = grown;
		p->cap = cap;
	}
	p->e[p->n++] = *e;
	return 0;
}

void lg_conf_price_serve(struct lg_conf *c, const struct lg_img_price *e,
			 const struct lg_conf_service *s,
			 struct lg_img_price *out)
{
	struct lg_img_tier t[LG_CONF_TIERS_MAX] = {0};
	uint32_t n = s->ppm ? e->tiers.n : 0;

	*out = *e;
	out->tier = s->tier;
	out->factor_ppm = s->ppm;
	for (unsigned i = 0; i < LG_BUCKET_UNITS; i++)
		out->rate[i] = s->ppm ? lg_conf_rate_scale(e->rate[i], s->ppm)
				      : s->rate[i];
	for (unsigned i = LG_BUCKET_UNITS; i < LG_BUCKETS; i++)
		if (s->rate[i] >= 0)
			out->rate[i] = s->rate[i];
	if (n)
		memcpy(t, c->b.out->p + e->tiers.off, n * sizeof(t[0]));
	for (uint32_t k = 0; k < n; k++)
		for (unsigned i = 0; i < LG_BUCKET_UNITS; i++)
			t[k].rate[i] = lg_conf_rate_scale(t[k].rate[i], s->ppm);
	out->tiers = lg_build_array(&c->b, t, n, sizeof(t[0]));
}

static int add_entry(struct lg_conf *c, struct entry *e)
{
	struct lg_img_price served;
	int err;

	e->p.tiers =
		lg_build_array(&c->b, e->tier, e->ntiers, sizeof(e->tier[0]));
	err = c->b.err ? c->b.err : lg_conf_price_add(c, &e->p);
	for (unsigned i = 0; i < e->nservices && !err; i++) {
		lg_conf_price_serve(c, &e->p, &e->service[i], &served);
		served.match = (struct lg_img_span){0, 0};
		err = c->b.err ? c->b.err : lg_conf_price_add(c, &served);
	}
	return err;
}

static int read_entry(struct lg_conf *c, const struct lg_yaml *map,
		      const struct catalog *file, struct entry *e)
{
	const struct lg_yaml *v;
	int err = 0;

	memset(e, 0, sizeof(*e));
	e->line = map->line;
	e->p.added_at_ms = INT64_MIN;
	e->p.provider = file->provider;
	e->p.price_version = file->price_version;
	e->p.source = file->source;
	e->p.effective_at_ms = INT64_MIN;
	e->p.expires_at_ms = INT64_MAX;
	e->p.tod_start_min = e->p.tod_end_min = 0xffff;
	lg_conf_rates_clear(e->p.rate);
	if (map->kind != LG_YAML_MAP)
		return lg_conf_fail(c, map, "must be a map");
	for (v = map->child; v && err >= 0; v = v->next) {
		err = lg_conf_rate(c, v, e->p.rate);
		if (!err)
			err = lg_conf_one(c, v, entry_keys, N(entry_keys), e,
					  NULL);
	}
	if (err < 0)
		return err;
	err = apply_operator(c, e);
	if (!err)
		err = name_entry(c, map, e);
	if (!err)
		err = check_entry(c, e);
	return err ? err : add_entry(c, e);
}

static int open_prices(struct lg_conf *c)
{
	if (c->prices)
		return 0;
	c->prices = lg_mem_alloc(sizeof(*c->prices));
	if (!c->prices)
		return -ENOMEM;
	c->prices->provider = lg_mem_alloc(LG_CONF_PROVIDERS_MAX *
					   sizeof(*c->prices->provider));
	return c->prices->provider ? 0 : -ENOMEM;
}

void lg_conf_catalog_fini(struct lg_conf *c)
{
	struct lg_conf_prices *p = c->prices;

	if (!p)
		return;
	lg_mem_free(p->e, p->cap * sizeof(*p->e));
	lg_mem_free(p->provider, LG_CONF_PROVIDERS_MAX * sizeof(*p->provider));
	lg_mem_free(p, sizeof(*p));
	c->prices = NULL;
}

int lg_conf_catalog(struct lg_conf *c, const struct lg_yaml *root)
{
#define AT(f) offsetof(struct catalog, f)
	static const struct lg_conf_key keys[] = {
		{"catalog", read_format, AT(ignored)},
		{"provider", lg_conf_id, AT(provider)},
		{"price_version", lg_conf_ref, AT(price_version)},
		{"source", lg_conf_ref, AT(source)},
		{"providers", read_node, AT(providers)},
		{"prices", read_node, AT(prices)},
	};
#undef AT
	struct catalog file = {0};
	const struct lg_yaml *v;
	struct entry *e;
	int err = open_prices(c);

	if (err || !root)
		return err;
	err = lg_conf_map(c, root, keys, N(keys), &file, NULL);
	for (v = file.providers ? file.providers->child : NULL; v && !err;
	     v = v->next)
		err = lg_conf_provider_read(c, v, file.provider);
	e = lg_mem_alloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	for (v = file.prices ? file.prices->child : NULL; v && !err;
	     v = v->next) {
		err = read_entry(c, v, &file, e);
		if (err == -EMSGSIZE)
			err = lg_conf_fail(c, v, "more than 65536 prices");
	}
	lg_mem_free(e, sizeof(*e));
	return err;
}
