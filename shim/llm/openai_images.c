#include "llm/openai.h"

#include <string.h>

/*
 * POST /v1/images/generations (JSON), edits and variations (forms). gpt-image
 * models bill tokens and say so; dall-e bills pictures by quality and size,
 * which only the request says.
 */

#define REQUEST                                                                \
	LG_WATCH("model", LG_FACT_MODEL), LG_WATCH("stream", LG_FACT_STREAM),  \
		LG_WATCH("user", LG_FACT_USER), LG_WATCH("n", LG_FACT_N),      \
		LG_WATCH("prompt", LG_FACT_TEXT),                              \
		LG_WATCH("negative_prompt", LG_FACT_TEXT),                     \
		LG_WATCH("quality", LG_FACT_QUALITY),                          \
		LG_WATCH("size", LG_FACT_SIZE)

static const struct lg_field request_fields[] = {
	REQUEST,
	LG_WATCH("images[].image_url", LG_FACT_URL),
	LG_WATCH("images[].file_id", LG_FACT_REMOTE),
	LG_WATCH("image_url", LG_FACT_URL),
};

static const struct lg_field form_fields[] = {
	REQUEST,
	LG_WATCH("image", LG_FACT_UPLOAD),
	LG_WATCH("image[]", LG_FACT_UPLOAD),
	LG_WATCH("mask", LG_FACT_UPLOAD),
};

enum own { PICTURES = LG_ANSWER_OWN, ONE, QUALITY, SIZE, TYPE };

#define ANSWER                                                                 \
	LG_WATCH("model", LG_ANSWER_MODEL), LG_WATCH("id", LG_ANSWER_ID),      \
		LG_WATCH("error", LG_ANSWER_ERROR),                            \
		LG_WATCH("quality", QUALITY), LG_WATCH("size", SIZE),          \
		LG_OPENAI_USAGE_NEW("")

static const struct lg_field response_fields[] = {
	ANSWER,
	LG_WATCH("data", PICTURES),
	LG_WATCH("data[]", ONE),
	LG_WATCH("", LG_ANSWER_ROOT),
};

static const struct lg_field event_fields[] = {
	ANSWER,
	LG_WATCH("type", TYPE),
};

static bool bills_tokens(const char *model)
{
	return lg_slice_icontains(lg_slice_str(model), LG_SLICE("gpt-image"));
}

static void put_variant(const char *quality, const char *size, char *dst,
			size_t cap)
{
	size_t n = strlen(quality);

	lg_slice_copy(lg_slice_str(quality), dst, cap);
	if (n + 1 >= cap)
		return;
	dst[n] = '/';
	lg_slice_copy(lg_slice_str(size), dst + n + 1, cap - n - 1);
}

/* dall-e's defaults, which are not "auto". */
static void on_request(struct lg_facts *f, int id, const struct lg_value *v)
{
	const char *quality = "standard", *size = "1024x1024";

	lg_facts_apply(f, id, v);
	if (bills_tokens(f->model))
		quality = size = "auto";
	if (f->quality[0] &&
	    (bills_tokens(f->model) || strcmp(f->quality, "auto")))
		quality = f->quality;
	put_variant(quality, f->size[0] ? f->size : size, f->variant,
		    sizeof(f->variant));
}

/*
 * Output tokens of a picture, by quality and shape (square, tall, wide); of
 * larger ones nobody has told. platform.openai.com/docs/guides/image-generation
 */
static const struct {
	const char *quality;
	uint16_t tokens[3];
} pictures[] = {
	{"low", {272, 408, 400}},
	{"medium", {1056, 1584, 1568}},
	{"high", {4160, 6240, 6208}},
};

#define PARTIAL_TOKENS 300 /* three of them at most, 100 each */

static bool is_bounded(const char *model)
{
	return lg_slice_starts(lg_slice_str(model), LG_SLICE("gpt-image-1"));
}

static uint64_t picture_tokens(const struct lg_facts *f, bool worst)
{
	unsigned row = LG_COUNT_OF(pictures) - 1, shape = 1, i;

	for (i = 0; i < LG_COUNT_OF(pictures); i++)
		if (!strcmp(f->quality, pictures[i].quality))
			row = i;
	if (!strcmp(f->size, "1024x1024") || (!worst && !f->size[0]))
		shape = 0;
	return pictures[row].tokens[shape] + (f->stream ? PARTIAL_TOKENS : 0);
}

