#include "guard/translate.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/tree.h"
#include "llm/translate.h"
#include "wire/eventstream.h"
#include "wire/lines.h"
#include "wire/sse.h"

#define VALUE_MAX ((size_t)32 << 20) /* one of a stream, or a body */
#define ERROR_MAX ((size_t)64 << 10) /* of a body that tells an error */

/* What a server's answer turned out to be. */
enum body_kind {
	BODY_JSON,
	BODY_SSE,
	BODY_LINES,
	BODY_ERROR,
};

struct lg_translation {
	const char *path;
	bool same; /* the server speaks the program's dialect: it is copied */
	enum lg_local_kind kind;
	enum lg_framing framing;
	const char *(*fields)(unsigned status);

	enum body_kind body;
	unsigned status; /* of the server */
	char type[96];	 /* likewise */
	struct lg_sse sse;
	struct lg_buf value;
	struct lg_tree tree;
	struct lg_reply reply;

	struct lg_buf *out; /* while fed */
	bool array_begun, flushed;
};

/* -- the request ---------------------------------------------------------- */

/* Which requests a server takes as they are. */
static const struct {
	enum lg_local_kind kind;
	const char *dialect, *path;
} direct[] = {
	{LG_LOCAL_OPENAI, "openai-chat", "/v1/chat/completions"},
	{LG_LOCAL_OPENAI, "openai-completions", "/v1/completions"},
	{LG_LOCAL_OLLAMA, "ollama-chat", "/api/chat"},
	{LG_LOCAL_OLLAMA, "ollama-generate", "/api/generate"},
};

static const char *direct_path(const struct lg_translate_ask *ask)
{
	unsigned i;

	for (i = 0; i < sizeof(direct) / sizeof(*direct); i++)
		if (direct[i].kind == ask->kind &&
		    !strcmp(direct[i].dialect, ask->dialect->name))
			return direct[i].path;
	return NULL;
}

static const char *path_of(const struct lg_translate_ask *ask,
			   const struct lg_ask *a)
{
	if (ask->kind == LG_LOCAL_OPENAI)
		return "/v1/chat/completions";
	return a->raw ? "/api/generate" : "/api/chat";
}

/* Copy up to `at`, then something else in its place. */
static const char *replace(struct lg_buf *out, const char *from,
			   struct lg_at at, struct lg_slice by)
{
	struct lg_slice raw = lg_at_raw(at);

	lg_buf_put(out, from, (size_t)(raw.p - from));
	lg_buf_put_json(out, by);
	return raw.p + raw.len;
}

/* Templates of models know no developer: they would leave it out. */
static const char *put_roles(struct lg_buf *out, const char *from,
			     struct lg_at list)
{
	struct lg_at m;

	for (m = lg_at_first(list); lg_at_is(m); m = lg_at_next(list, m)) {
		struct lg_at role = lg_at_get(m, "role");

		if (lg_at_text_is(role, "developer"))
			from = replace(out, from, role, LG_SLICE("system"));
	}
	return from;
}

/* The same request for the server's model. */
static void put_same(struct lg_at root, struct lg_slice model,
		     struct lg_buf *out)
{
	struct lg_slice all = lg_at_raw(root);
	const char *from = all.p;
	bool named = lg_at_is(lg_at_get(root, "model"));
	struct lg_at k, v;

	if (!named && model.len) {
		lg_put(out, "{\"model\":%j%s", model,
		       lg_at_is(lg_at_first(root)) ? "," : "");
		from++;
	}
	for (k = lg_at_first(root); lg_at_is(k); k = lg_at_next(root, v)) {
		v = lg_at_next(root, k);
		if (model.len && lg_at_text_is(k, "model"))
			from = replace(out, from, v, model);
		else if (lg_at_text_is(k, "messages"))
			from = put_roles(out, from, v);
	}
	lg_buf_put(out, from, (size_t)(all.p + all.len - from));
}

/* What the server has no word for. */
static void check(struct lg_ask *a, const struct lg_translate_ask *ask)
{
	bool forced =
		a->choice == LG_CHOICE_ANY || a->choice == LG_CHOICE_NAMED;

	if (!ask->model.len && !lg_at_str(a->model).len)
		lg_ask_cannot(a, "model");
	if (!a->nsay && !a->raw)
		lg_ask_cannot(a, "messages");
	if (a->same || ask->kind == LG_LOCAL_OPENAI)
		return;
	if (forced && a->ntools)
		lg_ask_cannot(a, "tool_choice");
}

