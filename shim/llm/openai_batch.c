#include "llm/job.h"
#include "llm/openai.h"

#include <string.h>

/*
 * POST /v1/batches names a file of requests: nobody knows its size. The
 * batch's object has the usage of all of it once it has ended (newer ones,
 * with their model); else the lines of the output file have it, each its own.
 * Mistral's /v1/batch/jobs, Groq's and Together's say the same.
 */

/* -- POST /v1/batches, GET /v1/batches/{id} -------------------------------- */

static const struct lg_field request_fields[] = {
	LG_WATCH("", LG_FACT_REMOTE),
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("user", LG_FACT_USER),
};

static void on_request(struct lg_facts *f, int id, const struct lg_value *v)
{
	lg_facts_apply(f, id, v);
	memcpy(f->tier, "batch", 6);
	f->unsized = true;
}

#define OBJECT(p)                                                              \
	LG_WATCH(p "id", LG_ANSWER_ID), LG_WATCH(p "status", LG_JOB_STATE),    \
		LG_WATCH(p "model", LG_ANSWER_MODEL),                          \
		LG_WATCH(p "model_id", LG_ANSWER_MODEL),                       \
		LG_WATCH(p "created_at", LG_JOB_CREATED),                      \
		LG_WATCH(p "output_file_id", LG_JOB_OUTPUT),                   \
		LG_WATCH(p "output_file", LG_JOB_OUTPUT),                      \
		LG_OPENAI_USAGE_NEW(p)

static const struct lg_field response_fields[] = {
	LG_WATCH("", LG_JOB_ROOT),
	OBJECT(""),
	OBJECT("job."),
};

/*
 * Without a model there is no price, and a batch that used nothing has a file
 * that says otherwise: then the lines tell.
 */
static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	lg_job_apply(a, id, v);
	memcpy(a->tier, "batch", 6);
	if (id == LG_JOB_ROOT && v->type == LG_VALUE_END)
		a->usage_final = lg_job_is_done(a) && a->model[0] &&
				 (a->raw[LG_RAW_INPUT] ||
				  a->raw[LG_RAW_OUTPUT] || !a->output_id[0]);
}

const struct lg_dialect lg_openai_batch = {
	.name = "openai-batch",
	.family = "openai",
	.type = LG_REQUEST_BATCH,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = on_request,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.finish = lg_openai_finish,
	.error_body = lg_openai_error_body,
};

/* -- GET /v1/files/{id}/content -------------------------------------------- */

enum line { RESPONSE = LG_ANSWER_OWN };

#define BODY "response.body."

static const struct lg_field line_fields[] = {
	LG_WATCH("response", RESPONSE),
	LG_WATCH(BODY "model", LG_ANSWER_MODEL),
	LG_OPENAI_USAGE(BODY),
	LG_WATCH(BODY "usage.input_tokens", LG_RAW_INPUT),
	LG_WATCH(BODY "usage.output_tokens", LG_RAW_OUTPUT),
	LG_OPENAI_DETAILS(BODY "usage.input_tokens_details.",
			  BODY "usage.output_tokens_details."),
	LG_WATCH(BODY "tool_usage.web_search.num_requests", LG_RAW_WEB_BILLED),
};

/* Any file may be fetched here; only results have responses. */
static void on_line(struct lg_answer *a, int id, const struct lg_value *v)
{
	lg_answer_apply(a, id, v);
	if (id == RESPONSE && v->type != LG_VALUE_END)
		lg_raw_put(a, LG_RAW_SCRATCH, 1);
}

static void end_line(struct lg_answer *a, struct lg_slice name,
		     bool done_marker)
{
	(void)name;
	(void)done_marker;
	a->events++;
	if (!a->raw[LG_RAW_SCRATCH])
		return;
	lg_raw_drop(a, LG_RAW_SCRATCH);
	a->requests++;
	a->background = true;
	if (!(a->usage.flags & LG_USAGE_PRESENT))
		return;
	memcpy(a->tier, "batch", 6);
	a->usage_final = true;
	a->part = LG_PART_DUE;
}

const struct lg_dialect lg_openai_batch_output = {
	.name = "openai-batch-output",
	.family = "openai",
	.type = LG_REQUEST_BATCH,
	.lines = true,
	.event_fields = line_fields,
	.nevent_fields = LG_COUNT_OF(line_fields),
	.on_event = on_line,
	.end_event = end_line,
	.finish = lg_openai_finish,
	.error_body = lg_openai_error_body,
};
