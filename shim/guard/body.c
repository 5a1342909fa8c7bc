#include "guard/body.h"

#include <string.h>

#include "base/mem.h"
#include "guard/body_form.h"
#include "guard/body_frames.h"
#include "ledger/row.h"
#include "llm/gateway.h"
#include "wire/http1.h"
#include "wire/lines.h"

#define DONE_MARK "[DONE]"

void lg_body_init(struct lg_body *b, struct lg_facts *facts,
		  struct lg_answer *answer)
{
	memset(b, 0, offsetof(struct lg_body, json));
	b->facts = facts;
	b->answer = answer;
}

void lg_body_fini(struct lg_body *b)
{
	lg_content_del(b->content);
	b->content = NULL;
	if (b->shapes)
		lg_mem_free(b->shapes, sizeof(*b->shapes));
	b->shapes = NULL;
	lg_body_frames_del(b->frames);
	b->frames = NULL;
	lg_body_form_del(b->form);
	b->form = NULL;
}

void lg_body_speak(struct lg_body *b, const struct lg_dialect *d)
{
	b->codec = d ? lg_codec_get(d) : NULL;
	b->d = d;
}

/* -- request ------------------------------------------------------------- */

static void on_request(void *ctx, int id, const struct lg_value *v)
{
	struct lg_body *b = ctx;

	b->d->on_request(b->facts, id, v);
}

static void scan_request(void *ctx, const char *p, size_t len)
{
	struct lg_body *b = ctx;

	b->facts->body_bytes += len;
	if (!b->codec)
		return;
	if (b->form) {
		lg_body_form_feed(b->form, p, len);
		return;
	}
	if (!b->scanning) {
		lg_json_init(&b->json, &b->codec->request, on_request, b);
		b->scanning = true;
	}
	lg_json_feed(&b->json, p, len);
}

void lg_body_request_head(struct lg_body *b, struct lg_slice type,
			  struct lg_slice coding)
{
	if (b->codec && b->d->form_fields &&
	    lg_slice_istarts(type, LG_SLICE("multipart/")) &&
	    !lg_body_form_new(b, type))
		b->flags |= LG_ROW_BAD_JSON;
	if (lg_content_new(coding, scan_request, b, &b->content))
		b->flags |= LG_ROW_UNDECODABLE;
}

void lg_body_request_feed(struct lg_body *b, const char *p, size_t n)
{
	if (b->flags & LG_ROW_UNDECODABLE)
		b->facts->body_bytes += n;
	else if (!b->content)
		scan_request(b, p, n);
	else if (lg_content_feed(b->content, p, n))
		b->flags |= LG_ROW_UNDECODABLE;
}

void lg_body_request_rest(struct lg_body *b, uint64_t rest)
{
	b->facts->body_bytes += rest;
	if (b->form)
		lg_body_form_rest(b->form, rest);
	else
		b->facts->prompt_bytes += rest;
}

/* Did all of the body mean something? */
static bool is_read(struct lg_body *b, bool whole)
{
	if (b->form)
		return lg_body_form_end(b->form) && whole;
	return whole && b->scanning && lg_json_end(&b->json) == LG_JSON_DONE;
}

void lg_body_request_end(struct lg_body *b, bool whole)
{
	bool read;

	if (b->content && whole && !(b->flags & LG_ROW_UNDECODABLE) &&
	    lg_content_end(b->content))
		b->flags |= LG_ROW_UNDECODABLE;
	read = is_read(b, whole);
	if (!(b->flags & LG_ROW_UNDECODABLE))
		b->facts->json_ok = read;
	if (whole && b->facts->body_bytes && !b->facts->json_ok && b->codec)
		b->flags |= LG_ROW_BAD_JSON;
	b->scanning = false;
	lg_content_del(b->content);
	b->content = NULL;
	lg_body_form_del(b->form);
	b->form = NULL;
}

/* -- parts of an answer --------------------------------------------------- */

/* What the next part must not inherit. */
static void clear_part(struct lg_answer *a)
{
	a->model[0] = a->variant[0] = a->usage_raw[0] = 0;
	memset(&a->usage, 0, sizeof(a->usage));
	memset(a->raw, 0, sizeof(a->raw));
	a->raw_has = 0;
	a->usage_final = false;
}

static void turn_part(struct lg_body *b)
{
	struct lg_answer *a = b->answer;
	enum lg_part part = (enum lg_part)a->part;

	a->part = LG_PART_NONE;
	if (part == LG_PART_DUE) {
		a->cache_1h = b->facts->cache_1h;
		b->d->finish(a);
	}
	if (b->on_part)
		b->on_part(b->ctx, part);
	if (part == LG_PART_DUE)
		clear_part(a);
}

