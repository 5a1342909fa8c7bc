#include "llm/translate.h"

/*
 * POST /model/M/converse and /converse-stream as the program writes and reads
 * them. The model stands in the path.
 */

/* -- the request ---------------------------------------------------------- */

static const struct {
	const char *format;
	struct lg_slice mime;
} pictures[] = {
	{"png", {"image/png", 9}},
	{"jpeg", {"image/jpeg", 10}},
	{"gif", {"image/gif", 9}},
	{"webp", {"image/webp", 10}},
};

static void picture(struct lg_ask *a, struct lg_at p)
{
	struct lg_at bytes = lg_at_get(lg_at_get(p, "source"), "bytes");
	struct lg_say *s;
	unsigned i;

	for (i = 0; i < sizeof(pictures) / sizeof(*pictures); i++) {
		if (!lg_at_text_is(lg_at_get(p, "format"), pictures[i].format))
			continue;
		if (!lg_at_str(bytes).len)
			break;
		s = lg_ask_say(a, LG_SAY_IMAGE);
		if (s) {
			s->mime = pictures[i].mime;
			s->text = lg_at_str(bytes);
		}
		return;
	}
	lg_ask_cannot(a, "image");
}

static void simple_block(struct lg_ask *a, struct lg_at b)
{
	struct lg_say *s;

	if (lg_at_says(lg_at_get(b, "text"))) {
		lg_ask_text(a, lg_at_get(b, "text"));
	} else if (lg_at_says(lg_at_get(b, "image"))) {
		picture(a, lg_at_get(b, "image"));
	} else if (lg_at_says(lg_at_get(b, "json"))) {
		s = lg_ask_say(a, LG_SAY_JSON);
		if (s)
			s->value = lg_at_get(b, "json");
	} else if (!lg_at_says(lg_at_get(b, "cachePoint|reasoningContent"))) {
		lg_ask_cannot(a, "content");
	}
}

static void simple_blocks(struct lg_ask *a, struct lg_at list)
{
	struct lg_at b;

	for (b = lg_at_first(list); lg_at_is(b); b = lg_at_next(list, b))
		simple_block(a, b);
}

static void tool_result(struct lg_ask *a, struct lg_at b)
{
	struct lg_say *s = lg_ask_say(a, LG_SAY_RESULT);
	uint32_t from = a->nsay;

	if (!s)
		return;
	s->id = lg_at_str(lg_at_get(b, "toolUseId"));
	simple_blocks(a, lg_at_get(b, "content"));
	lg_ask_of_result(a, from);
}

static void tool_use(struct lg_ask *a, struct lg_at b)
{
	lg_ask_without(a, lg_at_get(b, "type"), "server tool");
	(void)lg_ask_call(a, lg_at_get(b, "toolUseId"), lg_at_get(b, "name"),
			  lg_at_get(b, "input"));
}

static void block(struct lg_ask *a, struct lg_at b)
{
	if (lg_at_says(lg_at_get(b, "toolUse")))
		tool_use(a, lg_at_get(b, "toolUse"));
	else if (lg_at_says(lg_at_get(b, "toolResult")))
		tool_result(a, lg_at_get(b, "toolResult"));
	else
		simple_block(a, b);
}

static void message(struct lg_ask *a, struct lg_at m)
{
	struct lg_at list = lg_at_get(m, "content"), b;

	if (lg_at_text_is(lg_at_get(m, "role"), "user"))
		lg_ask_message(a, LG_SAY_USER);
	else if (lg_at_text_is(lg_at_get(m, "role"), "assistant"))
		lg_ask_message(a, LG_SAY_ASSISTANT);
	else
		return lg_ask_cannot(a, "role");
	for (b = lg_at_first(list); lg_at_is(b); b = lg_at_next(list, b))
		block(a, b);
}

static void tool(struct lg_ask *a, struct lg_at t)
{
	struct lg_at spec = lg_at_get(t, "toolSpec");
	struct lg_say_tool *to;

	if (lg_at_says(lg_at_get(t, "cachePoint")))
		return;
	if (!lg_at_says(spec))
		return lg_ask_cannot(a, "server tool");
	to = lg_ask_tool(a, spec,
			 lg_at_get(lg_at_get(spec, "inputSchema"), "json"));
	if (to)
		to->strict = lg_at_is_true(lg_at_get(spec, "strict"));
}

static void tools(struct lg_ask *a, struct lg_at c)
{
	struct lg_at list = lg_at_get(c, "tools"), v;
	struct lg_at choice = lg_at_get(c, "toolChoice");
	struct lg_at named = lg_at_get(choice, "tool");

	for (v = lg_at_first(list); lg_at_is(v); v = lg_at_next(list, v))
		tool(a, v);
	if (lg_at_says(lg_at_get(choice, "any"))) {
		a->choice = LG_CHOICE_ANY;
	} else if (lg_at_says(named)) {
		a->choice = LG_CHOICE_NAMED;
		a->chosen = lg_at_str(lg_at_get(named, "name"));
	}
}

/* The schema is a text here. */
static void format(struct lg_ask *a, struct lg_at f)
{
	struct lg_at schema =
		lg_at_get(lg_at_get(f, "structure"), "jsonSchema");

	if (!lg_at_says(f))
		return;
	a->format = LG_FORMAT_SCHEMA;
	a->schema_strict = true;
	a->schema = lg_at_get(schema, "schema");
	a->schema_name = lg_at_str(lg_at_get(schema, "name"));
	if (!lg_at_says(a->schema))
		lg_ask_cannot(a, "outputConfig");
}

