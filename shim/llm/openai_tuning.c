#include "llm/job.h"
#include "llm/openai.h"

/*
 * POST /v1/fine_tuning/jobs names a file: its tokens times its epochs are
 * billed, told as trained_tokens when the job has ended. Mistral and Azure say
 * the same; Together's /v1/fine-tunes gives the price itself.
 */

enum own {
	TOTAL_PRICE = LG_JOB_OWN, /* 1e-9 USD */
};

static const struct lg_field request_fields[] = {
	LG_WATCH("", LG_FACT_REMOTE),
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("user", LG_FACT_USER),
};

static void on_request(struct lg_facts *f, int id, const struct lg_value *v)
{
	lg_facts_apply(f, id, v);
	f->unsized = true;
}

static const struct lg_field response_fields[] = {
	LG_WATCH("", LG_JOB_ROOT),
	LG_WATCH("id", LG_ANSWER_ID),
	LG_WATCH("status", LG_JOB_STATE),
	LG_WATCH("model", LG_ANSWER_MODEL),
	LG_WATCH("created_at", LG_JOB_CREATED),
	LG_WATCH("trained_tokens", LG_RAW_INPUT),
	LG_WATCH("token_count", LG_RAW_INPUT),
	LG_WATCH("total_price", TOTAL_PRICE),
};

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	uint64_t n;

	if (id == TOTAL_PRICE) {
		/* a zero stands there until the job has ended */
		if (!lg_value_u64(v, &n) && n && n <= INT64_MAX / 1000) {
			a->raw[LG_RAW_COST] = n * 1000;
			a->raw_has |= UINT64_C(1) << LG_RAW_COST;
		}
		return;
	}
	lg_job_apply(a, id, v);
	if (id != LG_JOB_ROOT || v->type != LG_VALUE_END)
		return;
	if (lg_raw_has(a, LG_RAW_INPUT))
		a->usage.flags |= LG_USAGE_PRESENT;
	/* a job that was stopped may say 0 before it is counted */
	a->usage_final = lg_job_is_done(a) && a->raw[LG_RAW_INPUT];
}

static void finish(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;

	*u = (struct lg_usage){.flags = u->flags & LG_USAGE_PRESENT};
	if (!u->flags)
		return;
	lg_usage_put_raw(a, LG_BUCKET_TRAINING, LG_RAW_INPUT);
	if (lg_raw_has(a, LG_RAW_COST)) {
		u->provider_cost_pusd = (int64_t)a->raw[LG_RAW_COST];
		u->flags |= LG_USAGE_PROVIDER_COST;
	}
	lg_answer_distrust(a);
}

const struct lg_dialect lg_openai_tuning = {
	.name = "openai-tuning",
	.family = "openai",
	.type = LG_REQUEST_TRAIN,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = on_request,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.finish = finish,
	.error_body = lg_openai_error_body,
};
