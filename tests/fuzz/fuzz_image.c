#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/image.h"

/*
 * Any bytes behind a sound head; what the check lets through is then read
 * everywhere, as price/ and guard/ do.
 */
static volatile size_t seen;

static void read_text(const struct lg_image *img, struct lg_img_ref r)
{
	struct lg_slice s = lg_img_text(img, r);

	if (s.p[s.len])
		abort();
	seen += strlen(s.p);
}

static void read_budget(const struct lg_image *img,
			const struct lg_img_budget *b)
{
	const struct lg_img_term *t =
		LG_IMG_ARRAY(img, b->terms, struct lg_img_term);
	const struct lg_img_action *a =
		LG_IMG_ARRAY(img, b->on_hard, struct lg_img_action);

	read_text(img, b->name);
	for (uint32_t i = 0; i < b->terms.n; i++)
		read_text(img, t[i].pattern);
	for (uint32_t i = 0; i < b->on_hard.n; i++)
		read_text(img, a[i].arg);
	for (uint32_t i = 0; i < b->warns; i++)
		seen += b->warn_ppm[i];
}

static void read_price(const struct lg_image *img, const struct lg_img_price *p)
{
	const struct lg_img_clause *c =
		LG_IMG_ARRAY(img, p->match, struct lg_img_clause);
	const struct lg_img_tier *t =
		LG_IMG_ARRAY(img, p->tiers, struct lg_img_tier);

	read_text(img, p->model);
	for (uint32_t i = 0; i < p->tiers.n; i++)
		seen += (size_t)t[i].rate[LG_BUCKETS - 1];
	for (uint32_t i = 0; i < p->match.n; i++) {
		const struct lg_img_atom *a =
			LG_IMG_ARRAY(img, c[i].atoms, struct lg_img_atom);

		for (uint32_t k = 0; k < c[i].atoms.n; k++)
			read_text(img, a[k].text);
	}
}

static void read_all(const struct lg_image *img)
{
	const struct lg_img_budget *b =
		LG_IMG_ARRAY(img, img->budgets, struct lg_img_budget);
	const struct lg_img_price *p =
		LG_IMG_ARRAY(img, img->prices, struct lg_img_price);

	read_text(img, img->settings.timezone);
	for (uint32_t i = 0; i < img->budgets.n; i++)
		read_budget(img, &b[i]);
	for (uint32_t i = 0; i < img->prices.n; i++)
		read_price(img, &p[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct lg_image *img;

	if (n < sizeof(*img)) {
		lg_image_check(p, n);
		return 0;
	}
	img = malloc(n);
	memcpy(img, p, n);
	memcpy(img->magic, LG_IMAGE_MAGIC, sizeof(img->magic));
	img->version = LG_IMAGE_VERSION;
	img->header_size = sizeof(*img);
	img->size = n;
	img->crc = lg_crc32c(0, img + 1, n - sizeof(*img));
	if (lg_image_check(img, n) == 0)
		read_all(img);
	free(img);
	return 0;
}
