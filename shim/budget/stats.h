#ifndef LG_BUDGET_STATS_H
#define LG_BUDGET_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/slice.h"

struct lg_region;

/*
 * What the answers of each model were like, in the region, for all processes:
 * how many tokens they had and how many bytes of the prompt made a token. Old
 * samples fade: every count is halved when LG_STATS_FADE of them are there.
 * A table of few models; the one that was not heard of longest makes room.
 *
 * Lock-free, any thread. A kill or a race may lose a sample or count one for
 * the model that took the place; nothing waits, nothing needs repair. What is
 * read is within the bounds below whatever bytes lie there.
 */
#define LG_STATS_ENOUGH 20 /* samples before anything is believed */
#define LG_STATS_FADE 1024
#define LG_STATS_OUTPUT_MAX UINT64_C(262143)
/* Bytes of prompt text a token, in 1/1024. */
#define LG_STATS_RATIO_ONE 1024u
#define LG_STATS_RATIO_MAX (12 * LG_STATS_RATIO_ONE)

/* The key of a model: of its provider and canonical name. */
struct lg_hash128 lg_stats_id(struct lg_slice provider, struct lg_slice model);

/* 0: not known (too few samples; or too many that their maximum cut off). */
struct lg_learned {
	uint32_t output_p50, output_p99; /* tokens of one choice */
	uint32_t ratio;			 /* median, 1/1024 bytes a token */
};
/* Few loads, no store; works on a read-only region. False: not in the table. */
bool lg_stats_get(const struct lg_region *r, struct lg_hash128 id,
		  struct lg_learned *out);

struct lg_sample {
	bool has_output;
	bool unfinished;	/* its maximum cut it off: it was at least so */
	uint64_t output_tokens; /* of one choice */
	/* 0: say nothing of how text becomes tokens. */
	uint64_t prompt_bytes, prompt_tokens;
};
/* Nothing on a read-only region. Keeps errno. */
void lg_stats_learn(struct lg_region *r, struct lg_hash128 id,
		    struct lg_slice provider, struct lg_slice model,
		    const struct lg_sample *s);

struct lg_stats_view {
	char name[97]; /* "provider/model" */
	struct lg_learned learned;
	uint32_t outputs, ratios; /* samples that count now */
	uint32_t output_mean; /* of those that were not cut off, 0 unknown */
	/* 9 of 10 prompts lie between these, as learned.ratio; 0 unknown */
	uint32_t ratio_low, ratio_high;
	uint32_t unfinished; /* of `outputs`, cut off by their maximum */
	uint64_t seen;	     /* samples ever */
	uint32_t touched_s;  /* CLOCK_REALTIME of the last */
};
unsigned lg_stats_count(const struct lg_region *r);
/* The same of one model; -ENOENT. */
int lg_stats_look(const struct lg_region *r, struct lg_hash128 id,
		  struct lg_stats_view *out);
/* 0, -ENOENT (no model here). */
int lg_stats_view(const struct lg_region *r, unsigned i,
		  struct lg_stats_view *out);

#endif
