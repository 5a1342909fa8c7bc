#include "llm/translate.h"

/*
 * What is asked, written for the two kinds of servers. A message of many parts
 * is one string where it is text alone: not every server's template takes a
 * list. Results of tools are messages of their own and come first.
 */

static const char *const roles[] = {"system", "user", "assistant"};

static const char *const choices[] = {"\"auto\"", "\"none\"", "\"required\""};

/* One member of the request, if it is said. */
static void put_member(struct lg_buf *out, const char *name, struct lg_at v)
{
	if (lg_at_says(v))
		lg_put(out, ",\"%s\":%r", name, lg_at_raw(v));
}

static void put_model(const struct lg_ask *a, struct lg_slice model,
		      struct lg_buf *out)
{
	if (model.len)
		lg_put(out, "{\"model\":%j", model);
	else
		lg_put(out, "{\"model\":%q", lg_at_str(a->model));
}

/* An object, which may stand as a JSON text in a string. */
static void put_object(struct lg_ask *a, struct lg_at v, struct lg_buf *out)
{
	struct lg_tree t = {0};
	size_t from = out->len;

	if (lg_at_type(v) != LG_TREE_STRING) {
		lg_put(out, "%r", lg_at_raw(v));
		return;
	}
	lg_tree_put_decoded(out, lg_at_str(v));
	if (out->overflow)
		return;
	if (lg_tree_parse(&t,
			  (struct lg_slice){out->p + from, out->len - from}) ||
	    lg_at_type(lg_tree_root(&t)) != LG_TREE_OBJECT)
		lg_ask_cannot(a, "object");
	lg_tree_fini(&t);
}

