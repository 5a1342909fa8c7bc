#ifndef LG_LLM_GEMINI_H
#define LG_LLM_GEMINI_H

#include "llm/adapter.h"

/* What Google's dialects have in common. */

#define LG_GEMINI_ASKED_TIER 64 /* a fact */

/* A service tier's name as the catalog spells it; others leave tier alone. */
void lg_gemini_tier(const struct lg_value *v, char *tier, size_t cap);

/* As lg_dialect's members of these names. */
void lg_gemini_on_request(struct lg_facts *f, int id, const struct lg_value *v);
void lg_gemini_on_header(struct lg_answer *a, struct lg_slice name,
			 struct lg_slice value);
int lg_gemini_error_body(const struct lg_refusal *r, struct lg_buf *out);

#endif
