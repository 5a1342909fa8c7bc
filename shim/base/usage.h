#ifndef LG_BASE_USAGE_H
#define LG_BASE_USAGE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Disjoint buckets of what one call used (design: money and prices). No token
 * stands in two buckets. Token buckets first, per-call units after
 * LG_BUCKET_UNITS. The order is part of the image's ABI (base/image.h).
 */
enum lg_bucket {
	LG_BUCKET_INPUT, /* fresh text input */
	LG_BUCKET_CACHE_READ,
	LG_BUCKET_CACHE_WRITE_5M,
	LG_BUCKET_CACHE_WRITE_1H,
	LG_BUCKET_OUTPUT, /* without reasoning */
	LG_BUCKET_REASONING,
	LG_BUCKET_AUDIO_INPUT,
	LG_BUCKET_AUDIO_CACHE_READ,
	LG_BUCKET_AUDIO_OUTPUT,
	LG_BUCKET_IMAGE_INPUT,
	LG_BUCKET_IMAGE_CACHE_READ,
	LG_BUCKET_IMAGE_OUTPUT,
	LG_BUCKET_VIDEO_INPUT,
	LG_BUCKET_VIDEO_OUTPUT,
	LG_BUCKET_CITATION,
	LG_BUCKET_TRAINING,
	LG_BUCKET_RESERVED_TOKENS,
	/* units, each per call or per piece, not tokens */
	LG_BUCKET_UNITS,
	LG_BUCKET_REQUESTS = LG_BUCKET_UNITS,
	LG_BUCKET_WEB_SEARCHES,
	LG_BUCKET_FILE_SEARCHES,
	LG_BUCKET_CODE_EXECUTIONS,
	LG_BUCKET_IMAGES,
	LG_BUCKET_SECONDS,
	LG_BUCKET_CHARACTERS,
	LG_BUCKET_PAGES,
	LG_BUCKET_SEARCH_UNITS,
	LG_BUCKET_GROUNDING,
	LG_BUCKET_RESERVED_UNIT1,
	LG_BUCKET_RESERVED_UNIT2,
	LG_BUCKETS /* 28 */
};

/* has: bit b set when the provider reported bucket b (absent is not zero). */
struct lg_usage {
	uint64_t n[LG_BUCKETS];
	uint32_t has;
	uint32_t flags;		    /* LG_USAGE_* */
	uint64_t total;		    /* provider's own token total */
	int64_t provider_cost_pusd; /* LG_USAGE_PROVIDER_COST */
};

#define LG_USAGE_PRESENT 1u  /* the provider reported usage */
#define LG_USAGE_TOTAL 2u    /* total is the provider's */
#define LG_USAGE_MISMATCH 4u /* buckets do not add up to total */
#define LG_USAGE_PROVIDER_COST 8u
/* counted by us from the exchange itself: pictures, characters, seconds */
#define LG_USAGE_COUNTED 32u
/* provider_cost_pusd is a gateway's fee; the model is paid elsewhere */
#define LG_USAGE_FEE 64u
#define LG_USAGE_CACHE_5M_ASSUMED 16u /* the 5m/1h split was missing */

static inline void lg_usage_set(struct lg_usage *u, enum lg_bucket b,
				uint64_t n)
{
	u->n[b] = n;
	u->has |= 1u << b;
}

/* The bucket's row and catalog name: "input", "cache_read", "web_searches". */
const char *lg_bucket_name(enum lg_bucket b);
/* By name; LG_BUCKETS when there is none. */
enum lg_bucket lg_bucket_by_name(const char *name, unsigned long len);

/* Sums over disjoint buckets, saturating: all input; all output. */
uint64_t lg_usage_input(const struct lg_usage *u);
uint64_t lg_usage_output(const struct lg_usage *u);

#endif