static int read_ask(struct lg_translation *t, struct lg_ask *a,
		    const struct lg_speech *speech,
		    const struct lg_translate_ask *ask, struct lg_buf *body)
{
	struct lg_at root;
	int err = lg_tree_parse(&t->tree, ask->body);

	if (err)
		return err;
	root = lg_tree_root(&t->tree);
	if (lg_at_type(root) != LG_TREE_OBJECT)
		return -EPROTO;
	a->same = t->same;
	a->takes_urls = t->same || ask->kind == LG_LOCAL_OPENAI;
	speech->read(a, root, ask->target);
	check(a, ask);
	if (a->err || a->why)
		return a->err ? a->err : -ENOTSUP;
	if (t->same)
		put_same(root, ask->model, body);
	else if (ask->kind == LG_LOCAL_OPENAI)
		lg_ask_put_openai(a, ask->model, body);
	else
		lg_ask_put_ollama(a, ask->model, body);
	if (a->why)
		return -ENOTSUP;
	return body->overflow ? -EMSGSIZE : 0;
}

static void emit(void *ctx, const char *name, struct lg_slice json);

static void put_model(struct lg_translation *t, const struct lg_ask *a,
		      struct lg_slice model)
{
	struct lg_reply *r = &t->reply;
	struct lg_buf b;

	lg_buf_init_fixed(&b, r->model, sizeof(r->model) - 1);
	if (model.len)
		lg_tree_put_escaped(&b, model);
	else
		lg_tree_put_clean(&b, lg_at_str(a->model));
	r->model[b.len] = 0;
}

static void prepare(struct lg_translation *t, const struct lg_ask *a,
		    const struct lg_speech *speech,
		    const struct lg_translate_ask *ask)
{
	struct lg_reply *r = &t->reply;

	r->voice = t->same ? NULL : speech->voice;
	r->stream = a->stream;
	r->wants_usage = a->wants_usage;
	r->wants_thoughts = a->wants_thoughts;
	r->now_ms = ask->now_ms;
	r->seed = ask->seed;
	r->emit = emit;
	r->ctx = t;
	put_model(t, a, ask->model);
	t->path = t->same ? direct_path(ask) : path_of(ask, a);
	t->framing = speech->framing ? speech->framing(ask->target)
				     : speech->voice->framing;
	t->fields = speech->fields;
}

int lg_translation_new(const struct lg_translate_ask *ask, struct lg_buf *body,
		       struct lg_translation **out, const char **why)
{
	const struct lg_speech *speech = lg_speech_of(ask->dialect->name);
	struct lg_translation *t;
	struct lg_ask a = {0};
	int err;

	body->len = 0;
	*why = "dialect";
	if (!speech ||
	    (ask->kind == LG_LOCAL_OPENAI &&
	     speech == &lg_speech_openai_completions && !direct_path(ask)))
		return -ENOTSUP;
	t = lg_mem_alloc(sizeof(*t));
	*why = "memory";
	if (!t)
		return -ENOMEM;
	t->kind = ask->kind;
	t->same = direct_path(ask) != NULL;
	lg_reply_init(&t->reply, VALUE_MAX);
	lg_buf_init(&t->value, VALUE_MAX);
	err = read_ask(t, &a, speech, ask, body);
	*why = a.why ? a.why : err == -EPROTO ? "body" : err ? "size" : NULL;
	if (!err)
		prepare(t, &a, speech, ask);
	lg_ask_fini(&a);
	if (!err)
		*out = t;
	else
		lg_translation_del(t);
	return err;
}

void lg_translation_del(struct lg_translation *t)
{
	if (!t)
		return;
	lg_reply_fini(&t->reply);
	lg_buf_fini(&t->value);
	lg_tree_fini(&t->tree);
	lg_mem_free(t, sizeof(*t));
}

const char *lg_translation_path(const struct lg_translation *t)
{
	return t->path;
}

bool lg_translation_copies(const struct lg_translation *t)
{
	return t->same;
}

bool lg_translation_streams(const struct lg_translation *t)
{
	return t->reply.stream;
}

/* -- what the program reads ----------------------------------------------- */

