#ifndef TESTS_GOLDEN_EXCHANGE_H
#define TESTS_GOLDEN_EXCHANGE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "llm/dialect.h"
#include "llm/route.h"
#include "wire/content.h"
#include "wire/http1.h"
#include "wire/json.h"
#include "wire/sse.h"

/*
 * One recorded exchange through framing, content coding, scanner and adapter,
 * fed in pieces of the caller's choice. It stands for the guard in tests of
 * what lies below it.
 */
struct exchange {
	struct lg_route route;
	struct lg_facts facts;
	struct lg_answer answer;
	const struct lg_dialect *dialect;
	uint16_t status;
	bool request_ended, response_ended, broken, is_sse;
	uint64_t request_body, response_body;

	struct lg_json_paths request_paths, response_paths, event_paths;
	struct lg_json json;
	struct lg_sse sse;
	struct lg_content *content;
	bool event_open, event_json;
	char marker[8];
	size_t marker_len;
};

static void exchange_on_request(void *ctx, int id, const struct lg_value *v)
{
	struct exchange *x = ctx;

	x->dialect->on_request(&x->facts, id, v);
}

static void exchange_on_response(void *ctx, int id, const struct lg_value *v)
{
	struct exchange *x = ctx;

	x->dialect->on_response(&x->answer, id, v);
}

static void exchange_on_event(void *ctx, int id, const struct lg_value *v)
{
	struct exchange *x = ctx;

	x->dialect->on_event(&x->answer, id, v);
}

static void exchange_sse_data(void *ctx, struct lg_slice piece)
{
	struct exchange *x = ctx;
	size_t i;

	if (!x->event_open) {
		lg_json_init(&x->json, &x->event_paths, exchange_on_event, x);
		x->event_open = true;
		x->marker_len = 0;
	}
	for (i = 0; i < piece.len && x->marker_len < sizeof(x->marker); i++)
		x->marker[x->marker_len++] = piece.p[i];
	if (x->marker_len && x->marker[0] == '[')
		return;
	lg_json_feed(&x->json, piece.p, piece.len);
}

static void exchange_sse_dispatch(void *ctx, struct lg_slice name)
{
	struct exchange *x = ctx;
	bool done = x->marker_len == 6 && !memcmp(x->marker, "[DONE]", 6);

	lg_json_end(&x->json);
	x->dialect->end_event(&x->answer, name, done);
	x->event_open = false;
	x->marker_len = 0;
}

static const struct lg_sse_sink exchange_sink = {exchange_sse_data,
						 exchange_sse_dispatch};

static void exchange_content(void *ctx, const char *p, size_t len)
{
	struct exchange *x = ctx;

	x->response_body += len;
	if (x->is_sse)
		lg_sse_feed(&x->sse, p, len);
	else
		lg_json_feed(&x->json, p, len);
}

static bool exchange_request(struct exchange *x, const char *p, size_t len)
{
	static char head[LG_HTTP1_HEAD_MAX];
	const struct lg_provider_host *host;
	struct lg_slice method, target, body, h, at;
	enum lg_http1_event ev;
	struct lg_http1 m;
	size_t used = 0;

	memset(x, 0, sizeof(*x));
	lg_facts_init(&x->facts);
	lg_answer_init(&x->answer);
	lg_http1_init(&m, LG_HTTP1_REQUEST, head, sizeof(head));
	do {
		used += lg_http1_feed(&m, p + used, len - used, &ev, &body);
		if (ev == LG_HTTP1_HEAD) {
			h = (struct lg_slice){m.head, m.head_len};
			at = lg_http1_field(h, LG_SLICE("host"), 0);
			host = lg_route_host(at);
			if (!lg_http1_request_line(h, &method, &target))
				return false;
			lg_route_request(host ? host->family : NULL,
					 host ? host->provider : NULL, at,
					 method, target, &x->route);
			x->dialect = x->route.dialect;
			if (x->route.kind != LG_ROUTE_PAID)
				return false;
			lg_json_paths_init(&x->request_paths,
					   x->dialect->request_fields,
					   x->dialect->nrequest_fields);
			lg_json_init(&x->json, &x->request_paths,
				     exchange_on_request, x);
		} else if (ev == LG_HTTP1_BODY) {
			x->request_body += body.len;
			lg_json_feed(&x->json, body.p, body.len);
		} else if (ev == LG_HTTP1_END) {
			x->request_ended = true;
			x->facts.json_ok =
				lg_json_end(&x->json) == LG_JSON_DONE;
		}
	} while (ev == LG_HTTP1_HEAD || ev == LG_HTTP1_BODY);
	x->facts.body_bytes = x->request_body;
	x->answer.cache_1h = x->facts.cache_1h;
	return x->request_ended;
}

static void exchange_response_head(struct exchange *x, struct lg_http1 *m)
{
	struct lg_slice h = {m->head, m->head_len};
	struct lg_slice type = lg_http1_field(h, LG_SLICE("content-type"), 0);
	struct lg_slice coding =
		lg_http1_field(h, LG_SLICE("content-encoding"), 0);
	const struct lg_dialect *d = x->dialect;

	x->status = m->status;
	x->is_sse = d->nevent_fields &&
		    lg_slice_istarts(type, LG_SLICE("text/event-stream"));
	if (lg_content_new(coding, exchange_content, x, &x->content))
		x->broken = true;
	lg_json_paths_init(&x->response_paths, d->response_fields,
			   d->nresponse_fields);
	lg_json_paths_init(&x->event_paths, d->event_fields, d->nevent_fields);
	lg_json_init(&x->json, &x->response_paths, exchange_on_response, x);
	lg_sse_init(&x->sse, &exchange_sink, x);
}

/* One piece of the answer; false when no more may come. */
static bool exchange_response(struct exchange *x, struct lg_http1 *m,
			      const char *p, size_t len)
{
	enum lg_http1_event ev;
	struct lg_slice body;
	size_t used = 0;

	do {
		used += lg_http1_feed(m, p + used, len - used, &ev, &body);
		if (ev == LG_HTTP1_HEAD && m->status >= 200)
			exchange_response_head(x, m);
		else if (ev == LG_HTTP1_BODY && x->content)
			x->broken |= lg_content_feed(x->content, body.p,
						     body.len) != 0;
		else if (ev == LG_HTTP1_BODY)
			exchange_content(x, body.p, body.len);
		else if (ev == LG_HTTP1_END && m->status < 200)
			lg_http1_next(m);
		else if (ev == LG_HTTP1_END)
			x->response_ended = true;
		else if (ev != LG_HTTP1_MORE && ev != LG_HTTP1_HEAD)
			x->broken = true;
	} while (ev != LG_HTTP1_MORE && !x->response_ended && !x->broken);
	return !x->response_ended && !x->broken;
}

static void exchange_finish(struct exchange *x, struct lg_http1 *m)
{
	if (!x->response_ended && lg_http1_eof(m) == LG_HTTP1_END)
		x->response_ended = true;
	if (x->dialect && x->status) {
		if (!x->is_sse)
			lg_json_end(&x->json);
		x->dialect->finish(&x->answer);
	}
	lg_content_del(x->content);
	x->content = NULL;
}

static char *exchange_read(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *p = NULL;
	long n;

	if (!f)
		return NULL;
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	p = malloc((size_t)n + 1);
	if (p && fread(p, 1, (size_t)n, f) == (size_t)n) {
		p[n] = 0;
		*len = (size_t)n;
	} else {
		free(p);
		p = NULL;
	}
	fclose(f);
	return p;
}

#endif
