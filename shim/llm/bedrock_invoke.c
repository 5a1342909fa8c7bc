#include "llm/bedrock.h"

#include <string.h>

/*
 * POST /model/M/invoke and /invoke-with-response-stream: the body is what the
 * model's maker made of it, so the places of all families stand side by side.
 * Who gives no usage in the body has it in the head, or at the end of the
 * stream in Bedrock's own name.
 */

static const struct lg_field request_fields[] = {
	LG_WATCH("max_tokens", LG_FACT_MAX),
	LG_WATCH("max_completion_tokens", LG_FACT_MAX),
	LG_WATCH("max_tokens_to_sample", LG_FACT_MAX),
	LG_WATCH("max_gen_len", LG_FACT_MAX),
	LG_WATCH("maxTokens", LG_FACT_MAX),
	LG_WATCH("textGenerationConfig.maxTokenCount", LG_FACT_MAX),
	LG_WATCH("inferenceConfig.maxTokens", LG_FACT_MAX),
	LG_WATCH("inferenceConfig.max_new_tokens", LG_FACT_MAX),
	LG_WATCH("n", LG_FACT_N),
	LG_WATCH("num_generations", LG_FACT_N),
	LG_WATCH("numResults", LG_FACT_N),
	LG_WATCH("imageGenerationConfig.numberOfImages", LG_FACT_N),
	LG_WATCH("thinking.budget_tokens", LG_FACT_THINKING),
	LG_WATCH("metadata.user_id", LG_FACT_USER),
	LG_WATCH("service_tier", LG_FACT_TIER),
	LG_WATCH("prompt", LG_FACT_TEXT),
	LG_WATCH("inputText", LG_FACT_TEXT),
	LG_WATCH("inputImage", LG_FACT_MIME),
	LG_WATCH("image", LG_FACT_MIME),
	LG_WATCH("images[]", LG_FACT_MIME),
	LG_WATCH("texts[]", LG_FACT_TEXT),
	LG_WATCH("message", LG_FACT_TEXT),
	LG_WATCH("preamble", LG_FACT_TEXT),
	LG_WATCH("chat_history[].message", LG_FACT_TEXT),
	LG_WATCH("query", LG_FACT_TEXT),
	LG_WATCH("documents[]", LG_FACT_TEXT),
	LG_WATCH("documents[].**", LG_FACT_TEXT),
	LG_WATCH("system", LG_FACT_TEXT),
	LG_WATCH("system[].text", LG_FACT_TEXT),
	LG_WATCH("system[].cache_control.ttl", LG_FACT_TTL),
	LG_WATCH("messages[].content", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].type", LG_FACT_CONTENT_TYPE),
	LG_WATCH("messages[].content[].text", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].image.format", LG_FACT_MIME),
	LG_WATCH("messages[].content[].video.format", LG_FACT_MIME),
	LG_WATCH("messages[].content[].video.source.s3Location",
		 LG_FACT_REMOTE),
	LG_WATCH("messages[].content[].image_url.url", LG_FACT_URL),
	LG_WATCH("messages[].content[].thinking", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].input.**", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].source", LG_FACT_SOURCE),
	LG_WATCH("messages[].content[].source.type", LG_FACT_SOURCE_TYPE),
	LG_WATCH("messages[].content[].source.data", LG_FACT_SOURCE_DATA),
	LG_WATCH("messages[].content[].content", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].content[].type", LG_FACT_CONTENT_TYPE),
	LG_WATCH("messages[].content[].content[].text", LG_FACT_TEXT),
	LG_WATCH("messages[].content[].cache_control.ttl", LG_FACT_TTL),
	LG_WATCH("messages[].tool_calls[].function.**", LG_FACT_TEXT),
	LG_WATCH("tools[]", LG_FACT_TOOL),
	LG_WATCH("tools[].name", LG_FACT_TEXT),
	LG_WATCH("tools[].description", LG_FACT_TEXT),
	LG_WATCH("tools[].input_schema.**", LG_FACT_TEXT),
	LG_WATCH("tools[].function.**", LG_FACT_TEXT),
	LG_WATCH("tools[].cache_control.ttl", LG_FACT_TTL),
	LG_WATCH("toolConfig.tools[]", LG_FACT_TOOL),
	LG_WATCH("toolConfig.tools[].toolSpec.**", LG_FACT_TEXT),
	LG_WATCH("textToImageParams.text", LG_FACT_TEXT),
	LG_WATCH("embeddingParams.inputText", LG_FACT_TEXT),
	LG_WATCH("singleEmbeddingParams.**", LG_FACT_TEXT),
};

/* Counters that Bedrock itself keeps, in slots that no body here fills. */
#define METRIC_IN LG_RAW_WEB_BILLED
#define METRIC_OUT LG_RAW_FILES
#define METRIC_READ LG_RAW_GROUNDING
#define METRIC_WRITE LG_RAW_SCRATCH2
#define IMAGES LG_RAW_IMAGES

