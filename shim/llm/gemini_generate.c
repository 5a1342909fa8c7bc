#include "llm/gemini.h"

#include <string.h>

/*
 * models/M:generateContent and :streamGenerateContent, of the Gemini API and
 * of Vertex AI. Without alt=sse a stream is one JSON array of chunks. Each
 * chunk may carry usageMetadata, the last one counts. promptTokenCount
 * includes cached tokens; candidatesTokenCount leaves thoughts out;
 * toolUsePromptTokenCount is input beside promptTokenCount.
 */

#define CONTENT(c)                                                             \
	LG_WATCH(c "parts[].text", LG_FACT_TEXT),                              \
		LG_WATCH(c "parts.text", LG_FACT_TEXT),                        \
		LG_WATCH(c "parts[].inlineData.mimeType", LG_FACT_MIME),       \
		LG_WATCH(c "parts[].inline_data.mime_type", LG_FACT_MIME),     \
		LG_WATCH(c "parts[].fileData", LG_FACT_REMOTE),                \
		LG_WATCH(c "parts[].file_data", LG_FACT_REMOTE),               \
		LG_WATCH(c "parts[].functionCall.name", LG_FACT_TEXT),         \
		LG_WATCH(c "parts[].functionCall.args.**", LG_FACT_TEXT),      \
		LG_WATCH(c "parts[].functionResponse.name", LG_FACT_TEXT),     \
		LG_WATCH(c "parts[].functionResponse.response.**",             \
			 LG_FACT_TEXT)

#define CONFIG(c, max, count, thinking, budget, schema)                        \
	LG_WATCH(c max, LG_FACT_MAX), LG_WATCH(c count, LG_FACT_N),            \
		LG_WATCH(c thinking "." budget, LG_FACT_THINKING),             \
		LG_WATCH(c schema ".**", LG_FACT_TEXT)

#define FUNCTION(f)                                                            \
	LG_WATCH(f, LG_FACT_TOOL), LG_WATCH(f ".name", LG_FACT_TEXT),          \
		LG_WATCH(f ".description", LG_FACT_TEXT),                      \
		LG_WATCH(f ".parameters.**", LG_FACT_TEXT),                    \
		LG_WATCH(f ".parametersJsonSchema.**", LG_FACT_TEXT)

/* The JSON of a protocol buffer message takes names in both spellings. */
static const struct lg_field request_fields[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("serviceTier", LG_GEMINI_ASKED_TIER),
	LG_WATCH("service_tier", LG_GEMINI_ASKED_TIER),
	LG_WATCH("cachedContent", LG_FACT_REMOTE),
	LG_WATCH("cached_content", LG_FACT_REMOTE),
	CONFIG("generationConfig.", "maxOutputTokens", "candidateCount",
	       "thinkingConfig", "thinkingBudget", "responseSchema"),
	CONFIG("generation_config.", "max_output_tokens", "candidate_count",
	       "thinking_config", "thinking_budget", "response_schema"),
	LG_WATCH("generationConfig.responseJsonSchema.**", LG_FACT_TEXT),
	CONTENT("contents[]."),
	CONTENT("systemInstruction."),
	CONTENT("system_instruction."),
	FUNCTION("tools[].functionDeclarations[]"),
	FUNCTION("tools[].function_declarations[]"),
	LG_WATCH("tools[].googleSearch", LG_FACT_SERVER_TOOL),
	LG_WATCH("tools[].google_search", LG_FACT_SERVER_TOOL),
	LG_WATCH("tools[].googleSearchRetrieval", LG_FACT_SERVER_TOOL),
	LG_WATCH("tools[].google_search_retrieval", LG_FACT_SERVER_TOOL),
	LG_WATCH("tools[].googleMaps", LG_FACT_SERVER_TOOL),
	LG_WATCH("tools[].urlContext", LG_FACT_SERVER_TOOL),
	LG_WATCH("tools[].url_context", LG_FACT_SERVER_TOOL),
	LG_WATCH("tools[].codeExecution", LG_FACT_SERVER_TOOL),
	LG_WATCH("tools[].code_execution", LG_FACT_SERVER_TOOL),
	LG_WATCH("tools[].fileSearch", LG_FACT_SERVER_TOOL),
	LG_WATCH("tools[].retrieval", LG_FACT_SERVER_TOOL),
};

