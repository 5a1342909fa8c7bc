#ifndef LG_TOOLS_PRICE_INPUT_H
#define LG_TOOLS_PRICE_INPUT_H

#include <stdbool.h>

#include "doc.h"

/*
 * What a person or a script says of a model's price, field by field: checked
 * and put into an entry of a price file. Prices of tokens are kept per million.
 */
enum price_kind {
	PRICE_ID,     /* small letters, digits, . _ - */
	PRICE_TOKENS, /* USD per tokens: "2.5", "0.0025/1k", "2.5e-6/token" */
	PRICE_COUNT,
	PRICE_TIME, /* a date or RFC 3339 time, "now", "always" */
	PRICE_TEXT,
};

struct price_field {
	const char *key; /* in the entry; of PRICE_TOKENS without its unit */
	enum price_kind kind;
	const char *ask; /* the question on a terminal; NULL: is not asked */
	bool training;	 /* asked for a model that is trained */
};
extern const struct price_field price_fields[];
extern const unsigned price_nfields;
const struct price_field *price_field(const char *key);

/*
 * Put text into the entry as this field; unit NULL: the text may name it, else
 * per million. 0, or -EINVAL with *why static. Empty text sets nothing.
 */
int price_put(struct doc_arena *a, struct doc *entry,
	      const struct price_field *f, const char *unit, const char *text,
	      const char **why);
/* Is this field there, in whatever unit? */
bool price_has(const struct doc *entry, const struct price_field *f);
/* "reasoning_per_1m=3,web_search_per_1k=10": any rate of docs/pricing.md. */
int price_put_rates(struct doc_arena *a, struct doc *entry, const char *list,
		    const char **why);
/* Does the entry have a rate, and if of input then also of output? NULL: yes;
 * else the missing thing, for a message. */
const char *price_missing(const struct doc *entry);

#endif
