#ifndef LG_LLM_GEMINI_H
#define LG_LLM_GEMINI_H

#include "llm/adapter.h"

/* What Google's dialects have in common. */

#define LG_GEMINI_ASKED_TIER 64 /* a fact */

enum lg_gemini_id {
	/* lists of {modality, tokens}, then their elements, in one order */
	LG_GEMINI_PROMPT = LG_ANSWER_OWN,
	LG_GEMINI_CACHE,
	LG_GEMINI_OUTPUT,
	LG_GEMINI_TOOL_USE,
	LG_GEMINI_PROMPT_ENTRY,
	LG_GEMINI_CACHE_ENTRY,
	LG_GEMINI_OUTPUT_ENTRY,
	LG_GEMINI_TOOL_USE_ENTRY,
	LG_GEMINI_MODALITY,
	LG_GEMINI_MODAL_COUNT,
	LG_GEMINI_OWN, /* ids of one dialect begin here */
};

#define LG_GEMINI_DETAILS(path, tokens, id)                                    \
	LG_WATCH(path, id), LG_WATCH(path "[]", id##_ENTRY),                   \
		LG_WATCH(path "[].modality", LG_GEMINI_MODALITY),              \
		LG_WATCH(path "[]." tokens, LG_GEMINI_MODAL_COUNT)

/* usageMetadata; p ends in '.' or is "". */
#define LG_GEMINI_USAGE(p)                                                     \
	LG_WATCH_RAW(p "usageMetadata", LG_ANSWER_USAGE),                      \
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
		LG_GEMINI_DETAILS(p "usageMetadata.promptTokensDetails",       \
				  "tokenCount", LG_GEMINI_PROMPT),             \
		LG_GEMINI_DETAILS(p "usageMetadata.cacheTokensDetails",        \
				  "tokenCount", LG_GEMINI_CACHE),              \
		LG_GEMINI_DETAILS(p "usageMetadata.candidatesTokensDetails",   \
				  "tokenCount", LG_GEMINI_OUTPUT)

/* lg_answer_apply, and the lists by modality. */
void lg_gemini_apply(struct lg_answer *a, int id, const struct lg_value *v);

/* A service tier's name as the catalog spells it; others leave tier alone. */
void lg_gemini_tier(const struct lg_value *v, char *tier, size_t cap);

/* As lg_dialect's members of these names. */
void lg_gemini_on_request(struct lg_facts *f, int id, const struct lg_value *v);
void lg_gemini_on_header(struct lg_answer *a, struct lg_slice name,
			 struct lg_slice value);
void lg_gemini_finish(struct lg_answer *a);
int lg_gemini_error_body(const struct lg_refusal *r, struct lg_buf *out);

#endif