enum own {
	CHUNK = LG_GEMINI_OWN,
	PART,
	PART_TEXT,
	PART_THOUGHT,
	QUERIES,
	QUERY,
	MAPS,
	TRAFFIC,
	TIER,
};

#define CHUNK_FIELDS(p)                                                        \
	LG_WATCH(p "responseId", LG_ANSWER_ID),                                \
		LG_WATCH(p "modelVersion", LG_ANSWER_MODEL),                   \
		LG_WATCH(p "error", LG_ANSWER_ERROR),                          \
		LG_WATCH(p "candidates[].finishReason", LG_ANSWER_FINISH),     \
		LG_WATCH(p "promptFeedback.blockReason", LG_ANSWER_FINISH),    \
		LG_WATCH(p "candidates[].content.parts[]", PART),              \
		LG_WATCH(p "candidates[].content.parts[].text", PART_TEXT),    \
		LG_WATCH(p "candidates[].content.parts[].thought",             \
			 PART_THOUGHT),                                        \
		LG_WATCH(p                                                     \
			 "candidates[].content.parts[].functionCall.args.**",  \
			 LG_ANSWER_TEXT),                                      \
		LG_WATCH(p "candidates[].groundingMetadata.webSearchQueries",  \
			 QUERIES),                                             \
		LG_WATCH(p                                                     \
			 "candidates[].groundingMetadata.webSearchQueries[]",  \
			 QUERY),                                               \
		LG_WATCH(p "candidates[].groundingMetadata.groundingChunks[]." \
			   "maps",                                             \
			 MAPS),                                                \
		LG_GEMINI_USAGE(p),                                            \
		LG_GEMINI_DETAILS(p                                            \
				  "usageMetadata.toolUsePromptTokensDetails",  \
				  "tokenCount", LG_GEMINI_TOOL_USE),           \
		LG_WATCH(p "usageMetadata.trafficType", TRAFFIC),              \
		LG_WATCH(p "usageMetadata.serviceTier", TIER)

static const struct lg_field response_fields[] = {
	CHUNK_FIELDS(""),
	CHUNK_FIELDS("[]."),
	LG_WATCH("[]", CHUNK),
	LG_WATCH("", LG_ANSWER_ROOT),
};

#define NARRAY 2 /* the last fields above speak of arrays and the whole */

/* Names, or their numbers where enums are asked for as integers. */
static void traffic(struct lg_answer *a, const struct lg_value *v)
{
	static const struct {
		const char *name, *tier;
	} tiers[] = {
		{"", ""},
		{"ON_DEMAND", "standard"},
		{"PROVISIONED_THROUGHPUT", "provisioned"},
		{"ON_DEMAND_PRIORITY", "priority"},
		{"ON_DEMAND_FLEX", "flex"},
		{"ON_DEMAND_OFFPEAK", "offpeak"},
	};
	uint64_t n;
	unsigned i;

	if (v->type != LG_VALUE_NUMBER || lg_value_u64(v, &n))
		n = 0;
	for (i = 1; i < LG_COUNT_OF(tiers); i++)
		if (n == i || lg_value_is(v, tiers[i].name))
			lg_slice_copy(lg_slice_str(tiers[i].tier), a->tier,
				      sizeof(a->tier));
}

/* Whether a part's text is a thought may be said before or after it. */
static void part(struct lg_answer *a, int id, const struct lg_value *v)
{
	struct lg_value text = {.type = LG_VALUE_STRING};

	if (id == PART_TEXT) {
		if (v->type == LG_VALUE_STRING)
			lg_raw_put(a, LG_RAW_SCRATCH, v->len);
	} else if (id == PART_THOUGHT) {
		a->raw[LG_RAW_SCRATCH2] =
			v->type == LG_VALUE_BOOL && v->boolean;
	} else if (v->type == LG_VALUE_OBJECT) {
		a->raw[LG_RAW_SCRATCH] = a->raw[LG_RAW_SCRATCH2] = 0;
	} else if (v->type == LG_VALUE_END) {
		text.len = a->raw[LG_RAW_SCRATCH];
		lg_answer_apply(a,
				a->raw[LG_RAW_SCRATCH2] ? LG_ANSWER_THOUGHT
							: LG_ANSWER_TEXT,
				&text);
	}
}

