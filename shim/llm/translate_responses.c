#include "llm/translate.h"

/* POST /v1/responses as the program writes and reads it. */

/* -- the request ---------------------------------------------------------- */

static void content_part(struct lg_ask *a, struct lg_at p)
{
	struct lg_at type = lg_at_get(p, "type");

	if (lg_at_text_is(type, "input_text|output_text|text"))
		lg_ask_text(a, lg_at_get(p, "text"));
	else if (lg_at_text_is(type, "refusal"))
		lg_ask_text(a, lg_at_get(p, "refusal"));
	else if (lg_at_text_is(type, "input_image"))
		lg_ask_picture(a, lg_at_get(p, "image_url"));
	else
		lg_ask_cannot(a, "content");
}

static void content(struct lg_ask *a, struct lg_at c, bool of_result)
{
	uint32_t from = a->nsay;
	struct lg_at p;

	if (lg_at_type(c) == LG_TREE_STRING)
		lg_ask_text(a, c);
	for (p = lg_at_first(c); lg_at_is(p); p = lg_at_next(c, p))
		content_part(a, p);
	if (of_result)
		lg_ask_of_result(a, from);
}

static void message(struct lg_ask *a, struct lg_at m)
{
	struct lg_at role = lg_at_get(m, "role");

	if (!lg_ask_role(a, role, "system|developer"))
		return;
	content(a, lg_at_get(m, "content"), false);
}

/* Items stand alone here: an answer with its calls is one message elsewhere. */
static void call(struct lg_ask *a, struct lg_at c)
{
	if (a->role != LG_SAY_ASSISTANT || !a->nsay)
		lg_ask_message(a, LG_SAY_ASSISTANT);
	(void)lg_ask_call(a, lg_at_get(c, "call_id"), lg_at_get(c, "name"),
			  lg_at_get(c, "arguments"));
}

static void result(struct lg_ask *a, struct lg_at c)
{
	struct lg_say *s;

	lg_ask_message(a, LG_SAY_USER);
	s = lg_ask_say(a, LG_SAY_RESULT);
	if (!s)
		return;
	s->id = lg_at_str(lg_at_get(c, "call_id"));
	content(a, lg_at_get(c, "output"), true);
}

static void item(struct lg_ask *a, struct lg_at i)
{
	struct lg_at type = lg_at_get(i, "type");

	if (!lg_at_says(type) || lg_at_text_is(type, "message"))
		message(a, i);
	else if (lg_at_text_is(type, "function_call"))
		call(a, i);
	else if (lg_at_text_is(type, "function_call_output"))
		result(a, i);
	else if (!lg_at_text_is(type, "reasoning"))
		lg_ask_cannot(a, "input item");
}

static void tool(struct lg_ask *a, struct lg_at t)
{
	struct lg_say_tool *to;

	if (!lg_at_text_is(lg_at_get(t, "type"), "function"))
		return lg_ask_cannot(a, "server tool");
	to = lg_ask_tool(a, t, lg_at_get(t, "parameters"));
	if (to)
		to->strict = lg_at_is_true(lg_at_get(t, "strict"));
}

static void choice(struct lg_ask *a, struct lg_at c)
{
	if (!lg_at_says(c) || lg_at_text_is(c, "auto"))
		return;
	if (lg_at_text_is(c, "none")) {
		a->choice = LG_CHOICE_NONE;
	} else if (lg_at_text_is(c, "required")) {
		a->choice = LG_CHOICE_ANY;
	} else if (lg_at_text_is(lg_at_get(c, "type"), "function")) {
		a->choice = LG_CHOICE_NAMED;
		a->chosen = lg_at_str(lg_at_get(c, "name"));
	} else {
		lg_ask_cannot(a, "tool_choice");
	}
}

