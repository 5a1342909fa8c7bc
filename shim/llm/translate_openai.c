#include "llm/translate.h"

/* Chat completions and completions, as the program writes and reads them. */

/* -- the request ---------------------------------------------------------- */

static void content_part(struct lg_ask *a, struct lg_at p)
{
	struct lg_at type = lg_at_get(p, "type");

	if (lg_at_text_is(type, "text"))
		lg_ask_text(a, lg_at_get(p, "text"));
	else if (lg_at_text_is(type, "refusal"))
		lg_ask_text(a, lg_at_get(p, "refusal"));
	else if (!lg_at_text_is(type, "image_url"))
		lg_ask_cannot(a, "content");
	else if (lg_at_type(lg_at_get(p, "image_url")) == LG_TREE_STRING)
		lg_ask_picture(a, lg_at_get(p, "image_url"));
	else
		lg_ask_picture(a, lg_at_get(lg_at_get(p, "image_url"), "url"));
}

static void content(struct lg_ask *a, struct lg_at c, bool of_result)
{
	uint32_t from = a->nsay;
	struct lg_at p;

	switch (lg_at_type(c)) {
	case LG_TREE_NONE:
	case LG_TREE_NULL:
		return;
	case LG_TREE_STRING:
		lg_ask_text(a, c);
		break;
	case LG_TREE_ARRAY:
		for (p = lg_at_first(c); lg_at_is(p); p = lg_at_next(c, p))
			content_part(a, p);
		break;
	default:
		return lg_ask_cannot(a, "content");
	}
	if (of_result)
		lg_ask_of_result(a, from);
}

static void tool_call(struct lg_ask *a, struct lg_at c)
{
	struct lg_at f = lg_at_get(c, "function");

	if (!lg_at_says(f))
		return lg_ask_cannot(a, "tool_calls");
	lg_ask_open_call(a, lg_at_get(c, "id"), lg_at_get(f, "name"),
			 lg_at_get(f, "arguments"));
}

static void tool_message(struct lg_ask *a, struct lg_at m)
{
	lg_ask_message(a, LG_SAY_USER);
	if (lg_ask_result(a, lg_at_get(m, "tool_call_id"),
			  lg_at_get(m, "tool_name|name")))
		content(a, lg_at_get(m, "content"), true);
}

static void message(struct lg_ask *a, struct lg_at m)
{
	struct lg_at role = lg_at_get(m, "role"), calls, c;

	if (lg_at_text_is(role, "tool"))
		return tool_message(a, m);
	if (!lg_ask_role(a, role, "system|developer"))
		return;
	lg_ask_without(a, lg_at_get(m, "audio"), "audio");
	lg_ask_without(a, lg_at_get(m, "function_call"), "function_call");
	content(a, lg_at_get(m, "content"), false);
	calls = lg_at_get(m, "tool_calls");
	for (c = lg_at_first(calls); lg_at_is(c); c = lg_at_next(calls, c))
		tool_call(a, c);
}

static void tool(struct lg_ask *a, struct lg_at t)
{
	struct lg_at f = lg_at_get(t, "function");
	struct lg_say_tool *to;

	if (!lg_at_says(f))
		return lg_ask_cannot(a, "tools");
	to = lg_ask_tool(a, f, lg_at_get(f, "parameters"));
	if (to)
		to->strict = lg_at_is_true(lg_at_get(f, "strict"));
}

static void choice(struct lg_ask *a, struct lg_at c)
{
	if (!lg_at_says(c) || lg_at_text_is(c, "auto"))
		return;
	if (lg_at_text_is(c, "none")) {
		a->choice = LG_CHOICE_NONE;
	} else if (lg_at_text_is(c, "required")) {
		a->choice = LG_CHOICE_ANY;
	} else {
		a->choice = LG_CHOICE_NAMED;
		a->chosen =
			lg_at_str(lg_at_get(lg_at_get(c, "function"), "name"));
		if (!a->chosen.len)
			lg_ask_cannot(a, "tool_choice");
	}
}

static void format(struct lg_ask *a, struct lg_at f)
{
	struct lg_at type = lg_at_get(f, "type");
	struct lg_at schema = lg_at_get(f, "json_schema");

	if (!lg_at_says(f) || lg_at_text_is(type, "text"))
		return;
	if (lg_at_text_is(type, "json_object")) {
		a->format = LG_FORMAT_JSON;
		return;
	}
	a->format = LG_FORMAT_SCHEMA;
	a->schema = lg_at_get(schema, "schema");
	a->schema_name = lg_at_str(lg_at_get(schema, "name"));
	a->schema_strict = lg_at_is_true(lg_at_get(schema, "strict"));
	if (lg_at_type(a->schema) != LG_TREE_OBJECT)
		lg_ask_cannot(a, "response_format");
}

