#include "llm/gemini.h"
#include "llm/job.h"

#include <string.h>

/*
 * models/M:batchGenerateContent has its calls in the body, or in a file that
 * was uploaded. GET batches/{id} has the answers once it is done, each as a
 * call would have had it, or names a file of them, a line each. Vertex AI's
 * batchPredictionJobs are files in and files out: what they cost is not told.
 */

/* Ids of job.h beside those of gemini.h. */
#define JOB 500
#define QUERY 600
#define ANSWER 601 /* an element or a line's response */

/* -- requests -------------------------------------------------------------- */

#define CONTENT(c)                                                             \
	LG_WATCH(c "parts[].text", LG_FACT_TEXT),                              \
		LG_WATCH(c "parts[].inlineData.mimeType", LG_FACT_MIME),       \
		LG_WATCH(c "parts[].inline_data.mime_type", LG_FACT_MIME),     \
		LG_WATCH(c "parts[].fileData", LG_FACT_REMOTE),                \
		LG_WATCH(c "parts[].file_data", LG_FACT_REMOTE)

#define CALLS(p)                                                               \
	LG_WATCH(p, LG_JOB_CALL),                                              \
		LG_WATCH(p ".request.cachedContent", LG_FACT_REMOTE),          \
		LG_WATCH(p ".request.generationConfig.maxOutputTokens",        \
			 LG_FACT_MAX),                                         \
		LG_WATCH(p ".request.generationConfig.candidateCount",         \
			 LG_FACT_N),                                           \
		LG_WATCH(p ".request.generation_config.max_output_tokens",     \
			 LG_FACT_MAX),                                         \
		LG_WATCH(p ".request.generation_config.candidate_count",       \
			 LG_FACT_N),                                           \
		CONTENT(p ".request.contents[]."),                             \
		CONTENT(p ".request.systemInstruction."),                      \
		CONTENT(p ".request.system_instruction."),                     \
		LG_WATCH(p ".request.tools[].googleSearch",                    \
			 LG_FACT_SERVER_TOOL),                                 \
		LG_WATCH(p ".request.tools[].google_search",                   \
			 LG_FACT_SERVER_TOOL),                                 \
		LG_WATCH(p ".request.tools[].functionDeclarations[]."          \
			   "description",                                      \
			 LG_FACT_TEXT),                                        \
		LG_WATCH(p ".request.tools[].functionDeclarations[]."          \
			   "parameters.**",                                    \
			 LG_FACT_TEXT)

#define WHOLE 501

static const struct lg_field request_fields[] = {
	LG_WATCH("", WHOLE),
	CALLS("batch.inputConfig.requests.requests[]"),
	CALLS("batch.input_config.requests.requests[]"),
};

static void on_request(struct lg_facts *f, int id, const struct lg_value *v)
{
	if (id != WHOLE)
		lg_job_request(f, id, v);
	else if (v->type == LG_VALUE_END)
		f->unsized = !f->requests;
	memcpy(f->tier, "batch", 6);
}

/* -- answers --------------------------------------------------------------- */

#define USAGE(p)                                                               \
	LG_WATCH(p "modelVersion", LG_ANSWER_MODEL),                           \
		LG_WATCH(p "candidates[].groundingMetadata."                   \
			   "webSearchQueries[]",                               \
			 QUERY),                                               \
		LG_GEMINI_USAGE(p)

#define INLINED "response.inlinedResponses.inlinedResponses[]"

static const struct lg_field response_fields[] = {
	LG_WATCH("", JOB + LG_JOB_ROOT),
	LG_WATCH("name", LG_ANSWER_ID),
	LG_WATCH("done", JOB + LG_JOB_ENDED),
	LG_WATCH("state", JOB + LG_JOB_STATE),
	LG_WATCH("error", LG_ANSWER_ERROR),
	LG_WATCH("createTime", JOB + LG_JOB_CREATED),
	LG_WATCH("metadata.state", JOB + LG_JOB_STATE),
	LG_WATCH("metadata.createTime", JOB + LG_JOB_CREATED),
	LG_WATCH("metadata.output.responsesFile", JOB + LG_JOB_OUTPUT),
	LG_WATCH("response.responsesFile", JOB + LG_JOB_OUTPUT),
	LG_WATCH(INLINED, ANSWER),
	USAGE(INLINED ".response."),
};

/* own[2]: how many calls were billed. */
static void bill(struct lg_answer *a)
{
	a->requests++;
	if (!(a->usage.flags & LG_USAGE_PRESENT))
		return;
	memcpy(a->tier, "batch", 6);
	a->own[2]++;
	a->usage_final = true;
	a->part = LG_PART_DUE;
}

static void apply(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id == QUERY)
		lg_raw_put(a, LG_RAW_GROUNDING, a->raw[LG_RAW_GROUNDING] + 1);
	else
		lg_gemini_apply(a, id, v);
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id == ANSWER) {
		if (v->type == LG_VALUE_END)
			bill(a);
	} else if (id == LG_ANSWER_ID) {
		lg_job_apply(a, id, v);
	} else if (id >= JOB && id < QUERY) {
		lg_job_apply(a, id - JOB, v);
	} else {
		apply(a, id, v);
	}
	/* every one of them failed */
	if (id == JOB + LG_JOB_ROOT && v->type == LG_VALUE_END && a->done &&
	    a->requests && !a->own[2])
		a->failed = true;
}

const struct lg_dialect lg_gemini_batch = {
	.name = "gemini-batch",
	.family = "gemini",
	.type = LG_REQUEST_BATCH,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = on_request,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.finish = lg_gemini_finish,
	.error_body = lg_gemini_error_body,
};

/* -- GET files/{id}:download ----------------------------------------------- */

static const struct lg_field line_fields[] = {
	LG_WATCH("response", ANSWER),
	LG_WATCH("error", ANSWER),
	LG_WATCH("key", JOB),
	USAGE("response."),
};

/* own[0]: the line has an answer or an error, own[1]: and the call's key. */
static void on_line(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id == ANSWER)
		a->own[0] |= v->type == LG_VALUE_OBJECT;
	else if (id == JOB)
		a->own[1] |= v->type == LG_VALUE_STRING;
	else
		apply(a, id, v);
}

static void end_line(struct lg_answer *a, struct lg_slice name,
		     bool done_marker)
{
	bool told = a->usage.flags & LG_USAGE_PRESENT;

	(void)name;
	(void)done_marker;
	a->events++;
	if (a->own[0] && (a->own[1] || told)) {
		a->background = true;
		bill(a);
	}
	a->own[0] = a->own[1] = 0;
}

const struct lg_dialect lg_gemini_results = {
	.name = "gemini-batch-results",
	.family = "gemini",
	.type = LG_REQUEST_BATCH,
	.lines = true,
	.event_fields = line_fields,
	.nevent_fields = LG_COUNT_OF(line_fields),
	.on_event = on_line,
	.end_event = end_line,
	.finish = lg_gemini_finish,
	.error_body = lg_gemini_error_body,
};
