#ifndef LG_TOOLS_PROMPT_BODY_H
#define LG_TOOLS_PROMPT_BODY_H

#include "doc.h"

struct prompt_body {
	struct lg_slice model, prompt;
	struct lg_slice system; /* empty: none */
	uint64_t max_tokens;
	bool has_max;
};

/*
 * The JSON body that asks this provider's model a prompt, as its usual endpoint
 * takes it (embedding models: an input). Text in the arena.
 */
struct lg_slice prompt_body(struct doc_arena *a, const char *provider,
			    const struct prompt_body *p);

#endif
