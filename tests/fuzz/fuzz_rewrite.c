#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guard/exchange.h"
#include "guard/reframe.h"
#include "guard/rewrite.h"

/*
 * Requests that are rewritten: nothing outside of them is read, what comes out
 * is one whole message of its own length, and rewriting it once more changes
 * nothing.
 */
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char *const targets[][2] = {
	{"api.openai.com", "/v1/chat/completions"},
	{"api.openai.com", "/v1/responses"},
	{"api.anthropic.com", "/v1/messages"},
	{"api.mistral.ai", "/v1/chat/completions"},
	{"generativelanguage.googleapis.com",
	 "/v1beta/models/gemini-2.5-pro:generateContent?key=k"},
	{"x.openai.azure.com", "/openai/deployments/a%20b/chat/completions"},
	{"bedrock-runtime.us-east-1.amazonaws.com", "/model/a.b%3A0/converse"},
	{"ollama.com", "/api/chat"},
};
#define NTARGETS (sizeof(targets) / sizeof(targets[0]))

static void read_body(struct lg_exchange *x, struct lg_slice body)
{
	lg_facts_init(&x->facts);
	lg_body_init(&x->body, &x->facts, &x->answer);
	lg_body_speak(&x->body, x->d);
	lg_body_request_head(&x->body, LG_SLICE("application/json"),
			     (struct lg_slice){NULL, 0});
	lg_body_request_feed(&x->body, body.p, body.len);
	lg_body_request_end(&x->body, true);
	x->whole = true;
}

static void put_request(struct lg_buf *b, const char *const *to,
			struct lg_slice body, bool chunked)
{
	lg_buf_init(b, 1 << 24);
	lg_buf_puts(b, "POST ");
	lg_buf_puts(b, to[1]);
	lg_buf_puts(b, " HTTP/1.1\r\nHost: ");
	lg_buf_puts(b, to[0]);
	lg_buf_puts(b, chunked ? "\r\nTransfer-Encoding: chunked\r\n\r\n"
			       : "\r\nContent-Length: ");
	if (chunked)
		lg_buf_put_hex(b, body.len);
	else
		lg_buf_put_u64(b, body.len);
	lg_buf_puts(b, chunked ? "\r\n" : "\r\n\r\n");
	lg_buf_put(b, body.p, body.len);
	if (chunked)
		lg_buf_puts(b, "\r\n0\r\n\r\n");
}

/* Once more, from what came out. */
static void again(struct lg_exchange *x, const struct lg_rewrite *w,
		  const struct lg_buf *out)
{
	struct lg_buf twice;
	struct lg_reframe q;

	if (lg_reframe_open(&q, lg_buf_slice(out)))
		abort();
	lg_body_fini(&x->body);
	read_body(x, q.body);
	lg_reframe_close(&q);
	lg_buf_init(&twice, 1 << 24);
	if (!lg_rewrite_request(x, lg_buf_slice(out), w, &twice) ||
	    twice.len != out->len || memcmp(twice.p, out->p, out->len))
		abort();
	lg_buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct lg_exchange x;
	static struct lg_world w;
	const char *const *to;
	struct lg_rewrite what = {LG_SLICE("other-model"), 0};
	struct lg_slice body, host;
	struct lg_buf held, out;
	const struct lg_provider_host *h;

	if (n < 2)
		return 0;
	to = targets[p[0] % NTARGETS];
	what.cap = p[1] & 1 ? 77 : 0;
	if (p[1] & 2)
		what.model.len = 0;
	body = (struct lg_slice){(const char *)p + 2, n - 2};
	host = lg_slice_str(to[0]);
	h = lg_route_host(host);
	memset(&x, 0, sizeof(x));
	x.world = &w;
	lg_route_request(h->family, h->provider, host, LG_SLICE("POST"),
			 lg_slice_str(to[1]), &x.route);
	x.d = x.route.dialect;
	strcpy(x.row.host, to[0]);
	strcpy(x.row.provider, x.route.provider);
	read_body(&x, body);
	put_request(&held, to, body, p[1] & 4);
	lg_buf_init(&out, 1 << 24);
	if ((what.cap || what.model.len) &&
	    lg_rewrite_request(&x, lg_buf_slice(&held), &what, &out))
		again(&x, &what, &out);
	lg_body_fini(&x.body);
	lg_buf_fini(&out);
	lg_buf_fini(&held);
	return 0;
}
