/*
 * A damaged image that still passes its check must not lead a look-up astray.
 * The input is a list of (offset, byte) to change in a good image.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "price/catalog.h"
#include "price/price.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static uint64_t room[524288]; /* 4 MiB */

static size_t damage(const uint8_t *d, size_t size)
{
	unsigned char *p = (unsigned char *)room;
	struct lg_image *img = (void *)room;
	size_t n = lg_catalog_image_size, at;

	if (n > sizeof(room))
		abort();
	memcpy(p, lg_catalog_image, n);
	for (; size >= 4; d += 4, size -= 4) {
		at = ((size_t)d[0] << 16 | (size_t)d[1] << 8 | d[2]) % n;
		/* half of them in the header, where the spans are */
		if (d[0] & 1)
			at %= sizeof(*img);
		p[at] = d[3];
	}
	img->crc = lg_crc32c(0, p + sizeof(*img), n - sizeof(*img));
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const models[] = {"gpt-4o", "ft:gpt-4o-2024-08-06:x",
					     "claude-sonnet-4-5@20250929",
					     "gpt-5.6-luna-2026-07-09",
					     "nothing"};
	size_t n = damage(data, size);
	struct lg_catalog c = {{(const void *)room}, 1};
	struct lg_usage u = {.n = {1, 2, 3, 4, 5}, .flags = LG_USAGE_PRESENT};
	struct lg_cost cost;
	struct lg_price p;

	if (lg_image_check(room, n))
		return 0;
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		struct lg_price_query q = {.provider = LG_SLICE("openai"),
					   .model = lg_slice_str(models[i]),
					   .tier = LG_SLICE("batch"),
					   .at_ms = INT64_C(1787400000000)};

		if (i == 2)
			q.provider = LG_SLICE("google");
		lg_price_lookup(&c, &q, &p);
		lg_price_cost(&p, &u, &cost);
		if (cost.input_pusd + cost.output_pusd != cost.total_pusd ||
		    cost.total_pusd < 0)
			abort();
		lg_price_worst(&p, 1000, 1000);
	}
	return 0;
}
