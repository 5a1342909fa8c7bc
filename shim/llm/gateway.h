#ifndef LG_LLM_GATEWAY_H
#define LG_LLM_GATEWAY_H

#include "base/slice.h"
#include "llm/facts.h"

/*
 * One field of an answer's final head, of any dialect: a gateway that answered
 * from its own cache says so here, and nobody was asked. Any thread.
 */
void lg_gateway_header(struct lg_answer *a, struct lg_slice name,
		       struct lg_slice value);

#endif
