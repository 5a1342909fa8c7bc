#ifndef LG_TOOLS_CATALOG_NAMES_H
#define LG_TOOLS_CATALOG_NAMES_H

#include "doc.h"

struct lg_engine;

/*
 * A price that somebody enters for a shipped model is meant for all of its
 * names: answers carry "gpt-4o-2024-08-06" where "gpt-4o" was asked for. An
 * entry without `match` gets the shipped one's, unless the user's own files
 * give the model names already, or the entry is a variant.
 */
void catalog_inherit_names(struct lg_engine *e, struct doc_arena *a,
			   struct doc *entry);

#endif
