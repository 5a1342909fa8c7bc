/*
 * A damaged image that still passes its check must not lead a look-up astray.
 * The input: a length, a name of that length, and a list of (offset, byte) to
 * change in a good image.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "config/config.h"
#include "price/price.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char yaml[] =
	"price_version: \"2026-08\"\n"
	"providers:\n"
	"- {provider: openai, service_tiers: {batch: 0.5, flex: 0.5},"
	" web_search_per_1k: 10, fine_tuned_input_per_1m: 3}\n"
	"- {provider: azure, fallback: [openai, {provider: anthropic, geo: "
	"{regional: 1.1}}]}\n"
	"- {provider: google, fallback: azure, geo: {\"us-*\": 1.25}}\n"
	"prices:\n"
	"- {provider: openai, model: gpt-4o, match: [gpt-4o-2024-08-06,"
	" \"gpt-4o-2025*\"], input_per_1m: 2.5, output_per_1m: 10}\n"
	"- {provider: openai, model: gpt-4o, variant: fine-tuned,"
	" match: \"ft:gpt-4o-2024-*\", input_per_1m: 3.75}\n"
	"- {provider: openai, model: gpt-5.6-luna, match: [{pattern: "
	"\"gpt-5.6-luna-####-##-##\"}], input_per_1m: 1, tiers: "
	"[{above_tokens: 5, input_per_1m: 2}]}\n"
	"- {provider: openai, model: gpt-5.6-luna, effective_at: 2026-07-30,"
	" expires_at: 2027-01-01, input_per_1m: 0.2, time_of_day: {from: "
	"\"16:30\", to: \"00:30\"}}\n"
	"- {provider: openai, model: dall-e-3, image_per_1k: 40}\n"
	"- {provider: openai, model: dall-e-3, variant: hd/1024x1792,"
	" image_per_1k: 120}\n"
	"- {provider: openai, model: secret, unpriced: true}\n"
	"- {provider: anthropic, model: claude-sonnet-4-5, match: [{contains: "
	"sonnet, ends_with: x}, \"*-4-5@*\"], geo: {us: 1.1}, input_per_1m: 3,"
	" service_tiers: {batch: 0.5, fast: {input_per_1m: 18}}}\n"
	"- {provider: aws, model: claude, match: \"*claude-haiku*\","
	" second_per_hour: 0.111, minimum_seconds: 10}\n";

static uint64_t room[8192]; /* 64 KiB */
static char *good;
static size_t good_size;

static void make_image(void)
{
	static char path[32];
	const char *files[] = {path};
	int fd = memfd_create("prices", 0);
	struct lg_config_error err;
	static struct lg_buf out;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	lg_buf_init(&out, 0);
	if (fd < 0 || write(fd, yaml, sizeof(yaml) - 1) < 0 ||
	    lg_config_compile_catalog(files, 1, &out, &err) ||
	    out.len > sizeof(room)) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	close(fd);
	good = out.p;
	good_size = out.len;
}

static size_t damage(const uint8_t *d, size_t size)
{
	unsigned char *p = (unsigned char *)room;
	struct lg_image *img = (void *)room;
	size_t n = good_size, at;

	memcpy(p, good, n);
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

static const struct {
	const char *provider, *model, *tier, *geo, *variant;
} asked[] = {
	{"openai", "gpt-4o", "batch", "", ""},
	{"openai", "ft:gpt-4o-2024-08-06:x", "", "", ""},
	{"google", "claude-sonnet-4-5@20250929", "batch+fast", "us-east5", ""},
	{"openai", "gpt-5.6-luna-2026-07-09", "priority", "", ""},
	{"aws", "us.anthropic.claude-haiku-4-5-20251001-v1:0", "", "us", ""},
	{"openai", "dall-e-3", "", "", "hd/1024x1792"},
	{"azure", "nothing", "", "global", "low"},
};

static void check(const struct lg_catalog *c, const struct lg_price_query *q)
{
	struct lg_usage u = {.n = {1, 2, 3, 4, 5}, .flags = LG_USAGE_PRESENT};
	struct lg_cost cost;
	struct lg_price p;

	lg_price_lookup(c, q, &p);
	lg_price_cost(&p, &u, &cost);
	if (cost.input_pusd + cost.output_pusd != cost.total_pusd ||
	    cost.total_pusd < 0)
		abort();
	lg_price_worst(&p, 1000, 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* the first byte: how much of the input is a name, the rest damages */
	size_t name = size ? data[0] < size ? data[0] : size - 1 : 0;
	size_t n;
	struct lg_catalog c = {{(const void *)room}, 1};
	struct lg_price_query q = {.at_ms = INT64_C(1787400000000)};

	if (!good)
		make_image();
	n = damage(data + name, size - name);
	if (lg_image_check(room, n))
		return 0;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		q.provider = lg_slice_str(asked[i].provider);
		q.model = lg_slice_str(asked[i].model);
		q.tier = lg_slice_str(asked[i].tier);
		q.geo = lg_slice_str(asked[i].geo);
		q.variant = lg_slice_str(asked[i].variant);
		check(&c, &q);
		if (!name)
			continue;
		q.model = (struct lg_slice){(const char *)data + 1, name};
		check(&c, &q);
		q.tier = q.geo = q.variant = q.version = q.model;
		check(&c, &q);
	}
	return 0;
}
