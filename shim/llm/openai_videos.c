#include "llm/openai.h"

#include <string.h>

/*
 * POST /v1/videos (a form or JSON) and /v1/videos/{id}/remix: a job that is
 * billed by the second when it is done, at a price by model and size. A later
 * GET /v1/videos/{id} tells that.
 */

enum own_fact { LENGTH = LG_FACT_END, SHAPE };

static const struct lg_field request_fields[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("prompt", LG_FACT_TEXT),
	LG_WATCH("seconds", LENGTH),
	LG_WATCH("size", SHAPE),
	LG_WATCH("input_reference", LG_FACT_UPLOAD),
	LG_WATCH("input_reference.file_id", LG_FACT_REMOTE),
	LG_WATCH("input_reference.image_url", LG_FACT_URL),
};

enum own { STATUS = LG_ANSWER_OWN, SECONDS };

static const struct lg_field response_fields[] = {
	LG_WATCH("id", LG_ANSWER_ID),
	LG_WATCH("model", LG_ANSWER_MODEL),
	LG_WATCH("created_at", LG_ANSWER_CREATED),
	LG_WATCH("error", LG_ANSWER_ERROR),
	LG_WATCH("status", STATUS),
	LG_WATCH("seconds", SECONDS),
	LG_WATCH("size", LG_ANSWER_VARIANT),
	LG_WATCH("", LG_ANSWER_ROOT),
};

#define LONGEST 60 /* seconds; what is asked for beyond that is a mistake */
#define DEFAULT_SECONDS 4
#define DEFAULT_SIZE "720x1280"

static void on_request(struct lg_facts *f, int id, const struct lg_value *v)
{
	uint64_t n;

	if (!f->variant[0])
		memcpy(f->variant, DEFAULT_SIZE, sizeof(DEFAULT_SIZE));
	if (id == LENGTH && !lg_value_u64(v, &n))
		f->scratch[0] = n < LONGEST ? n : LONGEST;
	else if (id == SHAPE && v->type == LG_VALUE_STRING && v->len)
		lg_slice_copy(v->text, f->variant, sizeof(f->variant));
	else if (id < LG_FACT_END)
		lg_facts_apply(f, id, v);
}

/* A remix is as long as what it is made of, which it does not say. */
static bool expect(const struct lg_facts *f, bool worst, struct lg_usage *u)
{
	uint64_t n = f->scratch[0] ? f->scratch[0] : DEFAULT_SECONDS;

	if (!f->model[0] && worst)
		n = LONGEST;
	lg_usage_set(u, LG_BUCKET_SECONDS, n);
	return f->model[0];
}

static void status(struct lg_answer *a, const struct lg_value *v)
{
	a->done = lg_value_is(v, "completed");
	a->failed = lg_value_is(v, "failed");
	a->pending = lg_value_is(v, "queued") || lg_value_is(v, "in_progress");
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	uint64_t n;

	if (id == STATUS)
		status(a, v);
	else if (id == SECONDS && !lg_value_u64(v, &n))
		lg_raw_put(a, LG_RAW_SECONDS, n);
	else if (id < LG_ANSWER_OWN)
		lg_answer_apply(a, id, v);
	if (id == LG_ANSWER_ROOT)
		a->background = true;
}

static void finish(struct lg_answer *a)
{
	a->usage = (struct lg_usage){.flags = 0};
	a->usage_final = false;
	if (!a->done || !lg_raw_has(a, LG_RAW_SECONDS))
		return;
	lg_usage_put_raw(a, LG_BUCKET_SECONDS, LG_RAW_SECONDS);
	a->usage.flags = LG_USAGE_COUNTED;
	a->usage_final = true;
}

const struct lg_dialect lg_openai_videos = {
	.name = "openai-videos",
	.family = "openai",
	.type = LG_REQUEST_OTHER,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = on_request,
	.form_fields = request_fields,
	.nform_fields = LG_COUNT_OF(request_fields),
	.expect = expect,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.finish = finish,
	.error_body = lg_openai_error_body,
};
