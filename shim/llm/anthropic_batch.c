#include "llm/anthropic.h"
#include "llm/job.h"

#include <string.h>

/*
 * POST /v1/messages/batches has the calls in its body; each result is a line
 * of GET /v1/messages/batches/{id}/results with the message as a call would
 * have had it. Those that errored, expired or were canceled are not billed.
 */

#define P "requests[].params."

static const struct lg_field request_fields[] = {
	LG_WATCH("requests[]", LG_JOB_CALL),
	LG_WATCH(P "model", LG_FACT_MODEL),
	LG_WATCH(P "max_tokens", LG_FACT_MAX),
	LG_WATCH(P "metadata.user_id", LG_FACT_USER),
	LG_WATCH(P "inference_geo", LG_FACT_GEO),
	LG_WATCH(P "container", LG_FACT_REMOTE),
	LG_WATCH(P "mcp_servers[]", LG_FACT_SERVER_TOOL),
	LG_WATCH(P "cache_control.ttl", LG_FACT_TTL),
	LG_WATCH(P "system", LG_FACT_TEXT),
	LG_WATCH(P "system[].text", LG_FACT_TEXT),
	LG_WATCH(P "system[].cache_control.ttl", LG_FACT_TTL),
	LG_WATCH(P "messages[].content", LG_FACT_TEXT),
	LG_WATCH(P "messages[].content[].type", LG_FACT_CONTENT_TYPE),
	LG_WATCH(P "messages[].content[].text", LG_FACT_TEXT),
	LG_WATCH(P "messages[].content[].thinking", LG_FACT_TEXT),
	LG_WATCH(P "messages[].content[].input.**", LG_FACT_TEXT),
	LG_WATCH(P "messages[].content[].source", LG_FACT_SOURCE),
	LG_WATCH(P "messages[].content[].source.type", LG_FACT_SOURCE_TYPE),
	LG_WATCH(P "messages[].content[].source.data", LG_FACT_SOURCE_DATA),
	LG_WATCH(P "messages[].content[].content", LG_FACT_TEXT),
	LG_WATCH(P "messages[].content[].content[].text", LG_FACT_TEXT),
	LG_WATCH(P "messages[].content[].cache_control.ttl", LG_FACT_TTL),
	LG_WATCH(P "tools[]", LG_FACT_TOOL),
	LG_WATCH(P "tools[].type", LG_FACT_TOOL_TYPE),
	LG_WATCH(P "tools[].name", LG_FACT_TEXT),
	LG_WATCH(P "tools[].description", LG_FACT_TEXT),
	LG_WATCH(P "tools[].input_schema.**", LG_FACT_TEXT),
	LG_WATCH(P "tools[].cache_control.ttl", LG_FACT_TTL),
};

static const struct lg_field response_fields[] = {
	LG_WATCH("", LG_JOB_ROOT),
	LG_WATCH("id", LG_ANSWER_ID),
	LG_WATCH("created_at", LG_JOB_CREATED),
};

const struct lg_dialect lg_anthropic_batch = {
	.name = "anthropic-batch",
	.family = "anthropic",
	.type = LG_REQUEST_BATCH,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_job_request,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = lg_job_apply,
	.finish = lg_anthropic_finish,
	.error_body = lg_anthropic_error_body,
};

/* -- the results ----------------------------------------------------------- */

enum line { RESULT = 1000 };

#define MESSAGE "result.message."

static const struct lg_field line_fields[] = {
	LG_WATCH("result", RESULT),
	LG_WATCH(MESSAGE "model", LG_ANSWER_MODEL),
	LG_WATCH(MESSAGE "content[].text", LG_ANSWER_TEXT),
	LG_WATCH(MESSAGE "stop_reason", LG_ANTHROPIC_STOP),
	LG_WATCH(MESSAGE "stop_details.category", LG_ANTHROPIC_REFUSAL),
	LG_WATCH_RAW(MESSAGE "usage", LG_ANTHROPIC_USAGE),
	LG_ANTHROPIC_USAGE_FIELDS(MESSAGE "usage."),
};

static void on_line(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id == RESULT) {
		if (v->type == LG_VALUE_OBJECT)
			a->requests++;
		return;
	}
	if (id == LG_ANSWER_TEXT)
		lg_answer_apply(a, id, v);
	else
		lg_anthropic_usage(a, id, v);
	memcpy(a->tier, "batch", 6);
}

/* One line knows nothing of the one before it. */
static void end_line(struct lg_answer *a, struct lg_slice name,
		     bool done_marker)
{
	(void)name;
	(void)done_marker;
	a->events++;
	a->background = a->requests > 0;
	a->done = true;
	lg_anthropic_end(a);
	if (a->usage.flags & LG_USAGE_PRESENT && !a->failed &&
	    !lg_anthropic_is_split(a)) {
		a->usage_final = true;
		a->part = LG_PART_DUE;
	} else {
		memset(a->raw, 0, sizeof(a->raw));
		memset(&a->usage, 0, sizeof(a->usage));
		a->raw_has = 0;
		a->usage_final = false;
	}
	memset(a->own, 0, sizeof(a->own));
	a->own_model[0] = 0;
	a->delivered_bytes = 0;
	a->failed = a->done = false;
}

const struct lg_dialect lg_anthropic_results = {
	.name = "anthropic-batch-results",
	.family = "anthropic",
	.type = LG_REQUEST_BATCH,
	.lines = true,
	.event_fields = line_fields,
	.nevent_fields = LG_COUNT_OF(line_fields),
	.on_event = on_line,
	.end_event = end_line,
	.finish = lg_anthropic_finish,
	.error_body = lg_anthropic_error_body,
};