static void options(struct lg_ask *a, struct lg_at r)
{
	struct lg_at max = lg_at_get(r, "max_completion_tokens");

	a->model = lg_at_get(r, "model");
	a->max = lg_at_says(max) ? max : lg_at_get(r, "max_tokens");
	a->temperature = lg_at_get(r, "temperature");
	a->top_p = lg_at_get(r, "top_p");
	a->stop = lg_at_get(r, "stop");
	a->seed = lg_at_get(r, "seed");
	a->stream = lg_at_is_true(lg_at_get(r, "stream"));
	a->wants_usage = lg_at_is_true(
		lg_at_get(lg_at_get(r, "stream_options"), "include_usage"));
	if (a->same)
		return;
	if (lg_at_says(lg_at_get(r, "n")) && lg_at_u64(lg_at_get(r, "n")) != 1)
		lg_ask_cannot(a, "n");
	lg_ask_without(a, lg_at_get(r, "logprobs"), "logprobs");
}

static void read_chat(struct lg_ask *a, struct lg_at r, struct lg_slice target)
{
	struct lg_at list = lg_at_get(r, "messages"), v;

	(void)target;
	a->wants_thoughts = true;
	options(a, r);
	lg_ask_without(a, lg_at_get(r, "functions"), "functions");
	lg_ask_without(a, lg_at_get(r, "audio"), "audio");
	lg_ask_without(a, lg_at_get(r, "web_search_options"), "web_search");
	if (lg_at_type(list) != LG_TREE_ARRAY)
		lg_ask_cannot(a, "messages");
	for (v = lg_at_first(list); lg_at_is(v); v = lg_at_next(list, v))
		message(a, v);
	list = lg_at_get(r, "tools");
	for (v = lg_at_first(list); lg_at_is(v); v = lg_at_next(list, v))
		tool(a, v);
	a->single_calls = lg_at_type(lg_at_get(r, "parallel_tool_calls")) ==
			  LG_TREE_FALSE;
	choice(a, lg_at_get(r, "tool_choice"));
	format(a, lg_at_get(r, "response_format"));
}

static void read_completions(struct lg_ask *a, struct lg_at r,
			     struct lg_slice target)
{
	(void)target;
	options(a, r);
	a->raw = true;
	a->prompt = lg_at_get(r, "prompt");
	if (lg_at_type(a->prompt) == LG_TREE_ARRAY &&
	    !lg_at_is(lg_at_next(a->prompt, lg_at_first(a->prompt))))
		a->prompt = lg_at_first(a->prompt);
	if (a->same)
		return;
	if (lg_at_type(a->prompt) != LG_TREE_STRING)
		lg_ask_cannot(a, "prompt");
	lg_ask_without(a, lg_at_get(r, "suffix"), "suffix");
	lg_ask_without(a, lg_at_get(r, "echo"), "echo");
	lg_ask_without(a, lg_at_get(r, "best_of"), "best_of");
}

/* -- the answer ----------------------------------------------------------- */

static const char *const stops[] = {"stop", "stop", "length", "tool_calls",
				    "content_filter"};

static void put_usage(struct lg_reply *r)
{
	uint64_t in = lg_reply_input(r), out = lg_reply_output(r);

	lg_put(&r->json,
	       "\"usage\":{\"prompt_tokens\":%u,\"completion_tokens\":%u,"
	       "\"total_tokens\":%u,\"prompt_tokens_details\":{"
	       "\"cached_tokens\":%u},\"completion_tokens_details\":{"
	       "\"reasoning_tokens\":%u}}",
	       in, out, in + out, r->usage.n[LG_BUCKET_CACHE_READ],
	       r->usage.n[LG_BUCKET_REASONING]);
}

static void put_head(struct lg_reply *r, const char *prefix, const char *object)
{
	lg_buf_puts(&r->json, "{\"id\":\"");
	lg_reply_put_id(r, &r->json, prefix, 0, 29);
	lg_put(&r->json, "\",\"object\":\"%s\",\"created\":%u,\"model\":%q,",
	       object, (uint64_t)(r->now_ms / 1000), lg_slice_str(r->model));
}

static void chunk_begin(struct lg_reply *r)
{
	put_head(r, "chatcmpl-", "chat.completion.chunk");
	lg_put(&r->json,
	       "\"system_fingerprint\":null,\"choices\":[{\"index\":0,"
	       "\"delta\":");
}

static void chunk_end(struct lg_reply *r, const char *stop)
{
	if (stop)
		lg_put(&r->json, ",\"finish_reason\":\"%s\"}]", stop);
	else
		lg_put(&r->json, ",\"finish_reason\":null}]");
	lg_put(&r->json, "%s}", r->wants_usage ? ",\"usage\":null" : "");
	lg_reply_emit(r, NULL);
}

static void begin(struct lg_reply *r)
{
	chunk_begin(r);
	lg_put(&r->json, "{\"role\":\"assistant\",\"content\":\"\"}");
	chunk_end(r, NULL);
}

static void open_block(struct lg_reply *r)
{
	const struct lg_reply_call *c = lg_reply_last(r);

	if (r->block != LG_BLOCK_CALL)
		return;
	chunk_begin(r);
	lg_put(&r->json,
	       "{\"tool_calls\":[{\"index\":%d,\"id\":%q,\"type\":\"function\""
	       ",\"function\":{\"name\":%q,\"arguments\":\"\"}}]}",
	       r->ncalls - 1, lg_slice_str(c->id), lg_slice_str(c->name));
	chunk_end(r, NULL);
}

