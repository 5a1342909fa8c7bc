#include "llm/openai.h"

/* POST /v1/completions, the older shape that many servers still offer. */

static const struct lg_field request_fields[] = {
	LG_OPENAI_REQUEST,
	LG_WATCH("stream_options.include_usage", LG_FACT_INCLUDE_USAGE),
	LG_WATCH("max_tokens", LG_FACT_MAX),
	LG_WATCH("n", LG_FACT_N),
	LG_WATCH("best_of", LG_FACT_N),
	LG_WATCH("prompt", LG_FACT_TOKEN),
	LG_WATCH("prompt[]", LG_FACT_TOKEN),
	LG_WATCH("prompt[][]", LG_FACT_TOKEN),
	LG_WATCH("suffix", LG_FACT_TEXT),
	LG_WATCH("store", LG_FACT_STORE),
};

static const struct lg_field response_fields[] = {
	LG_WATCH("id", LG_ANSWER_ID),
	LG_WATCH("model", LG_ANSWER_MODEL),
	LG_WATCH("service_tier", LG_ANSWER_TIER),
	LG_WATCH("error", LG_ANSWER_ERROR),
	LG_WATCH("choices[].text", LG_ANSWER_TEXT),
	LG_WATCH("choices[].message.content", LG_ANSWER_TEXT), /* Mistral's */
	LG_WATCH("choices[].delta.content", LG_ANSWER_TEXT),   /* FIM */
	LG_WATCH("choices[].finish_reason", LG_ANSWER_FINISH),
	LG_OPENAI_TIMINGS,
	LG_OPENAI_USAGE(""),
	LG_WATCH("", LG_ANSWER_ROOT),
};

const struct lg_dialect lg_openai_completions = {
	.name = "openai-completions",
	.family = "openai",
	.type = LG_REQUEST_GENERATE,
	.model_at = "model",
	.cap_at = "max_tokens",
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_facts_apply,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = lg_openai_on_response,
	.event_fields = response_fields,
	.nevent_fields = LG_COUNT_OF(response_fields) - 1,
	.on_event = lg_openai_on_event,
	.end_event = lg_openai_end_event,
	.finish = lg_openai_finish,
	.error_body = lg_openai_error_body,
};
