#ifndef LG_TOOLS_PRICE_FIND_H
#define LG_TOOLS_PRICE_FIND_H

#include <stdbool.h>

#include "price/price.h"

/* A model's price as a person asks for it: provider and time may be left out.
 */
struct price_find {
	struct lg_slice provider; /* empty: any that has it */
	struct lg_slice host, model, tier, variant, geo, version;
	int64_t at_ms; /* 0: now */
};

/* Is there an entry or a rule (no ceiling)? */
bool price_is_found(const struct lg_price *p);
/*
 * Without a provider: the first that knows the name exactly, then the first
 * that knows it at all; who makes models before those who sell them. false:
 * nobody does (with a provider: *out may be its ceiling).
 */
bool price_find(const struct lg_catalog *cat, const struct price_find *q,
		struct lg_price *out);

#endif