static void piece(struct lg_reply *r, struct lg_slice raw)
{
	chunk_begin(r);
	if (r->block == LG_BLOCK_TEXT)
		lg_put(&r->json, "{\"content\":%q}", raw);
	else if (r->block == LG_BLOCK_THOUGHT)
		lg_put(&r->json, "{\"reasoning_content\":%q}", raw);
	else
		lg_put(&r->json,
		       "{\"tool_calls\":[{\"index\":%d,\"function\":{"
		       "\"arguments\":%q}}]}",
		       r->ncalls - 1, raw);
	chunk_end(r, NULL);
}

static void done(struct lg_reply *r)
{
	lg_buf_puts(&r->json, "[DONE]");
	lg_reply_emit(r, NULL);
}

static void end(struct lg_reply *r)
{
	chunk_begin(r);
	lg_put(&r->json, "{}");
	chunk_end(r, stops[r->stop]);
	if (r->wants_usage) {
		put_head(r, "chatcmpl-", "chat.completion.chunk");
		lg_put(&r->json, "\"choices\":[],");
		put_usage(r);
		lg_put(&r->json, "}");
		lg_reply_emit(r, NULL);
	}
	done(r);
}

static void put_calls(struct lg_reply *r)
{
	unsigned i;

	for (i = 0; i < r->ncalls; i++) {
		const struct lg_reply_call *c = &r->call[i];

		lg_put(&r->json,
		       "%s{\"id\":%q,\"type\":\"function\",\"function\":{"
		       "\"name\":%q,\"arguments\":%q}}",
		       i ? "," : ",\"tool_calls\":[", lg_slice_str(c->id),
		       lg_slice_str(c->name), lg_reply_args(r, c));
	}
	if (i)
		lg_buf_putc(&r->json, ']');
}

static void whole(struct lg_reply *r)
{
	put_head(r, "chatcmpl-", "chat.completion");
	lg_put(&r->json, "\"choices\":[{\"index\":0,\"message\":{"
			 "\"role\":\"assistant\",\"content\":");
	if (r->text.len || !r->ncalls)
		lg_put(&r->json, "%q", lg_buf_slice(&r->text));
	else
		lg_put(&r->json, "null");
	lg_put(&r->json, ",\"refusal\":null");
	if (r->thought.len)
		lg_put(&r->json, ",\"reasoning_content\":%q",
		       lg_buf_slice(&r->thought));
	put_calls(r);
	lg_put(&r->json, "},\"logprobs\":null,\"finish_reason\":\"%s\"}],",
	       stops[r->stop]);
	put_usage(r);
	lg_put(&r->json, "}");
}

static void error(struct lg_reply *r, unsigned status, struct lg_slice message,
		  bool in_stream)
{
	(void)in_stream;
	lg_put(&r->json,
	       "{\"error\":{\"message\":%q,\"type\":\"%s\",\"param\":null,"
	       "\"code\":null}}",
	       message,
	       status < 500 ? "invalid_request_error" : "server_error");
}

static const struct lg_voice chat_voice = {
	.framing = LG_FRAMING_SSE,
	.begin = begin,
	.open = open_block,
	.piece = piece,
	.end = end,
	.whole = whole,
	.error = error,
};

const struct lg_speech lg_speech_openai_chat = {
	.dialect = "openai-chat",
	.read = read_chat,
	.voice = &chat_voice,
};

/* -- completions ---------------------------------------------------------- */

static void put_choice(struct lg_reply *r, struct lg_slice text, bool last)
{
	put_head(r, "cmpl-", "text_completion");
	lg_put(&r->json,
	       "\"choices\":[{\"text\":%q,\"index\":0,\"logprobs\":null,"
	       "\"finish_reason\":",
	       text);
	lg_put(&r->json, last ? "\"%s\"}]" : "null}]", stops[r->stop]);
}

static void completions_piece(struct lg_reply *r, struct lg_slice raw)
{
	if (r->block != LG_BLOCK_TEXT)
		return;
	put_choice(r, raw, false);
	lg_put(&r->json, "}");
	lg_reply_emit(r, NULL);
}

static void completions_end(struct lg_reply *r)
{
	put_choice(r, LG_SLICE(""), true);
	lg_put(&r->json, "}");
	lg_reply_emit(r, NULL);
	if (r->wants_usage) {
		put_head(r, "cmpl-", "text_completion");
		lg_put(&r->json, "\"choices\":[],");
		put_usage(r);
		lg_put(&r->json, "}");
		lg_reply_emit(r, NULL);
	}
	done(r);
}

static void completions_whole(struct lg_reply *r)
{
	put_choice(r, lg_buf_slice(&r->text), true);
	lg_put(&r->json, ",");
	put_usage(r);
	lg_put(&r->json, "}");
}

static const struct lg_voice completions_voice = {
	.framing = LG_FRAMING_SSE,
	.piece = completions_piece,
	.end = completions_end,
	.whole = completions_whole,
	.error = error,
};

const struct lg_speech lg_speech_openai_completions = {
	.dialect = "openai-completions",
	.read = read_completions,
	.voice = &completions_voice,
};
