#include "llm/translate.h"

/*
 * models/M:generateContent and :streamGenerateContent, of the Gemini API and
 * of Vertex AI, as the program writes and reads them. Names come in both
 * spellings. The model stands in the path.
 */

/* -- the request ---------------------------------------------------------- */

static void blob(struct lg_ask *a, struct lg_at b)
{
	struct lg_slice mime = lg_at_str(lg_at_get(b, "mimeType|mime_type"));
	struct lg_say *s;

	if (!lg_slice_istarts(mime, LG_SLICE("image")))
		return lg_ask_cannot(a, "inlineData");
	s = lg_ask_say(a, LG_SAY_IMAGE);
	if (!s)
		return;
	s->mime = mime;
	s->text = lg_at_str(lg_at_get(b, "data"));
}

static void call(struct lg_ask *a, struct lg_at c)
{
	lg_ask_open_call(a, lg_at_get(c, "id"), lg_at_get(c, "name"),
			 lg_at_get(c, "args"));
}

static void result(struct lg_ask *a, struct lg_at c)
{
	struct lg_say *s;

	if (!lg_ask_result(a, lg_at_get(c, "id"), lg_at_get(c, "name")))
		return;
	lg_ask_without(a, lg_at_get(c, "parts"), "functionResponse");
	s = lg_ask_say(a, LG_SAY_JSON);
	if (!s)
		return;
	s->value = lg_at_get(c, "response");
	s->of_result = true;
}

static void part(struct lg_ask *a, struct lg_at p)
{
	struct lg_at blob_at = lg_at_get(p, "inlineData|inline_data");
	struct lg_at call_at = lg_at_get(p, "functionCall|function_call");
	struct lg_at got = lg_at_get(p, "functionResponse|function_response");

	if (lg_at_is_true(lg_at_get(p, "thought")))
		return;
	if (lg_at_says(lg_at_get(p, "text")))
		lg_ask_text(a, lg_at_get(p, "text"));
	else if (lg_at_says(blob_at))
		blob(a, blob_at);
	else if (lg_at_says(call_at))
		call(a, call_at);
	else if (lg_at_says(got))
		result(a, got);
	else
		lg_ask_cannot(a, "part");
}

static void content(struct lg_ask *a, struct lg_at c, enum lg_say_role role)
{
	struct lg_at parts = lg_at_get(c, "parts"), p;

	lg_ask_message(a, role);
	if (lg_at_type(c) == LG_TREE_STRING)
		return lg_ask_text(a, c);
	if (lg_at_type(parts) == LG_TREE_OBJECT)
		return part(a, parts);
	for (p = lg_at_first(parts); lg_at_is(p); p = lg_at_next(parts, p))
		part(a, p);
}

static void turn(struct lg_ask *a, struct lg_at c)
{
	struct lg_at role = lg_at_get(c, "role");

	if (lg_at_text_is(role, "model"))
		content(a, c, LG_SAY_ASSISTANT);
	else if (!lg_at_says(role) || lg_at_text_is(role, "user|function|"))
		content(a, c, LG_SAY_USER);
	else
		lg_ask_cannot(a, "role");
}

static void function(struct lg_ask *a, struct lg_at f)
{
	struct lg_at plain = lg_at_get(f, "parametersJsonSchema|"
					  "parameters_json_schema");
	bool typed = !lg_at_says(plain);
	struct lg_say_tool *to =
		lg_ask_tool(a, f, typed ? lg_at_get(f, "parameters") : plain);

	if (to)
		to->typed = typed;
}

static void tool(struct lg_ask *a, struct lg_at t)
{
	struct lg_at list = lg_at_get(t, "functionDeclarations|"
					 "function_declarations");
	struct lg_at f;

	if (lg_at_type(list) != LG_TREE_ARRAY)
		return lg_ask_cannot(a, "server tool");
	for (f = lg_at_first(list); lg_at_is(f); f = lg_at_next(list, f))
		function(a, f);
}

static void choice(struct lg_ask *a, struct lg_at c)
{
	struct lg_at f = lg_at_get(c, "functionCallingConfig|"
				      "function_calling_config");
	struct lg_at mode = lg_at_get(f, "mode");
	struct lg_at names = lg_at_get(f, "allowedFunctionNames|"
					  "allowed_function_names");
	struct lg_at name = lg_at_first(names);

	if (lg_at_text_is(mode, "NONE"))
		a->choice = LG_CHOICE_NONE;
	else if (lg_at_text_is(mode, "ANY"))
		a->choice = LG_CHOICE_ANY;
	if (!lg_at_is(name) || a->choice == LG_CHOICE_NONE)
		return;
	a->choice = LG_CHOICE_NAMED;
	a->chosen = lg_at_str(name);
	if (lg_at_is(lg_at_next(names, name)))
		lg_ask_cannot(a, "toolConfig");
}