/*
 * Google's client takes JSON for an error that arrives alone. Behind an event
 * it does so for what no blank line ends.
 */
static void emit_error(struct lg_translation *t, struct lg_slice json)
{
	const struct lg_voice *v = t->reply.voice;

	if (t->framing == LG_FRAMING_AWS)
		lg_eventstream_put_exception(
			t->out, lg_slice_str(v->error_event), json);
	else
		lg_put(t->out, "%r", json);
}

static void emit_item(struct lg_translation *t, struct lg_slice json)
{
	lg_put(t->out, "%s%r", t->array_begun ? ",\r\n" : "[", json);
	t->array_begun = true;
}

static void emit(void *ctx, const char *name, struct lg_slice json)
{
	struct lg_translation *t = ctx;
	const struct lg_reply *r = &t->reply;
	size_t from = t->out->len;

	if (r->failed &&
	    (t->framing == LG_FRAMING_AWS ||
	     (t->framing == LG_FRAMING_SSE && r->voice->error_bare)))
		emit_error(t, json);
	else if (t->framing == LG_FRAMING_NAMED)
		lg_put(t->out, "event: %s\ndata: %r\n\n", name, json);
	else if (t->framing == LG_FRAMING_SSE)
		lg_put(t->out, "data: %r\n\n", json);
	else if (t->framing == LG_FRAMING_LINES)
		lg_put(t->out, "%r\n", json);
	else if (t->framing == LG_FRAMING_ARRAY)
		emit_item(t, json);
	else
		lg_eventstream_put_event(t->out, lg_slice_str(name), json);
	if (t->out->overflow || t->out->len == from)
		t->reply.err = -EMSGSIZE;
}

/* Was all told as a stream? Else it is one value. */
static bool is_stream(const struct lg_reply *r)
{
	return r->stream && (r->begun || !r->failed);
}

static void flush(struct lg_translation *t)
{
	struct lg_reply *r = &t->reply;

	if (!r->ended || t->flushed || !r->voice)
		return;
	t->flushed = true;
	if (!is_stream(r))
		lg_put(t->out, "%r", lg_buf_slice(&r->json));
	else if (t->framing == LG_FRAMING_ARRAY)
		lg_put(t->out, "]");
	if (r->json.overflow || t->out->overflow)
		r->err = -EMSGSIZE;
	r->json.len = 0;
}

/* -- what the server says ------------------------------------------------- */

static void fail(struct lg_translation *t, const char *message)
{
	lg_reply_fail(&t->reply, 502, lg_slice_str(message));
}

/* One value is whole. */
static void value_done(struct lg_translation *t)
{
	struct lg_reply *r = &t->reply;
	int err;

	if (r->ended || !lg_slice_trim(lg_buf_slice(&t->value)).len)
		return;
	err = lg_tree_parse(&t->tree, lg_buf_slice(&t->value));
	if (err == -EPROTO)
		fail(t, "the local model server did not answer in JSON");
	if (err) {
		fail(t, "the local model server's answer is too large");
		return;
	}
	if (t->kind == LG_LOCAL_OPENAI)
		lg_reply_read_openai(r, lg_tree_root(&t->tree));
	else
		lg_reply_read_ollama(r, lg_tree_root(&t->tree));
	if (t->body == BODY_LINES && r->stop)
		lg_reply_end(r, true);
}

static void on_piece(void *ctx, struct lg_slice piece)
{
	struct lg_translation *t = ctx;

	if (!t->reply.ended && lg_buf_put(&t->value, piece.p, piece.len))
		fail(t, "the local model server's answer is too large");
}

static void on_line(void *ctx)
{
	struct lg_translation *t = ctx;

	value_done(t);
	t->value.len = 0;
}

static void on_event(void *ctx, struct lg_slice name)
{
	struct lg_translation *t = ctx;

	(void)name;
	if (lg_slice_eq(lg_slice_trim(lg_buf_slice(&t->value)),
			LG_SLICE("[DONE]")))
		lg_reply_end(&t->reply, t->reply.begun);
	else
		value_done(t);
	t->value.len = 0;
}

static const struct lg_sse_sink events = {on_piece, on_event};
static const struct lg_lines_sink lines = {on_piece, on_line};

