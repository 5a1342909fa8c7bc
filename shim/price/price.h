#ifndef LG_PRICE_PRICE_H
#define LG_PRICE_PRICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/image.h"
#include "base/slice.h"
#include "base/usage.h"

/*
 * Price = f(provider, model, tier, time). Images are asked in order (user's
 * first, shipped after). Any thread, no allocation, borrows the images.
 */
#define LG_PRICE_IMAGES_MAX 4

struct lg_catalog {
	const struct lg_image *img[LG_PRICE_IMAGES_MAX];
	unsigned n;
};

enum lg_price_how {
	LG_PRICE_EXACT_NAME,
	LG_PRICE_MATCH_RULE, /* an entry's match clause */
	LG_PRICE_MODEL_RULE, /* config's models: rule */
	LG_PRICE_FREE,	     /* models: free: true, or one's own server */
	LG_PRICE_CEILING,    /* unknown: dearest of the provider */
	LG_PRICE_UNKNOWN,    /* nothing at all */
};

/* One step of a look-up, for whoever wants to see the way. */
enum lg_price_step_kind {
	LG_STEP_RULE,	 /* a models: rule fits: name is its pattern */
	LG_STEP_NAME,	 /* a provider's name in one image */
	LG_STEP_CEILING, /* the dearest of a provider */
};
struct lg_price_step {
	enum lg_price_step_kind kind;
	struct lg_slice provider, name;
	const struct lg_image *img;	  /* of RULE and NAME */
	const struct lg_img_price *entry; /* NULL: not found */
	enum lg_price_how how;
	bool no_tier; /* the model is there, the tier is not */
};
struct lg_price_trace {
	void (*step)(struct lg_price_trace *t, const struct lg_price_step *s);
};

struct lg_price_query {
	struct lg_slice provider;	  /* "openai" */
	struct lg_slice ceiling_provider; /* dialect owner, where provider is a
					     host name */
	struct lg_slice host;		  /* for models: rules */
	struct lg_slice model;
	struct lg_slice tier;	 /* "", "default", "standard": standard */
	struct lg_slice geo;	 /* where it ran; empty: not said */
	struct lg_slice variant; /* picture's class; empty: none */
	struct lg_slice version; /* pinned; empty: in force at `at_ms` */
	int64_t at_ms;		 /* call's start */
	bool own; /* a server of one's own: free where nothing is known */
	struct lg_price_trace *trace; /* NULL: nobody looks */
};

struct lg_price {
	const struct lg_image *img;	  /* where entry lives */
	const struct lg_img_price *entry; /* NULL for FREE, CEILING, UNKNOWN */
	enum lg_price_how how;
	bool estimate;	   /* the entry says it is one, or we guessed */
	bool tier_missing; /* no price for this tier: unknown */
	uint64_t context_window, max_output_tokens; /* 0 unknown */
	int64_t rate[LG_BUCKETS];		    /* base rates after rules */
	const struct lg_img_tier *tiers;	    /* long-context steps */
	unsigned ntiers;
	uint32_t factor_ppm;  /* of all token rates, for the place and stacked
				 tiers; 0 and 1000000: none */
	uint32_t worst_ppm;   /* the same where the place is not known yet; 0:
				 factor_ppm */
	uint32_t min_seconds; /* least seconds charged of a call */
};

struct lg_cost {
	int64_t total_pusd; /* input + output */
	int64_t input_pusd;
	int64_t output_pusd;   /* fees belong here */
	int64_t economic_pusd; /* as if nothing came from a cache */
	bool rate_missing;     /* a used bucket has no rate at all */
};

/*
 * Fills *out always; how tells what was found. Order: the first models: rule
 * that fits; then in each image the exact name (also an exact alias), then the
 * first entry whose match clause holds; the same for the other spellings of
 * the name (spell.h; those that leave something out are estimates); with each
 * spelling also the providers that this one names as its fallback; "ft:x:..."
 * as x with the provider's rates for fine-tuned models; at last the ceiling:
 * of each bucket the dearest rate of the provider (or else of
 * ceiling_provider). A model that is listed without a price is a ceiling too,
 * with its own context_window.
 *
 * Among a model's entries: those of the variant if there are any; the tier
 * asked for ("a+b": both stacked); in force at at_ms, the latest start wins,
 * and hours win over the whole day. With a version: that version (also as a
 * prefix: "2026-08"), else the newest older one. A tier without a price gives
 * the standard rates and tier_missing. Where the place is not said, it is what
 * the name begins with ("us.anthropic...").
 */
void lg_price_lookup(const struct lg_catalog *c, const struct lg_price_query *q,
		     struct lg_price *out);

/*
 * Exact cost, products in 128 bits, rounded half-even once per call (input
 * and output sum to total exactly). A bucket without a rate is charged as its
 * parent (audio_input as input, reasoning as output, cache_read as input...).
 * All buckets of the call take the long-context step that its total input
 * reaches. Where the price has a fee for each request, a call whose usage does
 * not count requests is one. Economic: what was read from a cache is charged
 * as fresh input, cache writes stay what they are.
 */
void lg_price_cost(const struct lg_price *p, const struct lg_usage *u,
		   struct lg_cost *out);

/*
 * One bucket of that: how many are charged, and the rate (of a million, before
 * the factor). False: nothing is charged; then *n > 0 says that a rate is
 * missing.
 */
bool lg_price_line(const struct lg_price *p, const struct lg_usage *u,
		   enum lg_bucket b, uint64_t *n, int64_t *rate);
/* Its long-context step, NULL: none reached. */
const struct lg_img_tier *lg_price_step(const struct lg_price *p,
					const struct lg_usage *u);
/* Does the bucket belong to the output side (fees do)? */
bool lg_price_is_output(enum lg_bucket b);

/*
 * Upper bound for a request: `input_tokens` at the dearest input rate that
 * could apply (cache write, long context, place), `output_tokens` at the
 * dearest output rate, and one request's fee; other fees are the caller's to
 * bound. Rounded up. Saturates.
 */
int64_t lg_price_worst(const struct lg_price *p, uint64_t input_tokens,
		       uint64_t output_tokens);

/* Is every rate zero (a free model always passes)? */
bool lg_price_is_free(const struct lg_price *p);

/* "exact name", "match rule claude-sonnet-4*", for pricing show/explain. */
const char *lg_price_how_name(enum lg_price_how how);

#endif