static bool is_type(struct lg_slice s)
{
	static const char *const types[] = {"STRING",  "NUMBER", "INTEGER",
					    "BOOLEAN", "ARRAY",	 "OBJECT",
					    "NULL"};
	unsigned i;

	for (i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (lg_slice_eq(s, lg_slice_str(types[i])))
			return true;
	return false;
}

static void put_lower(struct lg_buf *out, struct lg_slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		lg_buf_putc(out, (char)(s.p[i] | 0x20));
}

/* A schema; typed: with its types in small letters. */
static void put_schema(struct lg_ask *a, struct lg_at schema, bool typed,
		       struct lg_buf *out)
{
	struct lg_slice all = lg_at_raw(schema), word;
	const char *from = all.p, *end = all.p + all.len;
	const struct lg_tree_node *n = schema.tree->node;
	uint32_t i, last;

	if (!typed || lg_at_type(schema) == LG_TREE_STRING)
		return put_object(a, schema, out);
	last = n[schema.n].next;
	for (i = schema.n + 1; i + 1 < last; i++) {
		struct lg_at key = {schema.tree, i}, v = {schema.tree, i + 1};

		word = lg_at_str(v);
		if (!n[i].key || !lg_at_text_is(key, "type") || !is_type(word))
			continue;
		lg_buf_put(out, from, (size_t)(word.p - from));
		put_lower(out, word);
		from = word.p + word.len;
	}
	lg_buf_put(out, from, (size_t)(end - from));
}

static void put_tools(struct lg_ask *a, struct lg_buf *out)
{
	const struct lg_say_tool *t;
	uint32_t i;

	for (i = 0; i < a->ntools; i++) {
		t = &a->tool[i];
		lg_put(out,
		       "%s{\"type\":\"function\",\"function\":{\"name\":%q",
		       i ? "," : ",\"tools\":[", t->name);
		put_member(out, "description", t->description);
		lg_buf_puts(out, ",\"parameters\":");
		if (lg_at_says(t->schema))
			put_schema(a, t->schema, t->typed, out);
		else
			lg_buf_puts(out, "{\"type\":\"object\","
					 "\"properties\":{}}");
		lg_put(out, "%s}}", t->strict ? ",\"strict\":true" : "");
	}
	if (i)
		lg_buf_putc(out, ']');
}

/* The end of the message that begins at i. */
static uint32_t message_end(const struct lg_ask *a, uint32_t i)
{
	for (i++; i < a->nsay && !a->say[i].first; i++)
		;
	return i;
}

static void put_text(const struct lg_say *s, struct lg_buf *out)
{
	if (s->kind == LG_SAY_JSON)
		lg_tree_put_escaped(out, lg_at_raw(s->value));
	else
		lg_put(out, "%r", s->text);
}

static bool is_text(const struct lg_say *s)
{
	return s->kind == LG_SAY_TEXT || s->kind == LG_SAY_JSON;
}

static bool is_picture(const struct lg_say *s)
{
	return s->kind == LG_SAY_IMAGE || s->kind == LG_SAY_URL;
}

/* All texts from i to end that are a result's, or are none's. */
static void put_texts(const struct lg_ask *a, uint32_t i, uint32_t end,
		      bool of_result, struct lg_buf *out)
{
	const char *between = "";

	lg_buf_putc(out, '"');
	for (; i < end; i++) {
		const struct lg_say *s = &a->say[i];

		if (of_result && s->kind == LG_SAY_RESULT)
			break;
		if (!is_text(s) || s->of_result != of_result)
			continue;
		lg_buf_puts(out, between);
		put_text(s, out);
		between = "\\n";
	}
	lg_buf_putc(out, '"');
}

static void put_id(const struct lg_say *s, struct lg_buf *out)
{
	if (s->serial)
		lg_put(out, "\"call_%d\"", s->serial);
	else
		lg_put(out, "\"%r\"", s->id);
}

static const char *comma(bool *first)
{
	const char *s = *first ? "" : ",";

	*first = false;
	return s;
}

/* What a message has of which kinds. */
struct has {
	bool text, picture, call;
};

static struct has look(const struct lg_ask *a, uint32_t i, uint32_t end)
{
	struct has h = {0};

	for (; i < end; i++) {
		const struct lg_say *s = &a->say[i];

		h.text |= is_text(s) && !s->of_result;
		h.picture |= is_picture(s);
		h.call |= s->kind == LG_SAY_CALL;
	}
	return h;
}

/* -- chat completions ----------------------------------------------------- */

static void put_parts(const struct lg_ask *a, uint32_t i, uint32_t end,
		      struct lg_buf *out)
{
	bool first = true;

	lg_buf_putc(out, '[');
	for (; i < end; i++) {
		const struct lg_say *s = &a->say[i];

		if (is_text(s) && !s->of_result) {
			lg_put(out, "%s{\"type\":\"text\",\"text\":\"",
			       comma(&first));
			put_text(s, out);
			lg_buf_puts(out, "\"}");
		} else if (is_picture(s)) {
			lg_put(out,
			       "%s{\"type\":\"image_url\",\"image_url\":{"
			       "\"url\":\"",
			       comma(&first));
			if (s->kind == LG_SAY_IMAGE)
				lg_put(out, "data:%r;base64,", s->mime);
			lg_put(out, "%r\"}}", s->text);
		}
	}
	lg_buf_putc(out, ']');
}

static void put_calls(const struct lg_ask *a, uint32_t i, uint32_t end,
		      struct lg_buf *out)
{
	bool first = true;

	lg_buf_puts(out, ",\"tool_calls\":[");
	for (; i < end; i++) {
		const struct lg_say *s = &a->say[i];

		if (s->kind != LG_SAY_CALL)
			continue;
		lg_put(out, "%s{\"id\":", comma(&first));
		put_id(s, out);
		lg_put(out,
		       ",\"type\":\"function\",\"function\":{\"name\":\"%r\","
		       "\"arguments\":",
		       s->name);
		if (lg_at_type(s->value) == LG_TREE_STRING)
			lg_put(out, "%r", lg_at_raw(s->value));
		else
			lg_put(out, "%j",
			       lg_at_says(s->value) ? lg_at_raw(s->value)
						    : LG_SLICE("{}"));
		lg_buf_puts(out, "}}");
	}
	lg_buf_putc(out, ']');
}

static void put_results(const struct lg_ask *a, uint32_t i, uint32_t end,
			bool *first, struct lg_buf *out)
{
	for (; i < end; i++) {
		const struct lg_say *s = &a->say[i];

		if (s->kind != LG_SAY_RESULT)
			continue;
		lg_put(out,
		       "%s{\"role\":\"tool\",\"tool_call_id\":", comma(first));
		put_id(s, out);
		lg_buf_puts(out, ",\"content\":");
		put_texts(a, i + 1, end, true, out);
		lg_buf_putc(out, '}');
	}
}

static void put_message(const struct lg_ask *a, uint32_t i, uint32_t end,
			bool *first, struct lg_buf *out)
{
	struct has h = look(a, i, end);
	uint8_t role = a->say[i].role;

	put_results(a, i, end, first, out);
	if (!h.text && !h.picture && !h.call)
		return;
	lg_put(out, "%s{\"role\":\"%s\",\"content\":", comma(first),
	       roles[role]);
	if (h.picture)
		put_parts(a, i, end, out);
	else if (h.text)
		put_texts(a, i, end, false, out);
	else
		lg_buf_puts(out, "null");
	if (h.call)
		put_calls(a, i, end, out);
	lg_buf_putc(out, '}');
}

static void put_choice(const struct lg_ask *a, struct lg_buf *out)
{
	if (a->single_calls)
		lg_buf_puts(out, ",\"parallel_tool_calls\":false");
	if (a->choice == LG_CHOICE_NAMED)
		lg_put(out,
		       ",\"tool_choice\":{\"type\":\"function\",\"function\":"
		       "{\"name\":\"%r\"}}",
		       a->chosen);
	else if (a->choice != LG_CHOICE_AUTO)
		lg_put(out, ",\"tool_choice\":%s", choices[a->choice]);
}

static void put_format(struct lg_ask *a, struct lg_buf *out)
{
	if (a->format == LG_FORMAT_TEXT)
		return;
	if (a->format == LG_FORMAT_JSON)
		return lg_put(out, ",\"response_format\":{\"type\":"
				   "\"json_object\"}");
	lg_put(out,
	       ",\"response_format\":{\"type\":\"json_schema\","
	       "\"json_schema\":{\"name\":\"%r\",\"schema\":",
	       a->schema_name.len ? a->schema_name : LG_SLICE("answer"));
	put_schema(a, a->schema, a->schema_typed, out);
	lg_put(out, "%s}}", a->schema_strict ? ",\"strict\":true" : "");
}

void lg_ask_put_openai(struct lg_ask *a, struct lg_slice model,
		       struct lg_buf *out)
{
	bool first = true;
	uint32_t i, end;

	put_model(a, model, out);
	lg_buf_puts(out, ",\"messages\":[");
	for (i = 0; i < a->nsay; i = end) {
		end = message_end(a, i);
		put_message(a, i, end, &first, out);
	}
	lg_buf_putc(out, ']');
	put_tools(a, out);
	if (a->ntools)
		put_choice(a, out);
	put_format(a, out);
	put_member(out, "max_tokens", a->max);
	put_member(out, "temperature", a->temperature);
	put_member(out, "top_p", a->top_p);
	put_member(out, "stop", a->stop);
	put_member(out, "seed", a->seed);
	if (a->stream)
		lg_buf_puts(out, ",\"stream\":true,\"stream_options\":{"
				 "\"include_usage\":true}");
	lg_buf_putc(out, '}');
}

/* -- Ollama --------------------------------------------------------------- */

static void put_images(const struct lg_ask *a, uint32_t i, uint32_t end,
		       struct lg_buf *out)
{
	bool first = true;

	lg_buf_puts(out, ",\"images\":[");
	for (; i < end; i++)
		if (a->say[i].kind == LG_SAY_IMAGE)
			lg_put(out, "%s\"%r\"", comma(&first), a->say[i].text);
	lg_buf_putc(out, ']');
}

static void put_arguments(struct lg_ask *a, struct lg_at v, struct lg_buf *out)
{
	if (!lg_at_says(v) ||
	    (lg_at_type(v) == LG_TREE_STRING && !lg_at_str(v).len))
		lg_buf_puts(out, "{}");
	else
		put_object(a, v, out);
}

static void ollama_calls(struct lg_ask *a, uint32_t i, uint32_t end,
			 struct lg_buf *out)
{
	bool first = true;

	lg_buf_puts(out, ",\"tool_calls\":[");
	for (; i < end; i++) {
		const struct lg_say *s = &a->say[i];

		if (s->kind != LG_SAY_CALL)
			continue;
		lg_put(out, "%s{\"function\":{\"name\":\"%r\",\"arguments\":",
		       comma(&first), s->name);
		put_arguments(a, s->value, out);
		lg_buf_puts(out, "}}");
	}
	lg_buf_putc(out, ']');
}

static void ollama_results(const struct lg_ask *a, uint32_t i, uint32_t end,
			   bool *first, struct lg_buf *out)
{
	for (; i < end; i++) {
		const struct lg_say *s = &a->say[i];

		if (s->kind != LG_SAY_RESULT)
			continue;
		lg_put(out,
		       "%s{\"role\":\"tool\",\"tool_name\":\"%r\","
		       "\"content\":",
		       comma(first), lg_ask_name_of(a, s));
		put_texts(a, i + 1, end, true, out);
		lg_buf_putc(out, '}');
	}
}

static void ollama_message(struct lg_ask *a, uint32_t i, uint32_t end,
			   bool *first, struct lg_buf *out)
{
	struct has h = look(a, i, end);

	ollama_results(a, i, end, first, out);
	if (!h.text && !h.picture && !h.call)
		return;
	lg_put(out, "%s{\"role\":\"%s\",\"content\":", comma(first),
	       roles[a->say[i].role]);
	put_texts(a, i, end, false, out);
	if (h.picture)
		put_images(a, i, end, out);
	if (h.call)
		ollama_calls(a, i, end, out);
	lg_buf_putc(out, '}');
}

static void ollama_option(struct lg_buf *out, bool *first, const char *name,
			  struct lg_at v)
{
	if (lg_at_says(v))
		lg_put(out, "%s\"%s\":%r", *first ? ",\"options\":{" : ",",
		       name, lg_at_raw(v));
	*first &= !lg_at_says(v);
}

static void ollama_options(const struct lg_ask *a, struct lg_buf *out)
{
	bool first = true;

	ollama_option(out, &first, "num_predict", a->max);
	ollama_option(out, &first, "temperature", a->temperature);
	ollama_option(out, &first, "top_p", a->top_p);
	ollama_option(out, &first, "top_k", a->top_k);
	ollama_option(out, &first, "seed", a->seed);
	if (lg_at_type(a->stop) == LG_TREE_STRING)
		lg_put(out, "%s\"stop\":[%r]", first ? ",\"options\":{" : ",",
		       lg_at_raw(a->stop));
	else
		ollama_option(out, &first, "stop", a->stop);
	if (!first || lg_at_type(a->stop) == LG_TREE_STRING)
		lg_buf_putc(out, '}');
}

static void ollama_messages(struct lg_ask *a, struct lg_buf *out)
{
	bool first = true;
	uint32_t i, end;

	lg_buf_puts(out, ",\"messages\":[");
	for (i = 0; i < a->nsay; i = end) {
		end = message_end(a, i);
		ollama_message(a, i, end, &first, out);
	}
	lg_buf_putc(out, ']');
}

void lg_ask_put_ollama(struct lg_ask *a, struct lg_slice model,
		       struct lg_buf *out)
{
	put_model(a, model, out);
	if (a->raw)
		lg_put(out, ",\"prompt\":%r,\"raw\":true",
		       lg_at_raw(a->prompt));
	else
		ollama_messages(a, out);
	if (a->choice != LG_CHOICE_NONE)
		put_tools(a, out);
	if (a->format == LG_FORMAT_JSON)
		lg_buf_puts(out, ",\"format\":\"json\"");
	if (a->format == LG_FORMAT_SCHEMA) {
		lg_buf_puts(out, ",\"format\":");
		put_schema(a, a->schema, a->schema_typed, out);
	}
	ollama_options(a, out);
	lg_put(out, ",\"stream\":%b}", a->stream);
}