static void check_part(struct lg_body *b)
{
	if (b->answer->part)
		turn_part(b);
}

/* -- the values of an answer ---------------------------------------------- */

static void on_response(void *ctx, int id, const struct lg_value *v)
{
	struct lg_body *b = ctx;

	b->d->on_response(b->answer, id, v);
	check_part(b);
}

static void on_event(void *ctx, int id, const struct lg_value *v)
{
	struct lg_body *b = ctx;

	b->d->on_event(b->answer, id, v);
	check_part(b);
}

static void value_begin(struct lg_body *b, struct lg_slice piece)
{
	b->scanning = true;
	if (!b->shapes)
		b->shapes = lg_mem_alloc(sizeof(*b->shapes));
	if (b->shapes) {
		lg_json_shapes_feed(b->shapes, &b->json, &b->codec->event,
				    on_event, b, piece.p, piece.len);
		return;
	}
	lg_json_init(&b->json, &b->codec->event, on_event, b);
	lg_json_feed(&b->json, piece.p, piece.len);
}

void lg_body_value(struct lg_body *b, struct lg_slice piece)
{
	if (b->scanning)
		lg_json_feed(&b->json, piece.p, piece.len);
	else
		value_begin(b, piece);
}

void lg_body_value_end(struct lg_body *b, struct lg_slice name, bool done)
{
	if (b->scanning && lg_json_end(&b->json) == LG_JSON_BAD && !done)
		b->flags |= LG_ROW_BAD_JSON;
	b->scanning = false;
	if (b->d->end_event)
		b->d->end_event(b->answer, name, done);
	check_part(b);
	if (b->near && !b->cut)
		b->cut = b->due(b->ctx);
}

static void sse_data(void *ctx, struct lg_slice piece)
{
	struct lg_body *b = ctx;

	if (!b->mark_len && piece.len >= sizeof(b->mark)) {
		memcpy(b->mark, piece.p, sizeof(b->mark));
		b->mark_len = sizeof(b->mark);
	}
	for (size_t i = 0; i < piece.len && b->mark_len < sizeof(b->mark); i++)
		b->mark[b->mark_len++] = piece.p[i];
	lg_body_value(b, piece);
}

static void sse_dispatch(void *ctx, struct lg_slice name)
{
	struct lg_body *b = ctx;
	struct lg_slice mark = {b->mark, b->mark_len};
	bool done = mark.len && mark.p[0] != '{' &&
		    lg_slice_eq(lg_slice_trim(mark), LG_SLICE(DONE_MARK));

	b->mark_len = 0;
	lg_body_value_end(b, name, done);
}

static const struct lg_sse_sink sse_sink = {sse_data, sse_dispatch};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void line_data(void *ctx, struct lg_slice piece)
{
	struct lg_body *b = ctx;

	/* what stands at its end may be inside of a string */
	while (!b->scanning && piece.len && is_space(*piece.p)) {
		piece.p++;
		piece.len--;
	}
	if (piece.len)
		lg_body_value(b, piece);
}

/* A value that is open at a line's end goes on in the next one. */
static void line_end(void *ctx)
{
	struct lg_body *b = ctx;

	if (!b->scanning)
		return;
	lg_json_feed(&b->json, "\n", 1);
	if (!lg_json_is_open(&b->json))
		lg_body_value_end(b, (struct lg_slice){"", 0}, false);
}

static const struct lg_lines_sink line_sink = {line_data, line_end};

/* -- the kind of an answer ------------------------------------------------- */

static void begin_json(struct lg_body *b)
{
	b->kind = LG_BODY_JSON;
	b->streamed = false;
	b->scanning = true;
	lg_json_init(&b->json, &b->codec->response, on_response, b);
}

static void begin_stream(struct lg_body *b, enum lg_body_kind kind)
{
	b->kind = b->d->event_fields ? kind : LG_BODY_OPAQUE;
	b->streamed = true;
	b->scanning = false;
	b->mark_len = 0;
	if (kind == LG_BODY_SSE)
		lg_sse_init(&b->sse, &sse_sink, b);
	else if (kind == LG_BODY_FRAMES && !lg_body_frames_new(b))
		b->kind = LG_BODY_OPAQUE;
}

/* A stream of lines was asked for, or the dialect knows nothing else. */
static bool is_lines(const struct lg_body *b)
{
	return b->d->lines && b->d->event_fields &&
	       (b->facts->stream || !b->d->response_fields);
}

/* An object or array is JSON, a word is SSE, whatever Content-Type says. */
static enum lg_body_kind kind_of_byte(char c, enum lg_body_kind otherwise)
{
	if (c == '{' || c == '[')
		return LG_BODY_JSON;
	if (c == ':' || c == 'd' || c == 'e' || c == 'i' || c == 'r')
		return LG_BODY_SSE;
	return otherwise;
}

