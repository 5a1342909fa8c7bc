#ifndef LG_PRICE_FIND_H
#define LG_PRICE_FIND_H

#include <stdbool.h>

#include "price/match.h"
#include "price/price.h"

/*
 * From a name to the price of its model: spellings, fallbacks, variants,
 * service tiers, places. For the files of this folder. Any thread, no
 * allocation.
 */

/* False: out is untouched. */
bool lg_price_find(const struct lg_catalog *c, struct lg_slice provider,
		   struct lg_slice model, const struct lg_price_want *w,
		   struct lg_price *out);
/*
 * The price of a fine-tuned `model`: its variant "fine-tuned", else its own
 * with the provider's rates for fine-tuned models. False: neither, or `model`
 * has a price (in *out, as lg_price_find) and the provider no such rates.
 */
bool lg_price_find_tuned(const struct lg_catalog *c, struct lg_slice provider,
			 struct lg_slice model, const struct lg_price_want *w,
			 struct lg_price *out);
#define LG_PRICE_PROVIDERS_MAX 17

/*
 * The provider and those whose prices count as its own, directly or by way of
 * another. Returns how many, at least 1.
 */
unsigned lg_price_asked(const struct lg_catalog *c, struct lg_slice provider,
			struct lg_slice out[LG_PRICE_PROVIDERS_MAX]);
/* What the place costs: a factor in millionths. */
uint32_t lg_price_geo(const struct lg_image *img, struct lg_img_span geo,
		      struct lg_slice place);

#endif
