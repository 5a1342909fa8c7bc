#include "llm/bedrock.h"

static bool has_writes(const struct lg_answer *a)
{
	return lg_raw_has(a, LG_RAW_WRITE) || lg_raw_has(a, LG_RAW_WRITE_5M) ||
	       lg_raw_has(a, LG_RAW_WRITE_1H);
}

/* Without the split the request says how long. Returns all that was written. */
static uint64_t cache_writes(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;
	uint64_t w5 = a->raw[LG_RAW_WRITE_5M], w1 = a->raw[LG_RAW_WRITE_1H];
	uint64_t all = a->raw[LG_RAW_WRITE];

	if (!has_writes(a))
		return 0;
	if (all > w5 + w1) {
		if (w5 + w1)
			u->flags |= LG_USAGE_MISMATCH;
		if (a->cache_1h) {
			w1 = all - w5;
		} else {
			w5 = all - w1;
			u->flags |= LG_USAGE_CACHE_5M_ASSUMED;
		}
	} else if (lg_raw_has(a, LG_RAW_WRITE) && all < w5 + w1) {
		u->flags |= LG_USAGE_MISMATCH;
	}
	lg_usage_set(u, LG_BUCKET_CACHE_WRITE_5M, w5);
	lg_usage_set(u, LG_BUCKET_CACHE_WRITE_1H, w1);
	return w5 + w1;
}

static void check_total(struct lg_answer *a, uint64_t *in, uint64_t cached)
{
	struct lg_usage *u = &a->usage;
	uint64_t out = a->raw[LG_RAW_OUTPUT];

	if (!lg_raw_has(a, LG_RAW_TOTAL))
		return;
	u->total = a->raw[LG_RAW_TOTAL];
	u->flags |= LG_USAGE_TOTAL;
	if (*in + cached + out == u->total)
		return;
	if (*in + out == u->total && cached <= *in)
		*in -= cached;
	else
		u->flags |= LG_USAGE_MISMATCH;
}

void lg_bedrock_finish(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;
	uint64_t in = a->raw[LG_RAW_INPUT], out = a->raw[LG_RAW_OUTPUT];
	uint64_t cached;

	*u = (struct lg_usage){.flags = u->flags & LG_USAGE_PRESENT};
	if (!u->flags)
		return;
	cached = cache_writes(a) + a->raw[LG_RAW_CACHED];
	check_total(a, &in, cached);
	if (lg_raw_has(a, LG_RAW_INPUT))
		lg_usage_set(u, LG_BUCKET_INPUT, in);
	lg_usage_put_raw(a, LG_BUCKET_CACHE_READ, LG_RAW_CACHED);
	if (!lg_usage_split_raw(a, &out, LG_RAW_REASONING, LG_BUCKET_REASONING))
		u->flags |= LG_USAGE_MISMATCH;
	if (lg_raw_has(a, LG_RAW_OUTPUT))
		lg_usage_set(u, LG_BUCKET_OUTPUT, out);
	lg_answer_distrust(a);
}

int lg_bedrock_error_body(const struct lg_refusal *r, struct lg_buf *out)
{
	lg_buf_puts(out, "{\"message\":");
	lg_refusal_put_message(r, out);
	lg_buf_puts(out, ",\"llmguard\":");
	lg_refusal_object(r, out);
	lg_buf_puts(out, "}");
	return lg_refusal_end(out);
}
