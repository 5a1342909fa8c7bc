#include "llm/cohere.h"

/* Generation, embedding, reranking and classification of texts; v1 and v2. */

static const struct lg_field generate_request[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("stream", LG_FACT_STREAM),
	LG_WATCH("max_tokens", LG_FACT_MAX),
	LG_WATCH("num_generations", LG_FACT_N),
	LG_WATCH("prompt", LG_FACT_TEXT),
};

static const struct lg_field embed_request[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("texts[]", LG_FACT_TEXT),
	LG_WATCH("images[]", LG_FACT_MIME),
	LG_WATCH("inputs[].content[].text", LG_FACT_TEXT),
	LG_WATCH("inputs[].content[].type", LG_FACT_CONTENT_TYPE),
};

/* f->scratch counts what is billed by the piece, and how it may be cut. */
enum fact { PIECE = 64, CHUNKS };

#define PIECES scratch[0]
#define CHUNKS_MAX scratch[1]

/* Documents are texts, or objects of which some fields are ranked by. */
static const struct lg_field rerank_request[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("query", LG_FACT_TEXT),
	LG_WATCH("max_chunks_per_doc", CHUNKS),
	LG_WATCH("documents[]", PIECE),
	LG_WATCH("documents[].**", LG_FACT_TEXT),
};

static const struct lg_field classify_request[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("inputs[]", PIECE),
	LG_WATCH("examples[].text", LG_FACT_TEXT),
};

static const struct lg_field response[] = {
	LG_WATCH("id", LG_ANSWER_ID),
	LG_WATCH("message", LG_COHERE_MESSAGE),
	LG_WATCH("generations[].text", LG_ANSWER_TEXT),
	LG_WATCH_RAW("meta", LG_ANSWER_USAGE),
	LG_COHERE_BILLED("meta."),
	LG_WATCH("", LG_ANSWER_ROOT),
};

static const struct lg_field generate_event[] = {
	LG_WATCH("message", LG_COHERE_MESSAGE),
	LG_WATCH("text", LG_ANSWER_TEXT),
	LG_WATCH("is_finished", LG_COHERE_FINISHED),
	LG_WATCH("response.id", LG_ANSWER_ID),
	LG_WATCH_RAW("response.meta", LG_ANSWER_USAGE),
	LG_COHERE_BILLED("response.meta."),
};

static void on_pieces(struct lg_facts *f, int id, const struct lg_value *v)
{
	uint64_t n;

	if (id == CHUNKS) {
		if (!lg_value_u64(v, &n) && n <= 1000)
			f->CHUNKS_MAX = n;
		return;
	}
	if (id == PIECE)
		f->PIECES += v->type == LG_VALUE_STRING ||
			     v->type == LG_VALUE_OBJECT;
	lg_facts_apply(f, id == PIECE ? LG_FACT_TEXT : id, v);
}

/*
 * A search unit is a query with up to 100 documents; a document is cut into
 * chunks of 500 tokens, 10 at most unless more are allowed, and each counts.
 */
static bool expect_units(const struct lg_facts *f, bool worst,
			 struct lg_usage *u)
{
	uint64_t chunks = f->CHUNKS_MAX ? f->CHUNKS_MAX : 10;
	uint64_t n = f->PIECES;

	if (n > LG_COUNTER_MAX)
		n = LG_COUNTER_MAX;
	if (worst)
		n *= chunks;
	else
		n += lg_facts_input_estimate(f) / 500;
	lg_usage_set(u, LG_BUCKET_SEARCH_UNITS, n ? (n + 99) / 100 : 1);
	return f->json_ok;
}

static bool expect_classes(const struct lg_facts *f, bool worst,
			   struct lg_usage *u)
{
	(void)worst;
	lg_usage_set(u, LG_BUCKET_REQUESTS, f->PIECES ? f->PIECES : 1);
	return f->json_ok;
}

