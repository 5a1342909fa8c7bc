#ifndef LG_PRICE_MATCH_H
#define LG_PRICE_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/image.h"
#include "base/slice.h"

/*
 * Finding a model in one image, and the entry of it that counts. For the
 * files of this folder. Any thread, no allocation; an image that passed its
 * check cannot lead them outside of it.
 */
#define LG_PRICE_NAME_MAX 255 /* longer names are in no catalog */

struct lg_price_trace;

/* "provider/name" in small letters. */
struct lg_price_key {
	char text[3 * LG_PRICE_NAME_MAX + 3];
	size_t len;
	size_t provider;      /* bytes of "provider/" */
	struct lg_slice name; /* the part after it */
};

/* What to choose among the entries of one model. */
struct lg_price_want {
	struct lg_slice tier, version, geo, variant;
	int64_t at_ms;
	unsigned minute;	      /* of the UTC day */
	struct lg_price_trace *trace; /* NULL: nobody looks */
};

/* ASCII small letter. */
static inline char lg_price_low(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* False when the name is empty or a part too long. */
bool lg_price_key_make(struct lg_price_key *k, struct lg_slice provider,
		       struct lg_slice name);

/* The name becomes "name:variant"; false: too long. */
bool lg_price_key_vary(struct lg_price_key *k, struct lg_slice variant);

/* The key's provider in this image; NULL: not there. */
const struct lg_img_provider *lg_price_provider(const struct lg_image *img,
						const struct lg_price_key *k);
/* By exact name or alias; *first: where the model's entries begin. */
bool lg_price_find_exact(const struct lg_image *img,
			 const struct lg_price_key *k, uint32_t *first);
/* By the provider's first entry whose match clause holds. */
bool lg_price_find_rule(const struct lg_image *img,
			const struct lg_price_key *k, uint32_t *first);

/* Do all tests of one clause hold? name: in small letters, not empty. */
bool lg_price_clause_holds(const struct lg_image *img,
			   const struct lg_img_clause *c, struct lg_slice name);

/* Does the entry hold at the wanted instant? */
bool lg_price_in_force(const struct lg_img_price *e,
		       const struct lg_price_want *w);
/* Among a model's entries, the one for this tier; NULL: none. */
const struct lg_img_price *lg_price_choose(const struct lg_image *img,
					   uint32_t first,
					   const struct lg_price_want *w,
					   struct lg_slice tier);

static inline const struct lg_img_price *lg_price_entries(
	const struct lg_image *img)
{
	return LG_IMG_ARRAY(img, img->prices, struct lg_img_price);
}

#endif
