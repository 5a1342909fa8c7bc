#include "llm/openai.h"

#include <string.h>

#include "base/value.h"

/*
 * POST /v1/responses. In a stream the last event carries the response once
 * more, whole, with its usage.
 */

static const struct lg_field request_fields[] = {
	LG_OPENAI_REQUEST,
	LG_WATCH("max_output_tokens", LG_FACT_MAX),
	LG_WATCH("background", LG_FACT_BACKGROUND),
	LG_WATCH("store", LG_FACT_STORE),
	LG_WATCH("reasoning.effort", LG_FACT_EFFORT),
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
	LG_WATCH("input[].content[].detail", LG_FACT_DETAIL),
	LG_WATCH("input[].content[].input_audio.data", LG_FACT_SOUND),
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
	CONTAINER,
	STATUS,
	BEHIND, /* background */
	TYPE,	/* of a stream event */
	DELTA,
	RESPONSE, /* all of it, in an event */
	PAINTER,  /* a tool's model */
	PAINT_TEXT,
	PAINT_IMAGE,
	PAINT_OUT,
};

/* What an output item turned out to be. */
#define WEB_SEARCH 1u
#define FILE_SEARCH 2u
#define NO_SEARCH 4u
#define CODE 8u

/* What a stream event turned out to be. */
#define THOUGHT 1u
#define LAST 2u
#define ERROR 4u

#define PAINTING(p)                                                            \
	LG_WATCH(p "input_tokens_details.text_tokens", PAINT_TEXT),            \
		LG_WATCH(p "input_tokens_details.image_tokens", PAINT_IMAGE),  \
		LG_WATCH(p "output_tokens", PAINT_OUT)

#define RESPONSE_FIELDS(p)                                                     \
	LG_WATCH(p "id", LG_ANSWER_ID), LG_WATCH(p "model", LG_ANSWER_MODEL),  \
		LG_WATCH(p "service_tier", LG_ANSWER_TIER),                    \
		LG_WATCH(p "created_at", LG_ANSWER_CREATED),                   \
		LG_WATCH(p "error", LG_ANSWER_ERROR),                          \
		LG_WATCH(p "status", STATUS),                                  \
		LG_WATCH(p "background", BEHIND),                              \
		LG_WATCH(p "output", OUTPUT), LG_WATCH(p "output[]", ITEM),    \
		LG_WATCH(p "output[].type", ITEM_TYPE),                        \
		LG_WATCH(p "output[].action.type", ITEM_ACTION),               \
		LG_WATCH(p "output[].container_id", CONTAINER),                \
		LG_WATCH(p "tools[].model", PAINTER),                          \
		LG_WATCH(p "tool_usage.web_search.num_requests",               \
			 LG_RAW_WEB_BILLED),                                   \
		PAINTING(p "tool_usage.image_gen."), LG_OPENAI_USAGE_NEW(p)

static const struct lg_field response_fields[] = {
	RESPONSE_FIELDS(""),
	LG_WATCH("output[].content[].text", LG_ANSWER_TEXT),
	LG_WATCH("output[].content[].refusal", LG_ANSWER_TEXT),
	LG_WATCH("output[].arguments", LG_ANSWER_TEXT),
	LG_WATCH("output[].input", LG_ANSWER_TEXT),
	LG_WATCH("output[].summary[].text", LG_ANSWER_THOUGHT),
	LG_WATCH("", LG_ANSWER_ROOT),
};

static const struct lg_field event_fields[] = {
	RESPONSE_FIELDS("response."),
	LG_WATCH("response", RESPONSE),
	LG_WATCH("type", TYPE),
	LG_WATCH("delta", DELTA),
	LG_WATCH("error", LG_ANSWER_ERROR),
};

/* -- what tools did ------------------------------------------------------- */

static uint64_t hash(struct lg_slice s)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
	return h | 1;
}

/* An interpreter is billed by the session, which is a container. */
static void count_item(struct lg_answer *a)
{
	uint64_t what = a->raw[LG_RAW_SCRATCH];

	if (what == WEB_SEARCH)
		lg_raw_put(a, LG_RAW_WEB, a->raw[LG_RAW_WEB] + 1);
	else if (what == FILE_SEARCH)
		lg_raw_put(a, LG_RAW_FILES, a->raw[LG_RAW_FILES] + 1);
	else if (what == CODE)
		lg_raw_put(a, LG_RAW_CODE, a->raw[LG_RAW_CODE] + 1);
	a->raw[LG_RAW_SCRATCH] = 0;
}

static void item_type(uint64_t *what, const struct lg_value *v)
{
	if (lg_value_is(v, "web_search_call"))
		*what |= WEB_SEARCH;
	else if (lg_value_is(v, "file_search_call"))
		*what |= FILE_SEARCH;
	else if (lg_value_is(v, "code_interpreter_call"))
		*what |= CODE;
}