/* Chunks repeat the queries: count them anew, keep the most. */
static void queries(struct lg_answer *a, int id)
{
	if (id == QUERIES) {
		a->raw[LG_RAW_SCRATCH3] = 0;
		return;
	}
	if (++a->raw[LG_RAW_SCRATCH3] > a->raw[LG_RAW_GROUNDING])
		lg_raw_put(a, LG_RAW_GROUNDING, a->raw[LG_RAW_SCRATCH3]);
}

/* A later chunk that leaves a count out does not take it back. */
static void usage(struct lg_answer *a, const struct lg_value *v)
{
	if (v->type == LG_VALUE_END)
		a->usage.flags |= LG_USAGE_PRESENT;
	else if (v->type == LG_VALUE_RAW)
		lg_answer_put_raw(a, v);
}

static void end_chunk(struct lg_answer *a)
{
	a->events++;
	if (!lg_raw_has(a, LG_RAW_FINISHED))
		return;
	a->done = true;
	if (a->usage.flags & LG_USAGE_PRESENT)
		a->usage_final = true;
}

static void on_event(struct lg_answer *a, int id, const struct lg_value *v)
{
	switch (id) {
	case PART:
	case PART_TEXT:
	case PART_THOUGHT:
		part(a, id, v);
		break;
	case QUERIES:
		if (v->type == LG_VALUE_ARRAY)
			queries(a, id);
		break;
	case QUERY:
		if (v->type == LG_VALUE_STRING && v->len)
			queries(a, id);
		break;
	case MAPS:
		if (v->type == LG_VALUE_OBJECT && !a->raw[LG_RAW_GROUNDING])
			lg_raw_put(a, LG_RAW_GROUNDING, 1);
		break;
	case LG_ANSWER_USAGE:
		usage(a, v);
		break;
	case TRAFFIC:
		traffic(a, v);
		break;
	case TIER:
		lg_gemini_tier(v, a->tier, sizeof(a->tier));
		break;
	default:
		lg_gemini_apply(a, id, v);
	}
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id == CHUNK && v->type == LG_VALUE_END) {
		end_chunk(a);
	} else if (id == LG_ANSWER_ROOT && v->type == LG_VALUE_END) {
		a->done = true;
		if (a->usage.flags & LG_USAGE_PRESENT)
			a->usage_final = true;
	} else {
		on_event(a, id, v);
	}
}

static void end_event(struct lg_answer *a, struct lg_slice name,
		      bool done_marker)
{
	(void)name;
	(void)done_marker;
	end_chunk(a);
}

const struct lg_dialect lg_gemini_generate = {
	.name = "gemini-generate",
	.family = "gemini",
	.type = LG_REQUEST_GENERATE,
	.model_at = "model",
	.cap_at = "generationConfig.maxOutputTokens",
	.cap_also = "generation_config.max_output_tokens",
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_gemini_on_request,
	.tier_field = "x-vertex-ai-llm-shared-request-type",
	.on_header = lg_gemini_on_header,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.event_fields = response_fields,
	.nevent_fields = (LG_COUNT_OF(response_fields) - NARRAY) / 2,
	.on_event = on_event,
	.end_event = end_event,
	.finish = lg_gemini_finish,
	.error_body = lg_gemini_error_body,
	.cut_bare = true,
};

/* Free: neither held nor read, but called by its name. */
const struct lg_dialect lg_gemini_count_tokens = {
	.name = "gemini-count-tokens",
	.family = "gemini",
	.type = LG_REQUEST_COUNT,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_gemini_on_request,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.finish = lg_gemini_finish,
	.error_body = lg_gemini_error_body,
};
