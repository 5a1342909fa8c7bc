#include "llm/gemini.h"

/*
 * models/M:embedContent and :batchEmbedContents. Newer models tell their
 * usage, older ones nothing: those are estimated from the request.
 */

#define CONTENT(c)                                                             \
	LG_WATCH(c "parts[].text", LG_FACT_TEXT),                              \
		LG_WATCH(c "parts.text", LG_FACT_TEXT),                        \
		LG_WATCH(c "parts[].inlineData.mimeType", LG_FACT_MIME),       \
		LG_WATCH(c "parts[].inline_data.mime_type", LG_FACT_MIME),     \
		LG_WATCH(c "parts[].fileData", LG_FACT_REMOTE),                \
		LG_WATCH(c "parts[].file_data", LG_FACT_REMOTE)

static const struct lg_field request_fields[] = {
	CONTENT("content."),
	CONTENT("requests[].content."),
	LG_WATCH("title", LG_FACT_TEXT),
	LG_WATCH("requests[].title", LG_FACT_TEXT),
};

enum own {
	DETAIL = LG_ANSWER_OWN, /* {modality, tokenCount} */
	MODALITY,
	COUNT,
};

#define MODALITIES(p)                                                          \
	LG_WATCH(p "[]", DETAIL), LG_WATCH(p "[].modality", MODALITY),         \
		LG_WATCH(p "[].tokenCount", COUNT)

static const struct lg_field response_fields[] = {
	LG_WATCH("error", LG_ANSWER_ERROR),
	LG_WATCH_RAW("usageMetadata", LG_ANSWER_USAGE),
	LG_WATCH("usageMetadata.promptTokenCount", LG_RAW_INPUT),
	LG_WATCH("usageMetadata.totalTokenCount", LG_RAW_TOTAL),
	MODALITIES("usageMetadata.promptTokenDetails"),
	MODALITIES("usageMetadata.promptTokensDetails"),
	LG_WATCH("", LG_ANSWER_ROOT),
};

static const struct {
	const char *name;
	enum lg_raw raw;
	enum lg_bucket bucket;
} media[] = {
	{"AUDIO", LG_RAW_AUDIO_IN, LG_BUCKET_AUDIO_INPUT},
	{"IMAGE", LG_RAW_IMAGE_IN, LG_BUCKET_IMAGE_INPUT},
	{"VIDEO", LG_RAW_VIDEO_IN, LG_BUCKET_VIDEO_INPUT},
};

static void detail(struct lg_answer *a, int id, const struct lg_value *v)
{
	uint64_t *which = &a->own[0], *n = &a->own[1];
	unsigned i;

	if (id == COUNT) {
		if (lg_value_u64(v, n))
			*n = 0;
	} else if (id == MODALITY) {
		for (i = 0; i < LG_COUNT_OF(media); i++)
			if (lg_value_is(v, media[i].name))
				*which = i + 1;
	} else if (v->type == LG_VALUE_OBJECT) {
		*which = *n = 0;
	} else if (v->type == LG_VALUE_END && *which) {
		lg_raw_put(a, media[*which - 1].raw,
			   a->raw[media[*which - 1].raw] + *n);
	}
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id >= DETAIL)
		detail(a, id, v);
	else
		lg_answer_apply(a, id, v);
	if (id != LG_ANSWER_ROOT || v->type != LG_VALUE_END)
		return;
	a->done = true;
	a->usage_final = a->usage.flags & LG_USAGE_PRESENT;
}

static void finish(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;
	uint64_t in = a->raw[LG_RAW_INPUT];
	unsigned i;

	*u = (struct lg_usage){.flags = u->flags & LG_USAGE_PRESENT};
	if (!u->flags)
		return;
	for (i = 0; i < LG_COUNT_OF(media); i++)
		if (!lg_usage_split_raw(a, &in, media[i].raw, media[i].bucket))
			u->flags |= LG_USAGE_MISMATCH;
	lg_usage_set(u, LG_BUCKET_INPUT, in);
	if (lg_raw_has(a, LG_RAW_TOTAL)) {
		u->total = a->raw[LG_RAW_TOTAL];
		u->flags |= LG_USAGE_TOTAL;
		if (u->total != a->raw[LG_RAW_INPUT])
			u->flags |= LG_USAGE_MISMATCH;
	}
	lg_answer_distrust(a);
}

const struct lg_dialect lg_gemini_embed = {
	.name = "gemini-embed",
	.family = "gemini",
	.type = LG_REQUEST_EMBED,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_facts_apply,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.finish = finish,
	.error_body = lg_gemini_error_body,
};
