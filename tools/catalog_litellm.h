#ifndef LG_TOOLS_CATALOG_LITELLM_H
#define LG_TOOLS_CATALOG_LITELLM_H

#include <stdbool.h>

/* LiteLLM's names of prices and providers, for both ways. */
struct litellm_rate {
	const char *theirs, *ours;
	int shift;   /* of the decimal point, from theirs to ours */
	bool tiered; /* has long-context steps and service tiers */
};
extern const struct litellm_rate litellm_rates[];
extern const unsigned litellm_nrates;

struct litellm_name {
	const char *theirs, *ours;
};
/* The last one of ours is what is written. */
extern const struct litellm_name litellm_owners[];
extern const unsigned litellm_nowners;
/* Of a service tier: "_batches" is batch. */
extern const struct litellm_name litellm_tiers[3];

#endif
