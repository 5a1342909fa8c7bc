#include "llm/adapter.h"

#include <string.h>

/*
 * Ollama's own API: /api/chat, /api/generate, /api/embed. A stream, which is
 * what one gets without asking, is one JSON value a line; the last has done
 * and the counts, of which one that is zero may be left out.
 */

enum fact { ROOT = 64 };

enum own {
	DONE = LG_ANSWER_OWN,
	PROMPT_NS,
	EVAL_NS,
	TOTAL_NS,
};

#define REQUEST                                                                \
	LG_WATCH("", ROOT), LG_WATCH("model", LG_FACT_MODEL),                  \
		LG_WATCH("stream", LG_FACT_STREAM),                            \
		LG_WATCH("format.**", LG_FACT_TEXT),                           \
		LG_WATCH("options.num_predict", LG_FACT_MAX)

static const struct lg_field chat_request[] = {
	REQUEST,
	LG_WATCH("messages[].content", LG_FACT_TEXT),
	LG_WATCH("messages[].thinking", LG_FACT_TEXT),
	LG_WATCH("messages[].images[]", LG_FACT_MIME),
	LG_WATCH("messages[].tool_name", LG_FACT_TEXT),
	LG_WATCH("messages[].tool_calls[].function.**", LG_FACT_TEXT),
	LG_WATCH("tools[]", LG_FACT_TOOL),
	LG_WATCH("tools[].function.**", LG_FACT_TEXT),
};

static const struct lg_field generate_request[] = {
	REQUEST,
	LG_WATCH("prompt", LG_FACT_TEXT),
	LG_WATCH("suffix", LG_FACT_TEXT),
	LG_WATCH("system", LG_FACT_TEXT),
	LG_WATCH("template", LG_FACT_TEXT),
	LG_WATCH("context[]", LG_FACT_TOKEN),
	LG_WATCH("images[]", LG_FACT_MIME),
};

static const struct lg_field embed_request[] = {
	LG_WATCH("model", LG_FACT_MODEL),
	LG_WATCH("input", LG_FACT_TEXT),
	LG_WATCH("input[]", LG_FACT_TEXT),
	LG_WATCH("prompt", LG_FACT_TEXT),
};

#define ANSWER                                                                 \
	LG_WATCH("", LG_ANSWER_ROOT), LG_WATCH("model", LG_ANSWER_MODEL),      \
		LG_WATCH("error", LG_ANSWER_ERROR), LG_WATCH("done", DONE),    \
		LG_WATCH("prompt_eval_count", LG_RAW_INPUT),                   \
		LG_WATCH("prompt_eval_cached_count", LG_RAW_CACHED),           \
		LG_WATCH("eval_count", LG_RAW_OUTPUT),                         \
		LG_WATCH("prompt_eval_duration", PROMPT_NS),                   \
		LG_WATCH("eval_duration", EVAL_NS),                            \
		LG_WATCH("total_duration", TOTAL_NS)

static const struct lg_field chat_answer[] = {
	ANSWER,
	LG_WATCH("message.content", LG_ANSWER_TEXT),
	LG_WATCH("message.thinking", LG_ANSWER_THOUGHT),
	LG_WATCH("message.tool_calls[].function.**", LG_ANSWER_TEXT),
};

static const struct lg_field generate_answer[] = {
	ANSWER,
	LG_WATCH("response", LG_ANSWER_TEXT),
	LG_WATCH("thinking", LG_ANSWER_THOUGHT),
};

static const struct lg_field embed_answer[] = {ANSWER};

static void on_request(struct lg_facts *f, int id, const struct lg_value *v)
{
	if (id != ROOT)
		lg_facts_apply(f, id, v);
	else if (v->type == LG_VALUE_OBJECT)
		f->stream = true;
}

static void duration(struct lg_answer *a, enum lg_raw id,
		     const struct lg_value *v)
{
	uint64_t n;

	if (!lg_value_u64(v, &n))
		lg_raw_put(a, id, n);
}