enum own {
	TYPE = LG_ANSWER_OWN, /* of a Claude event */
	USAGE,
	METRICS,
	PART_OUTPUT, /* of Titan, one of several */
	IMAGE,
	MESSAGE, /* a string: an error's text */
};

#define MADE "amazon-bedrock-invocationMetrics"

#define USAGE_FIELDS(p)                                                        \
	LG_WATCH_RAW(p "usage", USAGE), LG_BEDROCK_USAGE(p "usage."),          \
		LG_WATCH(p "usage.input_tokens", LG_RAW_INPUT),                \
		LG_WATCH(p "usage.output_tokens", LG_RAW_OUTPUT),              \
		LG_WATCH(p "usage.cache_read_input_tokens", LG_RAW_CACHED),    \
		LG_WATCH(p "usage.cache_creation_input_tokens", LG_RAW_WRITE), \
		LG_WATCH(p "usage.cache_creation.ephemeral_5m_input_tokens",   \
			 LG_RAW_WRITE_5M),                                     \
		LG_WATCH(p "usage.cache_creation.ephemeral_1h_input_tokens",   \
			 LG_RAW_WRITE_1H)

/* OpenAI's names: Jamba, DeepSeek, Qwen, gpt-oss and Mistral's newer ones. */
#define USAGE_OPENAI                                                           \
	LG_WATCH("usage.prompt_tokens", LG_RAW_INPUT),                         \
		LG_WATCH("usage.completion_tokens", LG_RAW_OUTPUT),            \
		LG_WATCH("usage.total_tokens", LG_RAW_TOTAL),                  \
		LG_WATCH("usage.prompt_tokens_details.cached_tokens",          \
			 LG_ANSWER_CACHED_TOO),                                \
		LG_WATCH("usage.completion_tokens_details.reasoning_tokens",   \
			 LG_RAW_REASONING)

#define COMMON                                                                 \
	LG_WATCH("message", MESSAGE), LG_WATCH("error", LG_ANSWER_ERROR),      \
		LG_WATCH("completion", LG_ANSWER_TEXT),                        \
		LG_WATCH("outputText", LG_ANSWER_TEXT),                        \
		LG_WATCH("generation", LG_ANSWER_TEXT),                        \
		LG_WATCH("generations[].text", LG_ANSWER_TEXT),                \
		LG_WATCH("outputs[].text", LG_ANSWER_TEXT),                    \
		LG_WATCH("text", LG_ANSWER_TEXT),                              \
		LG_WATCH("choices[].text", LG_ANSWER_TEXT),                    \
		LG_WATCH("inputTextTokenCount", LG_RAW_INPUT),                 \
		LG_WATCH("prompt_token_count", LG_RAW_INPUT),                  \
		LG_WATCH("generation_token_count", LG_RAW_OUTPUT),             \
		LG_WATCH("usage.service_tier", LG_ANSWER_TIER),                \
		USAGE_FIELDS(""), USAGE_OPENAI, LG_WATCH("", LG_ANSWER_ROOT)

static const struct lg_field response_fields[] = {
	LG_WATCH("id", LG_ANSWER_ID),
	LG_WATCH("model", LG_ANSWER_MODEL),
	LG_WATCH("content[].text", LG_ANSWER_TEXT),
	LG_WATCH("content[].input.**", LG_ANSWER_TEXT),
	LG_WATCH("content[].thinking", LG_ANSWER_THOUGHT),
	LG_WATCH("output.message.content[].text", LG_ANSWER_TEXT),
	LG_WATCH("output.message.content[].toolUse.input.**", LG_ANSWER_TEXT),
	LG_WATCH("choices[].message.content", LG_ANSWER_TEXT),
	LG_WATCH("choices[].message.reasoning_content", LG_ANSWER_THOUGHT),
	LG_WATCH("choices[].message.tool_calls[].function.**", LG_ANSWER_TEXT),
	LG_WATCH("completions[].data.text", LG_ANSWER_TEXT),
	LG_WATCH("results[].outputText", LG_ANSWER_TEXT),
	LG_WATCH("results[].tokenCount", PART_OUTPUT),
	LG_WATCH("images[]", IMAGE),
	LG_WATCH("artifacts[]", IMAGE),
	COMMON,
};

