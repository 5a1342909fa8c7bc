#include "llm/anthropic.h"

/*
 * POST /v1/messages, and the bodies of the same shape behind Vertex AI's
 * rawPredict and other companies' .../anthropic/v1/messages. In a stream
 * message_start tells the input, and each message_delta the figures so far.
 */

enum asked {
	ASKED_TIER = 64,
	ASKED_SPEED,
	ASKED_EDIT, /* of context_management */
};

static const struct lg_field request_fields[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("stream", LG_FACT_STREAM),
	LG_WATCH("max_tokens", LG_FACT_MAX),
	LG_WATCH("metadata.user_id", LG_FACT_USER),
	LG_WATCH("service_tier", ASKED_TIER),
	LG_WATCH("speed", ASKED_SPEED),
	LG_WATCH("inference_geo", LG_FACT_GEO),
	LG_WATCH("context_management.edits[].type", ASKED_EDIT),
	LG_WATCH("compaction", LG_FACT_SERVER_TOOL),
	LG_WATCH("fallbacks", LG_FACT_SERVER_TOOL),
	LG_WATCH("fallbacks[].max_tokens", LG_FACT_MAX),
	LG_WATCH("thread", LG_FACT_REMOTE),
	LG_WATCH("thinking.budget_tokens", LG_FACT_THINKING),
	LG_WATCH("container", LG_FACT_REMOTE),
	LG_WATCH("mcp_servers[]", LG_FACT_SERVER_TOOL),
	LG_WATCH("cache_control.ttl", LG_FACT_TTL),
	LG_WATCH("system", LG_FACT_TEXT),
	LG_WATCH("system[].text", LG_FACT_TEXT),
	LG_WATCH("system[].cache_control.ttl", LG_FACT_TTL),
	LG_WATCH("messages[].content", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].type", LG_FACT_CONTENT_TYPE),
	LG_WATCH("messages[].content[].text", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].thinking", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].name", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].input.**", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].title", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].context", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].source", LG_FACT_SOURCE),
	LG_WATCH("messages[].content[].source.type", LG_FACT_SOURCE_TYPE),
	LG_WATCH("messages[].content[].source.data", LG_FACT_SOURCE_DATA),
	LG_WATCH("messages[].content[].source.content", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].source.content[].text", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].content", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].content[].type", LG_FACT_CONTENT_TYPE),
	LG_WATCH("messages[].content[].content[].text", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].content[].source.type",
		 LG_FACT_SOURCE_TYPE),
	LG_WATCH("messages[].content[].cache_control.ttl", LG_FACT_TTL),
	LG_WATCH("tools[]", LG_FACT_TOOL),
	LG_WATCH("tools[].type", LG_FACT_TOOL_TYPE),
	LG_WATCH("tools[].name", LG_FACT_TEXT),
	LG_WATCH("tools[].description", LG_FACT_TEXT),
	LG_WATCH("tools[].input_schema.**", LG_FACT_TEXT),
	LG_WATCH("tools[].cache_control.ttl", LG_FACT_TTL),
	LG_WATCH("tools[].caching.ttl", LG_FACT_TTL),
};

static const struct lg_field response_fields[] = {
	LG_WATCH("id", LG_ANSWER_ID),
	LG_WATCH("model", LG_ANSWER_MODEL),
	LG_WATCH("error", LG_ANSWER_ERROR),
	LG_WATCH("stop_reason", LG_ANTHROPIC_STOP),
	LG_WATCH("stop_details.category", LG_ANTHROPIC_REFUSAL),
	LG_WATCH("content[].text", LG_ANSWER_TEXT),
	LG_WATCH("content[].input.**", LG_ANSWER_TEXT),
	LG_WATCH("content[].thinking", LG_ANSWER_THOUGHT),
	LG_WATCH("content[].to.model", LG_ANTHROPIC_SERVED),
	LG_WATCH("content[].trigger.category", LG_ANTHROPIC_DECLINE),
	LG_WATCH_RAW("usage", LG_ANTHROPIC_USAGE),
	LG_ANTHROPIC_USAGE_FIELDS("usage."),
	LG_WATCH("", LG_ANSWER_ROOT),
};

