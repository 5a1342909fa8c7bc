#include "llm/openai.h"

static bool is_apart(const struct lg_answer *a)
{
	return lg_raw_has(a, LG_RAW_APART) &&
	       (lg_raw_has(a, LG_RAW_CITATION) ||
		lg_raw_has(a, LG_RAW_WEB_BILLED));
}

/*
 * completion_tokens includes reasoning at OpenAI and leaves it out at xAI and
 * behind Gemini's OpenAI paths; prompt_tokens leaves audio and what connectors
 * brought out at Mistral.
 * The provider's total says which.
 */
static void reconcile(struct lg_answer *a, uint64_t *in, uint64_t *out,
		      uint64_t *reasoning)
{
	struct lg_usage *u = &a->usage;
	uint64_t total = a->raw[LG_RAW_TOTAL], audio = a->raw[LG_RAW_AUDIO_IN];
	uint64_t cached = a->raw[LG_RAW_CACHED] + a->raw[LG_RAW_WRITE];
	uint64_t tools = a->raw[LG_RAW_TOOL_INPUT];

	u->total = total;
	u->flags |= LG_USAGE_TOTAL;
	if (*in + *out == total)
		return;
	if (*in + *out + *reasoning == total) {
		*out += *reasoning;
	} else if (*in + audio + *out == total) {
		*in += audio;
	} else if (*in + tools + *out == total) {
		*in += tools;
	} else if (*in + cached + *out == total) {
		*in += cached;
	} else if (*in + *out < total && !*reasoning) {
		*reasoning = total - *in - *out;
		*out += *reasoning;
	} else {
		u->flags |= LG_USAGE_MISMATCH;
	}
}

/*
 * Perplexity counts what it read and thought beside the answer and its total;
 * its searches or citations tell it from others' reasoning_tokens, which are
 * part of the output.
 */
static void apart(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;
	uint64_t sum;

	lg_usage_put_raw(a, LG_BUCKET_CITATION, LG_RAW_CITATION);
	if (!is_apart(a))
		return;
	sum = u->n[LG_BUCKET_REASONING] + a->raw[LG_RAW_APART];
	lg_usage_set(u, LG_BUCKET_REASONING, sum);
}

static void split_input(struct lg_answer *a, uint64_t in)
{
	static const struct {
		enum lg_raw raw;
		enum lg_bucket bucket;
	} media[] = {
		{LG_RAW_AUDIO_IN, LG_BUCKET_AUDIO_INPUT},
		{LG_RAW_IMAGE_IN, LG_BUCKET_IMAGE_INPUT},
		{LG_RAW_VIDEO_IN, LG_BUCKET_VIDEO_INPUT},
	};
	bool fits = true;
	unsigned i;

	fits &= lg_usage_split_raw(a, &in, LG_RAW_CACHED, LG_BUCKET_CACHE_READ);
	fits &= lg_usage_split_raw(a, &in, LG_RAW_WRITE,
				   LG_BUCKET_CACHE_WRITE_5M);
	/* What was cached may have been media. */
	for (i = 0; i < LG_COUNT_OF(media); i++)
		if (!lg_usage_split_raw(a, &in, media[i].raw,
					media[i].bucket) &&
		    !a->raw[LG_RAW_CACHED])
			fits = false;
	lg_usage_set(&a->usage, LG_BUCKET_INPUT, in);
	if (!fits)
		a->usage.flags |= LG_USAGE_MISMATCH;
}

static void split_output(struct lg_answer *a, uint64_t out, uint64_t reasoning)
{
	struct lg_usage *u = &a->usage;
	bool fits = true;

	if (reasoning || lg_raw_has(a, LG_RAW_REASONING) ||
	    (lg_raw_has(a, LG_RAW_APART) && !is_apart(a)))
		fits &= lg_usage_split(&out, reasoning, u, LG_BUCKET_REASONING);
	fits &= lg_usage_split_raw(a, &out, LG_RAW_AUDIO_OUT,
				   LG_BUCKET_AUDIO_OUTPUT);
	fits &= lg_usage_split_raw(a, &out, LG_RAW_IMAGE_OUT,
				   LG_BUCKET_IMAGE_OUTPUT);
	lg_usage_set(u, LG_BUCKET_OUTPUT, out);
	if (!fits)
		u->flags |= LG_USAGE_MISMATCH;
}

