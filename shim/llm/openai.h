#ifndef LG_LLM_OPENAI_H
#define LG_LLM_OPENAI_H

#include "llm/adapter.h"

/*
 * What the OpenAI dialects have in common: one shape of usage under two sets
 * of names, one error object, one way to count. Prefix p ends in '.' or is "".
 */
#define LG_OPENAI_TOKENS(p)                                                    \
	LG_WATCH_RAW(p "usage", LG_ANSWER_USAGE),                              \
		LG_WATCH(p "usage.prompt_tokens", LG_RAW_INPUT),               \
		LG_WATCH(p "usage.completion_tokens", LG_RAW_OUTPUT),          \
		LG_WATCH(p "usage.total_tokens", LG_RAW_TOTAL),                \
		LG_WATCH(p "usage.cached_tokens", LG_ANSWER_CACHED_TOO),       \
		LG_OPENAI_DETAILS(p "usage.prompt_tokens_details.",            \
				  p "usage.completion_tokens_details.")

#define LG_OPENAI_USAGE(p)                                                     \
	LG_OPENAI_TOKENS(p),                                                   \
		LG_WATCH(p "usage.prompt_cache_hit_tokens",                    \
			 LG_ANSWER_CACHED_TOO),                                \
		LG_WATCH(p "usage.reasoning_tokens", LG_RAW_APART),            \
		LG_WATCH(p "usage.citation_tokens", LG_RAW_CITATION),          \
		LG_WATCH(p "usage.num_search_queries", LG_ANSWER_WEB_TOO),     \
		LG_WATCH(p "usage.search_context_size", LG_ANSWER_VARIANT),    \
		LG_WATCH(p "usage.connectors.web_search", LG_ANSWER_WEB_TOO),  \
		LG_WATCH(p "usage.connector_tokens", LG_RAW_TOOL_INPUT),       \
		LG_OPENAI_COSTS(p)

#define LG_OPENAI_USAGE_NEW(p)                                                 \
	LG_WATCH_RAW(p "usage", LG_ANSWER_USAGE),                              \
		LG_WATCH(p "usage.input_tokens", LG_RAW_INPUT),                \
		LG_WATCH(p "usage.output_tokens", LG_RAW_OUTPUT),              \
		LG_WATCH(p "usage.total_tokens", LG_RAW_TOTAL),                \
		LG_OPENAI_DETAILS(p "usage.input_tokens_details.",             \
				  p "usage.output_tokens_details."),           \
		LG_OPENAI_COSTS(p)

#define LG_OPENAI_DETAILS(in, out)                                             \
	LG_WATCH(in "cached_tokens", LG_ANSWER_CACHED_TOO),                    \
		LG_WATCH(in "cache_write_tokens", LG_RAW_WRITE),               \
		LG_WATCH(in "audio_tokens", LG_RAW_AUDIO_IN),                  \
		LG_WATCH(in "image_tokens", LG_RAW_IMAGE_IN),                  \
		LG_WATCH(in "video_tokens", LG_RAW_VIDEO_IN),                  \
		LG_WATCH(out "reasoning_tokens", LG_RAW_REASONING),            \
		LG_WATCH(out "audio_tokens", LG_RAW_AUDIO_OUT),                \
		LG_WATCH(out "image_tokens", LG_RAW_IMAGE_OUT)

#define LG_OPENAI_COSTS(p)                                                     \
	LG_WATCH(p "usage.cost", LG_ANSWER_COST),                              \
		LG_WATCH(p "usage.cost.total_cost", LG_ANSWER_COST),           \
		LG_WATCH(p "usage.cost_in_usd_ticks", LG_ANSWER_TICKS),        \
		LG_WATCH(p "usage.is_byok", LG_ANSWER_BYOK),                   \
		LG_WATCH(p "usage.cost_details.upstream_inference_cost",       \
			 LG_ANSWER_UPSTREAM),                                  \
		LG_WATCH(p "usage.server_tool_use.web_search_requests",        \
			 LG_ANSWER_WEB_TOO),                                   \
		LG_WATCH(p "usage.server_tool_use_details."                    \
			   "web_search_requests",                              \
			 LG_ANSWER_WEB_TOO),                                   \
		LG_WATCH(p "usage.num_sources_used", LG_ANSWER_WEB_TOO),       \
		LG_OPENAI_XAI(p "usage.server_side_tool_usage_details.")

#define LG_OPENAI_XAI(t)                                                       \
	LG_WATCH(t "web_search_calls", LG_ANSWER_WEB_TOO),                     \
		LG_WATCH(t "code_interpreter_calls", LG_RAW_CODE),             \
		LG_WATCH(t "file_search_calls", LG_RAW_FILES)

/* llama.cpp's server tells them also where nobody asked for a usage. */
#define LG_OPENAI_TIMINGS                                                      \
	LG_WATCH("timings.prompt_n", LG_RAW_TIMED_IN),                         \
		LG_WATCH("timings.cache_n", LG_RAW_TIMED_CACHED),              \
		LG_WATCH("timings.predicted_n", LG_RAW_TIMED_OUT)

/* Fields that several OpenAI requests share. */
#define LG_OPENAI_REQUEST                                                      \
	LG_WATCH("model", LG_FACT_MODEL), LG_WATCH("stream", LG_FACT_STREAM),  \
		LG_WATCH("user", LG_FACT_USER),                                \
		LG_WATCH("safety_identifier", LG_FACT_SAFETY_ID),              \
		LG_WATCH("service_tier", LG_FACT_TIER)

/* As lg_dialect's members of these names. */
void lg_openai_finish(struct lg_answer *a);
int lg_openai_error_body(const struct lg_refusal *r, struct lg_buf *out);
/* chat and completions: on_response, on_event, end_event. */
void lg_openai_on_response(struct lg_answer *a, int id,
			   const struct lg_value *v);
void lg_openai_on_event(struct lg_answer *a, int id, const struct lg_value *v);
void lg_openai_end_event(struct lg_answer *a, struct lg_slice name,
			 bool done_marker);

#endif