static const struct lg_field event_fields[] = {
	LG_WATCH("type", LG_ANTHROPIC_TYPE),
	LG_WATCH("error", LG_ANSWER_ERROR),
	LG_WATCH("message.id", LG_ANSWER_ID),
	LG_WATCH("message.model", LG_ANSWER_MODEL),
	LG_WATCH_RAW("message.usage", LG_ANTHROPIC_USAGE),
	LG_ANTHROPIC_USAGE_FIELDS("message.usage."),
	LG_WATCH_RAW("usage", LG_ANTHROPIC_USAGE_DELTA),
	LG_ANTHROPIC_USAGE_FIELDS("usage."),
	LG_WATCH("content_block.text", LG_ANSWER_TEXT),
	LG_WATCH("content_block.to.model", LG_ANTHROPIC_SERVED),
	LG_WATCH("content_block.trigger.category", LG_ANTHROPIC_DECLINE),
	LG_WATCH("delta.text", LG_ANSWER_TEXT),
	LG_WATCH("delta.partial_json", LG_ANSWER_TEXT),
	LG_WATCH("delta.thinking", LG_ANSWER_THOUGHT),
	LG_WATCH("delta.stop_reason", LG_ANTHROPIC_STOP),
	LG_WATCH("delta.stop_details.category", LG_ANTHROPIC_REFUSAL),
};

/* "auto" and "standard_only" ask for the standard price. */
static void on_request(struct lg_facts *f, int id, const struct lg_value *v)
{
	switch (id) {
	case ASKED_TIER:
		if (lg_value_is(v, "priority"))
			lg_facts_apply(f, LG_FACT_TIER, v);
		break;
	case ASKED_SPEED:
		if (lg_value_is(v, "fast"))
			lg_facts_apply(f, LG_FACT_TIER, v);
		break;
	case ASKED_EDIT:
		if (v->type == LG_VALUE_STRING &&
		    lg_slice_starts(v->text, LG_SLICE("compact")))
			f->server_tools = true;
		break;
	default:
		lg_facts_apply(f, id, v);
	}
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	lg_anthropic_usage(a, id, v);
	if (id != LG_ANSWER_ROOT || v->type != LG_VALUE_END)
		return;
	a->done = true;
	lg_anthropic_end(a);
}

static void on_event(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id != LG_ANTHROPIC_TYPE) {
		lg_anthropic_usage(a, id, v);
		return;
	}
	a->done |= lg_value_is(v, "message_stop");
	a->error |= lg_value_is(v, "error");
}

static void end_event(struct lg_answer *a, struct lg_slice name,
		      bool done_marker)
{
	a->events++;
	a->error |= lg_slice_eq(name, LG_SLICE("error"));
	a->done |= done_marker || lg_slice_eq(name, LG_SLICE("message_stop"));
	lg_anthropic_end(a);
}

const struct lg_dialect lg_anthropic_messages = {
	.name = "anthropic-messages",
	.family = "anthropic",
	.type = LG_REQUEST_GENERATE,
	.model_at = "model",
	.cap_at = "max_tokens",
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = on_request,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.event_fields = event_fields,
	.nevent_fields = LG_COUNT_OF(event_fields),
	.on_event = on_event,
	.end_event = end_event,
	.finish = lg_anthropic_finish,
	.error_body = lg_anthropic_error_body,
	.cut_event = "error",
};

/* Free: neither held nor read, but called by its name. */
const struct lg_dialect lg_anthropic_count_tokens = {
	.name = "anthropic-count-tokens",
	.family = "anthropic",
	.type = LG_REQUEST_COUNT,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = on_request,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.finish = lg_anthropic_finish,
	.error_body = lg_anthropic_error_body,
};