static void config(struct lg_ask *a, struct lg_at c)
{
	struct lg_at count = lg_at_get(c, "candidateCount|candidate_count");
	struct lg_at mime = lg_at_get(c, "responseMimeType|response_mime_type");
	struct lg_at thinking = lg_at_get(c, "thinkingConfig|thinking_config");
	struct lg_at kinds = lg_at_get(c, "responseModalities|"
					  "response_modalities");
	struct lg_at kind = lg_at_first(kinds);

	a->max = lg_at_get(c, "maxOutputTokens|max_output_tokens");
	a->temperature = lg_at_get(c, "temperature");
	a->top_p = lg_at_get(c, "topP|top_p");
	a->top_k = lg_at_get(c, "topK|top_k");
	a->stop = lg_at_get(c, "stopSequences|stop_sequences");
	a->seed = lg_at_get(c, "seed");
	a->wants_thoughts = lg_at_is_true(
		lg_at_get(thinking, "includeThoughts|include_thoughts"));
	if (lg_at_says(count) && lg_at_u64(count) > 1)
		lg_ask_cannot(a, "candidateCount");
	for (; lg_at_is(kind); kind = lg_at_next(kinds, kind))
		if (!lg_at_text_is(kind, "TEXT"))
			lg_ask_cannot(a, "responseModalities");
	lg_ask_without(a, lg_at_get(c, "responseLogprobs|response_logprobs"),
		       "logprobs");
	if (lg_at_text_is(mime, "application/json"))
		a->format = LG_FORMAT_JSON;
	else if (lg_at_says(mime) && !lg_at_text_is(mime, "text/plain"))
		lg_ask_cannot(a, "responseMimeType");
	a->schema = lg_at_get(c, "responseJsonSchema|response_json_schema");
	if (!lg_at_says(a->schema)) {
		a->schema = lg_at_get(c, "responseSchema|response_schema");
		a->schema_typed = true;
	}
	if (lg_at_says(a->schema))
		a->format = LG_FORMAT_SCHEMA;
}

static void read(struct lg_ask *a, struct lg_at r, struct lg_slice target)
{
	struct lg_at sys = lg_at_get(r, "systemInstruction|system_instruction");
	struct lg_at list = lg_at_get(r, "contents"), v;

	config(a, lg_at_get(r, "generationConfig|generation_config"));
	a->stream = lg_slice_icontains(target, LG_SLICE(":streamGenerate"));
	a->model = lg_at_get(r, "model");
	lg_ask_without(a, lg_at_get(r, "cachedContent|cached_content"),
		       "cachedContent");
	if (lg_at_says(sys))
		content(a, sys, LG_SAY_SYSTEM);
	if (lg_at_type(list) == LG_TREE_OBJECT)
		turn(a, list);
	else if (lg_at_type(list) != LG_TREE_ARRAY)
		lg_ask_cannot(a, "contents");
	else
		for (v = lg_at_first(list); lg_at_is(v);
		     v = lg_at_next(list, v))
			turn(a, v);
	list = lg_at_get(r, "tools");
	for (v = lg_at_first(list); lg_at_is(v); v = lg_at_next(list, v))
		tool(a, v);
	choice(a, lg_at_get(r, "toolConfig|tool_config"));
}

/* -- the answer ----------------------------------------------------------- */

static const char *const stops[] = {"STOP", "STOP", "MAX_TOKENS", "STOP",
				    "SAFETY"};

static void put_tail(struct lg_reply *r, bool usage)
{
	uint64_t in = lg_reply_input(r), out = lg_reply_output(r);

	if (usage)
		lg_put(&r->json,
		       ",\"usageMetadata\":{\"promptTokenCount\":%u,"
		       "\"candidatesTokenCount\":%u,\"totalTokenCount\":%u,"
		       "\"cachedContentTokenCount\":%u,"
		       "\"thoughtsTokenCount\":%u}",
		       in, r->usage.n[LG_BUCKET_OUTPUT], in + out,
		       r->usage.n[LG_BUCKET_CACHE_READ],
		       r->usage.n[LG_BUCKET_REASONING]);
	lg_put(&r->json, ",\"modelVersion\":%q,\"responseId\":\"",
	       lg_slice_str(r->model));
	lg_reply_put_id(r, &r->json, "", 0, 22);
	lg_put(&r->json, "\"}");
}

