#ifndef LG_TOOLS_CATALOG_APPLY_H
#define LG_TOOLS_CATALOG_APPLY_H

#include <stdbool.h>

#include "catalog.h"

struct lg_engine;

/* How `pricing import` and `pricing update` end. */
struct catalog_target {
	const char *file;   /* NULL: the user's */
	const char *model;  /* only this one; NULL: all */
	const char *origin; /* in messages */
	bool names; /* by hand: a shipped model's names hold for it too */
	bool dry, json;
};

/*
 * Write what is new in `fresh` to the price file and tell what was done; dry:
 * print it only. An exit code; what is wrong was said.
 */
int catalog_apply(struct lg_engine *e, struct catalog_from *f,
		  const struct doc *fresh, const struct catalog_target *t);
/* A price file to path ("-": stdout). An exit code. */
int catalog_write_yaml(const char *path, const struct doc *root);

#endif
