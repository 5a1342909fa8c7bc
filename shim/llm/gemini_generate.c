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
	CHUNK = LG_ANSWER_OWN,
	PART,
	PART_TEXT,
	PART_THOUGHT,
	QUERIES,
	QUERY,
	MAPS,
	TRAFFIC,
	TIER,
	/* lists of {modality, tokenCount}, then their elements, in one order */
	PROMPT,
	CACHE,
	OUTPUT,
	TOOL_USE,
	PROMPT_ENTRY,
	CACHE_ENTRY,
	OUTPUT_ENTRY,
	TOOL_USE_ENTRY,
	MODALITY,
	MODAL_COUNT,
};

#define DETAILS(path, id)                                                      \
	LG_WATCH(path, id), LG_WATCH(path "[]", id##_ENTRY),                   \
		LG_WATCH(path "[].modality", MODALITY),                        \
		LG_WATCH(path "[].tokenCount", MODAL_COUNT)

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
		LG_WATCH_RAW(p "usageMetadata", LG_ANSWER_USAGE),              \
		LG_WATCH(p "usageMetadata.promptTokenCount", LG_RAW_INPUT),    \
		LG_WATCH(p "usageMetadata.candidatesTokenCount",               \
			 LG_RAW_OUTPUT),                                       \
		LG_WATCH(p "usageMetadata.thoughtsTokenCount",                 \
			 LG_RAW_REASONING),                                    \
		LG_WATCH(p "usageMetadata.toolUsePromptTokenCount",            \
			 LG_RAW_TOOL_INPUT),                                   \
		LG_WATCH(p "usageMetadata.cachedContentTokenCount",            \
			 LG_RAW_CACHED),                                       \
		LG_WATCH(p "usageMetadata.totalTokenCount", LG_RAW_TOTAL),     \
		DETAILS(p "usageMetadata.promptTokensDetails", PROMPT),        \
		DETAILS(p "usageMetadata.cacheTokensDetails", CACHE),          \
		DETAILS(p "usageMetadata.candidatesTokensDetails", OUTPUT),    \
		DETAILS(p "usageMetadata.toolUsePromptTokensDetails",          \
			TOOL_USE),                                             \
		LG_WATCH(p "usageMetadata.trafficType", TRAFFIC),              \
		LG_WATCH(p "usageMetadata.serviceTier", TIER)

static const struct lg_field response_fields[] = {
	CHUNK_FIELDS(""),
	CHUNK_FIELDS("[]."),
	LG_WATCH("[]", CHUNK),
	LG_WATCH("", LG_ANSWER_ROOT),
};

#define NARRAY 2 /* the last fields above speak of arrays and the whole */

enum modality { TEXT = 1, IMAGE, VIDEO, AUDIO, DOCUMENT };

static uint64_t modality(const struct lg_value *v)
{
	static const char *const names[] = {"TEXT", "IMAGE", "VIDEO", "AUDIO",
					    "DOCUMENT"};
	uint64_t n;
	unsigned i;

	for (i = 0; i < LG_COUNT_OF(names); i++)
		if (lg_value_is(v, names[i]))
			return i + 1;
	return v->type == LG_VALUE_NUMBER && !lg_value_u64(v, &n) ? n : 0;
}

static void add_raw(struct lg_answer *a, enum lg_raw id, uint64_t n)
{
	lg_raw_put(a, id, a->raw[id] + n);
}

/* Text, documents and tool prompts are what the others leave. */
static const uint8_t modal_raw[4][DOCUMENT + 1] = {
	[0] = {[IMAGE] = LG_RAW_IMAGE_IN,
	       [VIDEO] = LG_RAW_VIDEO_IN,
	       [AUDIO] = LG_RAW_AUDIO_IN},
	[1] = {[IMAGE] = LG_RAW_IMAGE_CACHED, [AUDIO] = LG_RAW_AUDIO_CACHED},
	[2] = {[IMAGE] = LG_RAW_IMAGE_OUT, [AUDIO] = LG_RAW_AUDIO_OUT},
};

/* One {modality, tokenCount} is complete. */
static void detail(struct lg_answer *a, int list)
{
	uint64_t n = a->raw[LG_RAW_SCRATCH2];
	uint64_t m = a->raw[LG_RAW_SCRATCH];

	if (m <= DOCUMENT && modal_raw[list][m])
		add_raw(a, modal_raw[list][m], n);
}

static void details(struct lg_answer *a, int id, const struct lg_value *v)
{
	uint64_t n;

	if (id == MODALITY) {
		a->raw[LG_RAW_SCRATCH] = modality(v);
	} else if (id == MODAL_COUNT) {
		if (!lg_value_u64(v, &n))
			lg_raw_put(a, LG_RAW_SCRATCH2, n);
	} else if (id < PROMPT_ENTRY && v->type == LG_VALUE_ARRAY) {
		for (n = 0; n <= DOCUMENT; n++)
			if (modal_raw[id - PROMPT][n])
				lg_raw_drop(a, modal_raw[id - PROMPT][n]);
	} else if (id >= PROMPT_ENTRY && v->type == LG_VALUE_OBJECT) {
		a->raw[LG_RAW_SCRATCH] = a->raw[LG_RAW_SCRATCH2] = 0;
	} else if (id >= PROMPT_ENTRY && v->type == LG_VALUE_END) {
		detail(a, id - PROMPT_ENTRY);
	}
}

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
		if (id >= PROMPT)
			details(a, id, v);
		else
			lg_answer_apply(a, id, v);
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

static void split_input(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;
	uint64_t text_cached = a->raw[LG_RAW_CACHED];
	uint64_t fresh = a->raw[LG_RAW_INPUT];
	static const struct {
		enum lg_raw all, cached;
		enum lg_bucket fresh, read;
	} media[] = {
		{LG_RAW_AUDIO_IN, LG_RAW_AUDIO_CACHED, LG_BUCKET_AUDIO_INPUT,
		 LG_BUCKET_AUDIO_CACHE_READ},
		{LG_RAW_IMAGE_IN, LG_RAW_IMAGE_CACHED, LG_BUCKET_IMAGE_INPUT,
		 LG_BUCKET_IMAGE_CACHE_READ},
	};
	bool fits = true;
	unsigned i;

	for (i = 0; i < LG_COUNT_OF(media); i++) {
		uint64_t n = a->raw[media[i].all], read;

		if (!lg_raw_has(a, media[i].all))
			continue;
		n = n < fresh ? n : fresh;
		fresh -= n;
		read = a->raw[media[i].cached];
		read = read < text_cached ? read : text_cached;
		text_cached -= read < n ? read : n;
		if (read)
			fits &= lg_usage_split(&n, read, u, media[i].read);
		lg_usage_set(u, media[i].fresh, n);
	}
	fits &= lg_usage_split_raw(a, &fresh, LG_RAW_VIDEO_IN,
				   LG_BUCKET_VIDEO_INPUT);
	if (lg_raw_has(a, LG_RAW_CACHED))
		fits &= lg_usage_split(&fresh, text_cached, u,
				       LG_BUCKET_CACHE_READ);
	lg_usage_set(u, LG_BUCKET_INPUT, fresh + a->raw[LG_RAW_TOOL_INPUT]);
	if (!fits)
		u->flags |= LG_USAGE_MISMATCH;
}

/* Gemini 3 bills each query, the models before it each grounded prompt. */
static void grounding(struct lg_answer *a)
{
	struct lg_slice model = lg_slice_str(a->model);
	bool old = lg_slice_icontains(model, LG_SLICE("gemini-1")) ||
		   lg_slice_icontains(model, LG_SLICE("gemini-2"));
	uint64_t n = a->raw[LG_RAW_GROUNDING];

	if (lg_raw_has(a, LG_RAW_GROUNDING))
		lg_usage_set(&a->usage, LG_BUCKET_GROUNDING, old && n ? 1 : n);
}

static void finish(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;
	uint64_t out = a->raw[LG_RAW_OUTPUT], sum;
	bool fits = true;

	*u = (struct lg_usage){.flags = u->flags & LG_USAGE_PRESENT};
	grounding(a);
	if (!u->flags)
		return;
	split_input(a);
	lg_usage_put_raw(a, LG_BUCKET_REASONING, LG_RAW_REASONING);
	fits &= lg_usage_split_raw(a, &out, LG_RAW_AUDIO_OUT,
				   LG_BUCKET_AUDIO_OUTPUT);
	fits &= lg_usage_split_raw(a, &out, LG_RAW_IMAGE_OUT,
				   LG_BUCKET_IMAGE_OUTPUT);
	lg_usage_set(u, LG_BUCKET_OUTPUT, out);
	sum = a->raw[LG_RAW_INPUT] + a->raw[LG_RAW_TOOL_INPUT] +
	      a->raw[LG_RAW_OUTPUT] + a->raw[LG_RAW_REASONING];
	if (lg_raw_has(a, LG_RAW_TOTAL)) {
		u->total = a->raw[LG_RAW_TOTAL];
		u->flags |= LG_USAGE_TOTAL;
		fits &= u->total == sum;
	}
	if (!fits)
		u->flags |= LG_USAGE_MISMATCH;
	lg_answer_distrust(a);
}

const struct lg_dialect lg_gemini_generate = {
	.name = "gemini-generate",
	.family = "gemini",
	.type = LG_REQUEST_GENERATE,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_gemini_on_request,
	.on_header = lg_gemini_on_header,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.event_fields = response_fields,
	.nevent_fields = (LG_COUNT_OF(response_fields) - NARRAY) / 2,
	.on_event = on_event,
	.end_event = end_event,
	.finish = finish,
	.error_body = lg_gemini_error_body,
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
	.finish = finish,
	.error_body = lg_gemini_error_body,
};
