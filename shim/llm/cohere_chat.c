#include "llm/cohere.h"

/*
 * POST /v1/chat: the stream is one JSON value a line, the last of which has
 * the whole answer again. POST /v2/chat: server-sent events with names.
 */

static const struct lg_field request_v1[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("stream", LG_FACT_STREAM),
	LG_WATCH("max_tokens", LG_FACT_MAX),
	LG_WATCH("conversation_id", LG_FACT_CONVERSATION),
	LG_WATCH("message", LG_FACT_TEXT),
	LG_WATCH("preamble", LG_FACT_TEXT),
	LG_WATCH("chat_history[].message", LG_FACT_TEXT),
	LG_WATCH("chat_history[].tool_calls.**", LG_FACT_TEXT),
	LG_WATCH("chat_history[].tool_results.**", LG_FACT_TEXT),
	LG_WATCH("documents.**", LG_FACT_TEXT),
	LG_WATCH("tools[]", LG_FACT_TOOL),
	LG_WATCH("tools[].**", LG_FACT_TEXT),
	LG_WATCH("tool_results.**", LG_FACT_TEXT),
	LG_WATCH("response_format.schema.**", LG_FACT_TEXT),
	LG_WATCH("connectors[]", LG_FACT_SERVER_TOOL),
};

static const struct lg_field response_v1[] = {
	LG_WATCH("generation_id", LG_ANSWER_ID),
	LG_WATCH("message", LG_COHERE_MESSAGE),
	LG_WATCH("text", LG_ANSWER_TEXT),
	LG_WATCH("tool_calls.**", LG_ANSWER_TEXT),
	LG_WATCH_RAW("meta", LG_ANSWER_USAGE),
	LG_COHERE_BILLED("meta."),
	LG_WATCH("", LG_ANSWER_ROOT),
};

static const struct lg_field event_v1[] = {
	LG_WATCH("generation_id", LG_ANSWER_ID),
	LG_WATCH("message", LG_COHERE_MESSAGE),
	LG_WATCH("text", LG_ANSWER_TEXT),
	LG_WATCH("tool_call_delta.**", LG_ANSWER_TEXT),
	LG_WATCH("is_finished", LG_COHERE_FINISHED),
	LG_WATCH_RAW("response.meta", LG_ANSWER_USAGE),
	LG_COHERE_BILLED("response.meta."),
};

static const struct lg_field request_v2[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("stream", LG_FACT_STREAM),
	LG_WATCH("max_tokens", LG_FACT_MAX),
	LG_WATCH("thinking.token_budget", LG_FACT_THINKING),
	LG_WATCH("messages[].content", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].type", LG_FACT_CONTENT_TYPE),
	LG_WATCH("messages[].content[].text", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].thinking", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].image_url", LG_FACT_URL),
	LG_WATCH("messages[].content[].image_url.url", LG_FACT_URL),
	LG_WATCH("messages[].content[].document.**", LG_FACT_TEXT),
	LG_WATCH("messages[].tool_plan", LG_FACT_TEXT),
	LG_WATCH("messages[].tool_calls[].function.**", LG_FACT_TEXT),
	LG_WATCH("documents.**", LG_FACT_TEXT),
	LG_WATCH("tools[]", LG_FACT_TOOL),
	LG_WATCH("tools[].function.**", LG_FACT_TEXT),
	LG_WATCH("response_format.json_schema.**", LG_FACT_TEXT),
};

static const struct lg_field response_v2[] = {
	LG_WATCH("id", LG_ANSWER_ID),
	LG_WATCH("message", LG_COHERE_MESSAGE),
	LG_WATCH("message.content[].text", LG_ANSWER_TEXT),
	LG_WATCH("message.content[].thinking", LG_ANSWER_THOUGHT),
	LG_WATCH("message.tool_plan", LG_ANSWER_TEXT),
	LG_WATCH("message.tool_calls[].function.**", LG_ANSWER_TEXT),
	LG_WATCH_RAW("usage", LG_ANSWER_USAGE),
	LG_COHERE_BILLED("usage."),
	LG_WATCH("", LG_ANSWER_ROOT),
};

static const struct lg_field event_v2[] = {
	LG_WATCH("type", LG_COHERE_TYPE),
	LG_WATCH("id", LG_ANSWER_ID),
	LG_WATCH("message", LG_COHERE_MESSAGE),
	LG_WATCH("delta.error", LG_COHERE_MESSAGE),
	LG_WATCH("delta.message.content.text", LG_ANSWER_TEXT),
	LG_WATCH("delta.message.content.thinking", LG_ANSWER_THOUGHT),
	LG_WATCH("delta.message.tool_plan", LG_ANSWER_TEXT),
	LG_WATCH("delta.message.tool_calls.function.**", LG_ANSWER_TEXT),
	LG_WATCH_RAW("delta.usage", LG_ANSWER_USAGE),
	LG_COHERE_BILLED("delta.usage."),
};

/* What the API itself sends when it fails in mid-stream (docs, 2026-11). */
static int cut_v1(const struct lg_refusal *r, struct lg_buf *out)
{
	lg_buf_puts(out, "{\"is_finished\":true,\"event_type\":\"stream-end\","
			 "\"finish_reason\":\"ERROR\",\"response\":{"
			 "\"text\":\"\",\"finish_reason\":\"ERROR\"},"
			 "\"message\":");
	lg_refusal_put_message(r, out);
	lg_buf_puts(out, ",\"llmguard\":");
	lg_refusal_object(r, out);
	lg_buf_puts(out, "}");
	return lg_refusal_end(out);
}

static int cut_v2(const struct lg_refusal *r, struct lg_buf *out)
{
	lg_buf_puts(out, "{\"type\":\"message-end\",\"delta\":{"
			 "\"finish_reason\":\"ERROR\",\"error\":");
	lg_refusal_put_message(r, out);
	lg_buf_puts(out, "},\"llmguard\":");
	lg_refusal_object(r, out);
	lg_buf_puts(out, "}");
	return lg_refusal_end(out);
}

#define CHAT(v)                                                                \
	.family = "cohere", .type = LG_REQUEST_GENERATE, .model_at = "model",  \
	.cap_at = "max_tokens", .request_fields = request_##v,                 \
	.nrequest_fields = LG_COUNT_OF(request_##v),                           \
	.on_request = lg_facts_apply, .response_fields = response_##v,         \
	.nresponse_fields = LG_COUNT_OF(response_##v),                         \
	.on_response = lg_cohere_on_response, .event_fields = event_##v,       \
	.nevent_fields = LG_COUNT_OF(event_##v),                               \
	.on_event = lg_cohere_on_event, .end_event = lg_cohere_end_event,      \
	.finish = lg_cohere_finish, .sleepers = true,                          \
	.error_body = lg_cohere_error_body, .cut_body = cut_##v

const struct lg_dialect lg_cohere_chat_v1 = {
	.name = "cohere-chat-v1",
	.lines = true,
	CHAT(v1),
};

const struct lg_dialect lg_cohere_chat_v2 = {
	.name = "cohere-chat-v2",
	.cut_event = "message-end",
	CHAT(v2),
};
