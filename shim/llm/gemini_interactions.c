#include "llm/gemini.h"

/*
 * POST /v1beta/interactions, streamed or in the background, and GET of one
 * that is stored. Its counts are generateContent's by other names; whether
 * thoughts stand inside the output, the total says.
 */

#define CONTENT(c)                                                             \
	LG_WATCH(c "[].text", LG_FACT_TEXT),                                   \
		LG_WATCH(c "[].type", LG_FACT_CONTENT_TYPE),                   \
		LG_WATCH(c "[].uri", LG_FACT_REMOTE)

#define TOOL_TYPE 96 /* a fact */

static const struct lg_field request_fields[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("agent", LG_FACT_MODEL),
	LG_WATCH("stream", LG_FACT_STREAM),
	LG_WATCH("background", LG_FACT_BACKGROUND),
	LG_WATCH("service_tier", LG_GEMINI_ASKED_TIER),
	LG_WATCH("previous_interaction_id", LG_FACT_PREVIOUS),
	LG_WATCH("continuation_token", LG_FACT_REMOTE),
	LG_WATCH("cached_content", LG_FACT_REMOTE),
	LG_WATCH("environment", LG_FACT_REMOTE),
	LG_WATCH("system_instruction", LG_FACT_TEXT),
	LG_WATCH("generation_config.max_output_tokens", LG_FACT_MAX),
	LG_WATCH("response_format.**", LG_FACT_TEXT),
	LG_WATCH("input", LG_FACT_TEXT),
	LG_WATCH("input.text", LG_FACT_TEXT),
	LG_WATCH("input.uri", LG_FACT_REMOTE),
	CONTENT("input"),
	CONTENT("input[].content"),
	LG_WATCH("input[].name", LG_FACT_TEXT),
	LG_WATCH("input[].arguments.**", LG_FACT_TEXT),
	LG_WATCH("input[].result", LG_FACT_TEXT),
	LG_WATCH("input[].result.**", LG_FACT_TEXT),
	LG_WATCH("tools[]", LG_FACT_TOOL),
	LG_WATCH("tools[].type", TOOL_TYPE),
	LG_WATCH("tools[].name", LG_FACT_TEXT),
	LG_WATCH("tools[].description", LG_FACT_TEXT),
	LG_WATCH("tools[].parameters.**", LG_FACT_TEXT),
};

enum own {
	STATUS = LG_GEMINI_OWN,
	TIER,
	AGENT,
	BEHIND,
	USAGE,
	TOOL_COUNT, /* {type, count} of a tool that searched */
	TOOL_NAME,
	TOOL_TIMES,
	TYPE, /* of an event */
};

#define USAGE_FIELDS(p)                                                        \
	LG_WATCH_RAW(p "usage", USAGE),                                        \
		LG_WATCH(p "usage.total_input_tokens", LG_RAW_INPUT),          \
		LG_WATCH(p "usage.total_output_tokens", LG_RAW_OUTPUT),        \
		LG_WATCH(p "usage.total_thought_tokens", LG_RAW_REASONING),    \
		LG_WATCH(p "usage.total_tool_use_tokens", LG_RAW_TOOL_INPUT),  \
		LG_WATCH(p "usage.total_cached_tokens", LG_RAW_CACHED),        \
		LG_WATCH(p "usage.total_tokens", LG_RAW_TOTAL),                \
		LG_GEMINI_DETAILS(p "usage.input_tokens_by_modality",          \
				  "tokens", LG_GEMINI_PROMPT),                 \
		LG_GEMINI_DETAILS(p "usage.cached_tokens_by_modality",         \
				  "tokens", LG_GEMINI_CACHE),                  \
		LG_GEMINI_DETAILS(p "usage.output_tokens_by_modality",         \
				  "tokens", LG_GEMINI_OUTPUT),                 \
		LG_WATCH(p "usage.grounding_tool_count[]", TOOL_COUNT),        \
		LG_WATCH(p "usage.grounding_tool_count[].type", TOOL_NAME),    \
		LG_WATCH(p "usage.grounding_tool_count[].count", TOOL_TIMES)

#define INTERACTION(p)                                                         \
	LG_WATCH(p "id", LG_ANSWER_ID), LG_WATCH(p "model", LG_ANSWER_MODEL),  \
		LG_WATCH(p "agent", AGENT), LG_WATCH(p "status", STATUS),      \
		LG_WATCH(p "service_tier", TIER), USAGE_FIELDS(p)

static const struct lg_field response_fields[] = {
	INTERACTION(""),
	LG_WATCH("background", BEHIND),
	LG_WATCH("error", LG_ANSWER_ERROR),
	LG_WATCH("steps[].content[].text", LG_ANSWER_TEXT),
	LG_WATCH("steps[].arguments.**", LG_ANSWER_TEXT),
	LG_WATCH("steps[].summary[].text", LG_ANSWER_THOUGHT),
	LG_WATCH("", LG_ANSWER_ROOT),
};

static const struct lg_field event_fields[] = {
	LG_WATCH("event_type", TYPE),
	LG_WATCH("error", LG_ANSWER_ERROR),
	LG_WATCH("status", STATUS),
	LG_WATCH("step.content[].text", LG_ANSWER_TEXT),
	LG_WATCH("delta.text", LG_ANSWER_TEXT),
	LG_WATCH("delta.arguments", LG_ANSWER_TEXT),
	LG_WATCH("delta.content.text", LG_ANSWER_THOUGHT),
	INTERACTION("interaction."),
	USAGE_FIELDS(""),
};

