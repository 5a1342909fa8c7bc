#ifndef LG_TOOLS_CATALOG_MERGE_H
#define LG_TOOLS_CATALOG_MERGE_H

#include "catalog.h"

struct lg_engine;

/*
 * What a list says that the user's price file does not say yet. Prices are
 * never replaced: a changed one is a new entry that holds from now on. Those
 * that somebody entered by hand (source: manual) stay in force, unless this
 * list is entered by hand, too.
 */
struct catalog_merge {
	struct doc **entry; /* to append, in the arena */
	unsigned n;
	uint64_t unchanged, kept; /* kept: a manual price stands */
	uint64_t repeated;	  /* the list has the model once more */
};

/*
 * fresh: a price file as catalog_take gives it; only: this model alone, or
 * NULL. 0; -EINVAL, -errno with f->err filled (the user's file is not sound).
 */
int catalog_merge(struct lg_engine *e, struct catalog_from *f, const char *file,
		  const struct doc *fresh, const char *only,
		  struct catalog_merge *out);

/* The owner of a model by the catalog in force, for catalog_from.owner. */
struct lg_slice catalog_owner(void *engine, struct lg_slice model);

#endif
