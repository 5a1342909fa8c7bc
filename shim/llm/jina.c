#include "llm/openai.h"

/*
 * Jina's embeddings and rerank, also in the servers that took over the latter
 * (Together, vLLM). usage.total_tokens is billed; prompt_tokens is part of it.
 */

static const struct lg_field embed_fields[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("input", LG_FACT_TEXT),
	LG_WATCH("input[]", LG_FACT_TEXT),
	LG_WATCH("input[].text", LG_FACT_TEXT),
	LG_WATCH("input[].image", LG_FACT_PICTURE),
};

static const struct lg_field rerank_fields[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("query", LG_FACT_TEXT),
	LG_WATCH("query.text", LG_FACT_TEXT),
	LG_WATCH("documents[]", LG_FACT_TEXT),
	LG_WATCH("documents[].text", LG_FACT_TEXT),
	LG_WATCH("documents[].image", LG_FACT_PICTURE),
};

static const struct lg_field response_fields[] = {
	LG_WATCH("id", LG_ANSWER_ID),
	LG_WATCH("model", LG_ANSWER_MODEL),
	LG_WATCH("error", LG_ANSWER_ERROR),
	LG_WATCH("detail", LG_ANSWER_ERROR),
	LG_WATCH_RAW("usage", LG_ANSWER_USAGE),
	LG_WATCH("usage.total_tokens", LG_RAW_TOTAL),
	LG_WATCH("usage.prompt_tokens", LG_RAW_INPUT),
	LG_WATCH("", LG_ANSWER_ROOT),
};

static void finish(struct lg_answer *a)
{
	uint32_t present = a->usage.flags & LG_USAGE_PRESENT;
	uint64_t in = a->raw[LG_RAW_INPUT], total = a->raw[LG_RAW_TOTAL];

	a->usage = (struct lg_usage){.flags = present, .total = total};
	if (!present)
		return;
	if (lg_raw_has(a, LG_RAW_TOTAL)) {
		a->usage.flags |= LG_USAGE_TOTAL;
		in = total;
	}
	lg_usage_set(&a->usage, LG_BUCKET_INPUT, in);
	lg_answer_distrust(a);
}

const struct lg_dialect lg_jina_embeddings = {
	.name = "jina-embeddings",
	.family = "jina",
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

const struct lg_dialect lg_jina_rerank = {
	.name = "jina-rerank",
	.family = "jina",
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