/* Returns how much white space stands before the first byte that tells. */
static size_t sniff(struct lg_body *b, const char *p, size_t len)
{
	enum lg_body_kind kind;
	size_t i = 0;

	while (i < len && is_space(p[i]))
		i++;
	if (i == len)
		return len;
	kind = kind_of_byte(p[i], b->told);
	if (kind == LG_BODY_JSON && b->told == LG_BODY_SSE && is_lines(b))
		kind = LG_BODY_LINES;
	if (kind == LG_BODY_JSON)
		begin_json(b);
	else if (kind == LG_BODY_OPAQUE)
		b->kind = kind;
	else
		begin_stream(b, kind);
	return i;
}

static void scan(struct lg_body *b, const char *p, size_t len)
{
	b->bytes += len;
	if (b->kind == LG_BODY_SNIFF) {
		size_t skip = sniff(b, p, len);

		p += skip;
		len -= skip;
	}
	switch (b->kind) {
	case LG_BODY_JSON:
		lg_json_feed(&b->json, p, len);
		break;
	case LG_BODY_SSE:
		lg_sse_feed(&b->sse, p, len);
		break;
	case LG_BODY_LINES:
		lg_lines_feed(&line_sink, b, p, len);
		break;
	case LG_BODY_FRAMES:
		if (!lg_body_frames_feed(b->frames, p, len)) {
			b->flags |= LG_ROW_UNDECODABLE;
			b->kind = LG_BODY_OPAQUE;
		}
		break;
	case LG_BODY_UNSEEN:
	case LG_BODY_SNIFF:
	case LG_BODY_OPAQUE:
		break;
	}
}

/* The same piece by piece: it may have to end behind each of them. */
static void scan_watched(struct lg_body *b, const char *p, size_t len)
{
	size_t at = 0, n;

	b->near = !b->far(b->ctx, len) || b->kind == LG_BODY_JSON ||
		  b->kind == LG_BODY_SNIFF;
	if (!b->near && !b->cut) {
		scan(b, p, len);
		return;
	}
	/* of coded bytes all that arrived is shown, so all of it counts */
	while (at < len && (!b->cut || b->content)) {
		n = lg_body_piece(b, p + at, len - at);
		scan(b, p + at, n);
		at += n;
		if (b->kind == LG_BODY_JSON && b->array.ended &&
		    b->facts->stream && !b->cut)
			b->cut = b->due(b->ctx);
	}
	if (!b->cut)
		return;
	b->cut_at = at;
	b->cut_after = at ? p[at - 1] : '\0';
}

static void scan_answer(void *ctx, const char *p, size_t len)
{
	struct lg_body *b = ctx;

	if (b->due)
		scan_watched(b, p, len);
	else
		scan(b, p, len);
}

/* Types that say it, and how they begin. */
static const struct {
	struct lg_slice type;
	enum lg_body_kind kind;
} types[] = {
#define TYPE(text, kind)                                                       \
	{                                                                      \
		{text, sizeof(text) - 1}, kind                                 \
	}
	TYPE("text/event-stream", LG_BODY_SSE),
	TYPE("application/vnd.amazon.eventstream", LG_BODY_FRAMES),
	TYPE("application/x-ndjson", LG_BODY_LINES),
	TYPE("application/ndjson", LG_BODY_LINES),
	TYPE("application/stream+json", LG_BODY_LINES),
	TYPE("application/jsonl", LG_BODY_LINES),
	TYPE("application/x-jsonl", LG_BODY_LINES),
	TYPE("application/jsonlines", LG_BODY_LINES),
	TYPE("application/x-jsonlines", LG_BODY_LINES),
	TYPE("application/json-lines", LG_BODY_LINES),
#undef TYPE
};

static enum lg_body_kind kind_of_type(struct lg_slice type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (lg_slice_istarts(type, types[i].type))
			return types[i].kind;
	return LG_BODY_UNSEEN;
}

static void choose_kind(struct lg_body *b, struct lg_slice type,
			unsigned status)
{
	enum lg_body_kind kind = kind_of_type(type);

	if (!b->codec) {
		b->kind = LG_BODY_OPAQUE;
		return;
	}
	/* errors are plain JSON, whatever was asked for */
	if (kind == LG_BODY_UNSEEN && status < 400 && is_lines(b))
		kind = LG_BODY_LINES;
	if (kind == LG_BODY_LINES && status >= 400 && b->d->response_fields)
		kind = LG_BODY_JSON;
	if (kind == LG_BODY_UNSEEN &&
	    lg_slice_icontains(type, LG_SLICE("json")))
		kind = LG_BODY_JSON;
	if (kind == LG_BODY_LINES || kind == LG_BODY_FRAMES) {
		begin_stream(b, kind);
		return;
	}
	b->told = kind == LG_BODY_UNSEEN ? LG_BODY_OPAQUE : kind;
	b->kind = LG_BODY_SNIFF;
	b->streamed = kind == LG_BODY_SSE;
}