void lg_cohere_on_event(struct lg_answer *a, int id, const struct lg_value *v)
{
	switch (id) {
	case LG_COHERE_MESSAGE:
		a->error |= v->type == LG_VALUE_STRING && v->len;
		break;
	case LG_COHERE_FINISHED:
		a->done |= v->type == LG_VALUE_BOOL && v->boolean;
		break;
	case LG_COHERE_TYPE:
		a->done |= lg_value_is(v, "message-end");
		break;
	default:
		lg_answer_apply(a, id, v);
	}
}

void lg_cohere_on_response(struct lg_answer *a, int id,
			   const struct lg_value *v)
{
	lg_cohere_on_event(a, id, v);
	lg_answer_whole(a, id, v);
}

void lg_cohere_end_event(struct lg_answer *a, struct lg_slice name,
			 bool done_marker)
{
	(void)name;
	a->events++;
	a->done |= done_marker;
	if (a->done && a->usage.flags & LG_USAGE_PRESENT)
		a->usage_final = true;
}

/* A search unit is told without any token. */
static bool has_units(const struct lg_answer *a)
{
	return lg_raw_has(a, LG_RAW_SCRATCH) ||
	       lg_raw_has(a, LG_RAW_SCRATCH2) || lg_raw_has(a, LG_RAW_IMAGE_IN);
}

void lg_cohere_finish(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;

	*u = (struct lg_usage){.flags = u->flags & LG_USAGE_PRESENT};
	if (!u->flags)
		return;
	lg_usage_put_raw(a, LG_BUCKET_INPUT, LG_RAW_INPUT);
	lg_usage_put_raw(a, LG_BUCKET_IMAGE_INPUT, LG_RAW_IMAGE_IN);
	lg_usage_put_raw(a, LG_BUCKET_OUTPUT, LG_RAW_OUTPUT);
	lg_usage_put_raw(a, LG_BUCKET_SEARCH_UNITS, LG_RAW_SCRATCH);
	lg_usage_put_raw(a, LG_BUCKET_REQUESTS, LG_RAW_SCRATCH2);
	if (!has_units(a) || lg_raw_has(a, LG_RAW_ODD) || a->delivered_bytes)
		lg_answer_distrust(a);
}

int lg_cohere_error_body(const struct lg_refusal *r, struct lg_buf *out)
{
	lg_buf_puts(out, "{\"message\":");
	lg_refusal_put_message(r, out);
	lg_buf_puts(out, ",\"llmguard\":");
	lg_refusal_object(r, out);
	lg_buf_puts(out, "}");
	return lg_refusal_end(out);
}

#define WHOLE(what)                                                            \
	.request_fields = what##_request,                                      \
	.nrequest_fields = LG_COUNT_OF(what##_request),                        \
	.response_fields = response,                                           \
	.nresponse_fields = LG_COUNT_OF(response),                             \
	.on_response = lg_cohere_on_response, .finish = lg_cohere_finish,      \
	.sleepers = true, .error_body = lg_cohere_error_body

const struct lg_dialect lg_cohere_generate = {
	.name = "cohere-generate",
	.family = "cohere",
	.model_at = "model",
	.cap_at = "max_tokens",
	.type = LG_REQUEST_GENERATE,
	.lines = true,
	WHOLE(generate),
	.on_request = lg_facts_apply,
	.event_fields = generate_event,
	.nevent_fields = LG_COUNT_OF(generate_event),
	.on_event = lg_cohere_on_event,
	.end_event = lg_cohere_end_event,
};

const struct lg_dialect lg_cohere_embed = {
	.name = "cohere-embed",
	.family = "cohere",
	.type = LG_REQUEST_EMBED,
	WHOLE(embed),
	.on_request = lg_facts_apply,
};

const struct lg_dialect lg_cohere_rerank = {
	.name = "cohere-rerank",
	.family = "cohere",
	.type = LG_REQUEST_RERANK,
	WHOLE(rerank),
	.on_request = on_pieces,
	.expect = expect_units,
};

const struct lg_dialect lg_cohere_classify = {
	.name = "cohere-classify",
	.family = "cohere",
	.type = LG_REQUEST_OTHER,
	WHOLE(classify),
	.on_request = on_pieces,
	.expect = expect_classes,
};
