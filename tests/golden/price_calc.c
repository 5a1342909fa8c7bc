/*
 * Prices for test_price_model.py. price_calc [PRICE-FILE...]: one question a
 * line, fields apart by tabs: provider, model, tier, place, variant, version,
 * milliseconds, usage ("input=5,output=7"). One line back: how, id, flags,
 * total, input, economic cost in picodollars.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "price/catalog.h"
#include "price/price.h"

enum { PROVIDER, MODEL, TIER, GEO, VARIANT, VERSION, AT, USAGE, FIELDS };

static bool cut_fields(char *line, struct lg_slice f[FIELDS])
{
	struct lg_slice rest = {line, strcspn(line, "\n")};

	for (int i = 0; i < FIELDS; i++)
		rest = lg_slice_cut(rest, '\t', &f[i]);
	return f[AT].len > 0;
}

static bool read_usage(struct lg_slice s, struct lg_usage *u)
{
	struct lg_slice one, name, n;
	enum lg_bucket b;
	uint64_t v;

	*u = (struct lg_usage){.flags = LG_USAGE_PRESENT};
	while (s.len) {
		s = lg_slice_cut(s, ',', &one);
		n = lg_slice_cut(one, '=', &name);
		b = lg_bucket_by_name(name.p, name.len);
		if (b == LG_BUCKETS || lg_slice_u64(n, &v))
			return false;
		lg_usage_set(u, b, v);
	}
	return true;
}

static const char *how_of(const struct lg_price *p)
{
	switch (p->how) {
	case LG_PRICE_EXACT_NAME:
		return "exact";
	case LG_PRICE_MATCH_RULE:
		return "rule";
	case LG_PRICE_CEILING:
		return "ceiling";
	default:
		return "unknown";
	}
}

static void answer(const struct lg_catalog *c, const struct lg_slice f[FIELDS])
{
	struct lg_price_query q = {
		.provider = f[PROVIDER],
		.model = f[MODEL],
		.tier = f[TIER],
		.geo = f[GEO],
		.variant = f[VARIANT],
		.version = f[VERSION],
		.at_ms = strtoll(f[AT].p, NULL, 10),
	};
	struct lg_usage u;
	struct lg_price p;
	struct lg_cost cost;

	if (!read_usage(f[USAGE], &u)) {
		puts("bad usage");
		return;
	}
	lg_price_lookup(c, &q, &p);
	lg_price_cost(&p, &u, &cost);
	printf("%s\t%s\t%s%s%s\t%lld\t%lld\t%lld\n", how_of(&p),
	       p.entry ? lg_img_text(p.img, p.entry->pricing_id).p : "",
	       p.estimate ? "e" : "", p.tier_missing ? "t" : "",
	       cost.rate_missing ? "r" : "", (long long)cost.total_pusd,
	       (long long)cost.input_pusd, (long long)cost.economic_pusd);
}

int main(int argc, char **argv)
{
	struct lg_config_error err;
	struct lg_slice f[FIELDS];
	struct lg_catalog c = {.n = 0};
	static char line[65536];
	struct lg_buf own;

	if (argc > 1) {
		lg_buf_init(&own, 0);
		if (lg_config_compile_catalog((const char *const *)argv + 1,
					      (unsigned)argc - 1, &own, &err)) {
			fprintf(stderr, "%s\n", err.text);
			return 1;
		}
		c.img[c.n++] = (const struct lg_image *)(const void *)own.p;
	} else {
		c.img[c.n++] =
			(const struct lg_image *)(const void *)lg_catalog_image;
	}
	while (fgets(line, sizeof(line), stdin))
		if (cut_fields(line, f))
			answer(&c, f);
	return 0;
}
