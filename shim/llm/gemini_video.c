#include "llm/gemini.h"

#include <string.h>

/*
 * models/M:predictLongRunning makes films, billed by the second and only where
 * one came out. The answer names an operation; what becomes of it is asked for
 * there. How long the films are only the request says: until it fails, the
 * call stands for what was asked.
 */

#define DURATION 96 /* facts */
#define RESOLUTION 97

#define DEFAULT_SECONDS 8
#define SECONDS_MAX 3600

static const struct lg_field request_fields[] = {
	LG_WATCH("instances[].prompt", LG_FACT_TEXT),
	LG_WATCH("parameters.negativePrompt", LG_FACT_TEXT),
	LG_WATCH("parameters.sampleCount", LG_FACT_N),
	LG_WATCH("parameters.numberOfVideos", LG_FACT_N),
	LG_WATCH("parameters.durationSeconds", DURATION),
	LG_WATCH("parameters.resolution", RESOLUTION),
};

enum own {
	NAME = LG_ANSWER_OWN,
	DONE,
	FILM,
	FILTERED,
};

#define FILMS(p)                                                               \
	LG_WATCH(p "generateVideoResponse.generatedSamples[]", FILM),          \
		LG_WATCH(p "generateVideoResponse.raiMediaFilteredCount",      \
			 FILTERED),                                            \
		LG_WATCH(p "videos[]", FILM),                                  \
		LG_WATCH(p "raiMediaFilteredCount", FILTERED)

static const struct lg_field response_fields[] = {
	LG_WATCH("name", NAME),
	LG_WATCH("done", DONE),
	LG_WATCH("error", LG_ANSWER_ERROR),
	FILMS("response."),
	LG_WATCH("", LG_ANSWER_ROOT),
};

static void on_request(struct lg_facts *f, int id, const struct lg_value *v)
{
	uint64_t n;

	if (id == DURATION) {
		if (!lg_value_u64(v, &n) && n <= SECONDS_MAX)
			f->scratch[0] = n;
	} else if (id == RESOLUTION) {
		if (v->type == LG_VALUE_STRING)
			lg_slice_copy(v->text, f->variant, sizeof(f->variant));
	} else {
		lg_facts_apply(f, id, v);
	}
}

static bool expect(const struct lg_facts *f, bool worst, struct lg_usage *u)
{
	uint64_t each = f->scratch[0] ? f->scratch[0] : DEFAULT_SECONDS;

	(void)worst;
	lg_usage_set(u, LG_BUCKET_SECONDS, each * f->n);
	return true;
}

static void begin(struct lg_answer *a, const struct lg_facts *f)
{
	memcpy(a->variant, f->variant, sizeof(a->variant));
}

/* "models/M/operations/ID": the last part, as the path has it. */
static void name(struct lg_answer *a, const struct lg_value *v)
{
	struct lg_slice id = v->text;
	size_t i;

	if (v->type != LG_VALUE_STRING || v->truncated)
		return;
	for (i = id.len; i && id.p[i - 1] != '/'; i--)
		;
	id = (struct lg_slice){id.p + i, id.len - i};
	if (id.len)
		lg_slice_copy(id, a->id, sizeof(a->id));
}

static void end(struct lg_answer *a)
{
	bool none = a->done && !a->own[0] && a->own[1];

	a->failed = a->done && (a->error || none);
	a->pending = !a->done && !a->error && a->id[0];
	a->background = true;
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	uint64_t n;

	switch (id) {
	case NAME:
		name(a, v);
		break;
	case DONE:
		a->done = v->type == LG_VALUE_BOOL && v->boolean;
		break;
	case FILM:
		a->own[0] += v->type == LG_VALUE_OBJECT;
		break;
	case FILTERED:
		a->own[1] |= !lg_value_u64(v, &n) && n;
		break;
	case LG_ANSWER_ROOT:
		if (v->type == LG_VALUE_END)
			end(a);
		break;
	default:
		lg_answer_apply(a, id, v);
	}
}

static void finish(struct lg_answer *a)
{
	a->usage = (struct lg_usage){.flags = 0};
}

const struct lg_dialect lg_gemini_video = {
	.name = "gemini-video",
	.family = "gemini",
	.type = LG_REQUEST_IMAGE,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = on_request,
	.expect = expect,
	.begin = begin,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.finish = finish,
	.error_body = lg_gemini_error_body,
};