static void format(struct lg_ask *a, struct lg_at f)
{
	struct lg_at type = lg_at_get(f, "type");

	if (!lg_at_says(f) || lg_at_text_is(type, "text"))
		return;
	if (lg_at_text_is(type, "json_object")) {
		a->format = LG_FORMAT_JSON;
		return;
	}
	a->format = LG_FORMAT_SCHEMA;
	a->schema = lg_at_get(f, "schema");
	a->schema_name = lg_at_str(lg_at_get(f, "name"));
	a->schema_strict = lg_at_is_true(lg_at_get(f, "strict"));
	if (lg_at_type(a->schema) != LG_TREE_OBJECT)
		lg_ask_cannot(a, "text.format");
}

/* What stands on the provider's side. */
static void without(struct lg_ask *a, struct lg_at r)
{
	static const char *const names[] = {"previous_response_id",
					    "conversation", "prompt",
					    "background", "top_logprobs"};
	unsigned i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (lg_at_u64(lg_at_get(r, names[i])) ||
		    lg_at_type(lg_at_get(r, names[i])) != LG_TREE_NUMBER)
			lg_ask_without(a, lg_at_get(r, names[i]), names[i]);
}

static void read(struct lg_ask *a, struct lg_at r, struct lg_slice target)
{
	struct lg_at list = lg_at_get(r, "input"), v;

	(void)target;
	a->model = lg_at_get(r, "model");
	a->max = lg_at_get(r, "max_output_tokens");
	a->temperature = lg_at_get(r, "temperature");
	a->top_p = lg_at_get(r, "top_p");
	a->stream = lg_at_is_true(lg_at_get(r, "stream"));
	a->single_calls = lg_at_type(lg_at_get(r, "parallel_tool_calls")) ==
			  LG_TREE_FALSE;
	without(a, r);
	if (lg_at_says(lg_at_get(r, "instructions"))) {
		lg_ask_message(a, LG_SAY_SYSTEM);
		content(a, lg_at_get(r, "instructions"), false);
	}
	if (lg_at_type(list) == LG_TREE_STRING) {
		lg_ask_message(a, LG_SAY_USER);
		lg_ask_text(a, list);
	} else if (lg_at_type(list) != LG_TREE_ARRAY) {
		lg_ask_cannot(a, "input");
	}
	for (v = lg_at_first(list); lg_at_is(v); v = lg_at_next(list, v))
		item(a, v);
	list = lg_at_get(r, "tools");
	for (v = lg_at_first(list); lg_at_is(v); v = lg_at_next(list, v))
		tool(a, v);
	choice(a, lg_at_get(r, "tool_choice"));
	format(a, lg_at_get(lg_at_get(r, "text"), "format"));
}

/* -- the answer ----------------------------------------------------------- */

static bool is_cut(const struct lg_reply *r)
{
	return r->stop == LG_STOP_LENGTH || r->stop == LG_STOP_FILTER;
}

static void put_usage(struct lg_reply *r)
{
	uint64_t in = lg_reply_input(r), out = lg_reply_output(r);

	lg_put(&r->json,
	       "{\"input_tokens\":%u,\"input_tokens_details\":{"
	       "\"cached_tokens\":%u},\"output_tokens\":%u,"
	       "\"output_tokens_details\":{\"reasoning_tokens\":%u},"
	       "\"total_tokens\":%u}",
	       in, r->usage.n[LG_BUCKET_CACHE_READ], out,
	       r->usage.n[LG_BUCKET_REASONING], in + out);
}

static void put_item_id(struct lg_reply *r, const struct lg_reply_item *it)
{
	bool call = it->block == LG_BLOCK_CALL;

	lg_reply_put_id(r, &r->json, call ? "fc_" : "msg_",
			2000 + (unsigned)(it - r->item), 48);
}

static struct lg_slice text_of(const struct lg_reply *r,
			       const struct lg_reply_item *it)
{
	return (struct lg_slice){r->text.p + it->from,
				 it->len ? it->len : r->text.len - it->from};
}

