#include "guard/exchange.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "guard/engine.h"
#include "guard/head.h"

#define DONE_MARK "[DONE]"

struct lg_exchange *lg_exchange_new(struct lg_engine *e)
{
	struct lg_exchange *x = lg_mem_take(sizeof(*x));

	if (!x)
		return NULL;
	memset(x, 0, offsetof(struct lg_exchange, facts));
	x->engine = e;
	x->world = lg_engine_pin(e);
	x->hold.slot = -1;
	lg_facts_init(&x->facts);
	lg_answer_init(&x->answer);
	x->start_boot_ns = lg_clock_boot_ns();
	lg_row_init(&x->row);
	return x;
}

void lg_exchange_del(struct lg_exchange *x)
{
	if (!x)
		return;
	lg_content_del(x->content);
	if (x->shapes)
		lg_mem_free(x->shapes, sizeof(*x->shapes));
	lg_engine_unpin(x->engine, x->world);
	lg_mem_free(x, sizeof(*x));
}

/* -- request ------------------------------------------------------------- */

static void on_request(void *ctx, int id, const struct lg_value *v)
{
	struct lg_exchange *x = ctx;

	x->d->on_request(&x->facts, id, v);
}

static void scan_request(void *ctx, const char *p, size_t len)
{
	struct lg_exchange *x = ctx;

	x->facts.body_bytes += len;
	if (!x->codec)
		return;
	if (!x->scanning) {
		lg_json_init(&x->json, &x->codec->request, on_request, x);
		x->scanning = true;
	}
	lg_json_feed(&x->json, p, len);
}

void lg_exchange_request_head(struct lg_exchange *x, struct lg_slice coding)
{
	if (lg_content_new(coding, scan_request, x, &x->content))
		x->row.flags |= LG_ROW_UNDECODABLE;
}

void lg_exchange_request_body(struct lg_exchange *x, const char *p, size_t n)
{
	x->row.request_bytes += n;
	if (x->row.flags & LG_ROW_UNDECODABLE) {
		x->facts.body_bytes += n;
		return;
	}
	if (!x->content) {
		scan_request(x, p, n);
		return;
	}
	if (lg_content_feed(x->content, p, n))
		x->row.flags |= LG_ROW_UNDECODABLE;
}

void lg_exchange_request_end(struct lg_exchange *x, bool whole)
{
	x->whole = whole;
	if (whole && x->scanning && !(x->row.flags & LG_ROW_UNDECODABLE))
		x->facts.json_ok = lg_json_end(&x->json) == LG_JSON_DONE;
	if (whole && x->facts.body_bytes && !x->facts.json_ok && x->codec)
		x->row.flags |= LG_ROW_BAD_JSON;
	x->scanning = false;
	lg_content_del(x->content);
	x->content = NULL;
	if (!x->facts.n)
		lg_facts_init(&x->facts);
	lg_answer_init(&x->answer);
	x->facts.stream |= x->route.stream;
}

/* -- answer -------------------------------------------------------------- */

static void on_response(void *ctx, int id, const struct lg_value *v)
{
	struct lg_exchange *x = ctx;

	x->d->on_response(&x->answer, id, v);
}

static void on_event(void *ctx, int id, const struct lg_value *v)
{
	struct lg_exchange *x = ctx;

	x->d->on_event(&x->answer, id, v);
}

static void event_begin(struct lg_exchange *x, struct lg_slice piece)
{
	x->scanning = true;
	if (!x->shapes)
		x->shapes = lg_mem_alloc(sizeof(*x->shapes));
	if (x->shapes) {
		lg_json_shapes_feed(x->shapes, &x->json, &x->codec->event,
				    on_event, x, piece.p, piece.len);
		return;
	}
	lg_json_init(&x->json, &x->codec->event, on_event, x);
	lg_json_feed(&x->json, piece.p, piece.len);
}

static void sse_data(void *ctx, struct lg_slice piece)
{
	struct lg_exchange *x = ctx;

	if (!x->mark_len && piece.len >= sizeof(x->mark)) {
		memcpy(x->mark, piece.p, sizeof(x->mark));
		x->mark_len = sizeof(x->mark);
	}
	for (size_t i = 0; i < piece.len && x->mark_len < sizeof(x->mark); i++)
		x->mark[x->mark_len++] = piece.p[i];
	if (x->scanning)
		lg_json_feed(&x->json, piece.p, piece.len);
	else
		event_begin(x, piece);
}

