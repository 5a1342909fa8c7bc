#ifndef TESTS_GOLDEN_EXCHANGE_H
#define TESTS_GOLDEN_EXCHANGE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard/body.h"
#include "ledger/row.h"
#include "llm/route.h"
#include "wire/http1.h"

/*
 * One recorded exchange through framing, the guard's body reader and adapter,
 * fed in pieces of the caller's choice.
 */
struct exchange {
	struct lg_route route;
	struct lg_facts facts;
	struct lg_answer answer;
	const struct lg_dialect *dialect;
	uint16_t status;
	bool request_ended, response_ended, broken, is_form;
	uint64_t request_body, response_body;
	struct lg_body body;
	/* what the answer's parts said */
	unsigned nparts;
	uint64_t part_input, part_output;
	char parts[2048]; /* a line each, the last ones left out */
};

static void exchange_part(void *ctx, enum lg_part part)
{
	struct exchange *x = ctx;
	const struct lg_answer *a = &x->answer;
	size_t len = strlen(x->parts);

	if (part == LG_PART_RESET) {
		x->nparts = 0;
		x->part_input = x->part_output = 0;
		x->parts[0] = 0;
		return;
	}
	x->nparts++;
	x->part_input += lg_usage_input(&a->usage);
	x->part_output += lg_usage_output(&a->usage);
	len += (size_t)snprintf(x->parts + len, sizeof(x->parts) - len,
				"part: %s%s%s", a->model, a->tier[0] ? " " : "",
				a->tier);
	for (unsigned i = 0; i < LG_BUCKETS && len < sizeof(x->parts); i++)
		if (a->usage.has >> i & 1)
			len += (size_t)snprintf(
				x->parts + len, sizeof(x->parts) - len,
				" %s=%llu", lg_bucket_name((enum lg_bucket)i),
				(unsigned long long)a->usage.n[i]);
	if (len < sizeof(x->parts))
		snprintf(x->parts + len, sizeof(x->parts) - len, "\n");
}

static bool exchange_route(struct exchange *x, struct lg_slice head)
{
	struct lg_slice at = lg_http1_field(head, LG_SLICE("host"), 0);
	const struct lg_provider_host *host = lg_route_host(at);
	struct lg_slice method, target;

	if (!lg_http1_request_line(head, &method, &target))
		return false;
	lg_route_request(host ? host->family : NULL,
			 host ? host->provider : NULL, at, method, target,
			 &x->route);
	x->dialect = x->route.dialect;
	if (x->route.kind != LG_ROUTE_PAID && x->route.kind != LG_ROUTE_LATER)
		return false;
	lg_body_speak(&x->body, x->dialect);
	lg_body_request_head(
		&x->body, lg_http1_field(head, LG_SLICE("content-type"), 0),
		lg_http1_field(head, LG_SLICE("content-encoding"), 0));
	x->is_form = x->body.form != NULL;
	return true;
}

static bool exchange_request(struct exchange *x, const char *p, size_t len)
{
	static char head[LG_HTTP1_HEAD_MAX];
	enum lg_http1_event ev;
	struct lg_slice body;
	struct lg_http1 m;
	size_t used = 0;

	memset(x, 0, sizeof(*x));
	lg_facts_init(&x->facts);
	lg_answer_init(&x->answer);
	lg_body_init(&x->body, &x->facts, &x->answer);
	x->body.on_part = exchange_part;
	x->body.ctx = x;
	lg_http1_init(&m, LG_HTTP1_REQUEST, head, sizeof(head));
	do {
		used += lg_http1_feed(&m, p + used, len - used, &ev, &body);
		if (ev == LG_HTTP1_HEAD &&
		    !exchange_route(x, (struct lg_slice){m.head, m.head_len})) {
			return false;
		} else if (ev == LG_HTTP1_BODY) {
			x->request_body += body.len;
			lg_body_request_feed(&x->body, body.p, body.len);
		} else if (ev == LG_HTTP1_END) {
			x->request_ended = true;
			lg_body_request_end(&x->body, true);
			x->facts.stream |= x->route.stream;
		}
	} while (ev == LG_HTTP1_HEAD || ev == LG_HTTP1_BODY);
	return x->request_ended;
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
		if (ev == LG_HTTP1_HEAD && m->status >= 200) {
			x->status = m->status;
			lg_body_answer_head(
				&x->body,
				(struct lg_slice){m->head, m->head_len},
				m->status);
		} else if (ev == LG_HTTP1_BODY) {
			lg_body_answer_feed(&x->body, body.p, body.len);
		} else if (ev == LG_HTTP1_END && m->status < 200) {
			lg_http1_next(m);
		} else if (ev == LG_HTTP1_END) {
			x->response_ended = true;
		} else if (ev != LG_HTTP1_MORE && ev != LG_HTTP1_HEAD) {
			x->broken = true;
		}
	} while (ev != LG_HTTP1_MORE && !x->response_ended && !x->broken);
	return !x->response_ended && !x->broken;
}

static void exchange_finish(struct exchange *x, struct lg_http1 *m)
{
	if (!x->response_ended && lg_http1_eof(m) == LG_HTTP1_END)
		x->response_ended = true;
	if (x->dialect && x->status)
		lg_body_answer_end(&x->body, x->response_ended);
	x->broken |= (x->body.flags & LG_ROW_UNDECODABLE) != 0;
	x->response_body = x->body.bytes;
	lg_body_fini(&x->body);
}

#endif
