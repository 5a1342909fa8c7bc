#include "llm/adapter.h"

#include <string.h>

/*
 * POST /v1/messages. input_tokens leaves out what was read from or written to
 * a cache. In a stream message_start tells the input, and each message_delta
 * the figures so far: it replaces, it never adds.
 */

static const struct lg_field request_fields[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("stream", LG_FACT_STREAM),
	LG_WATCH("max_tokens", LG_FACT_MAX),
	LG_WATCH("metadata.user_id", LG_FACT_USER),
	LG_WATCH("service_tier", LG_FACT_TIER),
	LG_WATCH("speed", LG_FACT_TIER),
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
};

enum own {
	USAGE = LG_ANSWER_OWN, /* of the answer or of message_start */
	USAGE_DELTA,
	SPEED,
	TYPE, /* of a stream event */
};

#define USAGE_FIELDS(p)                                                        \
	LG_WATCH(p "input_tokens", LG_RAW_INPUT),                              \
		LG_WATCH(p "output_tokens", LG_RAW_OUTPUT),                    \
		LG_WATCH(p "cache_read_input_tokens", LG_RAW_CACHED),          \
		LG_WATCH(p "cache_creation_input_tokens", LG_RAW_WRITE),       \
		LG_WATCH(p "cache_creation.ephemeral_5m_input_tokens",         \
			 LG_RAW_WRITE_5M),                                     \
		LG_WATCH(p "cache_creation.ephemeral_1h_input_tokens",         \
			 LG_RAW_WRITE_1H),                                     \
		LG_WATCH(p "output_tokens_details.thinking_tokens",            \
			 LG_RAW_REASONING),                                    \
		LG_WATCH(p "server_tool_use.web_search_requests", LG_RAW_WEB), \
		LG_WATCH(p "service_tier", LG_ANSWER_TIER),                    \
		LG_WATCH(p "speed", SPEED)

static const struct lg_field response_fields[] = {
	LG_WATCH("id", LG_ANSWER_ID),
	LG_WATCH("model", LG_ANSWER_MODEL),
	LG_WATCH("error", LG_ANSWER_ERROR),
	LG_WATCH("content[].text", LG_ANSWER_TEXT),
	LG_WATCH("content[].input.**", LG_ANSWER_TEXT),
	LG_WATCH("content[].thinking", LG_ANSWER_THOUGHT),
	LG_WATCH_RAW("usage", USAGE),
	USAGE_FIELDS("usage."),
	LG_WATCH("", LG_ANSWER_ROOT),
};

static const struct lg_field event_fields[] = {
	LG_WATCH("type", TYPE),
	LG_WATCH("error", LG_ANSWER_ERROR),
	LG_WATCH("message.id", LG_ANSWER_ID),
	LG_WATCH("message.model", LG_ANSWER_MODEL),
	LG_WATCH_RAW("message.usage", USAGE),
	USAGE_FIELDS("message.usage."),
	LG_WATCH_RAW("usage", USAGE_DELTA),
	USAGE_FIELDS("usage."),
	LG_WATCH("content_block.text", LG_ANSWER_TEXT),
	LG_WATCH("delta.text", LG_ANSWER_TEXT),
	LG_WATCH("delta.partial_json", LG_ANSWER_TEXT),
	LG_WATCH("delta.thinking", LG_ANSWER_THOUGHT),
	LG_WATCH("delta.stop_reason", LG_ANSWER_FINISH),
};

/*
 * A delta that does not repeat the input does not say it all: keep both, as
 * {"message_start":{...},"message_delta":{...}}. SCRATCH is the first's length.
 */
static void merge_raw(struct lg_answer *a, const struct lg_value *v)
{
	static const char head[] = "{\"message_start\":";
	static const char mid[] = ",\"message_delta\":";
	char delta[sizeof(a->usage_raw)];
	size_t first = a->raw[LG_RAW_SCRATCH], room;
	size_t len = lg_value_compact(v, delta, sizeof(delta));
	char *raw = a->usage_raw;

	if (!len)
		return;
	if (!first || strstr(delta, "\"input_tokens\"")) {
		memcpy(raw, delta, len + 1);
		a->raw[LG_RAW_SCRATCH] = 0;
		return;
	}
	room = sizeof(a->usage_raw) - sizeof(head) - sizeof(mid) - 1;
	if (first + len > room)
		return;
	if (strncmp(raw, head, sizeof(head) - 1)) {
		memmove(raw + sizeof(head) - 1, raw, first);
		memcpy(raw, head, sizeof(head) - 1);
	}
	raw += sizeof(head) - 1 + first;
	memcpy(raw, mid, sizeof(mid) - 1);
	raw += sizeof(mid) - 1;
	memcpy(raw, delta, len);
	memcpy(raw + len, "}", 2);
}

