/*
 * Routes and adapters: any target is harmless, any JSON or event stream gives
 * the same facts whatever the cuts, and buckets that never exceed what was
 * reported.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "llm/adapter.h"
#include "llm/gateway.h"
#include "llm/route.h"
#include "wire/json.h"
#include "wire/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct run {
	const struct lg_dialect *d;
	struct lg_facts facts;
	struct lg_answer answer;
	struct lg_json json;
	bool open;
};

static struct lg_json_paths paths[128][3];

static void on_request(void *ctx, int id, const struct lg_value *v)
{
	struct run *r = ctx;

	r->d->on_request(&r->facts, id, v);
}

static void on_response(void *ctx, int id, const struct lg_value *v)
{
	struct run *r = ctx;

	r->d->on_response(&r->answer, id, v);
}

static void on_event(void *ctx, int id, const struct lg_value *v)
{
	struct run *r = ctx;

	r->d->on_event(&r->answer, id, v);
}

static const struct lg_json_paths *paths_of(const struct lg_dialect *d, int k)
{
	unsigned i = 0;

	while (lg_dialects[i] != d)
		i++;
	if (!paths[i][0].nnodes) {
		if (lg_json_paths_init(&paths[i][0], d->request_fields,
				       d->nrequest_fields) ||
		    lg_json_paths_init(&paths[i][1], d->response_fields,
				       d->nresponse_fields) ||
		    lg_json_paths_init(&paths[i][2], d->event_fields,
				       d->nevent_fields))
			abort();
	}
	return &paths[i][k];
}

static void sse_data(void *ctx, struct lg_slice piece)
{
	struct run *r = ctx;

	if (!r->open)
		lg_json_init(&r->json, paths_of(r->d, 2), on_event, r);
	r->open = true;
	lg_json_feed(&r->json, piece.p, piece.len);
}

static void sse_dispatch(void *ctx, struct lg_slice name)
{
	struct run *r = ctx;

	if (r->open)
		lg_json_end(&r->json);
	r->open = false;
	r->d->end_event(&r->answer, name, name.len == 6);
}

static void feed(struct run *r, int how, const char *p, size_t len, size_t step)
{
	static const struct lg_sse_sink sink = {sse_data, sse_dispatch};
	struct lg_sse sse;
	size_t i, n;

	lg_sse_init(&sse, &sink, r);
	if (how && r->d->begin) {
		r->facts.characters = len;
		r->facts.file_bytes = len * 3;
		r->d->begin(&r->answer, &r->facts);
	}
	if (how < 2)
		lg_json_init(&r->json, paths_of(r->d, how),
			     how ? on_response : on_request, r);
	for (i = 0; i < len; i += n) {
		n = step && step < len - i ? step : len - i;
		if (how < 2)
			lg_json_feed(&r->json, p + i, n);
		else
			lg_sse_feed(&sse, p + i, n);
	}
	if (how < 2)
		lg_json_end(&r->json);
	r->d->finish(&r->answer);
}

static void check_usage(const struct lg_answer *a)
{
	unsigned i;

	for (i = 0; i < LG_BUCKETS; i++)
		if (a->usage.n[i] > LG_COUNTER_MAX * 4 ||
		    (a->usage.n[i] && !(a->usage.has >> i & 1)))
			abort();
	if (a->usage.provider_cost_pusd < 0 ||
	    !memchr(a->usage_raw, 0, sizeof(a->usage_raw)))
		abort();
}

/* A form: "name\nvalue\n" again and again. */
static void feed_form(struct run *r, struct lg_slice rest)
{
	struct lg_slice name, text;
	unsigned i;

	while (rest.len) {
		rest = lg_slice_cut(rest, '\n', &name);
		rest = lg_slice_cut(rest, '\n', &text);
		for (i = 0; i < r->d->nform_fields; i++) {
			const struct lg_field *f = &r->d->form_fields[i];
			struct lg_value v = {.type = LG_VALUE_STRING,
					     .text = text,
					     .len = text.len};

			if (!lg_slice_eq(name, lg_slice_str(f->path)))
				continue;
			if (v.len > LG_VALUE_TEXT_MAX)
				v.text.len = LG_VALUE_TEXT_MAX;
			v.truncated = v.text.len < v.len;
			r->d->on_request(&r->facts, f->id, &v);
		}
	}
}

static void route(const char *p, size_t len)
{
	struct lg_slice host, method, target, rest = {p, len};
	struct lg_route r;

	rest = lg_slice_cut(rest, '\n', &host);
	target = lg_slice_cut(rest, '\n', &method);
	lg_route_host(host);
	lg_route_request(NULL, NULL, host, method, target, &r);
	lg_gateway_model(&r, r.ref);
	lg_route_request("openai", "huggingface", host, method, target, &r);
	lg_gateway_model(&r, r.model);
	lg_route_request("openai", "cloudflare", host, method, target, &r);
	lg_route_request("gemini", "google", host, method, target, &r);
	lg_route_request("aws", "aws", host, method, target, &r);
	lg_route_request("ollama", NULL, host, method, target, &r);
	if (r.kind == LG_ROUTE_NONE || !r.dialect)
		abort();
}

static void header(const char *p, size_t len)
{
	struct lg_slice name,
		value = lg_slice_cut((struct lg_slice){p, len}, ':', &name);
	struct lg_answer a;
	unsigned i;

	lg_answer_init(&a);
	lg_gateway_header(&a, name, value);
	lg_gateway_header(&a, LG_SLICE("cache-status"), value);
	for (i = 0; i < lg_ndialects; i++) {
		if (!lg_dialects[i]->on_header)
			continue;
		lg_answer_init(&a);
		lg_dialects[i]->on_header(&a, name, value);
		lg_dialects[i]->finish(&a);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data + 2;
	static struct run a, b;
	int how;

	if (size < 2)
		return 0;
	size -= 2;
	route(p, size);
	header(p, size);
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	a.d = b.d = lg_dialects[data[0] % lg_ndialects];
	how = data[1] % (a.d->nevent_fields ? 3 : 2);
	feed(&a, how, p, size, 0);
	feed(&b, how, p, size, 1 + data[1] / 3 % 9);
	feed_form(&a, (struct lg_slice){p, size});
	feed_form(&b, (struct lg_slice){p, size});
	if (memcmp(&a.facts, &b.facts, sizeof(a.facts)) ||
	    memcmp(&a.answer, &b.answer, sizeof(a.answer)))
		abort();
	check_usage(&a.answer);
	return 0;
}
