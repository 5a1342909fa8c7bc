#include "llm/openai.h"

/*
 * Voyage: embeddings of text, of chunks in their context and of pictures, and
 * rerank. All bill usage.total_tokens; pictures are 560 pixels a token in it.
 */

#define REQUEST                                                                \
	LG_WATCH("model", LG_FACT_MODEL), LG_WATCH("input", LG_FACT_TEXT),     \
		LG_WATCH("input[]", LG_FACT_TEXT),                             \
		LG_WATCH("inputs[][]", LG_FACT_TEXT),                          \
		LG_WATCH("inputs[].content[].type", LG_FACT_CONTENT_TYPE),     \
		LG_WATCH("inputs[].content[].text", LG_FACT_TEXT),             \
		LG_WATCH("inputs[].content[].image_url", LG_FACT_URL)

static const struct lg_field embed_fields[] = {REQUEST};

static const struct lg_field rerank_fields[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("query", LG_FACT_TEXT),
	LG_WATCH("documents[]", LG_FACT_TEXT),
};

static const struct lg_field response_fields[] = {
	LG_WATCH("model", LG_ANSWER_MODEL),
	LG_WATCH("error", LG_ANSWER_ERROR),
	LG_WATCH("detail", LG_ANSWER_ERROR),
	LG_WATCH_RAW("usage", LG_ANSWER_USAGE),
	LG_WATCH("usage.total_tokens", LG_RAW_TOTAL),
	LG_WATCH("usage.text_tokens", LG_RAW_INPUT),
	LG_WATCH("", LG_ANSWER_ROOT),
};

/* What is not text is pictures. */
static void finish(struct lg_answer *a)
{
	uint32_t present = a->usage.flags & LG_USAGE_PRESENT;
	uint64_t rest = a->raw[LG_RAW_TOTAL];

	a->usage = (struct lg_usage){.flags = present, .total = rest};
	if (!present)
		return;
	if (lg_raw_has(a, LG_RAW_TOTAL))
		a->usage.flags |= LG_USAGE_TOTAL;
	if (!lg_raw_has(a, LG_RAW_INPUT)) {
		lg_usage_set(&a->usage, LG_BUCKET_INPUT, rest);
	} else {
		if (!lg_usage_split_raw(a, &rest, LG_RAW_INPUT,
					LG_BUCKET_INPUT))
			a->usage.flags |= LG_USAGE_MISMATCH;
		lg_usage_set(&a->usage, LG_BUCKET_IMAGE_INPUT, rest);
	}
	lg_answer_distrust(a);
}

const struct lg_dialect lg_voyage_embeddings = {
	.name = "voyage-embeddings",
	.family = "voyage",
	.type = LG_REQUEST_EMBED,
	.request_fields = embed_fields,
	.nrequest_fields = LG_COUNT_OF(embed_fields),
	.on_request = lg_facts_apply,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = lg_openai_on_response,
	.finish = finish,
	.error_body = lg_openai_error_body,
};

const struct lg_dialect lg_voyage_rerank = {
	.name = "voyage-rerank",
	.family = "voyage",
	.type = LG_REQUEST_RERANK,
	.request_fields = rerank_fields,
	.nrequest_fields = LG_COUNT_OF(rerank_fields),
	.on_request = lg_facts_apply,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = lg_openai_on_response,
	.finish = finish,
	.error_body = lg_openai_error_body,
};
