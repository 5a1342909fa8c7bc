#ifndef LG_TOOLS_DARKS_H
#define LG_TOOLS_DARKS_H

#include "json.h"

struct lg_region;

/*
 * Dark traffic as the region knows it (budget/dark.h): connections of guarded
 * programs to LLM hosts that nothing was seen of. program: of this one alone,
 * by the base name of its path; NULL: of all.
 */
void darks_json(struct json *j, struct lg_region *r, const char *program);
/* A table with a line above it; nothing when there is none. */
void darks_text(struct lg_buf *out, struct lg_region *r, const char *program);
/* How many connections. */
uint64_t darks_count(struct lg_region *r, const char *program);

#endif