static void usage_event(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (v->type == LG_VALUE_END) {
		a->usage.flags |= LG_USAGE_PRESENT;
	} else if (v->type == LG_VALUE_RAW && id == USAGE) {
		lg_answer_put_raw(a, v);
		a->raw[LG_RAW_SCRATCH] = strlen(a->usage_raw);
	} else if (v->type == LG_VALUE_RAW) {
		merge_raw(a, v);
	}
}

static void apply(struct lg_answer *a, int id, const struct lg_value *v)
{
	switch (id) {
	case USAGE:
	case USAGE_DELTA:
		usage_event(a, id, v);
		break;
	case SPEED:
		if (lg_value_is(v, "fast"))
			memcpy(a->tier, "fast", 5);
		break;
	case LG_ANSWER_TIER:
		if (strcmp(a->tier, "fast"))
			lg_answer_apply(a, id, v);
		break;
	default:
		lg_answer_apply(a, id, v);
	}
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	apply(a, id, v);
	if (id == LG_ANSWER_ROOT && v->type == LG_VALUE_END)
		a->done = true;
	if (id == USAGE && v->type == LG_VALUE_END)
		a->usage_final = true;
}

static void on_event(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id != TYPE) {
		apply(a, id, v);
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
	if (a->usage.flags & LG_USAGE_PRESENT &&
	    (a->done || lg_raw_has(a, LG_RAW_FINISHED)))
		a->usage_final = true;
}

/* Without the split the request says how long; the dearer where in doubt. */
static void cache_writes(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;
	uint64_t w5 = a->raw[LG_RAW_WRITE_5M], w1 = a->raw[LG_RAW_WRITE_1H];
	uint64_t all = a->raw[LG_RAW_WRITE];

	if (!lg_raw_has(a, LG_RAW_WRITE) && !lg_raw_has(a, LG_RAW_WRITE_5M) &&
	    !lg_raw_has(a, LG_RAW_WRITE_1H))
		return;
	if (all > w5 + w1) {
		if (lg_raw_has(a, LG_RAW_WRITE_5M) ||
		    lg_raw_has(a, LG_RAW_WRITE_1H))
			u->flags |= LG_USAGE_MISMATCH;
		if (a->cache_1h) {
			w1 = all - w5;
		} else {
			w5 = all - w1;
			u->flags |= LG_USAGE_CACHE_5M_ASSUMED;
		}
	}
	lg_usage_set(u, LG_BUCKET_CACHE_WRITE_5M, w5);
	lg_usage_set(u, LG_BUCKET_CACHE_WRITE_1H, w1);
}

static void finish(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;
	uint64_t out = a->raw[LG_RAW_OUTPUT];

	*u = (struct lg_usage){.flags = u->flags & LG_USAGE_PRESENT};
	if (!u->flags)
		return;
	lg_usage_set(u, LG_BUCKET_INPUT, a->raw[LG_RAW_INPUT]);
	lg_usage_put_raw(a, LG_BUCKET_CACHE_READ, LG_RAW_CACHED);
	cache_writes(a);
	if (!lg_usage_split_raw(a, &out, LG_RAW_REASONING, LG_BUCKET_REASONING))
		u->flags |= LG_USAGE_MISMATCH;
	lg_usage_set(u, LG_BUCKET_OUTPUT, out);
	lg_usage_put_raw(a, LG_BUCKET_WEB_SEARCHES, LG_RAW_WEB);
	lg_answer_distrust(a);
}

static int error_body(const struct lg_refusal *r, struct lg_buf *out)
{
	lg_buf_puts(out, "{\"type\":\"error\",\"error\":{\"type\":"
			 "\"rate_limit_error\",\"message\":");
	lg_refusal_put_message(r, out);
	lg_buf_puts(out, ",\"llmguard\":");
	lg_refusal_object(r, out);
	lg_buf_puts(out, "}}");
	return lg_refusal_end(out);
}

const struct lg_dialect lg_anthropic_messages = {
	.name = "anthropic-messages",
	.family = "anthropic",
	.type = LG_REQUEST_GENERATE,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_facts_apply,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.event_fields = event_fields,
	.nevent_fields = LG_COUNT_OF(event_fields),
	.on_event = on_event,
	.end_event = end_event,
	.finish = finish,
	.error_body = error_body,
};