static bool expect(const struct lg_facts *f, bool worst, struct lg_usage *u)
{
	bool by_piece =
		lg_slice_istarts(lg_slice_str(f->model), LG_SLICE("dall-e"));

	lg_usage_set(u, LG_BUCKET_IMAGES, f->n);
	if (!by_piece)
		lg_usage_set(u, LG_BUCKET_IMAGE_OUTPUT,
			     picture_tokens(f, worst) * f->n);
	return by_piece || is_bounded(f->model);
}

static void begin(struct lg_answer *a, const struct lg_facts *f)
{
	memcpy(a->variant, f->variant, sizeof(a->variant));
}

/* The answer's own words on quality and size, each where the other stays. */
static void set_variant(struct lg_answer *a, int id, const struct lg_value *v)
{
	char quality[sizeof(a->variant)], size[sizeof(a->variant)];
	struct lg_slice q, s;

	if (v->type != LG_VALUE_STRING || !v->len)
		return;
	s = lg_slice_cut(lg_slice_str(a->variant), '/', &q);
	lg_slice_copy(id == QUALITY ? v->text : q, quality, sizeof(quality));
	lg_slice_copy(id == SIZE ? v->text : s, size, sizeof(size));
	put_variant(quality, size, a->variant, sizeof(a->variant));
}

static void on_any(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id == QUALITY || id == SIZE)
		set_variant(a, id, v);
	else
		lg_answer_apply(a, id, v);
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id == PICTURES && v->type == LG_VALUE_ARRAY)
		lg_raw_put(a, LG_RAW_IMAGES, 0);
	else if (id == ONE && v->type == LG_VALUE_OBJECT)
		lg_raw_put(a, LG_RAW_IMAGES, a->raw[LG_RAW_IMAGES] + 1);
	else if (id == LG_ANSWER_ROOT && v->type == LG_VALUE_END)
		a->done = true;
	else
		on_any(a, id, v);
}

static void on_event(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id != TYPE)
		on_any(a, id, v);
	else if (lg_value_is(v, "image_generation.completed") ||
		 lg_value_is(v, "image_edit.completed"))
		a->raw[LG_RAW_SCRATCH] = 1;
}

static void end_event(struct lg_answer *a, struct lg_slice name,
		      bool done_marker)
{
	bool last = a->raw[LG_RAW_SCRATCH] ||
		    lg_slice_eq(name, LG_SLICE("image_generation.completed")) ||
		    lg_slice_eq(name, LG_SLICE("image_edit.completed"));

	a->events++;
	a->raw[LG_RAW_SCRATCH] = 0;
	if (last)
		lg_raw_put(a, LG_RAW_IMAGES, a->raw[LG_RAW_IMAGES] + 1);
	a->done |= last || done_marker;
}

/* What comes out are pictures, but for tokens that are told to be text. */
static void all_pictures(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;

	if (lg_raw_has(a, LG_RAW_IMAGE_OUT) || !u->n[LG_BUCKET_OUTPUT])
		return;
	lg_usage_set(u, LG_BUCKET_IMAGE_OUTPUT, u->n[LG_BUCKET_OUTPUT]);
	lg_usage_set(u, LG_BUCKET_OUTPUT, 0);
}

static void finish(struct lg_answer *a)
{
	bool told = a->usage.flags & LG_USAGE_PRESENT;

	a->usage_final = a->done && (told || lg_raw_has(a, LG_RAW_IMAGES));
	lg_openai_finish(a);
	if (a->usage.flags & LG_USAGE_PRESENT) {
		all_pictures(a);
		return;
	}
	if (!lg_raw_has(a, LG_RAW_IMAGES) || a->error)
		return;
	lg_usage_put_raw(a, LG_BUCKET_IMAGES, LG_RAW_IMAGES);
	a->usage.flags |= LG_USAGE_COUNTED;
	a->usage_final = a->done;
}

const struct lg_dialect lg_openai_images = {
	.name = "openai-images",
	.family = "openai",
	.type = LG_REQUEST_IMAGE,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = on_request,
	.form_fields = form_fields,
	.nform_fields = LG_COUNT_OF(form_fields),
	.expect = expect,
	.begin = begin,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.event_fields = event_fields,
	.nevent_fields = LG_COUNT_OF(event_fields),
	.on_event = on_event,
	.end_event = end_event,
	.finish = finish,
	.error_body = lg_openai_error_body,
};
