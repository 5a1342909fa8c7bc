#include "llm/gemini.h"

#include <string.h>

/* What is written as "flex", "FLEX" or "SERVICE_TIER_FLEX". */
void lg_gemini_tier(const struct lg_value *v, char *tier, size_t cap)
{
	static const char *const names[] = {"standard", "flex", "priority"};
	unsigned i;

	for (i = 0; i < LG_COUNT_OF(names); i++)
		if (v->type == LG_VALUE_STRING &&
		    lg_slice_icontains(v->text, lg_slice_str(names[i])))
			lg_slice_copy(lg_slice_str(names[i]), tier, cap);
}

void lg_gemini_on_request(struct lg_facts *f, int id, const struct lg_value *v)
{
	if (id == LG_GEMINI_ASKED_TIER)
		lg_gemini_tier(v, f->tier, sizeof(f->tier));
	else
		lg_facts_apply(f, id, v);
}

/* A request for priority may have been served at the standard price. */
void lg_gemini_on_header(struct lg_answer *a, struct lg_slice name,
			 struct lg_slice value)
{
	struct lg_value v = {
		.type = LG_VALUE_STRING, .len = value.len, .text = value};

	if (lg_slice_ieq(name, LG_SLICE("x-gemini-service-tier")))
		lg_gemini_tier(&v, a->tier, sizeof(a->tier));
}

static void put_details(const struct lg_refusal *r, struct lg_buf *out)
{
	lg_buf_puts(out, ",\"details\":[{\"@type\":\"type.googleapis.com/"
			 "google.rpc.ErrorInfo\",\"reason\":"
			 "\"BUDGET_EXCEEDED\",\"domain\":\"llmguard\","
			 "\"metadata\":{\"budget\":");
	lg_buf_put_json(out, r->budget);
	lg_buf_puts(out, "}}");
	if (r->retry_after_s >= 0) {
		lg_buf_puts(out, ",{\"@type\":\"type.googleapis.com/"
				 "google.rpc.RetryInfo\",\"retryDelay\":\"");
		lg_buf_put_u64(out, (uint64_t)r->retry_after_s);
		lg_buf_puts(out, "s\"}");
	}
	lg_buf_puts(out, "]");
}

int lg_gemini_error_body(const struct lg_refusal *r, struct lg_buf *out)
{
	lg_buf_puts(out, "{\"error\":{\"code\":429,\"message\":");
	lg_refusal_put_message(r, out);
	lg_buf_puts(out, ",\"status\":\"RESOURCE_EXHAUSTED\"");
	put_details(r, out);
	lg_buf_puts(out, ",\"llmguard\":");
	lg_refusal_object(r, out);
	lg_buf_puts(out, "}}");
	return lg_refusal_end(out);
}
