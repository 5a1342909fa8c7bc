#include "llm/translate.h"

/* POST /v1/messages as the program writes and reads it. */

/* -- the request ---------------------------------------------------------- */

static void picture(struct lg_ask *a, struct lg_at source)
{
	struct lg_at type = lg_at_get(source, "type");
	struct lg_say *s;

	if (lg_at_text_is(type, "url"))
		return lg_ask_picture(a, lg_at_get(source, "url"));
	if (!lg_at_text_is(type, "base64"))
		return lg_ask_cannot(a, "image");
	s = lg_ask_say(a, LG_SAY_IMAGE);
	if (!s)
		return;
	s->mime = lg_at_str(lg_at_get(source, "media_type"));
	s->text = lg_at_str(lg_at_get(source, "data"));
}

/* Only one that is plain text. */
static void document(struct lg_ask *a, struct lg_at source)
{
	if (lg_at_text_is(lg_at_get(source, "type"), "text"))
		lg_ask_text(a, lg_at_get(source, "data"));
	else
		lg_ask_cannot(a, "document");
}

/* What may stand in a message and in a tool's result. */
static void simple_block(struct lg_ask *a, struct lg_at b)
{
	struct lg_at type = lg_at_get(b, "type");

	if (lg_at_text_is(type, "text"))
		lg_ask_text(a, lg_at_get(b, "text"));
	else if (lg_at_text_is(type, "image"))
		picture(a, lg_at_get(b, "source"));
	else if (lg_at_text_is(type, "document"))
		document(a, lg_at_get(b, "source"));
	else
		lg_ask_cannot(a, "content");
}

static void simple_blocks(struct lg_ask *a, struct lg_at c)
{
	struct lg_at b;

	if (lg_at_type(c) == LG_TREE_STRING)
		return lg_ask_text(a, c);
	for (b = lg_at_first(c); lg_at_is(b); b = lg_at_next(c, b))
		simple_block(a, b);
}

static void tool_result(struct lg_ask *a, struct lg_at b)
{
	struct lg_say *s = lg_ask_say(a, LG_SAY_RESULT);
	uint32_t from = a->nsay;

	if (!s)
		return;
	s->id = lg_at_str(lg_at_get(b, "tool_use_id"));
	simple_blocks(a, lg_at_get(b, "content"));
	lg_ask_of_result(a, from);
}

static void tool_use(struct lg_ask *a, struct lg_at b)
{
	(void)lg_ask_call(a, lg_at_get(b, "id"), lg_at_get(b, "name"),
			  lg_at_get(b, "input"));
}

static void block(struct lg_ask *a, struct lg_at b)
{
	struct lg_at type = lg_at_get(b, "type");

	if (lg_at_text_is(type, "tool_use"))
		tool_use(a, b);
	else if (lg_at_text_is(type, "tool_result"))
		tool_result(a, b);
	else if (!lg_at_text_is(type, "thinking|redacted_thinking"))
		simple_block(a, b);
}

static void message(struct lg_ask *a, struct lg_at m)
{
	struct lg_at role = lg_at_get(m, "role");
	struct lg_at c = lg_at_get(m, "content"), b;

	if (!lg_ask_role(a, role, "system"))
		return;
	if (lg_at_type(c) == LG_TREE_STRING)
		return lg_ask_text(a, c);
	for (b = lg_at_first(c); lg_at_is(b); b = lg_at_next(c, b))
		block(a, b);
}

static void tool(struct lg_ask *a, struct lg_at t)
{
	struct lg_at type = lg_at_get(t, "type");
	struct lg_say_tool *to;

	if (lg_at_says(type) && !lg_at_text_is(type, "custom"))
		return lg_ask_cannot(a, "server tool");
	to = lg_ask_tool(a, t, lg_at_get(t, "input_schema"));
	if (to)
		to->strict = lg_at_is_true(lg_at_get(t, "strict"));
}

