#include "llm/openai.h"

/*
 * POST /completion and /infill of a llama.cpp server: its own API, beside the
 * /v1 that it takes from OpenAI. A stream's last event has stop and the
 * counts; tokens_evaluated includes what its cache had.
 */

static const struct lg_field request_fields[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("stream", LG_FACT_STREAM),
	LG_WATCH("n_predict", LG_FACT_MAX),
	LG_WATCH("max_tokens", LG_FACT_MAX),
	LG_WATCH("n_cmpl", LG_FACT_N),
	LG_WATCH("prompt", LG_FACT_TEXT),
	LG_WATCH("prompt[]", LG_FACT_TOKEN),
	LG_WATCH("prompt[][]", LG_FACT_TOKEN),
	LG_WATCH("prompt.prompt_string", LG_FACT_TEXT),
	LG_WATCH("prompt.multimodal_data[]", LG_FACT_MIME),
	LG_WATCH("input_prefix", LG_FACT_TEXT),
	LG_WATCH("input_suffix", LG_FACT_TEXT),
	LG_WATCH("input_extra[].text", LG_FACT_TEXT),
	LG_WATCH("json_schema.**", LG_FACT_TEXT),
};

enum own { STOP = LG_ANSWER_OWN, TIMINGS };

static const struct lg_field answer_fields[] = {
	LG_WATCH("", LG_ANSWER_ROOT),
	LG_WATCH("model", LG_ANSWER_MODEL),
	LG_WATCH("error", LG_ANSWER_ERROR),
	LG_WATCH("content", LG_ANSWER_TEXT),
	LG_WATCH("stop", STOP),
	LG_WATCH("tokens_evaluated", LG_RAW_INPUT),
	LG_WATCH("tokens_predicted", LG_RAW_OUTPUT),
	LG_WATCH("timings.cache_n", LG_RAW_CACHED),
	LG_WATCH_RAW("timings", TIMINGS),
};

static void on_answer(struct lg_answer *a, int id, const struct lg_value *v)
{
	switch (id) {
	case STOP:
		a->done |= v->type == LG_VALUE_BOOL && v->boolean;
		break;
	case TIMINGS:
		if (v->type == LG_VALUE_RAW)
			lg_answer_put_raw(a, v);
		break;
	case LG_ANSWER_ROOT:
		if (v->type != LG_VALUE_END || !lg_raw_has(a, LG_RAW_OUTPUT))
			break;
		a->usage.flags |= LG_USAGE_PRESENT;
		a->usage_final = a->done;
		break;
	default:
		lg_answer_apply(a, id, v);
	}
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id == LG_ANSWER_ROOT && v->type == LG_VALUE_END)
		a->done = true;
	on_answer(a, id, v);
}

static void end_event(struct lg_answer *a, struct lg_slice name,
		      bool done_marker)
{
	(void)name;
	(void)done_marker;
	a->events++;
}

const struct lg_dialect lg_llama_completion = {
	.name = "llama-completion",
	.family = "openai",
	.type = LG_REQUEST_GENERATE,
	.cap_at = "n_predict",
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_facts_apply,
	.response_fields = answer_fields,
	.nresponse_fields = LG_COUNT_OF(answer_fields),
	.on_response = on_response,
	.event_fields = answer_fields,
	.nevent_fields = LG_COUNT_OF(answer_fields),
	.on_event = on_answer,
	.end_event = end_event,
	.finish = lg_openai_finish,
	.error_body = lg_openai_error_body,
};
