#include "llm/translate.h"

/* Ollama's /api/chat and /api/generate as the program writes and reads them. */

/* -- the request ---------------------------------------------------------- */

static void images(struct lg_ask *a, struct lg_at list)
{
	struct lg_say *s;
	struct lg_at v;

	for (v = lg_at_first(list); lg_at_is(v); v = lg_at_next(list, v)) {
		s = lg_ask_say(a, LG_SAY_IMAGE);
		if (!s)
			return;
		/* Its kind is not said; servers look at the bytes. */
		s->mime = LG_SLICE("image/png");
		s->text = lg_at_str(v);
	}
}

static void calls(struct lg_ask *a, struct lg_at list)
{
	struct lg_at v;

	for (v = lg_at_first(list); lg_at_is(v); v = lg_at_next(list, v)) {
		struct lg_at f = lg_at_get(v, "function");

		lg_ask_open_call(a, lg_at_get(v, "id"), lg_at_get(f, "name"),
				 lg_at_get(f, "arguments"));
	}
}

static void result(struct lg_ask *a, struct lg_at m)
{
	lg_ask_message(a, LG_SAY_USER);
	if (!lg_ask_result(a, lg_at_get(m, "tool_call_id"),
			   lg_at_get(m, "tool_name|name")))
		return;
	lg_ask_text(a, lg_at_get(m, "content"));
	a->say[a->nsay - 1].of_result = true;
}

static void message(struct lg_ask *a, struct lg_at m)
{
	struct lg_at role = lg_at_get(m, "role");

	if (lg_at_text_is(role, "tool"))
		return result(a, m);
	if (!lg_ask_role(a, role, "system"))
		return;
	if (lg_at_str(lg_at_get(m, "content")).len)
		lg_ask_text(a, lg_at_get(m, "content"));
	images(a, lg_at_get(m, "images"));
	calls(a, lg_at_get(m, "tool_calls"));
}

static void tool(struct lg_ask *a, struct lg_at t)
{
	struct lg_at f = lg_at_get(t, "function");

	if (!lg_at_says(f))
		return lg_ask_cannot(a, "tools");
	(void)lg_ask_tool(a, f, lg_at_get(f, "parameters"));
}

/* What both have. A stream is what one gets without asking. */
static void options(struct lg_ask *a, struct lg_at r)
{
	struct lg_at o = lg_at_get(r, "options"), f = lg_at_get(r, "format");

	a->model = lg_at_get(r, "model");
	a->max = lg_at_get(o, "num_predict");
	a->temperature = lg_at_get(o, "temperature");
	a->top_p = lg_at_get(o, "top_p");
	a->top_k = lg_at_get(o, "top_k");
	a->stop = lg_at_get(o, "stop");
	a->seed = lg_at_get(o, "seed");
	a->stream = lg_at_type(lg_at_get(r, "stream")) != LG_TREE_FALSE;
	a->wants_thoughts = lg_at_type(lg_at_get(r, "think")) != LG_TREE_FALSE;
	/* -1 and -2: no bound. */
	if (lg_slice_starts(lg_at_raw(a->max), LG_SLICE("-")))
		a->max = (struct lg_at){0};
	if (lg_at_text_is(f, "json")) {
		a->format = LG_FORMAT_JSON;
	} else if (lg_at_type(f) == LG_TREE_OBJECT) {
		a->format = LG_FORMAT_SCHEMA;
		a->schema = f;
	} else if (lg_at_says(f) && lg_at_str(f).len) {
		lg_ask_cannot(a, "format");
	}
}

static void read_chat(struct lg_ask *a, struct lg_at r, struct lg_slice target)
{
	struct lg_at list = lg_at_get(r, "messages"), v;

	(void)target;
	options(a, r);
	if (lg_at_type(list) != LG_TREE_ARRAY)
		lg_ask_cannot(a, "messages");
	for (v = lg_at_first(list); lg_at_is(v); v = lg_at_next(list, v))
		message(a, v);
	list = lg_at_get(r, "tools");
	for (v = lg_at_first(list); lg_at_is(v); v = lg_at_next(list, v))
		tool(a, v);
}

static void read_generate(struct lg_ask *a, struct lg_at r,
			  struct lg_slice target)
{
	static const char *const names[] = {"raw", "template", "context",
					    "suffix"};
	unsigned i;

	(void)target;
	options(a, r);
	for (i = 0; !a->same && i < sizeof(names) / sizeof(*names); i++)
		lg_ask_without(a, lg_at_get(r, names[i]), names[i]);
	if (lg_at_says(lg_at_get(r, "system"))) {
		lg_ask_message(a, LG_SAY_SYSTEM);
		lg_ask_text(a, lg_at_get(r, "system"));
	}
	lg_ask_message(a, LG_SAY_USER);
	lg_ask_text(a, lg_at_get(r, "prompt"));
	images(a, lg_at_get(r, "images"));
	if (!a->same && !lg_at_str(lg_at_get(r, "prompt")).len)
		lg_ask_cannot(a, "prompt");
}

/* -- the answer ----------------------------------------------------------- */

