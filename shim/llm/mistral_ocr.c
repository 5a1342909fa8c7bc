#include "llm/openai.h"

/* POST /v1/ocr: billed by the page, which only the answer tells. */

static const struct lg_field request_fields[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("document.document_url", LG_FACT_URL),
	LG_WATCH("document.image_url", LG_FACT_URL),
	LG_WATCH("document.image_url.url", LG_FACT_URL),
	LG_WATCH("document.file_id", LG_FACT_REMOTE),
};

static const struct lg_field response_fields[] = {
	LG_WATCH("model", LG_ANSWER_MODEL),
	LG_WATCH("error", LG_ANSWER_ERROR),
	LG_WATCH("detail", LG_ANSWER_ERROR),
	LG_WATCH_RAW("usage_info", LG_ANSWER_USAGE),
	LG_WATCH("usage_info.pages_processed", LG_RAW_TOTAL),
	LG_WATCH("", LG_ANSWER_ROOT),
};

static void finish(struct lg_answer *a)
{
	uint32_t present = a->usage.flags & LG_USAGE_PRESENT;

	a->usage = (struct lg_usage){.flags = present};
	if (!present)
		return;
	lg_usage_put_raw(a, LG_BUCKET_PAGES, LG_RAW_TOTAL);
	lg_answer_distrust(a);
}

const struct lg_dialect lg_mistral_ocr = {
	.name = "mistral-ocr",
	.family = "openai",
	.type = LG_REQUEST_OTHER,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_facts_apply,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = lg_openai_on_response,
	.finish = finish,
	.error_body = lg_openai_error_body,
};
