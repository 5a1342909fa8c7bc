#include "llm/openai.h"

#include <string.h>

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

/* Groq's systems: what each model behind them used. */
enum own { PART = LG_ANSWER_OWN, PART_MODEL };

#define PARTS(p)                                                               \
	LG_WATCH(p "usage_breakdown.models[]", PART),                          \
		LG_WATCH(p "usage_breakdown.models[].model", PART_MODEL),      \
		LG_OPENAI_TOKENS(p "usage_breakdown.models[].")

static const struct lg_field response_fields[] = {
	HEADER,
	LG_WATCH("created", LG_ANSWER_CREATED),
	MESSAGE("choices[].message."),
	LG_WATCH("conversation_id", LG_ANSWER_ID_TOO),
	LG_WATCH("outputs[].model", LG_ANSWER_MODEL),
	LG_WATCH("outputs[].content", LG_ANSWER_TEXT),
	LG_WATCH("outputs[].content[].text", LG_ANSWER_TEXT),
	LG_OPENAI_USAGE(""),
	PARTS(""),
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
	LG_OPENAI_TOKENS("choices[]."), /* Moonshot */
	PARTS("x_groq."),
	PARTS(""),
};

/* The model of the whole is kept: each part puts its own in its place. */
static void part(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id == PART_MODEL) {
		lg_answer_apply(a, LG_ANSWER_MODEL, v);
	} else if (v->type == LG_VALUE_OBJECT && !a->own_model[0]) {
		memcpy(a->own_model, a->model, sizeof(a->own_model));
	} else if (v->type == LG_VALUE_END) {
		a->usage_final = true;
		a->part = LG_PART_DUE;
	}
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id >= LG_ANSWER_OWN)
		part(a, id, v);
	else
		lg_openai_on_response(a, id, v);
}

static void on_event(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id >= LG_ANSWER_OWN)
		part(a, id, v);
	else
		lg_openai_on_event(a, id, v);
}

/* The search models search once for every answer, whatever was asked. */
static void finish(struct lg_answer *a)
{
	struct lg_slice model;

	if (!a->model[0] && a->own_model[0])
		memcpy(a->model, a->own_model, sizeof(a->model));
	model = lg_slice_str(a->model);
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
	.model_at = "model",
	.cap_at = "max_tokens",
	.cap_own = "max_completion_tokens",
	.cap_beside = "messages",
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_facts_apply,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.event_fields = event_fields,
	.nevent_fields = LG_COUNT_OF(event_fields),
	.on_event = on_event,
	.end_event = lg_openai_end_event,
	.finish = finish,
	.error_body = lg_openai_error_body,
};