static void put_part(struct lg_reply *r, struct lg_slice text)
{
	lg_put(&r->json,
	       "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],"
	       "\"text\":%q}",
	       text);
}

/* An item of the output: at its beginning it is empty. */
static void put_item(struct lg_reply *r, const struct lg_reply_item *it,
		     bool done)
{
	const struct lg_reply_call *c;
	const char *status = done ? "completed" : "in_progress";
	struct lg_slice none = LG_SLICE("");

	lg_put(&r->json, "{\"id\":\"");
	put_item_id(r, it);
	if (it->block == LG_BLOCK_CALL) {
		c = &r->call[it->call];
		lg_put(&r->json,
		       "\",\"type\":\"function_call\",\"status\":\"%s\","
		       "\"arguments\":%q,\"call_id\":%q,\"name\":%q}",
		       status, done ? lg_reply_args(r, c) : none,
		       lg_slice_str(c->id), lg_slice_str(c->name));
		return;
	}
	lg_put(&r->json,
	       "\",\"type\":\"message\",\"status\":\"%s\","
	       "\"role\":\"assistant\",\"content\":[",
	       status);
	if (done)
		put_part(r, text_of(r, it));
	lg_put(&r->json, "]}");
}

static void put_response(struct lg_reply *r, bool done)
{
	const char *status = !done	 ? "in_progress"
			     : is_cut(r) ? "incomplete"
					 : "completed";
	unsigned i;

	lg_put(&r->json, "{\"id\":\"");
	lg_reply_put_id(r, &r->json, "resp_", 0, 48);
	lg_put(&r->json,
	       "\",\"object\":\"response\",\"created_at\":%u,"
	       "\"status\":\"%s\",\"background\":false,\"error\":null,"
	       "\"incomplete_details\":",
	       (uint64_t)(r->now_ms / 1000), status);
	if (done && is_cut(r))
		lg_put(&r->json, "{\"reason\":\"%s\"}",
		       r->stop == LG_STOP_LENGTH ? "max_output_tokens"
						 : "content_filter");
	else
		lg_put(&r->json, "null");
	lg_put(&r->json,
	       ",\"instructions\":null,\"max_output_tokens\":null,"
	       "\"model\":%q,\"output\":[",
	       lg_slice_str(r->model));
	for (i = 0; done && i < r->nitems; i++) {
		lg_put(&r->json, i ? "," : "");
		put_item(r, &r->item[i], true);
	}
	lg_put(&r->json, "],\"parallel_tool_calls\":true,"
			 "\"previous_response_id\":null,\"reasoning\":{"
			 "\"effort\":null,\"summary\":null},\"store\":false,"
			 "\"temperature\":null,\"text\":{\"format\":{"
			 "\"type\":\"text\"}},\"tool_choice\":\"auto\","
			 "\"tools\":[],\"top_p\":null,\"truncation\":"
			 "\"disabled\",\"usage\":");
	if (done)
		put_usage(r);
	else
		lg_put(&r->json, "null");
	lg_put(&r->json, ",\"user\":null,\"metadata\":{}}");
}

static void event(struct lg_reply *r, const char *type)
{
	lg_put(&r->json, "{\"type\":\"%s\",\"sequence_number\":%d", type,
	       r->sequence);
}

static void finish(struct lg_reply *r, const char *type)
{
	lg_put(&r->json, "}");
	lg_reply_emit(r, type);
}

static void whole_event(struct lg_reply *r, const char *type, bool done)
{
	event(r, type);
	lg_put(&r->json, ",\"response\":");
	put_response(r, done);
	finish(r, type);
}

static void begin(struct lg_reply *r)
{
	whole_event(r, "response.created", false);
	whole_event(r, "response.in_progress", false);
}

static const struct lg_reply_item *current(struct lg_reply *r)
{
	return r->nitems ? &r->item[r->nitems - 1] : NULL;
}

