#include "llm/openai.h"

/* POST /v1/embeddings: text, or tokens by their numbers, one or many. */

static const struct lg_field request_fields[] = {
	LG_OPENAI_REQUEST,
	LG_WATCH("input", LG_FACT_TOKEN),
	LG_WATCH("input[]", LG_FACT_TOKEN),
	LG_WATCH("input[][]", LG_FACT_TOKEN),
	LG_WATCH("input[].text", LG_FACT_TEXT),
	LG_WATCH("input[].content[].type", LG_FACT_CONTENT_TYPE),
	LG_WATCH("input[].content[].text", LG_FACT_TEXT),
	LG_WATCH("input[].content[].image_url.url", LG_FACT_URL),
};

static const struct lg_field response_fields[] = {
	LG_WATCH("id", LG_ANSWER_ID),	    LG_WATCH("model", LG_ANSWER_MODEL),
	LG_WATCH("error", LG_ANSWER_ERROR), LG_OPENAI_USAGE(""),
	LG_WATCH("", LG_ANSWER_ROOT),
};

const struct lg_dialect lg_openai_embeddings = {
	.name = "openai-embeddings",
	.family = "openai",
	.type = LG_REQUEST_EMBED,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_facts_apply,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = lg_openai_on_response,
	.finish = lg_openai_finish,
	.error_body = lg_openai_error_body,
};