static void choice(struct lg_ask *a, struct lg_at c)
{
	struct lg_at type = lg_at_get(c, "type");

	a->single_calls =
		lg_at_is_true(lg_at_get(c, "disable_parallel_tool_use"));
	if (lg_at_text_is(type, "any")) {
		a->choice = LG_CHOICE_ANY;
	} else if (lg_at_text_is(type, "none")) {
		a->choice = LG_CHOICE_NONE;
	} else if (lg_at_text_is(type, "tool")) {
		a->choice = LG_CHOICE_NAMED;
		a->chosen = lg_at_str(lg_at_get(c, "name"));
	} else if (lg_at_says(c) && !lg_at_text_is(type, "auto")) {
		lg_ask_cannot(a, "tool_choice");
	}
}

static void format(struct lg_ask *a, struct lg_at f)
{
	if (!lg_at_says(f))
		return;
	a->format = LG_FORMAT_SCHEMA;
	a->schema_strict = true;
	a->schema = lg_at_get(f, "schema");
	if (!lg_at_text_is(lg_at_get(f, "type"), "json_schema") ||
	    lg_at_type(a->schema) != LG_TREE_OBJECT)
		lg_ask_cannot(a, "output_format");
}

static void read(struct lg_ask *a, struct lg_at r, struct lg_slice target)
{
	struct lg_at list = lg_at_get(r, "messages"), v;

	(void)target;
	a->model = lg_at_get(r, "model");
	a->max = lg_at_get(r, "max_tokens");
	a->temperature = lg_at_get(r, "temperature");
	a->top_p = lg_at_get(r, "top_p");
	a->top_k = lg_at_get(r, "top_k");
	a->stop = lg_at_get(r, "stop_sequences");
	a->stream = lg_at_is_true(lg_at_get(r, "stream"));
	lg_ask_without(a, lg_at_get(r, "container"), "container");
	lg_ask_without(a, lg_at_get(r, "mcp_servers"), "mcp_servers");
	if (lg_at_says(lg_at_get(r, "system"))) {
		lg_ask_message(a, LG_SAY_SYSTEM);
		simple_blocks(a, lg_at_get(r, "system"));
	}
	if (lg_at_type(list) != LG_TREE_ARRAY)
		lg_ask_cannot(a, "messages");
	for (v = lg_at_first(list); lg_at_is(v); v = lg_at_next(list, v))
		message(a, v);
	list = lg_at_get(r, "tools");
	for (v = lg_at_first(list); lg_at_is(v); v = lg_at_next(list, v))
		tool(a, v);
	choice(a, lg_at_get(r, "tool_choice"));
	format(a, lg_at_get(r, "output_format"));
	format(a, lg_at_get(lg_at_get(r, "output_config"), "format"));
}

/* -- the answer ----------------------------------------------------------- */

static const char *const stops[] = {"end_turn", "end_turn", "max_tokens",
				    "tool_use", "refusal"};

static void put_message(struct lg_reply *r)
{
	lg_buf_puts(&r->json, "{\"id\":\"");
	lg_reply_put_id(r, &r->json, "msg_01", 0, 22);
	lg_put(&r->json,
	       "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":%q,"
	       "\"content\":[",
	       lg_slice_str(r->model));
}

static void put_usage(struct lg_reply *r)
{
	lg_put(&r->json,
	       "\"usage\":{\"input_tokens\":%u,\"cache_creation_input_tokens\":"
	       "0,\"cache_read_input_tokens\":%u,\"output_tokens\":%u}",
	       r->usage.n[LG_BUCKET_INPUT], r->usage.n[LG_BUCKET_CACHE_READ],
	       lg_reply_output(r));
}

static void begin(struct lg_reply *r)
{
	lg_put(&r->json, "{\"type\":\"message_start\",\"message\":");
	put_message(r);
	lg_put(&r->json,
	       "],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{"
	       "\"input_tokens\":0,\"cache_creation_input_tokens\":0,"
	       "\"cache_read_input_tokens\":0,\"output_tokens\":0}}}");
	lg_reply_emit(r, "message_start");
}