/* The counts stand alone: make an object of them. */
static void put_raw(struct lg_answer *a)
{
	static const struct {
		const char *name;
		enum lg_raw id;
	} parts[] = {
		{"prompt_eval_count", LG_RAW_INPUT},
		{"prompt_eval_cached_count", LG_RAW_CACHED},
		{"eval_count", LG_RAW_OUTPUT},
		{"prompt_eval_duration", LG_RAW_SCRATCH},
		{"eval_duration", LG_RAW_SCRATCH2},
		{"total_duration", LG_RAW_SCRATCH3},
	};
	struct lg_buf b;
	unsigned i;

	lg_buf_init_fixed(&b, a->usage_raw, sizeof(a->usage_raw) - 1);
	for (i = 0; i < LG_COUNT_OF(parts); i++) {
		if (!lg_raw_has(a, parts[i].id))
			continue;
		lg_buf_puts(&b, b.len ? ",\"" : "{\"");
		lg_buf_puts(&b, parts[i].name);
		lg_buf_puts(&b, "\":");
		lg_buf_put_u64(&b, a->raw[parts[i].id]);
	}
	lg_buf_putc(&b, '}');
	a->usage_raw[b.len] = 0;
}

/* An embedding has no `done`; its end is the value's. */
static void end(struct lg_answer *a)
{
	if (!lg_raw_has(a, LG_RAW_INPUT) && !lg_raw_has(a, LG_RAW_OUTPUT))
		return;
	a->usage.flags |= LG_USAGE_PRESENT;
	a->usage_final = a->done;
	put_raw(a);
}

static void on_event(struct lg_answer *a, int id, const struct lg_value *v)
{
	switch (id) {
	case DONE:
		a->done |= v->type == LG_VALUE_BOOL && v->boolean;
		break;
	case PROMPT_NS:
		duration(a, LG_RAW_SCRATCH, v);
		break;
	case EVAL_NS:
		duration(a, LG_RAW_SCRATCH2, v);
		break;
	case TOTAL_NS:
		duration(a, LG_RAW_SCRATCH3, v);
		break;
	case LG_ANSWER_ROOT:
		if (v->type == LG_VALUE_END)
			end(a);
		break;
	default:
		lg_answer_apply(a, id, v);
	}
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id == LG_ANSWER_ROOT && v->type == LG_VALUE_END)
		a->done = true;
	on_event(a, id, v);
}

static void end_event(struct lg_answer *a, struct lg_slice name,
		      bool done_marker)
{
	(void)name;
	(void)done_marker;
	a->events++;
}

static void finish(struct lg_answer *a)
{
	uint64_t in = a->raw[LG_RAW_INPUT];

	a->usage =
		(struct lg_usage){.flags = a->usage.flags & LG_USAGE_PRESENT};
	if (!a->usage.flags)
		return;
	if (!lg_usage_split_raw(a, &in, LG_RAW_CACHED, LG_BUCKET_CACHE_READ))
		a->usage.flags |= LG_USAGE_MISMATCH;
	if (lg_raw_has(a, LG_RAW_INPUT))
		lg_usage_set(&a->usage, LG_BUCKET_INPUT, in);
	lg_usage_put_raw(a, LG_BUCKET_OUTPUT, LG_RAW_OUTPUT);
	lg_answer_distrust(a);
}

static int error_body(const struct lg_refusal *r, struct lg_buf *out)
{
	lg_buf_puts(out, "{\"error\":");
	lg_refusal_put_message(r, out);
	lg_buf_puts(out, ",\"llmguard\":");
	lg_refusal_object(r, out);
	lg_buf_puts(out, "}");
	return lg_refusal_end(out);
}

#define WHOLE(what)                                                            \
	.family = "ollama", .request_fields = what##_request,                  \
	.nrequest_fields = LG_COUNT_OF(what##_request),                        \
	.response_fields = what##_answer,                                      \
	.nresponse_fields = LG_COUNT_OF(what##_answer),                        \
	.on_response = on_response, .finish = finish, .error_body = error_body

#define STREAMED(what)                                                         \
	.type = LG_REQUEST_GENERATE, .lines = true, .on_request = on_request,  \
	.event_fields = what##_answer,                                         \
	.nevent_fields = LG_COUNT_OF(what##_answer), .on_event = on_event,     \
	.end_event = end_event

const struct lg_dialect lg_ollama_chat = {
	.name = "ollama-chat",
	.model_at = "model",
	.cap_at = "options.num_predict",
	WHOLE(chat),
	STREAMED(chat),
};

const struct lg_dialect lg_ollama_generate = {
	.name = "ollama-generate",
	.model_at = "model",
	.cap_at = "options.num_predict",
	WHOLE(generate),
	STREAMED(generate),
};

const struct lg_dialect lg_ollama_embed = {
	.name = "ollama-embed",
	.type = LG_REQUEST_EMBED,
	.on_request = lg_facts_apply,
	WHOLE(embed),
};