static const struct lg_field event_fields[] = {
	LG_WATCH("type", TYPE),
	LG_WATCH("id", LG_ANSWER_ID),
	LG_WATCH("model", LG_ANSWER_MODEL),
	LG_WATCH("message.id", LG_ANSWER_ID),
	LG_WATCH("message.model", LG_ANSWER_MODEL),
	USAGE_FIELDS("message."),
	LG_WATCH("content_block.text", LG_ANSWER_TEXT),
	LG_WATCH("delta.text", LG_ANSWER_TEXT),
	LG_WATCH("delta.partial_json", LG_ANSWER_TEXT),
	LG_WATCH("delta.thinking", LG_ANSWER_THOUGHT),
	LG_WATCH("contentBlockDelta.delta.text", LG_ANSWER_TEXT),
	LG_WATCH("contentBlockDelta.delta.toolUse.input", LG_ANSWER_TEXT),
	LG_WATCH_RAW("metadata.usage", USAGE),
	LG_BEDROCK_USAGE("metadata.usage."),
	LG_WATCH("choices[].delta.content", LG_ANSWER_TEXT),
	LG_WATCH("choices[].delta.reasoning_content", LG_ANSWER_THOUGHT),
	LG_WATCH("choices[].delta.tool_calls[].function.arguments",
		 LG_ANSWER_TEXT),
	LG_WATCH("totalOutputTextTokenCount", LG_RAW_OUTPUT),
	LG_WATCH_RAW(MADE, METRICS),
	LG_WATCH(MADE ".inputTokenCount", METRIC_IN),
	LG_WATCH(MADE ".outputTokenCount", METRIC_OUT),
	LG_WATCH(MADE ".cacheReadInputTokenCount", METRIC_READ),
	LG_WATCH(MADE ".cacheWriteInputTokenCount", METRIC_WRITE),
	COMMON,
};

static bool body_tells(const struct lg_answer *a)
{
	return lg_raw_has(a, LG_RAW_INPUT) || lg_raw_has(a, LG_RAW_OUTPUT);
}

static bool bedrock_tells(const struct lg_answer *a)
{
	return lg_raw_has(a, METRIC_IN) || lg_raw_has(a, METRIC_OUT);
}

static void tier(struct lg_answer *a, struct lg_slice value)
{
	if (strcmp(a->tier, "optimized") && value.len)
		lg_slice_copy(value, a->tier, sizeof(a->tier));
}

static void on_header(struct lg_answer *a, struct lg_slice name,
		      struct lg_slice value)
{
	static const struct {
		const char *name;
		enum lg_raw id;
	} counts[] = {
		{"input-token-count", METRIC_IN},
		{"output-token-count", METRIC_OUT},
		{"cache-read-input-token-count", METRIC_READ},
		{"cache-write-input-token-count", METRIC_WRITE},
	};
	const struct lg_slice prefix = LG_SLICE("x-amzn-bedrock-");
	struct lg_value v = {
		.type = LG_VALUE_STRING,
		.len = value.len,
		.text = value,
	};
	unsigned i;

	if (!lg_slice_istarts(name, prefix))
		return;
	name.p += prefix.len;
	name.len -= prefix.len;
	for (i = 0; i < LG_COUNT_OF(counts); i++)
		if (lg_slice_ieq(name, lg_slice_str(counts[i].name)))
			lg_answer_apply(a, (int)counts[i].id, &v);
	if (lg_slice_ieq(name, LG_SLICE("service-tier")))
		tier(a, value);
	if (lg_slice_ieq(name, LG_SLICE("performanceconfig-latency")) &&
	    lg_slice_ieq(value, LG_SLICE("optimized")))
		tier(a, value);
	if (lg_raw_has(a, METRIC_IN) && lg_raw_has(a, METRIC_OUT))
		a->usage_final = true;
}

static void add_output(struct lg_answer *a, const struct lg_value *v)
{
	uint64_t n;

	if (!lg_value_u64(v, &n))
		lg_raw_put(a, LG_RAW_OUTPUT, a->raw[LG_RAW_OUTPUT] + n);
}

static void usage(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (v->type == LG_VALUE_RAW) {
		a->own[0] += id == USAGE;
		if (id == USAGE || !a->usage_raw[0])
			lg_answer_put_raw(a, v);
	} else if (v->type == LG_VALUE_END && id == METRICS) {
		a->done = true;
	}
}

static void on_event(struct lg_answer *a, int id, const struct lg_value *v)
{
	switch (id) {
	case TYPE:
		a->done |= lg_value_is(v, "message_stop");
		a->error |= lg_value_is(v, "error");
		break;
	case USAGE:
	case METRICS:
		usage(a, id, v);
		break;
	case PART_OUTPUT:
		add_output(a, v);
		break;
	case IMAGE:
		if (v->type == LG_VALUE_STRING || v->type == LG_VALUE_OBJECT)
			lg_raw_put(a, IMAGES, a->raw[IMAGES] + 1);
		break;
	case MESSAGE:
		a->error |= v->type == LG_VALUE_STRING && v->len;
		break;
	default:
		lg_answer_apply(a, id, v);
	}
}

