#include "llm/openai.h"

/* POST /v1/chat/completions, here and at everyone who imitates it. */

#define TOOL_CALLS(m, id)                                                      \
	LG_WATCH(m "tool_calls[].function.name", id),                          \
		LG_WATCH(m "tool_calls[].function.arguments", id),             \
		LG_WATCH(m "tool_calls[].custom.input", id),                   \
		LG_WATCH(m "function_call.name", id),                          \
		LG_WATCH(m "function_call.arguments", id)

#define FUNCTION(f)                                                            \
	LG_WATCH(f "name", LG_FACT_TEXT),                                      \
		LG_WATCH(f "description", LG_FACT_TEXT),                       \
		LG_WATCH(f "parameters.**", LG_FACT_TEXT)

static const struct lg_field request_fields[] = {
	LG_OPENAI_REQUEST,
	LG_WATCH("stream_options.include_usage", LG_FACT_INCLUDE_USAGE),
	LG_WATCH("max_tokens", LG_FACT_MAX),
	LG_WATCH("max_completion_tokens", LG_FACT_MAX),
	LG_WATCH("n", LG_FACT_N),
	LG_WATCH("reasoning_effort", LG_FACT_EFFORT),
	LG_WATCH("reasoning.effort", LG_FACT_EFFORT),
	LG_WATCH("store", LG_FACT_STORE),
	LG_WATCH("thinking.budget_tokens", LG_FACT_THINKING),
	LG_WATCH("reasoning.max_tokens", LG_FACT_THINKING),
	LG_WATCH("messages[].content", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].type", LG_FACT_CONTENT_TYPE),
	LG_WATCH("messages[].content[].text", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].refusal", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].image_url", LG_FACT_URL),
	LG_WATCH("messages[].content[].image_url.url", LG_FACT_URL),
	LG_WATCH("messages[].content[].image_url.detail", LG_FACT_DETAIL),
	LG_WATCH("messages[].content[].input_audio.data", LG_FACT_SOUND),
	LG_WATCH("messages[].content[].document_url", LG_FACT_URL),
	LG_WATCH("messages[].content[].video_url.url", LG_FACT_URL),
	LG_WATCH("messages[].content[].file.file_id", LG_FACT_REMOTE),
	LG_WATCH("messages[].content[].cache_control.ttl", LG_FACT_TTL),
	LG_WATCH("messages[].name", LG_FACT_TEXT),
	LG_WATCH("inputs", LG_FACT_TEXT), /* Mistral's conversations */
	LG_WATCH("inputs[].content", LG_FACT_TEXT),
	LG_WATCH("inputs[].content[].text", LG_FACT_TEXT),
	LG_WATCH("instructions", LG_FACT_TEXT),
	LG_WATCH("completion_args.max_tokens", LG_FACT_MAX),
	LG_WATCH("messages[].reasoning_content", LG_FACT_TEXT),
	LG_WATCH("messages[].audio.id", LG_FACT_REMOTE),
	TOOL_CALLS("messages[].", LG_FACT_TEXT),
	LG_WATCH("prediction.content", LG_FACT_TEXT),
	LG_WATCH("prediction.content[].text", LG_FACT_TEXT),
	LG_WATCH("response_format.json_schema.**", LG_FACT_TEXT),
	LG_WATCH("tools[]", LG_FACT_TOOL),
	LG_WATCH("tools[].type", LG_FACT_TOOL_TYPE),
	FUNCTION("tools[].function."),
	LG_WATCH("tools[].custom.description", LG_FACT_TEXT),
	LG_WATCH("functions[]", LG_FACT_TOOL),
	FUNCTION("functions[]."),
	LG_WATCH("web_search_options", LG_FACT_SERVER_TOOL),
	LG_WATCH("search_parameters", LG_FACT_SERVER_TOOL),
	LG_WATCH("plugins[]", LG_FACT_SERVER_TOOL),
};

#define HEADER                                                                 \
	LG_WATCH("id", LG_ANSWER_ID), LG_WATCH("model", LG_ANSWER_MODEL),      \
		LG_WATCH("service_tier", LG_ANSWER_TIER),                      \
		LG_WATCH("created", LG_ANSWER_CREATED),                        \
		LG_WATCH("error", LG_ANSWER_ERROR),                            \
		LG_WATCH("x_groq.id", LG_ANSWER_ID_TOO),                       \
		LG_WATCH("x_groq.error", LG_ANSWER_ERROR), LG_OPENAI_TIMINGS,  \
		LG_WATCH("choices[].finish_reason", LG_ANSWER_FINISH)

#define MESSAGE(m)                                                             \
	LG_WATCH(m "content", LG_ANSWER_TEXT),                                 \
		LG_WATCH(m "content[].text", LG_ANSWER_TEXT),                  \
		LG_WATCH(m "content[].thinking[].text", LG_ANSWER_THOUGHT),    \
		LG_WATCH(m "refusal", LG_ANSWER_TEXT),                         \
		LG_WATCH(m "reasoning_content", LG_ANSWER_THOUGHT),            \
		LG_WATCH(m "reasoning", LG_ANSWER_THOUGHT),                    \
		LG_WATCH(m "audio.transcript", LG_ANSWER_TEXT),                \
		TOOL_CALLS(m, LG_ANSWER_TEXT)

static const struct lg_field response_fields[] = {
	HEADER,
	MESSAGE("choices[].message."),
	LG_WATCH("conversation_id", LG_ANSWER_ID_TOO),
	LG_WATCH("outputs[].model", LG_ANSWER_MODEL),
	LG_WATCH("outputs[].content", LG_ANSWER_TEXT),
	LG_WATCH("outputs[].content[].text", LG_ANSWER_TEXT),
	LG_OPENAI_USAGE(""),
	LG_WATCH("", LG_ANSWER_ROOT),
};

static const struct lg_field event_fields[] = {
	HEADER,
	MESSAGE("choices[].delta."),
	LG_WATCH("conversation_id", LG_ANSWER_ID_TOO),
	LG_WATCH("content", LG_ANSWER_TEXT),
	LG_WATCH("content.text", LG_ANSWER_TEXT),
	LG_OPENAI_USAGE(""),
	LG_OPENAI_USAGE("x_groq."),
	LG_OPENAI_USAGE("choices[]."), /* Moonshot */
};

/* The search models search once for every answer, whatever was asked. */
static void finish(struct lg_answer *a)
{
	struct lg_slice model = lg_slice_str(a->model);

	if (a->usage.flags & LG_USAGE_PRESENT &&
	    (lg_slice_icontains(model, LG_SLICE("-search-preview")) ||
	     lg_slice_icontains(model, LG_SLICE("-search-api"))))
		lg_raw_put(a, LG_RAW_WEB, 1);
	lg_openai_finish(a);
}

const struct lg_dialect lg_openai_chat = {
	.name = "openai-chat",
	.family = "openai",
	.type = LG_REQUEST_GENERATE,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_facts_apply,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = lg_openai_on_response,
	.event_fields = event_fields,
	.nevent_fields = LG_COUNT_OF(event_fields),
	.on_event = lg_openai_on_event,
	.end_event = lg_openai_end_event,
	.finish = finish,
	.error_body = lg_openai_error_body,
};
