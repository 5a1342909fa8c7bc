#ifndef LG_LLM_BEDROCK_H
#define LG_LLM_BEDROCK_H

#include "llm/adapter.h"

/*
 * What the Bedrock dialects have in common. Prefix p ends in '.': a usage in
 * Converse's names, which Nova's own answers have too.
 */
#define LG_BEDROCK_USAGE(p)                                                    \
	LG_WATCH(p "inputTokens", LG_RAW_INPUT),                               \
		LG_WATCH(p "outputTokens", LG_RAW_OUTPUT),                     \
		LG_WATCH(p "totalTokens", LG_RAW_TOTAL),                       \
		LG_WATCH(p "cacheReadInputTokens", LG_ANSWER_CACHED_TOO),      \
		LG_WATCH(p "cacheReadInputTokenCount", LG_ANSWER_CACHED_TOO),  \
		LG_WATCH(p "cacheWriteInputTokens", LG_RAW_WRITE),             \
		LG_WATCH(p "cacheWriteInputTokenCount", LG_RAW_WRITE)

/*
 * finish of what is told in a->raw: what was read from and written to a cache
 * stands beside the input, unless the total shows that it is part of it.
 */
void lg_bedrock_finish(struct lg_answer *a);
/*
 * Which error the SDKs make of a refusal. Programs repeat a
 * ThrottlingException by themselves, this one means that waiting is no help.
 */
#define LG_BEDROCK_REFUSAL "x-amzn-errortype: ServiceQuotaExceededException\r\n"

/* As lg_dialect's member of this name. */
int lg_bedrock_error_body(const struct lg_refusal *r, struct lg_buf *out);

#endif
