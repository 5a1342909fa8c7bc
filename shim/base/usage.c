#include "base/usage.h"

#include <string.h>

static const char *const names[LG_BUCKETS] = {
	[LG_BUCKET_INPUT] = "input",
	[LG_BUCKET_CACHE_READ] = "cache_read",
	[LG_BUCKET_CACHE_WRITE_5M] = "cache_write_5m",
	[LG_BUCKET_CACHE_WRITE_1H] = "cache_write_1h",
	[LG_BUCKET_OUTPUT] = "output",
	[LG_BUCKET_REASONING] = "reasoning",
	[LG_BUCKET_AUDIO_INPUT] = "audio_input",
	[LG_BUCKET_AUDIO_CACHE_READ] = "audio_cache_read",
	[LG_BUCKET_AUDIO_OUTPUT] = "audio_output",
	[LG_BUCKET_IMAGE_INPUT] = "image_input",
	[LG_BUCKET_IMAGE_CACHE_READ] = "image_cache_read",
	[LG_BUCKET_IMAGE_OUTPUT] = "image_output",
	[LG_BUCKET_VIDEO_INPUT] = "video_input",
	[LG_BUCKET_VIDEO_OUTPUT] = "video_output",
	[LG_BUCKET_CITATION] = "citation",
	[LG_BUCKET_TRAINING] = "training",
	[LG_BUCKET_RESERVED_TOKENS] = "reserved_tokens",
	[LG_BUCKET_REQUESTS] = "requests",
	[LG_BUCKET_WEB_SEARCHES] = "web_searches",
	[LG_BUCKET_FILE_SEARCHES] = "file_searches",
	[LG_BUCKET_CODE_EXECUTIONS] = "code_executions",
	[LG_BUCKET_IMAGES] = "images",
	[LG_BUCKET_SECONDS] = "seconds",
	[LG_BUCKET_CHARACTERS] = "characters",
	[LG_BUCKET_PAGES] = "pages",
	[LG_BUCKET_SEARCH_UNITS] = "search_units",
	[LG_BUCKET_GROUNDING] = "grounding",
	[LG_BUCKET_RESERVED_UNIT1] = "reserved_unit1",
	[LG_BUCKET_RESERVED_UNIT2] = "reserved_unit2",
};

#define BIT(b) (1u << LG_BUCKET_##b)

#define INPUT_SIDE                                                             \
	(BIT(INPUT) | BIT(CACHE_READ) | BIT(CACHE_WRITE_5M) |                  \
	 BIT(CACHE_WRITE_1H) | BIT(AUDIO_INPUT) | BIT(AUDIO_CACHE_READ) |      \
	 BIT(IMAGE_INPUT) | BIT(IMAGE_CACHE_READ) | BIT(VIDEO_INPUT) |         \
	 BIT(CITATION) | BIT(TRAINING))
#define OUTPUT_SIDE                                                            \
	(BIT(OUTPUT) | BIT(REASONING) | BIT(AUDIO_OUTPUT) |                    \
	 BIT(IMAGE_OUTPUT) | BIT(VIDEO_OUTPUT))

_Static_assert(LG_BUCKETS <= 32, "lg_usage.has is 32 bits wide");

const char *lg_bucket_name(enum lg_bucket b)
{
	return (unsigned)b < LG_BUCKETS ? names[b] : "";
}

enum lg_bucket lg_bucket_by_name(const char *name, unsigned long len)
{
	for (int b = 0; b < LG_BUCKETS; b++)
		if (strlen(names[b]) == len && !memcmp(names[b], name, len))
			return (enum lg_bucket)b;
	return LG_BUCKETS;
}

static uint64_t sum(const struct lg_usage *u, uint32_t which)
{
	uint64_t total = 0;

	for (; which; which &= which - 1)
		if (__builtin_add_overflow(total, u->n[__builtin_ctz(which)],
					   &total))
			return UINT64_MAX;
	return total;
}

uint64_t lg_usage_input(const struct lg_usage *u)
{
	return sum(u, INPUT_SIDE);
}

uint64_t lg_usage_output(const struct lg_usage *u)
{
	return sum(u, OUTPUT_SIDE);
}
