#ifndef LG_LLM_COHERE_H
#define LG_LLM_COHERE_H

#include "llm/adapter.h"

/*
 * What the Cohere dialects have in common: billed_units are what is charged,
 * whatever tokens and cached_tokens beside them say. Prefix p ends in '.'.
 */
#define LG_COHERE_BILLED(p)                                                    \
	LG_WATCH(p "billed_units.input_tokens", LG_RAW_INPUT),                 \
		LG_WATCH(p "billed_units.output_tokens", LG_RAW_OUTPUT),       \
		LG_WATCH(p "billed_units.image_tokens", LG_RAW_IMAGE_IN),      \
		LG_WATCH(p "billed_units.search_units", LG_RAW_SCRATCH),       \
		LG_WATCH(p "billed_units.classifications", LG_RAW_SCRATCH2)

enum lg_cohere_answer {
	LG_COHERE_MESSAGE = LG_ANSWER_OWN, /* a string: an error's text */
	LG_COHERE_FINISHED,		   /* is_finished of v1 */
	LG_COHERE_TYPE,			   /* of a v2 event */
};

/* As lg_dialect's members of these names. */
void lg_cohere_on_response(struct lg_answer *a, int id,
			   const struct lg_value *v);
void lg_cohere_on_event(struct lg_answer *a, int id, const struct lg_value *v);
void lg_cohere_end_event(struct lg_answer *a, struct lg_slice name,
			 bool done_marker);
void lg_cohere_finish(struct lg_answer *a);
int lg_cohere_error_body(const struct lg_refusal *r, struct lg_buf *out);

#endif
