#include "llm/anthropic.h"

/*
 * POST /v1/complete, the text completions of Claude 1 and 2. No answer has
 * usage: it is estimated from the prompt and the text that came.
 */

static const struct lg_field request_fields[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("stream", LG_FACT_STREAM),
	LG_WATCH("max_tokens_to_sample", LG_FACT_MAX),
	LG_WATCH("metadata.user_id", LG_FACT_USER),
	LG_WATCH("prompt", LG_FACT_TEXT),
};

#define FIELDS                                                                 \
	LG_WATCH("id", LG_ANSWER_ID), LG_WATCH("model", LG_ANSWER_MODEL),      \
		LG_WATCH("error", LG_ANSWER_ERROR),                            \
		LG_WATCH("completion", LG_ANSWER_TEXT),                        \
		LG_WATCH("stop_reason", LG_ANSWER_FINISH)

static const struct lg_field response_fields[] = {
	FIELDS,
	LG_WATCH("", LG_ANSWER_ROOT),
};

static const struct lg_field event_fields[] = {
	FIELDS,
};

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	lg_answer_apply(a, id, v);
	if (id == LG_ANSWER_ROOT && v->type == LG_VALUE_END)
		a->done = true;
}

static void end_event(struct lg_answer *a, struct lg_slice name,
		      bool done_marker)
{
	a->events++;
	a->error |= lg_slice_eq(name, LG_SLICE("error"));
	a->done |= done_marker || lg_raw_has(a, LG_RAW_FINISHED);
}

const struct lg_dialect lg_anthropic_complete = {
	.name = "anthropic-complete",
	.family = "anthropic",
	.type = LG_REQUEST_GENERATE,
	.model_at = "model",
	.cap_at = "max_tokens_to_sample",
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_facts_apply,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.event_fields = event_fields,
	.nevent_fields = LG_COUNT_OF(event_fields),
	.on_event = lg_answer_apply,
	.end_event = end_event,
	.finish = lg_anthropic_finish,
	.error_body = lg_anthropic_error_body,
	.cut_event = "error",
};
