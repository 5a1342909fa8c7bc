#include "llm/openai.h"

#include "base/value.h"

/*
 * POST /v1/responses. In a stream the last event carries the response once
 * more, whole, with its usage.
 */

static const struct lg_field request_fields[] = {
	LG_OPENAI_REQUEST,
	LG_WATCH("max_output_tokens", LG_FACT_MAX),
	LG_WATCH("background", LG_FACT_BACKGROUND),
	LG_WATCH("previous_response_id", LG_FACT_PREVIOUS),
	LG_WATCH("conversation", LG_FACT_CONVERSATION),
	LG_WATCH("conversation.id", LG_FACT_CONVERSATION),
	LG_WATCH("prompt.id", LG_FACT_REMOTE),
	LG_WATCH("instructions", LG_FACT_TEXT),
	LG_WATCH("input", LG_FACT_TEXT),
	LG_WATCH("input[].type", LG_FACT_CONTENT_TYPE),
	LG_WATCH("input[].content", LG_FACT_TEXT),
	LG_WATCH("input[].content[].type", LG_FACT_CONTENT_TYPE),
	LG_WATCH("input[].content[].text", LG_FACT_TEXT),
	LG_WATCH("input[].content[].refusal", LG_FACT_TEXT),
	LG_WATCH("input[].content[].image_url", LG_FACT_URL),
	LG_WATCH("input[].content[].file_url", LG_FACT_URL),
	LG_WATCH("input[].content[].file_id", LG_FACT_REMOTE),
	LG_WATCH("input[].summary[].text", LG_FACT_TEXT),
	LG_WATCH("input[].name", LG_FACT_TEXT),
	LG_WATCH("input[].arguments", LG_FACT_TEXT),
	LG_WATCH("input[].input", LG_FACT_TEXT),
	LG_WATCH("input[].output", LG_FACT_TEXT),
	LG_WATCH("input[].output[].text", LG_FACT_TEXT),
	LG_WATCH("input[].output[].type", LG_FACT_CONTENT_TYPE),
	LG_WATCH("input[].output[].image_url", LG_FACT_URL),
	LG_WATCH("input[].output[].file_id", LG_FACT_REMOTE),
	LG_WATCH("text.format.schema.**", LG_FACT_TEXT),
	LG_WATCH("tools[]", LG_FACT_TOOL),
	LG_WATCH("tools[].type", LG_FACT_TOOL_TYPE),
	LG_WATCH("tools[].name", LG_FACT_TEXT),
	LG_WATCH("tools[].description", LG_FACT_TEXT),
	LG_WATCH("tools[].parameters.**", LG_FACT_TEXT),
};

enum own {
	OUTPUT = LG_ANSWER_OWN, /* the array */
	ITEM,
	ITEM_TYPE,
	ITEM_ACTION,
	STATUS,
	TYPE, /* of a stream event */
	DELTA,
};

/* What an output item turned out to be. */
#define WEB_SEARCH 1u
#define FILE_SEARCH 2u
#define NO_SEARCH 4u

/* What a stream event turned out to be. */
#define THOUGHT 1u
#define LAST 2u
#define ERROR 4u

#define RESPONSE(p)                                                            \
	LG_WATCH(p "id", LG_ANSWER_ID), LG_WATCH(p "model", LG_ANSWER_MODEL),  \
		LG_WATCH(p "service_tier", LG_ANSWER_TIER),                    \
		LG_WATCH(p "error", LG_ANSWER_ERROR),                          \
		LG_WATCH(p "status", STATUS), LG_WATCH(p "output", OUTPUT),    \
		LG_WATCH(p "output[]", ITEM),                                  \
		LG_WATCH(p "output[].type", ITEM_TYPE),                        \
		LG_WATCH(p "output[].action.type", ITEM_ACTION),               \
		LG_WATCH(p "tool_usage.web_search.num_requests",               \
			 LG_RAW_WEB_BILLED),                                   \
		LG_OPENAI_USAGE_NEW(p)

static const struct lg_field response_fields[] = {
	RESPONSE(""),
	LG_WATCH("output[].content[].text", LG_ANSWER_TEXT),
	LG_WATCH("output[].content[].refusal", LG_ANSWER_TEXT),
	LG_WATCH("output[].arguments", LG_ANSWER_TEXT),
	LG_WATCH("output[].input", LG_ANSWER_TEXT),
	LG_WATCH("output[].summary[].text", LG_ANSWER_THOUGHT),
};