static void put_head(struct lg_reply *r)
{
	lg_put(&r->json, "{\"model\":%q,\"created_at\":\"",
	       lg_slice_str(r->model));
	lg_buf_put_time(&r->json, r->now_ms);
	lg_put(&r->json, "\"");
}

static void put_done(struct lg_reply *r)
{
	lg_put(&r->json, ",\"done\":true,\"done_reason\":\"%s\"",
	       r->stop == LG_STOP_LENGTH ? "length" : "stop");
	lg_put(&r->json,
	       ",\"total_duration\":0,\"load_duration\":0,"
	       "\"prompt_eval_count\":%u,\"prompt_eval_duration\":0,"
	       "\"eval_count\":%u,\"eval_duration\":0}",
	       lg_reply_input(r), lg_reply_output(r));
}

static void put_call(struct lg_reply *r, const struct lg_reply_call *c)
{
	lg_put(&r->json, "{\"id\":%q,\"function\":{\"name\":%q,\"arguments\":",
	       lg_slice_str(c->id), lg_slice_str(c->name));
	lg_reply_put_object(r, c);
	lg_put(&r->json, "}}");
}

static void chat_piece(struct lg_reply *r, struct lg_slice raw)
{
	if (r->block == LG_BLOCK_CALL)
		return;
	put_head(r);
	lg_put(&r->json, ",\"message\":{\"role\":\"assistant\",");
	if (r->block == LG_BLOCK_THOUGHT)
		lg_put(&r->json, "\"content\":\"\",\"thinking\":%q", raw);
	else
		lg_put(&r->json, "\"content\":%q", raw);
	lg_put(&r->json, "},\"done\":false}");
	lg_reply_emit(r, NULL);
}

static void chat_close(struct lg_reply *r)
{
	if (r->block != LG_BLOCK_CALL)
		return;
	put_head(r);
	lg_put(&r->json, ",\"message\":{\"role\":\"assistant\",\"content\":"
			 "\"\",\"tool_calls\":[");
	put_call(r, &r->call[r->ncalls - 1]);
	lg_put(&r->json, "]},\"done\":false}");
	lg_reply_emit(r, NULL);
}

static void chat_end(struct lg_reply *r)
{
	put_head(r);
	lg_put(&r->json, ",\"message\":{\"role\":\"assistant\",\"content\":"
			 "\"\"}");
	put_done(r);
	lg_reply_emit(r, NULL);
}

static void chat_whole(struct lg_reply *r)
{
	unsigned i;

	put_head(r);
	lg_put(&r->json, ",\"message\":{\"role\":\"assistant\",\"content\":%q",
	       lg_buf_slice(&r->text));
	if (r->thought.len)
		lg_put(&r->json, ",\"thinking\":%q", lg_buf_slice(&r->thought));
	for (i = 0; i < r->ncalls; i++) {
		lg_put(&r->json, i ? "," : ",\"tool_calls\":[");
		put_call(r, &r->call[i]);
	}
	lg_put(&r->json, i ? "]}" : "}");
	put_done(r);
}

static void error(struct lg_reply *r, unsigned status, struct lg_slice message,
		  bool in_stream)
{
	(void)status;
	(void)in_stream;
	lg_put(&r->json, "{\"error\":%q}", message);
}

static const struct lg_voice chat_voice = {
	.framing = LG_FRAMING_LINES,
	.piece = chat_piece,
	.close = chat_close,
	.end = chat_end,
	.whole = chat_whole,
	.error = error,
};

const struct lg_speech lg_speech_ollama_chat = {
	.dialect = "ollama-chat",
	.read = read_chat,
	.voice = &chat_voice,
};

static void generate_piece(struct lg_reply *r, struct lg_slice raw)
{
	if (r->block == LG_BLOCK_CALL)
		return;
	put_head(r);
	lg_put(&r->json, ",\"response\":%q",
	       r->block == LG_BLOCK_TEXT ? raw : LG_SLICE(""));
	if (r->block == LG_BLOCK_THOUGHT)
		lg_put(&r->json, ",\"thinking\":%q", raw);
	lg_put(&r->json, ",\"done\":false}");
	lg_reply_emit(r, NULL);
}

static void generate_end(struct lg_reply *r)
{
	put_head(r);
	lg_put(&r->json, ",\"response\":\"\"");
	put_done(r);
	lg_reply_emit(r, NULL);
}

static void generate_whole(struct lg_reply *r)
{
	put_head(r);
	lg_put(&r->json, ",\"response\":%q", lg_buf_slice(&r->text));
	if (r->thought.len)
		lg_put(&r->json, ",\"thinking\":%q", lg_buf_slice(&r->thought));
	put_done(r);
}

static const struct lg_voice generate_voice = {
	.framing = LG_FRAMING_LINES,
	.piece = generate_piece,
	.end = generate_end,
	.whole = generate_whole,
	.error = error,
};

const struct lg_speech lg_speech_ollama_generate = {
	.dialect = "ollama-generate",
	.read = read_generate,
	.voice = &generate_voice,
};