/* Tools that the client carries out. */
static bool is_ours(const struct lg_value *v)
{
	return lg_value_is(v, "function") || lg_value_is(v, "computer_use");
}

static void on_request(struct lg_facts *f, int id, const struct lg_value *v)
{
	if (id == TOOL_TYPE)
		f->server_tools |= v->type == LG_VALUE_STRING && !is_ours(v);
	else
		lg_gemini_on_request(f, id, v);
}

/* What was cancelled or gave out is charged as far as it went. */
static void status(struct lg_answer *a, const struct lg_value *v)
{
	static const char *const over[] = {"completed",
					   "failed",
					   "cancelled",
					   "incomplete",
					   "requires_action",
					   "budget_exceeded",
					   "requires_continuation"};
	unsigned i;

	if (lg_value_is(v, "queued") || lg_value_is(v, "in_progress"))
		a->pending = true;
	for (i = 0; i < LG_COUNT_OF(over); i++) {
		if (!lg_value_is(v, over[i]))
			continue;
		a->pending = false;
		lg_raw_put(a, LG_RAW_FINISHED, 1);
		a->failed = lg_value_is(v, "failed");
	}
}

/* own[0]: does this tool's count matter; own[1]: the count. */
static void searches(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id == TOOL_NAME) {
		a->own[0] = lg_value_is(v, "google_search") ||
			    lg_value_is(v, "google_maps");
	} else if (id == TOOL_TIMES) {
		if (lg_value_u64(v, &a->own[1]))
			a->own[1] = 0;
	} else if (v->type == LG_VALUE_OBJECT) {
		a->own[0] = a->own[1] = 0;
	} else if (v->type == LG_VALUE_END && a->own[0]) {
		lg_raw_put(a, LG_RAW_GROUNDING,
			   a->raw[LG_RAW_GROUNDING] + a->own[1]);
	}
}

static void usage(struct lg_answer *a, const struct lg_value *v)
{
	if (v->type == LG_VALUE_OBJECT) {
		lg_raw_drop(a, LG_RAW_GROUNDING);
	} else if (v->type == LG_VALUE_END) {
		a->usage.flags |= LG_USAGE_PRESENT;
	} else if (v->type == LG_VALUE_RAW) {
		lg_answer_put_raw(a, v);
	}
}

static void on_value(struct lg_answer *a, int id, const struct lg_value *v)
{
	switch (id) {
	case STATUS:
		status(a, v);
		break;
	case TIER:
		lg_gemini_tier(v, a->tier, sizeof(a->tier));
		break;
	case AGENT:
		if (!a->model[0])
			lg_answer_apply(a, LG_ANSWER_MODEL, v);
		break;
	case BEHIND:
		a->background = v->type == LG_VALUE_BOOL && v->boolean;
		break;
	case USAGE:
		usage(a, v);
		break;
	case TOOL_COUNT:
	case TOOL_NAME:
	case TOOL_TIMES:
		searches(a, id, v);
		break;
	default:
		lg_gemini_apply(a, id, v);
	}
}

static void settle(struct lg_answer *a)
{
	a->usage_final = a->done && a->usage.flags & LG_USAGE_PRESENT;
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	on_value(a, id, v);
	if (id != LG_ANSWER_ROOT || v->type != LG_VALUE_END)
		return;
	a->done = !a->pending;
	settle(a);
}

static void on_event(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id != TYPE) {
		on_value(a, id, v);
		return;
	}
	a->done |= lg_value_is(v, "interaction.completed");
	a->error |= lg_value_is(v, "error");
}

static void end_event(struct lg_answer *a, struct lg_slice name,
		      bool done_marker)
{
	a->events++;
	a->done |= done_marker ||
		   lg_slice_eq(name, LG_SLICE("interaction.completed"));
	a->pending = false; /* by itself; one in the background was asked for */
	settle(a);
}

static void finish(struct lg_answer *a)
{
	uint64_t out = a->raw[LG_RAW_OUTPUT], in = a->raw[LG_RAW_INPUT];
	uint64_t thought = a->raw[LG_RAW_REASONING];

	in += a->raw[LG_RAW_TOOL_INPUT];
	/* told as a part of the output */
	if (thought && thought <= out && a->raw[LG_RAW_TOTAL] == in + out) {
		a->raw[LG_RAW_OUTPUT] = out - thought;
		lg_gemini_finish(a);
		a->raw[LG_RAW_OUTPUT] = out;
		return;
	}
	lg_gemini_finish(a);
}

/* ai.google.dev/api/interactions-api, read 2026-11: error events. */
static int cut_body(const struct lg_refusal *r, struct lg_buf *out)
{
	lg_buf_puts(out, "{\"event_type\":\"error\",\"error\":{\"code\":"
			 "\"resource_exhausted\",\"message\":");
	lg_refusal_put_message(r, out);
	lg_buf_puts(out, ",\"llmguard\":");
	lg_refusal_object(r, out);
	lg_buf_puts(out, "}}");
	return lg_refusal_end(out);
}

const struct lg_dialect lg_gemini_interactions = {
	.name = "gemini-interactions",
	.family = "gemini",
	.type = LG_REQUEST_GENERATE,
	.model_at = "model",
	.cap_at = "generation_config.max_output_tokens",
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = on_request,
	.on_header = lg_gemini_on_header,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.event_fields = event_fields,
	.nevent_fields = LG_COUNT_OF(event_fields),
	.on_event = on_event,
	.end_event = end_event,
	.finish = finish,
	.error_body = lg_gemini_error_body,
	.cut_body = cut_body,
	.cut_event = "error",
};