static void open_block(struct lg_reply *r)
{
	const struct lg_reply_call *c = lg_reply_last(r);

	lg_put(&r->json,
	       "{\"type\":\"content_block_start\",\"index\":%d,"
	       "\"content_block\":",
	       r->index);
	if (r->block == LG_BLOCK_CALL)
		lg_put(&r->json,
		       "{\"type\":\"tool_use\",\"id\":%q,\"name\":%q,"
		       "\"input\":{}}}",
		       lg_slice_str(c->id), lg_slice_str(c->name));
	else
		lg_put(&r->json, "{\"type\":\"text\",\"text\":\"\"}}");
	lg_reply_emit(r, "content_block_start");
}

static void piece(struct lg_reply *r, struct lg_slice raw)
{
	lg_put(&r->json,
	       r->block == LG_BLOCK_CALL
		       ? "{\"type\":\"content_block_delta\",\"index\":%d,"
			 "\"delta\":{\"type\":\"input_json_delta\","
			 "\"partial_json\":%q}}"
		       : "{\"type\":\"content_block_delta\",\"index\":%d,"
			 "\"delta\":{\"type\":\"text_delta\",\"text\":%q}}",
	       r->index, raw);
	lg_reply_emit(r, "content_block_delta");
}

static void close_block(struct lg_reply *r)
{
	lg_put(&r->json, "{\"type\":\"content_block_stop\",\"index\":%d}",
	       r->index);
	lg_reply_emit(r, "content_block_stop");
}

static void end(struct lg_reply *r)
{
	lg_put(&r->json,
	       "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\","
	       "\"stop_sequence\":null},",
	       stops[r->stop]);
	put_usage(r);
	lg_put(&r->json, "}");
	lg_reply_emit(r, "message_delta");
	lg_put(&r->json, "{\"type\":\"message_stop\"}");
	lg_reply_emit(r, "message_stop");
}

static void whole(struct lg_reply *r)
{
	const char *comma = "";
	unsigned i;

	put_message(r);
	if (r->text.len) {
		lg_put(&r->json, "{\"type\":\"text\",\"text\":%q}",
		       lg_buf_slice(&r->text));
		comma = ",";
	}
	for (i = 0; i < r->ncalls; i++, comma = ",") {
		const struct lg_reply_call *c = &r->call[i];

		lg_put(&r->json,
		       "%s{\"type\":\"tool_use\",\"id\":%q,\"name\":%q,"
		       "\"input\":",
		       comma, lg_slice_str(c->id), lg_slice_str(c->name));
		lg_reply_put_object(r, c);
		lg_put(&r->json, "}");
	}
	lg_put(&r->json, "],\"stop_reason\":\"%s\",\"stop_sequence\":null,",
	       stops[r->stop]);
	put_usage(r);
	lg_put(&r->json, "}");
}

static const char *error_type(unsigned status)
{
	static const struct {
		unsigned status;
		const char *type;
	} types[] = {
		{400, "invalid_request_error"}, {401, "authentication_error"},
		{403, "permission_error"},	{404, "not_found_error"},
		{413, "request_too_large"},	{429, "rate_limit_error"},
		{503, "overloaded_error"},	{529, "overloaded_error"},
	};
	unsigned i;

	for (i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (types[i].status == status)
			return types[i].type;
	return status < 500 ? "invalid_request_error" : "api_error";
}

static void error(struct lg_reply *r, unsigned status, struct lg_slice message,
		  bool in_stream)
{
	(void)in_stream;
	lg_put(&r->json,
	       "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":%q}"
	       "}",
	       error_type(status), message);
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
};

const struct lg_speech lg_speech_anthropic = {
	.dialect = "anthropic-messages",
	.read = read,
	.voice = &voice,
};