static void sse_dispatch(void *ctx, struct lg_slice name)
{
	struct lg_exchange *x = ctx;
	bool done = x->mark_len && x->mark[0] != '{' &&
		    lg_slice_eq(lg_slice_trim((struct lg_slice){x->mark,
								x->mark_len}),
				LG_SLICE(DONE_MARK));

	if (x->scanning && lg_json_end(&x->json) == LG_JSON_BAD && !done)
		x->row.flags |= LG_ROW_BAD_JSON;
	x->scanning = false;
	x->mark_len = 0;
	if (x->d->end_event)
		x->d->end_event(&x->answer, name, done);
}

static const struct lg_sse_sink sse_sink = {sse_data, sse_dispatch};

static void begin_json(struct lg_exchange *x)
{
	x->body = LG_BODY_JSON;
	x->scanning = true;
	lg_json_init(&x->json, &x->codec->response, on_response, x);
}

static void begin_sse(struct lg_exchange *x)
{
	x->body = x->d->event_fields ? LG_BODY_SSE : LG_BODY_OPAQUE;
	x->row.stream = 1;
	x->scanning = false;
	x->mark_len = 0;
	lg_sse_init(&x->sse, &sse_sink, x);
}

/* No telling Content-Type: an object or array is JSON, a word is SSE. */
static void sniff(struct lg_exchange *x, const char *p, size_t len)
{
	size_t i = 0;

	while (i < len &&
	       (p[i] == ' ' || p[i] == '\t' || p[i] == '\r' || p[i] == '\n'))
		i++;
	if (i == len)
		return;
	if (p[i] == '{' || p[i] == '[')
		begin_json(x);
	else if (p[i] == ':' || p[i] == 'd' || p[i] == 'e' || p[i] == 'i' ||
		 p[i] == 'r')
		begin_sse(x);
	else
		x->body = LG_BODY_OPAQUE;
}

static void scan_answer(void *ctx, const char *p, size_t len)
{
	struct lg_exchange *x = ctx;

	if (x->body == LG_BODY_SNIFF)
		sniff(x, p, len);
	if (x->body == LG_BODY_JSON)
		lg_json_feed(&x->json, p, len);
	else if (x->body == LG_BODY_SSE)
		lg_sse_feed(&x->sse, p, len);
}

static void choose_body(struct lg_exchange *x, struct lg_slice type)
{
	if (!x->codec)
		x->body = LG_BODY_OPAQUE;
	else if (lg_slice_istarts(type, LG_SLICE("text/event-stream")))
		begin_sse(x);
	else if (lg_slice_icontains(type, LG_SLICE("json")))
		begin_json(x);
	else
		x->body = LG_BODY_SNIFF;
}

void lg_exchange_answer_head(struct lg_exchange *x, struct lg_slice head,
			     unsigned status)
{
	struct lg_head fields;

	lg_head_read(head, &fields);
	x->answered = true;
	x->row.status = (int32_t)status;
	choose_body(x, fields.type);
	if (x->body == LG_BODY_OPAQUE)
		return;
	if (lg_content_new(fields.coding, scan_answer, x, &x->content)) {
		x->row.flags |= LG_ROW_UNDECODABLE;
		x->body = LG_BODY_OPAQUE;
	}
}

void lg_exchange_answer_body(struct lg_exchange *x, const char *p, size_t n)
{
	if (x->row.ttft_ms < 0 && n)
		x->row.ttft_ms =
			(lg_clock_boot_ns() - x->start_boot_ns) / 1000000;
	x->row.response_bytes += n;
	if (x->body == LG_BODY_OPAQUE)
		return;
	if (!x->content) {
		scan_answer(x, p, n);
	} else if (lg_content_feed(x->content, p, n)) {
		x->row.flags |= LG_ROW_UNDECODABLE;
		x->body = LG_BODY_OPAQUE;
	}
}

void lg_exchange_answer_end(struct lg_exchange *x, bool complete)
{
	x->closed = true;
	x->complete = complete;
	if (!complete)
		x->row.flags |= LG_ROW_CUT_SHORT;
	if (x->content && complete && lg_content_end(x->content))
		x->row.flags |= LG_ROW_CUT_SHORT;
	if (x->body == LG_BODY_JSON && lg_json_end(&x->json) == LG_JSON_BAD &&
	    complete && x->row.response_bytes)
		x->row.flags |= LG_ROW_BAD_JSON;
	lg_content_del(x->content);
	x->content = NULL;
	x->scanning = false;
	x->answer.cache_1h = x->facts.cache_1h;
	if (x->d && x->d->finish)
		x->d->finish(&x->answer);
}
