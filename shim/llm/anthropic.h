#ifndef LG_LLM_ANTHROPIC_H
#define LG_LLM_ANTHROPIC_H

#include "llm/adapter.h"

/*
 * What the Anthropic dialects have in common: usage with its iterations, the
 * refusals that cost nothing, one error object. Prefix p ends in '.' or is "".
 */
enum lg_anthropic_id {
	LG_ANTHROPIC_USAGE = LG_ANSWER_OWN, /* of the answer, message_start */
	LG_ANTHROPIC_USAGE_DELTA,
	LG_ANTHROPIC_SPEED,
	LG_ANTHROPIC_TIER,
	LG_ANTHROPIC_GEO,
	LG_ANTHROPIC_ITERATIONS,
	LG_ANTHROPIC_ITERATION,
	LG_ANTHROPIC_KIND,	 /* of an iteration */
	LG_ANTHROPIC_PART_MODEL, /* likewise */
	LG_ANTHROPIC_SERVED,	 /* a fallback's model */
	LG_ANTHROPIC_DECLINE,	 /* why the model before it declined */
	LG_ANTHROPIC_STOP,
	LG_ANTHROPIC_REFUSAL, /* why the answer is a refusal */
	LG_ANTHROPIC_TYPE,    /* of a stream event */
};

/* An iteration's counters: places that this dialect has no other use for. */
enum lg_anthropic_raw {
	LG_ANTHROPIC_IT_INPUT = LG_RAW_TOOL_INPUT,
	LG_ANTHROPIC_IT_OUTPUT,
	LG_ANTHROPIC_IT_CACHED,
	LG_ANTHROPIC_IT_WRITE,
	LG_ANTHROPIC_IT_5M,
	LG_ANTHROPIC_IT_1H,
};

#define LG_ANTHROPIC_CACHE(p, read, write, w5m, w1h)                           \
	LG_WATCH(p "cache_read_input_tokens", read),                           \
		LG_WATCH(p "cache_creation_input_tokens", write),              \
		LG_WATCH(p "cache_creation.ephemeral_5m_input_tokens", w5m),   \
		LG_WATCH(p "cache_creation.ephemeral_1h_input_tokens", w1h)

#define LG_ANTHROPIC_ITERATION_FIELDS(p)                                       \
	LG_WATCH(p, LG_ANTHROPIC_ITERATIONS),                                  \
		LG_WATCH(p "[]", LG_ANTHROPIC_ITERATION),                      \
		LG_WATCH(p "[].type", LG_ANTHROPIC_KIND),                      \
		LG_WATCH(p "[].model", LG_ANTHROPIC_PART_MODEL),               \
		LG_WATCH(p "[].input_tokens", LG_ANTHROPIC_IT_INPUT),          \
		LG_WATCH(p "[].output_tokens", LG_ANTHROPIC_IT_OUTPUT),        \
		LG_ANTHROPIC_CACHE(p "[].", LG_ANTHROPIC_IT_CACHED,            \
				   LG_ANTHROPIC_IT_WRITE, LG_ANTHROPIC_IT_5M,  \
				   LG_ANTHROPIC_IT_1H)

#define LG_ANTHROPIC_USAGE_FIELDS(p)                                           \
	LG_WATCH(p "input_tokens", LG_RAW_INPUT),                              \
		LG_WATCH(p "output_tokens", LG_RAW_OUTPUT),                    \
		LG_ANTHROPIC_CACHE(p, LG_RAW_CACHED, LG_RAW_WRITE,             \
				   LG_RAW_WRITE_5M, LG_RAW_WRITE_1H),          \
		LG_WATCH(p "output_tokens_details.thinking_tokens",            \
			 LG_RAW_REASONING),                                    \
		LG_WATCH(p "server_tool_use.web_search_requests", LG_RAW_WEB), \
		LG_WATCH(p "server_tool_use.code_execution_requests",          \
			 LG_RAW_CODE),                                         \
		LG_WATCH(p "service_tier", LG_ANTHROPIC_TIER),                 \
		LG_WATCH(p "speed", LG_ANTHROPIC_SPEED),                       \
		LG_WATCH(p "inference_geo", LG_ANTHROPIC_GEO),                 \
		LG_WATCH(p "cost", LG_ANSWER_COST),                            \
		LG_WATCH(p "is_byok", LG_ANSWER_BYOK),                         \
		LG_WATCH(p "cost_details.upstream_inference_cost",             \
			 LG_ANSWER_UPSTREAM),                                  \
		LG_ANTHROPIC_ITERATION_FIELDS(p "iterations")

/* One value of usage, a fallback or a stop: ids of enum lg_anthropic_id. */
void lg_anthropic_usage(struct lg_answer *a, int id, const struct lg_value *v);
/* The answer is complete as far as anything but its framing goes. */
void lg_anthropic_end(struct lg_answer *a);
/* Have iterations of this message been given to the guard as parts? */
bool lg_anthropic_is_split(const struct lg_answer *a);
/* As lg_dialect's members of these names. */
void lg_anthropic_finish(struct lg_answer *a);
int lg_anthropic_error_body(const struct lg_refusal *r, struct lg_buf *out);

#endif
