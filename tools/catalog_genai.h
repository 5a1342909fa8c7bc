#ifndef LG_TOOLS_CATALOG_GENAI_H
#define LG_TOOLS_CATALOG_GENAI_H

#include "catalog.h"

/* What the files that read the genai-prices form share. */
struct genai_in {
	struct catalog_from *f;
	struct doc *prices, *providers;	    /* of the file that is made */
	const struct doc *provider, *model; /* in turn */
};

/* All return 0, or -EINVAL with f->err filled. */
int genai_bad(struct genai_in *g, const struct doc *v, const char *what);
/* map[key], which must be there and of this kind. */
int genai_need(struct genai_in *g, const struct doc *map, const char *key,
	       enum doc_kind kind, const struct doc **out);
/* map has no other keys than keys[], whose end is NULL. */
int genai_only(struct genai_in *g, const struct doc *map,
	       const char *const *keys, const char *what);

/* `match` of the model `id` to the entry's. */
int genai_take_match(struct genai_in *g, const struct doc *rule,
		     struct lg_slice id, struct doc *entry);
/* Is it a rule at all (of a provider: kept as it is)? */
int genai_check_rule(struct genai_in *g, const struct doc *rule,
		     unsigned depth);
/* A map of prices to the entry's rates and steps. */
int genai_take_prices(struct genai_in *g, const struct doc *map,
		      struct doc *entry);
int genai_take_count(struct genai_in *g, const struct doc *v, struct doc **out);
/* When it holds; *date is the last start_date of this model's list. */
int genai_take_constraint(struct genai_in *g, const struct doc *c,
			  const struct doc **date, struct doc *entry);
/* How usage is read: checked and kept as it is. */
int genai_check_extractors(struct genai_in *g, const struct doc *list);

#endif
