#ifndef LG_LLM_GATEWAY_H
#define LG_LLM_GATEWAY_H

#include <stddef.h>

#include "base/slice.h"
#include "llm/facts.h"
#include "llm/route.h"

/*
 * Services that stand between a program and a provider: which provider they
 * pass a request on to, and whether an answer came from a cache of theirs.
 * Any thread, no allocation.
 */

/*
 * One header field of a final answer: sets a->from_gateway_cache where it says
 * that the gateway answered by itself, a->provider where Hugging Face's router
 * says whom it asked. docs/protocols.md has the sources.
 */
void lg_gateway_header(struct lg_answer *a, struct lg_slice name,
		       struct lg_slice value);

/*
 * The provider that a gateway's path names, in place of the gateway's own id:
 * "/groq/openai/v1/..." on the Hugging Face router is huggingface_groq.
 * provider: the host's, rewritten where the path says more.
 */
void lg_gateway_path(struct lg_slice path, char *provider, size_t cap);

/*
 * The same where the requested model names it ("org/model:groq"), after the
 * request's body is read. Rewrites r->provider, and r->model to the bare name
 * under which that provider's prices stand. True when anything changed.
 */
bool lg_gateway_model(struct lg_route *r, const char *model);

#endif