static void container(struct lg_answer *a, const struct lg_value *v)
{
	uint64_t h;

	if (v->type != LG_VALUE_STRING || !v->len)
		return;
	h = hash(v->text);
	if (h == a->raw[LG_RAW_SCRATCH4])
		a->raw[LG_RAW_SCRATCH] |= NO_SEARCH;
	a->raw[LG_RAW_SCRATCH4] = h;
}

static void output(struct lg_answer *a, int id, const struct lg_value *v)
{
	uint64_t *what = &a->raw[LG_RAW_SCRATCH];

	if (id == OUTPUT && v->type == LG_VALUE_ARRAY) {
		lg_raw_drop(a, LG_RAW_WEB);
		lg_raw_drop(a, LG_RAW_FILES);
		lg_raw_drop(a, LG_RAW_CODE);
		a->raw[LG_RAW_SCRATCH4] = 0;
	} else if (id == ITEM && v->type == LG_VALUE_END) {
		count_item(a);
	} else if (id == ITEM) {
		*what = 0;
	} else if (id == ITEM_TYPE) {
		item_type(what, v);
	} else if (id == CONTAINER) {
		container(a, v);
	} else if (id == ITEM_ACTION && (lg_value_is(v, "open_page") ||
					 lg_value_is(v, "find_in_page"))) {
		*what |= NO_SEARCH;
	}
}

/* -- pictures -------------------------------------------------------------- */

/*
 * The image tool's tokens stand beside the usage and are billed as its own
 * model's: a part of their own, behind the response's. Until then they are
 * kept in own[] (28 bits each), with the model's number above them.
 */
static const char *const painters[] = {
	"gpt-image-1",
	"gpt-image-1-mini",
	"gpt-image-1.5",
	"gpt-image-2",
};

#define PAINT_BITS 28
#define PAINT_MASK ((UINT64_C(1) << PAINT_BITS) - 1)
#define PAINTER_SHIFT 56
#define RESPONSE_DUE (UINT64_C(1) << 63) /* of own[1]: is a part already */

static bool has_painted(const struct lg_answer *a)
{
	return a->own[0] & ~(UINT64_C(255) << PAINTER_SHIFT) ||
	       a->own[1] & PAINT_MASK;
}

static void paint(uint64_t *own, unsigned shift, const struct lg_value *v)
{
	uint64_t n;

	if (lg_value_u64(v, &n))
		return;
	*own &= ~(PAINT_MASK << shift);
	*own |= (n < PAINT_MASK ? n : PAINT_MASK) << shift;
}

static void painter(struct lg_answer *a, const struct lg_value *v)
{
	uint64_t i;

	for (i = 0; i < LG_COUNT_OF(painters); i++)
		if (v->type == LG_VALUE_STRING &&
		    (lg_value_is(v, painters[i]) ||
		     (v->text.len > strlen(painters[i]) &&
		      lg_slice_starts(v->text, lg_slice_str(painters[i])))))
			a->own[0] = (a->own[0] &
				     ~(UINT64_C(255) << PAINTER_SHIFT)) |
				    i << PAINTER_SHIFT;
}

static void painting(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id == PAINTER)
		painter(a, v);
	else if (id == PAINT_TEXT)
		paint(&a->own[0], 0, v);
	else if (id == PAINT_IMAGE)
		paint(&a->own[0], PAINT_BITS, v);
	else
		paint(&a->own[1], 0, v);
}

/* The response's own part is whole: the picture's comes next. */
static void part_response(struct lg_answer *a)
{
	if (!has_painted(a))
		return;
	memcpy(a->own_model, a->model, sizeof(a->own_model));
	a->usage_final = true;
	a->own[1] |= RESPONSE_DUE;
	a->part = LG_PART_DUE;
}

/* Only behind the other: the guard has cleared that one's counters. */
static void part_picture(struct lg_answer *a)
{
	uint64_t text = a->own[0] & PAINT_MASK;
	uint64_t image = a->own[0] >> PAINT_BITS & PAINT_MASK;

	if (!has_painted(a) || !(a->own[1] & RESPONSE_DUE))
		return;
	if (!a->own_model[0])
		memcpy(a->own_model, a->model, sizeof(a->own_model));
	lg_slice_copy(lg_slice_str(painters[a->own[0] >> PAINTER_SHIFT]),
		      a->model, sizeof(a->model));
	lg_raw_put(a, LG_RAW_INPUT, text + image);
	lg_raw_put(a, LG_RAW_IMAGE_IN, image);
	lg_raw_put(a, LG_RAW_OUTPUT, a->own[1] & PAINT_MASK);
	lg_raw_put(a, LG_RAW_IMAGE_OUT, a->own[1] & PAINT_MASK);
	a->usage.flags |= LG_USAGE_PRESENT;
	a->usage_final = true;
	a->own[0] = a->own[1] = 0;
	a->part = LG_PART_DUE;
}

/* -- how it ends ----------------------------------------------------------- */

