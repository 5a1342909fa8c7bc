#include "llm/bedrock.h"

#include <string.h>

/*
 * POST /model/M/converse and /converse-stream: one shape for all models. In
 * the stream the event `metadata` has the usage.
 */

enum fact { LATENCY = 64, MESSAGES, ROOT };

enum own {
	DETAIL = LG_ANSWER_OWN, /* {inputTokens, ttl} of cacheDetails */
	DETAIL_TOKENS,
	DETAIL_TTL,
	SERVED_LATENCY,
	MESSAGE, /* a string: an error's text */
	ROUTED,	 /* the model that a prompt router chose */
};

#define BLOCK(c)                                                               \
	LG_WATCH(c "text", LG_FACT_TEXT),                                      \
		LG_WATCH(c "image.format", LG_FACT_MIME),                      \
		LG_WATCH(c "video.format", LG_FACT_MIME),                      \
		LG_WATCH(c "audio.format", LG_FACT_MIME),                      \
		LG_WATCH(c "document.format", LG_FACT_MIME),                   \
		LG_WATCH(c "searchResult.content[].text", LG_FACT_TEXT),       \
		LG_WATCH(c "audio.source.s3Location", LG_FACT_REMOTE),         \
		LG_WATCH(c "image.source.s3Location", LG_FACT_REMOTE),         \
		LG_WATCH(c "video.source.s3Location", LG_FACT_REMOTE),         \
		LG_WATCH(c "document.source.s3Location", LG_FACT_REMOTE),      \
		LG_WATCH(c "document.source.text", LG_FACT_TEXT)

static const struct lg_field request_fields[] = {
	LG_WATCH("", ROOT),
	LG_WATCH("messages", MESSAGES),
	BLOCK("messages[].content[]."),
	LG_WATCH("messages[].content[].guardContent.text.text", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].toolUse.name", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].toolUse.input.**", LG_FACT_TEXT),
	BLOCK("messages[].content[].toolResult.content[]."),
	LG_WATCH("messages[].content[].toolResult.content[].json.**",
		 LG_FACT_TEXT),
	LG_WATCH("messages[].content[].reasoningContent.reasoningText.text",
		 LG_FACT_TEXT),
	LG_WATCH("messages[].content[].cachePoint.ttl", LG_FACT_TTL),
	LG_WATCH("system[].text", LG_FACT_TEXT),
	LG_WATCH("system[].guardContent.text.text", LG_FACT_TEXT),
	LG_WATCH("system[].cachePoint.ttl", LG_FACT_TTL),
	LG_WATCH("toolConfig.tools[]", LG_FACT_TOOL),
	LG_WATCH("toolConfig.tools[].toolSpec.**", LG_FACT_TEXT),
	LG_WATCH("toolConfig.tools[].systemTool", LG_FACT_SERVER_TOOL),
	LG_WATCH("toolConfig.tools[].cachePoint.ttl", LG_FACT_TTL),
	LG_WATCH("promptVariables", LG_FACT_REMOTE),
	LG_WATCH("inferenceConfig.maxTokens", LG_FACT_MAX),
	LG_WATCH("additionalModelRequestFields.max_tokens", LG_FACT_MAX),
	LG_WATCH("additionalModelRequestFields.thinking.budget_tokens",
		 LG_FACT_THINKING),
	LG_WATCH("additionalModelRequestFields.reasoning_config.budget_tokens",
		 LG_FACT_THINKING),
	LG_WATCH("outputConfig.textFormat.**", LG_FACT_TEXT),
	LG_WATCH("serviceTier.type", LG_FACT_TIER),
	LG_WATCH("performanceConfig.latency", LATENCY),
};

#define USAGE                                                                  \
	LG_WATCH_RAW("usage", LG_ANSWER_USAGE), LG_BEDROCK_USAGE("usage."),    \
		LG_WATCH("usage.cacheDetails[]", DETAIL),                      \
		LG_WATCH("usage.cacheDetails[].inputTokens", DETAIL_TOKENS),   \
		LG_WATCH("usage.cacheDetails[].ttl", DETAIL_TTL),              \
		LG_WATCH("serviceTier.type", LG_ANSWER_TIER),                  \
		LG_WATCH("performanceConfig.latency", SERVED_LATENCY),         \
		LG_WATCH("trace.promptRouter.invokedModelId", ROUTED),         \
		LG_WATCH("message", MESSAGE)