static void parts_begin(struct lg_reply *r)
{
	lg_put(&r->json, "{\"candidates\":[{\"content\":{\"parts\":[");
}

static void parts_end(struct lg_reply *r, const char *stop)
{
	lg_put(&r->json, "],\"role\":\"model\"}");
	if (stop)
		lg_put(&r->json, ",\"finishReason\":\"%s\"", stop);
	lg_put(&r->json, ",\"index\":0}]");
}

static void put_text(struct lg_reply *r, struct lg_slice raw, bool thought)
{
	lg_put(&r->json, "{\"text\":%q%s}", raw,
	       thought ? ",\"thought\":true" : "");
}

static void put_call(struct lg_reply *r, const struct lg_reply_call *c)
{
	lg_put(&r->json, "{\"functionCall\":{\"name\":%q,\"args\":",
	       lg_slice_str(c->name));
	lg_reply_put_object(r, c);
	lg_put(&r->json, "}}");
}

static void piece(struct lg_reply *r, struct lg_slice raw)
{
	if (r->block == LG_BLOCK_CALL)
		return;
	parts_begin(r);
	put_text(r, raw, r->block == LG_BLOCK_THOUGHT);
	parts_end(r, NULL);
	put_tail(r, false);
	lg_reply_emit(r, NULL);
}

static void close_block(struct lg_reply *r)
{
	if (r->block != LG_BLOCK_CALL)
		return;
	parts_begin(r);
	put_call(r, &r->call[r->ncalls - 1]);
	parts_end(r, NULL);
	put_tail(r, false);
	lg_reply_emit(r, NULL);
}

static void end(struct lg_reply *r)
{
	parts_begin(r);
	put_text(r, LG_SLICE(""), false);
	parts_end(r, stops[r->stop]);
	put_tail(r, r->usage.flags & LG_USAGE_PRESENT);
	lg_reply_emit(r, NULL);
}

static void whole(struct lg_reply *r)
{
	const char *comma = "";
	unsigned i;

	parts_begin(r);
	if (r->thought.len) {
		put_text(r, lg_buf_slice(&r->thought), true);
		comma = ",";
	}
	if (r->text.len) {
		lg_put(&r->json, "%s", comma);
		put_text(r, lg_buf_slice(&r->text), false);
		comma = ",";
	}
	for (i = 0; i < r->ncalls; i++, comma = ",") {
		lg_put(&r->json, "%s", comma);
		put_call(r, &r->call[i]);
	}
	parts_end(r, stops[r->stop]);
	put_tail(r, r->usage.flags & LG_USAGE_PRESENT);
}

static const char *error_status(unsigned status)
{
	static const struct {
		unsigned status;
		const char *name;
	} names[] = {
		{400, "INVALID_ARGUMENT"},   {401, "UNAUTHENTICATED"},
		{403, "PERMISSION_DENIED"},  {404, "NOT_FOUND"},
		{429, "RESOURCE_EXHAUSTED"}, {503, "UNAVAILABLE"},
		{504, "DEADLINE_EXCEEDED"},
	};
	unsigned i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].status == status)
			return names[i].name;
	return status < 500 ? "INVALID_ARGUMENT" : "INTERNAL";
}

static void error(struct lg_reply *r, unsigned status, struct lg_slice message,
		  bool in_stream)
{
	(void)in_stream;
	lg_put(&r->json,
	       "{\"error\":{\"code\":%d,\"message\":%q,\"status\":\"%s\"}}",
	       status, message, error_status(status));
}

/* Without alt=sse a stream is one array. */
static enum lg_framing framing(struct lg_slice target)
{
	struct lg_slice path, query = lg_slice_cut(target, '?', &path), item;

	while (query.len) {
		query = lg_slice_cut(query, '&', &item);
		if (lg_slice_ieq(item, LG_SLICE("alt=sse")) ||
		    lg_slice_ieq(item, LG_SLICE("$alt=sse")) ||
		    lg_slice_ieq(item, LG_SLICE("%24alt=sse")))
			return LG_FRAMING_SSE;
	}
	return LG_FRAMING_ARRAY;
}

static const struct lg_voice voice = {
	.framing = LG_FRAMING_ARRAY,
	.piece = piece,
	.close = close_block,
	.end = end,
	.whole = whole,
	.error = error,
	.error_bare = true,
};

const struct lg_speech lg_speech_gemini = {
	.dialect = "gemini-generate",
	.read = read,
	.voice = &voice,
	.framing = framing,
};