static void status(struct lg_answer *a, const struct lg_value *v)
{
	bool dead = lg_value_is(v, "failed");

	/* what was cancelled is charged as far as it went */
	if (dead || lg_value_is(v, "completed") ||
	    lg_value_is(v, "incomplete") || lg_value_is(v, "cancelled")) {
		a->done = true;
		a->pending = false;
		a->failed = dead;
	} else if (lg_value_is(v, "queued") || lg_value_is(v, "in_progress")) {
		a->pending = true;
	}
}

/* The end is what the event's name says. */
static void told_status(struct lg_answer *a, const struct lg_value *v)
{
	bool done = a->done;

	status(a, v);
	a->done = done;
}

static void on_any(struct lg_answer *a, int id, const struct lg_value *v)
{
	switch (id) {
	case OUTPUT:
	case ITEM:
	case ITEM_TYPE:
	case ITEM_ACTION:
	case CONTAINER:
		output(a, id, v);
		break;
	case PAINTER:
	case PAINT_TEXT:
	case PAINT_IMAGE:
	case PAINT_OUT:
		painting(a, id, v);
		break;
	case BEHIND:
		a->background = v->type == LG_VALUE_BOOL && v->boolean;
		break;
	default:
		lg_answer_apply(a, id, v);
	}
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id == STATUS)
		status(a, v);
	else
		on_any(a, id, v);
	if (v->type != LG_VALUE_END)
		return;
	if (id == LG_ANSWER_ROOT) {
		a->done |= !a->pending;
		part_picture(a);
	} else if (id == LG_ANSWER_USAGE) {
		a->usage_final = true;
		part_response(a);
	}
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
		told_status(a, v);
		break;
	case RESPONSE:
		if (v->type == LG_VALUE_END)
			part_picture(a);
		break;
	default:
		on_any(a, id, v);
		if (id == LG_ANSWER_USAGE && v->type == LG_VALUE_END)
			part_response(a);
	}
}

static void end_event(struct lg_answer *a, struct lg_slice name,
		      bool done_marker)
{
	uint64_t class = a->raw[LG_RAW_SCRATCH2] | event_class(name);
	struct lg_value delta = {.type = LG_VALUE_STRING,
				 .len = a->raw[LG_RAW_SCRATCH3]};

	a->events++;
	/* only work in the background outlives its stream */
	lg_answer_apply(a, class & THOUGHT ? LG_ANSWER_THOUGHT : LG_ANSWER_TEXT,
			&delta);
	if (class & LAST || done_marker)
		a->done = true;
	a->pending &= a->background && !a->done;
	if (a->done && a->usage.flags & LG_USAGE_PRESENT)
		a->usage_final = true;
	a->error |= (class & ERROR) != 0;
	a->raw[LG_RAW_SCRATCH2] = a->raw[LG_RAW_SCRATCH3] = 0;
}

/* Told too late for a part of their own: at least they are not lost. */
static void late_picture(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;

	if (!has_painted(a) || a->own[1] & RESPONSE_DUE ||
	    !(u->flags & LG_USAGE_PRESENT))
		return;
	lg_usage_set(u, LG_BUCKET_IMAGE_INPUT,
		     (a->own[0] & PAINT_MASK) +
			     (a->own[0] >> PAINT_BITS & PAINT_MASK));
	lg_usage_set(u, LG_BUCKET_IMAGE_OUTPUT, a->own[1] & PAINT_MASK);
	u->flags |= LG_USAGE_MISMATCH;
}

/* What failed is charged for what it used, if it used anything. */
static void finish(struct lg_answer *a)
{
	if (!a->model[0] && a->own_model[0])
		memcpy(a->model, a->own_model, sizeof(a->model));
	lg_openai_finish(a);
	late_picture(a);
	if (a->usage.flags & LG_USAGE_PRESENT || a->own_model[0] ||
	    a->delivered_bytes || a->delivered_reasoning_bytes)
		a->failed = false;
}

/*
 * ResponseErrorEvent (openai-openapi, read 2026-11) has its code and message
 * at the top; the SDKs raise what stands under "error".
 */
static int cut_body(const struct lg_refusal *r, struct lg_buf *out)
{
	lg_buf_puts(out, "{\"type\":\"error\",\"code\":\"budget_exceeded\","
			 "\"message\":");
	lg_refusal_put_message(r, out);
	lg_buf_puts(out, ",\"param\":null,\"error\":{\"message\":");
	lg_refusal_put_message(r, out);
	lg_buf_puts(out, ",\"type\":\"budget_exceeded\",\"param\":null,"
			 "\"code\":\"budget_exceeded\",\"llmguard\":");
	lg_refusal_object(r, out);
	lg_buf_puts(out, "}}");
	return lg_refusal_end(out);
}

const struct lg_dialect lg_openai_responses = {
	.name = "openai-responses",
	.family = "openai",
	.type = LG_REQUEST_GENERATE,
	.model_at = "model",
	.cap_at = "max_output_tokens",
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
	.finish = finish,
	.error_body = lg_openai_error_body,
	.cut_body = cut_body,
	.cut_event = "error",
};