static const struct lg_field event_fields[] = {
	RESPONSE("response."),
	LG_WATCH("type", TYPE),
	LG_WATCH("delta", DELTA),
	LG_WATCH("error", LG_ANSWER_ERROR),
};

static void count_item(struct lg_answer *a)
{
	uint64_t what = a->raw[LG_RAW_SCRATCH];

	if (what == WEB_SEARCH)
		lg_raw_put(a, LG_RAW_WEB, a->raw[LG_RAW_WEB] + 1);
	else if (what == FILE_SEARCH)
		lg_raw_put(a, LG_RAW_FILES, a->raw[LG_RAW_FILES] + 1);
	a->raw[LG_RAW_SCRATCH] = 0;
}

static void output(struct lg_answer *a, int id, const struct lg_value *v)
{
	uint64_t *what = &a->raw[LG_RAW_SCRATCH];

	if (id == OUTPUT && v->type == LG_VALUE_ARRAY) {
		lg_raw_drop(a, LG_RAW_WEB);
		lg_raw_drop(a, LG_RAW_FILES);
	} else if (id == ITEM && v->type == LG_VALUE_END) {
		count_item(a);
	} else if (id == ITEM) {
		*what = 0;
	} else if (id == ITEM_TYPE && lg_value_is(v, "web_search_call")) {
		*what |= WEB_SEARCH;
	} else if (id == ITEM_TYPE && lg_value_is(v, "file_search_call")) {
		*what |= FILE_SEARCH;
	} else if (id == ITEM_ACTION && (lg_value_is(v, "open_page") ||
					 lg_value_is(v, "find_in_page"))) {
		*what |= NO_SEARCH;
	}
}

static void status(struct lg_answer *a, const struct lg_value *v)
{
	if (lg_value_is(v, "completed") || lg_value_is(v, "incomplete") ||
	    lg_value_is(v, "failed") || lg_value_is(v, "cancelled"))
		a->done = true;
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id == STATUS)
		status(a, v);
	else if (id > LG_ANSWER_OWN - 1)
		output(a, id, v);
	else
		lg_answer_apply(a, id, v);
	if (id == LG_ANSWER_USAGE && v->type == LG_VALUE_END)
		a->usage_final = true;
}

static uint64_t event_class(struct lg_slice type)
{
	static const char *const last[] = {
		"response.completed",
		"response.incomplete",
		"response.failed",
		"response.cancelled",
	};
	unsigned i;

	for (i = 0; i < LG_COUNT_OF(last); i++)
		if (lg_slice_eq(type, lg_slice_str(last[i])))
			return LAST;
	if (lg_slice_eq(type, LG_SLICE("error")))
		return ERROR;
	return lg_slice_icontains(type, LG_SLICE("reasoning")) ? THOUGHT : 0;
}

static void on_event(struct lg_answer *a, int id, const struct lg_value *v)
{
	switch (id) {
	case TYPE:
		if (v->type == LG_VALUE_STRING)
			a->raw[LG_RAW_SCRATCH2] |= event_class(v->text);
		break;
	case DELTA:
		if (v->type == LG_VALUE_STRING)
			a->raw[LG_RAW_SCRATCH3] = v->len;
		break;
	case STATUS:
		break;
	case OUTPUT:
	case ITEM:
	case ITEM_TYPE:
	case ITEM_ACTION:
		output(a, id, v);
		break;
	default:
		lg_answer_apply(a, id, v);
	}
}

static void end_event(struct lg_answer *a, struct lg_slice name,
		      bool done_marker)
{
	uint64_t class = a->raw[LG_RAW_SCRATCH2] | event_class(name);
	struct lg_value delta = {.type = LG_VALUE_STRING,
				 .len = a->raw[LG_RAW_SCRATCH3]};

	a->events++;
	lg_answer_apply(a, class & THOUGHT ? LG_ANSWER_THOUGHT : LG_ANSWER_TEXT,
			&delta);
	if (class & LAST || done_marker)
		a->done = true;
	if (a->done && a->usage.flags & LG_USAGE_PRESENT)
		a->usage_final = true;
	a->error |= (class & ERROR) != 0;
	a->raw[LG_RAW_SCRATCH2] = a->raw[LG_RAW_SCRATCH3] = 0;
}

const struct lg_dialect lg_openai_responses = {
	.name = "openai-responses",
	.family = "openai",
	.type = LG_REQUEST_GENERATE,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_facts_apply,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.event_fields = event_fields,
	.nevent_fields = LG_COUNT_OF(event_fields),
	.on_event = on_event,
	.end_event = end_event,
	.finish = lg_openai_finish,
	.error_body = lg_openai_error_body,
};