static const struct lg_field response_fields[] = {
	LG_WATCH("", LG_ANSWER_ROOT),
	LG_WATCH("output.message.content[].text", LG_ANSWER_TEXT),
	LG_WATCH("output.message.content[].citationsContent.content[].text",
		 LG_ANSWER_TEXT),
	LG_WATCH("output.message.content[].toolUse.name", LG_ANSWER_TEXT),
	LG_WATCH("output.message.content[].toolUse.input.**", LG_ANSWER_TEXT),
	LG_WATCH("output.message.content[].reasoningContent.reasoningText.text",
		 LG_ANSWER_THOUGHT),
	USAGE,
};

static const struct lg_field event_fields[] = {
	LG_WATCH("start.toolUse.name", LG_ANSWER_TEXT),
	LG_WATCH("delta.text", LG_ANSWER_TEXT),
	LG_WATCH("delta.toolUse.input", LG_ANSWER_TEXT),
	LG_WATCH("delta.reasoningContent.text", LG_ANSWER_THOUGHT),
	LG_WATCH("stopReason", LG_ANSWER_FINISH),
	USAGE,
};

/* Being served faster has a price of its own, being served as usual not. */
static void latency(char *tier, size_t cap, const struct lg_value *v)
{
	if (lg_value_is(v, "optimized"))
		lg_slice_copy(LG_SLICE("optimized"), tier, cap);
}

/* Without messages the prompt is one that stands on the server. */
static void on_request(struct lg_facts *f, int id, const struct lg_value *v)
{
	switch (id) {
	case LATENCY:
		latency(f->tier, sizeof(f->tier), v);
		break;
	case MESSAGES:
		f->scratch[0] |= v->type == LG_VALUE_ARRAY;
		break;
	case ROOT:
		f->remote_refs |= v->type == LG_VALUE_END && !f->scratch[0];
		break;
	default:
		lg_facts_apply(f, id, v);
	}
}

static void detail(struct lg_answer *a, int id, const struct lg_value *v)
{
	enum lg_raw to;
	uint64_t n;

	if (id == DETAIL_TOKENS) {
		if (!lg_value_u64(v, &n))
			lg_raw_put(a, LG_RAW_SCRATCH, n);
	} else if (id == DETAIL_TTL) {
		lg_raw_put(a, LG_RAW_SCRATCH2, lg_value_is(v, "1h"));
	} else if (v->type == LG_VALUE_OBJECT) {
		lg_raw_drop(a, LG_RAW_SCRATCH);
		lg_raw_drop(a, LG_RAW_SCRATCH2);
	} else if (v->type == LG_VALUE_END) {
		to = a->raw[LG_RAW_SCRATCH2] ? LG_RAW_WRITE_1H
					     : LG_RAW_WRITE_5M;
		lg_raw_put(a, to, a->raw[to] + a->raw[LG_RAW_SCRATCH]);
	}
}

static void routed(struct lg_answer *a, const struct lg_value *v)
{
	if (v->type == LG_VALUE_STRING && v->len < sizeof(a->model))
		lg_answer_apply(a, LG_ANSWER_MODEL, v);
}

static void on_event(struct lg_answer *a, int id, const struct lg_value *v)
{
	switch (id) {
	case DETAIL:
	case DETAIL_TOKENS:
	case DETAIL_TTL:
		detail(a, id, v);
		break;
	case SERVED_LATENCY:
		latency(a->tier, sizeof(a->tier), v);
		break;
	case LG_ANSWER_TIER:
		if (strcmp(a->tier, "optimized"))
			lg_answer_apply(a, id, v);
		break;
	case MESSAGE:
		a->error |= v->type == LG_VALUE_STRING && v->len;
		break;
	case ROUTED:
		routed(a, v);
		break;
	default:
		lg_answer_apply(a, id, v);
	}
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	on_event(a, id, v);
	lg_answer_whole(a, id, v);
}

/* metadata is the last event, and the only one with a usage. */
static void end_event(struct lg_answer *a, struct lg_slice name,
		      bool done_marker)
{
	(void)done_marker;
	a->events++;
	a->error |= lg_slice_iends(name, LG_SLICE("exception"));
	if (!(a->usage.flags & LG_USAGE_PRESENT))
		return;
	a->done = true;
	a->usage_final = true;
}

const struct lg_dialect lg_bedrock_converse = {
	.name = "bedrock-converse",
	.family = "aws",
	.type = LG_REQUEST_GENERATE,
	.path_prices = true,
	.cap_at = "inferenceConfig.maxTokens",
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
	.finish = lg_bedrock_finish,
	.refusal_fields = LG_BEDROCK_REFUSAL,
	.sleepers = true,
	.error_body = lg_bedrock_error_body,
};
