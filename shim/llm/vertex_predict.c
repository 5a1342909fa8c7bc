#include "llm/gemini.h"

/*
 * publishers/google/models/M:predict: text embeddings, whose statistics count
 * tokens, and pictures, billed each. Which of them it is, the answer shows.
 */

enum asked {
	PROMPT = 96,
	SAMPLES,
	BODY,
};

static const struct lg_field request_fields[] = {
	LG_WATCH("instances[].content", LG_FACT_TEXT),
	LG_WATCH("instances[].title", LG_FACT_TEXT),
	LG_WATCH("instances[].text", LG_FACT_TEXT),
	LG_WATCH("instances[].prompt", PROMPT),
	LG_WATCH("parameters.sampleCount", SAMPLES),
	LG_WATCH("", BODY),
};

enum own {
	TOKENS = LG_ANSWER_OWN,
	STATISTICS,
	PICTURE,
	SAFETY, /* why a picture is missing */
};

static const struct lg_field response_fields[] = {
	LG_WATCH("error", LG_ANSWER_ERROR),
	LG_WATCH_RAW("predictions[].embeddings.statistics", STATISTICS),
	LG_WATCH("predictions[].embeddings.statistics.token_count", TOKENS),
	LG_WATCH("predictions[].bytesBase64Encoded", PICTURE),
	LG_WATCH("predictions[].gcsUri", PICTURE),
	LG_WATCH("predictions[].raiFilteredReason", SAFETY),
	LG_WATCH("", LG_ANSWER_ROOT),
};

#define DEFAULT_SAMPLES 4 /* of Imagen */

static void on_request(struct lg_facts *f, int id, const struct lg_value *v)
{
	uint64_t *pictures = &f->scratch[0], *said = &f->scratch[1];

	switch (id) {
	case PROMPT:
		*pictures = 1;
		lg_facts_apply(f, LG_FACT_TEXT, v);
		break;
	case SAMPLES:
		*said = 1;
		lg_facts_apply(f, LG_FACT_N, v);
		break;
	case BODY:
		if (v->type == LG_VALUE_END && *pictures && !*said)
			f->n = DEFAULT_SAMPLES;
		break;
	default:
		lg_facts_apply(f, id, v);
	}
}

/* Pictures, where there is a prompt; the text of embeddings is bounded. */
static bool expect(const struct lg_facts *f, bool worst, struct lg_usage *u)
{
	(void)worst;
	if (f->scratch[0])
		lg_usage_set(u, LG_BUCKET_IMAGES, f->n);
	return true;
}

/* Each instance has its own count. */
static void tokens(struct lg_answer *a, const struct lg_value *v)
{
	uint64_t sum = a->raw[LG_RAW_INPUT];

	lg_raw_drop(a, LG_RAW_INPUT);
	lg_answer_apply(a, LG_RAW_INPUT, v);
	if (lg_raw_has(a, LG_RAW_INPUT))
		lg_raw_put(a, LG_RAW_INPUT, sum + a->raw[LG_RAW_INPUT]);
	a->usage.flags |= LG_USAGE_PRESENT;
}

static bool told(const struct lg_answer *a)
{
	return a->usage.flags & LG_USAGE_PRESENT || a->own[1];
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	switch (id) {
	case TOKENS:
		tokens(a, v);
		break;
	case STATISTICS:
		if (v->type == LG_VALUE_RAW)
			lg_answer_put_raw(a, v);
		break;
	case PICTURE:
		a->own[0] += v->type == LG_VALUE_STRING && v->len;
		a->own[1] = 1;
		break;
	case SAFETY:
		a->own[1] = 1;
		break;
	case LG_ANSWER_ROOT:
		if (v->type != LG_VALUE_END)
			break;
		a->done = true;
		a->usage_final = told(a);
		break;
	default:
		lg_answer_apply(a, id, v);
	}
}

static void finish(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;

	*u = (struct lg_usage){.flags = u->flags & LG_USAGE_PRESENT};
	if (u->flags) {
		lg_usage_put_raw(a, LG_BUCKET_INPUT, LG_RAW_INPUT);
		lg_answer_distrust(a);
	} else if (a->own[1] && !a->error) {
		lg_usage_set(u, LG_BUCKET_IMAGES, a->own[0]);
		u->flags |= LG_USAGE_COUNTED;
	}
}

const struct lg_dialect lg_vertex_predict = {
	.name = "vertex-predict",
	.family = "gemini",
	.type = LG_REQUEST_EMBED,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = on_request,
	.expect = expect,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.finish = finish,
	.error_body = lg_gemini_error_body,
};