static bool tells(const struct lg_answer *a)
{
	return body_tells(a) || bedrock_tells(a) || lg_raw_has(a, IMAGES);
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	on_event(a, id, v);
	if (id != LG_ANSWER_ROOT || v->type != LG_VALUE_END)
		return;
	a->done = true;
	a->usage_final |= tells(a);
}

static void end_event(struct lg_answer *a, struct lg_slice name,
		      bool done_marker)
{
	a->events++;
	a->done |= done_marker;
	a->error |= lg_slice_iends(name, LG_SLICE("exception"));
	a->usage_final |= a->done && tells(a);
}

static void take_metrics(struct lg_answer *a)
{
	static const struct {
		enum lg_raw from, to;
	} counts[] = {
		{METRIC_IN, LG_RAW_INPUT},
		{METRIC_OUT, LG_RAW_OUTPUT},
		{METRIC_READ, LG_RAW_CACHED},
		{METRIC_WRITE, LG_RAW_WRITE},
	};
	unsigned i;

	for (i = 0; i < LG_COUNT_OF(counts); i++)
		if (lg_raw_has(a, counts[i].from))
			lg_raw_put(a, counts[i].to, a->raw[counts[i].from]);
}

/* Where no one object says it all. */
static void put_counts(struct lg_answer *a)
{
	static const struct {
		const char *name;
		enum lg_bucket b;
	} counts[] = {
		{"inputTokenCount", LG_BUCKET_INPUT},
		{"outputTokenCount", LG_BUCKET_OUTPUT},
		{"cacheReadInputTokenCount", LG_BUCKET_CACHE_READ},
		{"cacheWrite5mInputTokenCount", LG_BUCKET_CACHE_WRITE_5M},
		{"cacheWrite1hInputTokenCount", LG_BUCKET_CACHE_WRITE_1H},
		{"reasoningTokenCount", LG_BUCKET_REASONING},
		{"images", LG_BUCKET_IMAGES},
	};
	struct lg_buf b;
	unsigned i;

	lg_buf_init_fixed(&b, a->usage_raw, sizeof(a->usage_raw) - 1);
	for (i = 0; i < LG_COUNT_OF(counts); i++) {
		if (!(a->usage.has >> counts[i].b & 1))
			continue;
		lg_buf_puts(&b, b.len ? ",\"" : "{\"");
		lg_buf_puts(&b, counts[i].name);
		lg_buf_puts(&b, "\":");
		lg_buf_put_u64(&b, a->usage.n[counts[i].b]);
	}
	lg_buf_putc(&b, '}');
	a->usage_raw[b.len] = 0;
}

static void put_images(struct lg_answer *a)
{
	if (!lg_raw_has(a, IMAGES))
		return;
	lg_usage_set(&a->usage, LG_BUCKET_IMAGES, a->raw[IMAGES]);
	a->usage.flags |= LG_USAGE_PRESENT;
}

/*
 * A whole body wins over Bedrock's own counts, also where it leaves the output
 * out (an answer that a guardrail replaced).
 */
static void finish(struct lg_answer *a)
{
	bool whole = a->done && body_tells(a), told = bedrock_tells(a);
	bool final = a->usage_final && !lg_raw_has(a, LG_RAW_ODD);
	uint64_t had = a->raw_has;
	uint64_t raw[LG_RAW_END];

	memcpy(raw, a->raw, sizeof(raw));
	if (!whole && told)
		take_metrics(a);
	a->usage.flags = body_tells(a) ? LG_USAGE_PRESENT : 0;
	lg_bedrock_finish(a);
	memcpy(a->raw, raw, sizeof(raw));
	a->raw_has = had;
	put_images(a);
	if (whole && lg_raw_has(a, METRIC_OUT) &&
	    a->raw[METRIC_OUT] != a->raw[LG_RAW_OUTPUT])
		a->usage.flags |= LG_USAGE_MISMATCH;
	if ((whole && told) || lg_raw_has(a, IMAGES))
		a->usage_final = final;
	if (a->usage.flags & LG_USAGE_PRESENT &&
	    (!a->usage_raw[0] || a->own[0] > 1))
		put_counts(a);
}

const struct lg_dialect lg_bedrock_invoke = {
	.name = "bedrock-invoke",
	.family = "aws",
	.type = LG_REQUEST_GENERATE,
	.path_prices = true,
	.wrapped = true,
	.tier_field = "x-amzn-bedrock-service-tier",
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_facts_apply,
	.on_header = on_header,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.event_fields = event_fields,
	.nevent_fields = LG_COUNT_OF(event_fields),
	.on_event = on_event,
	.end_event = end_event,
	.finish = finish,
	.refusal_fields = LG_BEDROCK_REFUSAL,
	.sleepers = true,
	.error_body = lg_bedrock_error_body,
};