static enum body_kind kind_of(const struct lg_translation *t,
			      struct lg_slice type)
{
	if (t->status != 200)
		return BODY_ERROR;
	if (lg_slice_istarts(type, LG_SLICE("text/event-stream")))
		return BODY_SSE;
	if (lg_slice_icontains(type, LG_SLICE("ndjson")) ||
	    lg_slice_icontains(type, LG_SLICE("jsonl")))
		return BODY_LINES;
	if (!t->reply.stream ||
	    lg_slice_istarts(type, LG_SLICE("application/json")))
		return BODY_JSON;
	return t->kind == LG_LOCAL_OPENAI ? BODY_SSE : BODY_LINES;
}

void lg_translation_head(struct lg_translation *t, unsigned status,
			 struct lg_slice type)
{
	t->status = status;
	lg_slice_copy(type, t->type, sizeof(t->type));
	t->body = kind_of(t, type);
	lg_sse_init(&t->sse, &events, t);
}

/* {"error": ...}, FastAPI's {"detail": "..."}, vLLM's {"message": "..."} */
static void read_failure(struct lg_translation *t)
{
	unsigned status = t->status >= 400 && t->status < 600 ? t->status : 502;
	struct lg_at root, said = {0};

	if (!lg_tree_parse(&t->tree, lg_buf_slice(&t->value))) {
		root = lg_tree_root(&t->tree);
		said = lg_at_get(root, "error|message|detail");
		if (lg_at_type(said) == LG_TREE_OBJECT)
			said = lg_at_get(said, "message");
	}
	lg_reply_fail(&t->reply, status,
		      lg_at_str(said).len
			      ? lg_at_str(said)
			      : LG_SLICE("the local model server refused the "
					 "request"));
}

static void take(struct lg_translation *t, const char *p, size_t len)
{
	switch (t->body) {
	case BODY_SSE:
		lg_sse_feed(&t->sse, p, len);
		break;
	case BODY_LINES:
		lg_lines_feed(&lines, t, p, len);
		break;
	case BODY_JSON:
		on_piece(t, (struct lg_slice){p, len});
		break;
	case BODY_ERROR:
		if (len > ERROR_MAX - t->value.len)
			len = ERROR_MAX - t->value.len;
		on_piece(t, (struct lg_slice){p, len});
		break;
	}
}

int lg_translation_feed(struct lg_translation *t, const char *p, size_t len,
			struct lg_buf *out)
{
	t->out = out;
	take(t, p, len);
	flush(t);
	if (t->same) {
		t->reply.err = 0;
		return lg_buf_put(out, p, len);
	}
	return t->reply.err;
}

int lg_translation_end(struct lg_translation *t, bool whole, struct lg_buf *out)
{
	struct lg_reply *r = &t->reply;

	t->out = out;
	if (t->body == BODY_ERROR)
		read_failure(t);
	else if (t->body == BODY_JSON && whole)
		value_done(t);
	else if (t->body == BODY_LINES && whole)
		on_line(t);
	/* A stream says how it ends. */
	if (t->body == BODY_SSE || t->body == BODY_LINES)
		whole = whole && r->stop;
	lg_reply_end(r, whole);
	flush(t);
	return t->same ? 0 : r->err;
}

unsigned lg_translation_status(const struct lg_translation *t)
{
	if (t->same)
		return t->status;
	return t->reply.failed && !is_stream(&t->reply) ? t->reply.failed_status
							: 200;
}

const char *lg_translation_type(const struct lg_translation *t)
{
	static const char *const types[] = {
		[LG_FRAMING_SSE] = "text/event-stream; charset=utf-8",
		[LG_FRAMING_NAMED] = "text/event-stream; charset=utf-8",
		[LG_FRAMING_LINES] = "application/x-ndjson",
		[LG_FRAMING_ARRAY] = "application/json; charset=UTF-8",
		[LG_FRAMING_AWS] = "application/vnd.amazon.eventstream",
	};

	if (t->same)
		return t->type;
	return is_stream(&t->reply) ? types[t->framing] : "application/json";
}

const char *lg_translation_fields(const struct lg_translation *t)
{
	return t->fields && !t->same ? t->fields(lg_translation_status(t)) : "";
}

void lg_translation_usage(const struct lg_translation *t, struct lg_usage *u)
{
	*u = t->reply.usage;
}

struct lg_slice lg_translation_model(const struct lg_translation *t)
{
	return lg_slice_str(t->reply.model);
}