/* -- answer ---------------------------------------------------------------- */

/* Codings in the order in which they were applied; too many: not known. */
struct codings {
	char text[128];
	size_t len;
};

static void codings_add(struct codings *c, struct lg_slice list)
{
	struct lg_slice one;

	while (list.len) {
		list = lg_slice_cut(list, ',', &one);
		one = lg_slice_trim(one);
		if (!one.len || lg_slice_ieq(one, LG_SLICE("chunked")))
			continue;
		if (one.len > sizeof(c->text) - c->len - 1)
			one = LG_SLICE("?");
		if (c->len + one.len >= sizeof(c->text))
			return;
		memcpy(c->text + c->len, one.p, one.len);
		c->len += one.len;
		c->text[c->len++] = ',';
	}
}

static void read_codings(struct codings *c, struct lg_slice head)
{
	static const struct lg_slice names[] = {
		{"content-encoding", 16},
		{"transfer-encoding", 17},
	};
	struct lg_slice value;

	c->len = 0;
	for (unsigned i = 0; i < 2; i++)
		for (unsigned n = 0; n < 8; n++) {
			value = lg_http1_field(head, names[i], n);
			if (!value.p)
				break;
			codings_add(c, value);
		}
}

static void read_head(struct lg_body *b, struct lg_slice head,
		      struct lg_slice *type)
{
	struct lg_slice name, value;
	size_t pos = 0;

	*type = (struct lg_slice){"", 0};
	while (lg_http1_next_field(head, &pos, &name, &value)) {
		value = lg_slice_trim(value);
		if (!type->len && lg_slice_ieq(name, LG_SLICE("content-type")))
			*type = value;
		if (!b->d)
			continue;
		lg_gateway_header(b->answer, name, value);
		if (b->d->on_header)
			b->d->on_header(b->answer, name, value);
	}
}

void lg_body_answer_head(struct lg_body *b, struct lg_slice head,
			 unsigned status)
{
	struct codings c;
	struct lg_slice type;

	if (b->d && b->d->begin && status < 300)
		b->d->begin(b->answer, b->facts);
	read_head(b, head, &type);
	choose_kind(b, type, status);
	if (b->kind == LG_BODY_OPAQUE)
		return;
	read_codings(&c, head);
	if (lg_content_new((struct lg_slice){c.text, c.len}, scan_answer, b,
			   &b->content)) {
		b->flags |= LG_ROW_UNDECODABLE;
		b->kind = LG_BODY_OPAQUE;
	}
}

void lg_body_answer_feed(struct lg_body *b, const char *p, size_t n)
{
	if (b->kind == LG_BODY_OPAQUE) {
		b->bytes += b->content ? 0 : n;
		return;
	}
	if (!b->content) {
		scan_answer(b, p, n);
	} else if (lg_content_feed(b->content, p, n)) {
		b->flags |= LG_ROW_UNDECODABLE;
		b->kind = LG_BODY_OPAQUE;
	}
}

/* The last value of a stream, where nothing stands behind it. */
static void end_stream(struct lg_body *b, bool complete)
{
	if (b->kind == LG_BODY_FRAMES) {
		if (!lg_body_frames_end(b->frames) && complete)
			b->flags |= LG_ROW_CUT_SHORT;
	} else if (b->kind == LG_BODY_LINES && b->scanning) {
		if (complete || !lg_json_is_open(&b->json))
			lg_body_value_end(b, (struct lg_slice){"", 0}, false);
	}
}

static bool is_bad_json(struct lg_body *b)
{
	if (b->kind == LG_BODY_JSON)
		return lg_json_end(&b->json) == LG_JSON_BAD;
	return b->kind == LG_BODY_SNIFF && b->told == LG_BODY_JSON;
}

void lg_body_answer_end(struct lg_body *b, bool complete)
{
	if (!complete)
		b->flags |= LG_ROW_CUT_SHORT;
	if (b->content && complete && b->kind != LG_BODY_OPAQUE &&
	    lg_content_end(b->content))
		b->flags |= LG_ROW_CUT_SHORT;
	if (is_bad_json(b) && complete && b->bytes)
		b->flags |= LG_ROW_BAD_JSON;
	else
		end_stream(b, complete);
	lg_content_del(b->content);
	b->content = NULL;
	b->scanning = false;
	b->answer->cache_1h = b->facts->cache_1h;
	if (b->d && b->d->finish)
		b->d->finish(b->answer);
}