/* An event about the item at hand. */
static void item_event(struct lg_reply *r, const char *type)
{
	const struct lg_reply_item *it = current(r);

	event(r, type);
	lg_put(&r->json, ",\"item_id\":\"");
	put_item_id(r, it);
	lg_put(&r->json, "\",\"output_index\":%d", r->nitems - 1);
	if (it->block == LG_BLOCK_TEXT)
		lg_put(&r->json, ",\"content_index\":0");
}

static void output_item(struct lg_reply *r, const char *type, bool done)
{
	event(r, type);
	lg_put(&r->json, ",\"output_index\":%d,\"item\":", r->nitems - 1);
	put_item(r, current(r), done);
	finish(r, type);
}

static void open_block(struct lg_reply *r)
{
	if (r->err || !current(r))
		return;
	output_item(r, "response.output_item.added", false);
	if (r->block != LG_BLOCK_TEXT)
		return;
	item_event(r, "response.content_part.added");
	lg_put(&r->json, ",\"part\":");
	put_part(r, LG_SLICE(""));
	finish(r, "response.content_part.added");
}

static void piece(struct lg_reply *r, struct lg_slice raw)
{
	const char *type = r->block == LG_BLOCK_TEXT
				   ? "response.output_text.delta"
				   : "response.function_call_arguments.delta";

	if (r->err || !current(r))
		return;
	item_event(r, type);
	lg_put(&r->json, ",\"delta\":%q", raw);
	if (r->block == LG_BLOCK_TEXT)
		lg_put(&r->json, ",\"logprobs\":[]");
	finish(r, type);
}

static void close_text(struct lg_reply *r)
{
	struct lg_slice text = text_of(r, current(r));

	item_event(r, "response.output_text.done");
	lg_put(&r->json, ",\"text\":%q,\"logprobs\":[]", text);
	finish(r, "response.output_text.done");
	item_event(r, "response.content_part.done");
	lg_put(&r->json, ",\"part\":");
	put_part(r, text);
	finish(r, "response.content_part.done");
}

static void close_call(struct lg_reply *r)
{
	const struct lg_reply_call *c = lg_reply_last(r);

	item_event(r, "response.function_call_arguments.done");
	lg_put(&r->json, ",\"name\":%q,\"arguments\":%q", lg_slice_str(c->name),
	       lg_reply_args(r, c));
	finish(r, "response.function_call_arguments.done");
}

static void close_block(struct lg_reply *r)
{
	if (r->err || !current(r))
		return;
	if (r->block == LG_BLOCK_TEXT)
		close_text(r);
	else
		close_call(r);
	output_item(r, "response.output_item.done", true);
}

static void end(struct lg_reply *r)
{
	whole_event(r, is_cut(r) ? "response.incomplete" : "response.completed",
		    true);
}

static void whole(struct lg_reply *r)
{
	put_response(r, true);
}

static void error(struct lg_reply *r, unsigned status, struct lg_slice message,
		  bool in_stream)
{
	const char *type =
		status < 500 ? "invalid_request_error" : "server_error";

	if (in_stream) {
		event(r, "error");
		lg_put(&r->json,
		       ",\"code\":\"%s\",\"message\":%q,\"param\":null,", type,
		       message);
	} else {
		lg_put(&r->json, "{");
	}
	lg_put(&r->json,
	       "\"error\":{\"message\":%q,\"type\":\"%s\",\"param\":null,"
	       "\"code\":null}}",
	       message, type);
}

static const struct lg_voice voice = {
	.framing = LG_FRAMING_NAMED,
	.begin = begin,
	.open = open_block,
	.piece = piece,
	.close = close_block,
	.end = end,
	.whole = whole,
	.error = error,
	.error_event = "error",
	.keeps = true,
};

const struct lg_speech lg_speech_openai_responses = {
	.dialect = "openai-responses",
	.read = read,
	.voice = &voice,
};