/* What a server timed stands in for a usage that nobody asked for. */
static void use_timings(struct lg_answer *a)
{
	lg_usage_put_raw(a, LG_BUCKET_INPUT, LG_RAW_TIMED_IN);
	lg_usage_put_raw(a, LG_BUCKET_CACHE_READ, LG_RAW_TIMED_CACHED);
	lg_usage_put_raw(a, LG_BUCKET_OUTPUT, LG_RAW_TIMED_OUT);
	a->usage.flags |= LG_USAGE_PRESENT;
	a->usage_final = a->done || lg_raw_has(a, LG_RAW_FINISHED);
}

static void put_units(struct lg_answer *a)
{
	lg_usage_put_raw(a, LG_BUCKET_WEB_SEARCHES, LG_RAW_WEB);
	lg_usage_put_raw(a, LG_BUCKET_WEB_SEARCHES, LG_RAW_WEB_BILLED);
	lg_usage_put_raw(a, LG_BUCKET_FILE_SEARCHES, LG_RAW_FILES);
	lg_usage_put_raw(a, LG_BUCKET_CODE_EXECUTIONS, LG_RAW_CODE);
}

void lg_openai_finish(struct lg_answer *a)
{
	uint32_t present = a->usage.flags & LG_USAGE_PRESENT;
	uint64_t in = a->raw[LG_RAW_INPUT], out = a->raw[LG_RAW_OUTPUT];
	uint64_t reasoning = a->raw[LG_RAW_REASONING];

	if (!lg_raw_has(a, LG_RAW_INPUT) && !lg_raw_has(a, LG_RAW_OUTPUT) &&
	    lg_raw_has(a, LG_RAW_TIMED_OUT)) {
		a->usage = (struct lg_usage){.flags = 0};
		use_timings(a);
		return;
	}
	a->usage = (struct lg_usage){.flags = present};
	put_units(a);
	if (!present)
		return;
	if (!reasoning && !is_apart(a))
		reasoning = a->raw[LG_RAW_APART];
	if (lg_raw_has(a, LG_RAW_TOTAL))
		reconcile(a, &in, &out, &reasoning);
	split_input(a, in);
	split_output(a, out, reasoning);
	apart(a);
	lg_answer_provider_cost(a);
	lg_answer_distrust(a);
}

void lg_openai_on_response(struct lg_answer *a, int id,
			   const struct lg_value *v)
{
	lg_answer_apply(a, id, v);
	lg_answer_whole(a, id, v);
}

void lg_openai_on_event(struct lg_answer *a, int id, const struct lg_value *v)
{
	lg_answer_apply(a, id, v);
}

/* A usage before the finish reason is an interim one (Perplexity). */
void lg_openai_end_event(struct lg_answer *a, struct lg_slice name,
			 bool done_marker)
{
	a->events++;
	a->done |= done_marker ||
		   lg_slice_eq(name, LG_SLICE("conversation.response.done"));
	if (a->done && a->usage.flags & LG_USAGE_PRESENT)
		a->usage_final = true;
	if (a->usage.flags & LG_USAGE_PRESENT &&
	    (done_marker || lg_raw_has(a, LG_RAW_FINISHED)))
		a->usage_final = true;
}

int lg_openai_error_body(const struct lg_refusal *r, struct lg_buf *out)
{
	lg_buf_puts(out, "{\"error\":{\"message\":");
	lg_refusal_put_message(r, out);
	lg_buf_puts(out, ",\"type\":\"budget_exceeded\",\"param\":null,"
			 "\"code\":\"budget_exceeded\",\"llmguard\":");
	lg_refusal_object(r, out);
	lg_buf_puts(out, "}}");
	return lg_refusal_end(out);
}
