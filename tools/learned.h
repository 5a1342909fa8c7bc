#ifndef LG_TOOLS_LEARNED_H
#define LG_TOOLS_LEARNED_H

#include "json.h"

struct lg_engine;
struct lg_region;

/*
 * What the region knows of each model's answers (status --models): most
 * samples first. r may be NULL: nothing is known.
 */
void learned_table(struct lg_engine *e, struct lg_region *r,
		   struct lg_buf *out);
/* As the array "models". */
void learned_json(struct json *j, struct lg_region *r);

#endif