static void read(struct lg_ask *a, struct lg_at r, struct lg_slice target)
{
	struct lg_at c = lg_at_get(r, "inferenceConfig");
	struct lg_at list = lg_at_get(r, "messages"), v;
	struct lg_slice path;

	lg_slice_cut(target, '?', &path);
	a->stream = lg_slice_iends(path, LG_SLICE("/converse-stream"));
	a->max = lg_at_get(c, "maxTokens");
	a->temperature = lg_at_get(c, "temperature");
	a->top_p = lg_at_get(c, "topP");
	a->stop = lg_at_get(c, "stopSequences");
	lg_ask_without(a, lg_at_get(r, "guardrailConfig"), "guardrailConfig");
	lg_ask_without(a, lg_at_get(r, "promptVariables"), "promptVariables");
	if (lg_at_says(lg_at_get(r, "system"))) {
		lg_ask_message(a, LG_SAY_SYSTEM);
		simple_blocks(a, lg_at_get(r, "system"));
	}
	if (lg_at_type(list) != LG_TREE_ARRAY)
		lg_ask_cannot(a, "messages");
	for (v = lg_at_first(list); lg_at_is(v); v = lg_at_next(list, v))
		message(a, v);
	tools(a, lg_at_get(r, "toolConfig"));
	format(a, lg_at_get(lg_at_get(r, "outputConfig"), "textFormat"));
}

/* -- the answer ----------------------------------------------------------- */

static const char *const stops[] = {"end_turn", "end_turn", "max_tokens",
				    "tool_use", "content_filtered"};

static void put_usage(struct lg_reply *r)
{
	uint64_t in = lg_reply_input(r), out = lg_reply_output(r);

	lg_put(&r->json,
	       "\"usage\":{\"inputTokens\":%u,\"outputTokens\":%u,"
	       "\"totalTokens\":%u,\"cacheReadInputTokens\":%u,"
	       "\"cacheWriteInputTokens\":0},\"metrics\":{\"latencyMs\":0}",
	       r->usage.n[LG_BUCKET_INPUT], out, in + out,
	       r->usage.n[LG_BUCKET_CACHE_READ]);
}

static void begin(struct lg_reply *r)
{
	lg_put(&r->json, "{\"role\":\"assistant\"}");
	lg_reply_emit(r, "messageStart");
}

static void open_block(struct lg_reply *r)
{
	const struct lg_reply_call *c = lg_reply_last(r);

	if (r->block != LG_BLOCK_CALL)
		return;
	lg_put(&r->json,
	       "{\"contentBlockIndex\":%d,\"start\":{\"toolUse\":{"
	       "\"toolUseId\":%q,\"name\":%q}}}",
	       r->index, lg_slice_str(c->id), lg_slice_str(c->name));
	lg_reply_emit(r, "contentBlockStart");
}

static void piece(struct lg_reply *r, struct lg_slice raw)
{
	lg_put(&r->json,
	       r->block == LG_BLOCK_CALL
		       ? "{\"contentBlockIndex\":%d,\"delta\":{\"toolUse\":{"
			 "\"input\":%q}}}"
		       : "{\"contentBlockIndex\":%d,\"delta\":{\"text\":%q}}",
	       r->index, raw);
	lg_reply_emit(r, "contentBlockDelta");
}

static void close_block(struct lg_reply *r)
{
	lg_put(&r->json, "{\"contentBlockIndex\":%d}", r->index);
	lg_reply_emit(r, "contentBlockStop");
}

static void end(struct lg_reply *r)
{
	lg_put(&r->json, "{\"stopReason\":\"%s\"}", stops[r->stop]);
	lg_reply_emit(r, "messageStop");
	lg_put(&r->json, "{");
	put_usage(r);
	lg_put(&r->json, "}");
	lg_reply_emit(r, "metadata");
}

static void whole(struct lg_reply *r)
{
	const char *comma = "";
	unsigned i;

	lg_put(&r->json, "{\"output\":{\"message\":{\"role\":\"assistant\","
			 "\"content\":[");
	if (r->text.len || !r->ncalls) {
		lg_put(&r->json, "{\"text\":%q}", lg_buf_slice(&r->text));
		comma = ",";
	}
	for (i = 0; i < r->ncalls; i++, comma = ",") {
		const struct lg_reply_call *c = &r->call[i];

		lg_put(&r->json,
		       "%s{\"toolUse\":{\"toolUseId\":%q,\"name\":%q,"
		       "\"input\":",
		       comma, lg_slice_str(c->id), lg_slice_str(c->name));
		lg_reply_put_object(r, c);
		lg_put(&r->json, "}}");
	}
	lg_put(&r->json, "]}},\"stopReason\":\"%s\",", stops[r->stop]);
	put_usage(r);
	lg_put(&r->json, "}");
}

static void error(struct lg_reply *r, unsigned status, struct lg_slice message,
		  bool in_stream)
{
	(void)status;
	(void)in_stream;
	lg_put(&r->json, "{\"message\":%q}", message);
}

static const char *fields(unsigned status)
{
	if (status < 400)
		return "";
	if (status == 429)
		return "x-amzn-errortype: ThrottlingException\r\n";
	if (status == 404)
		return "x-amzn-errortype: ResourceNotFoundException\r\n";
	if (status == 503)
		return "x-amzn-errortype: ServiceUnavailableException\r\n";
	if (status < 500)
		return "x-amzn-errortype: ValidationException\r\n";
	return "x-amzn-errortype: InternalServerException\r\n";
}

static const struct lg_voice voice = {
	.framing = LG_FRAMING_AWS,
	.begin = begin,
	.open = open_block,
	.piece = piece,
	.close = close_block,
	.end = end,
	.whole = whole,
	.error = error,
	.error_event = "modelStreamErrorException",
};

const struct lg_speech lg_speech_bedrock = {
	.dialect = "bedrock-converse",
	.read = read,
	.voice = &voice,
	.fields = fields,
};
