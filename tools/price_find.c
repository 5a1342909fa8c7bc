#include "price_find.h"

#include <string.h>

#include "base/clock.h"

bool price_is_found(const struct lg_price *p)
{
	return p->how != LG_PRICE_CEILING && p->how != LG_PRICE_UNKNOWN;
}

/* Who makes models; all others sell somebody's. */
static const char *const makers[] = {
	"openai",   "anthropic",  "google",   "mistral", "cohere",
	"deepseek", "x-ai",	  "voyageai", "jina",	 "perplexity",
	"minimax",  "moonshotai", "zhipuai",
};

static bool fits(const struct lg_catalog *cat, struct lg_price_query *q,
		 bool exact, struct lg_price *out)
{
	lg_price_lookup(cat, q, out);
	return price_is_found(out) &&
	       (!exact || out->how == LG_PRICE_EXACT_NAME);
}

static bool look(const struct lg_catalog *cat, struct lg_price_query *q,
		 bool exact, struct lg_price *out)
{
	for (unsigned i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		q->provider = lg_slice_str(makers[i]);
		if (fits(cat, q, exact, out))
			return true;
	}
	for (unsigned i = 0; i < cat->n; i++) {
		const struct lg_image *img = cat->img[i];
		const struct lg_img_provider *p = LG_IMG_ARRAY(
			img, img->providers, struct lg_img_provider);

		for (uint32_t k = 0; k < img->providers.n; k++) {
			q->provider = lg_img_text(img, p[k].id);
			if (fits(cat, q, exact, out))
				return true;
		}
	}
	return false;
}

bool price_find(const struct lg_catalog *cat, const struct price_find *f,
		struct lg_price *out)
{
	struct lg_price_query q = {
		.provider = f->provider,
		.host = f->host,
		.model = f->model,
		.tier = f->tier,
		.variant = f->variant,
		.geo = f->geo,
		.version = f->version,
		.at_ms = f->at_ms ? f->at_ms : lg_clock_real_ms(),
	};

	memset(out, 0, sizeof(*out));
	out->how = LG_PRICE_UNKNOWN;
	if (!cat)
		return false;
	if (f->provider.len) {
		lg_price_lookup(cat, &q, out);
		return price_is_found(out);
	}
	return look(cat, &q, true, out) || look(cat, &q, false, out);
}
