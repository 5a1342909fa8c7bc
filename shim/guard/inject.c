#include "guard/inject.h"

#include <errno.h>
#include <string.h>

#include "guard/attribution.h"
#include "guard/exchange.h"
#include "guard/framer.h"
#include "guard/host.h"
#include "wire/json_member.h"

#define BODY_MAX ((size_t)1 << 30)
#define OPTIONS "stream_options"
#define INCLUDE "include_usage"
#define ASKED "\"" INCLUDE "\":true"

/*
 * Who takes stream_options and answers as OpenAI documents it (docs/protocols):
 * other hosts refuse it, or send usage in a way of their own anyway. A host of
 * the config's hosts: is the user's word that it does.
 */
static const char *const providers[] = {"openai", "deepseek"};

static bool is_known(const struct lg_exchange *x)
{
	struct lg_host_hit hit = {NULL, NULL};

	for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++)
		if (!strcmp(x->row.provider, providers[i]))
			return true;
	return lg_host_find(x->world, lg_slice_str(x->row.host), &hit) &&
	       !hit.provider && !strcmp(hit.family, "openai");
}

static bool applies(const struct lg_exchange *x)
{
	return x->world->set.stream_usage == LG_STREAM_USAGE_INJECT && x->d &&
	       x->route.kind == LG_ROUTE_PAID &&
	       !strcmp(x->d->name, "openai-chat") && x->whole &&
	       x->facts.json_ok && x->facts.stream &&
	       !x->facts.include_usage_set &&
	       !(x->row.flags & LG_ROW_UNDECODABLE) && is_known(x);
}

/* -- the body ---------------------------------------------------------------
 */

/* In the body: cut bytes at `at` give way to text. */
struct edit {
	const char *at;
	size_t cut;
	const char *text, *more; /* more: behind it */
};

static bool is_null(struct lg_slice v)
{
	return lg_slice_eq(v, LG_SLICE("null"));
}

/* Within an object stream_options that is there already. */
static bool edit_options(struct lg_slice options, struct edit *e)
{
	struct lg_json_member m;
	int err = lg_json_member_find(options, LG_SLICE(INCLUDE), &m);
	const char *end = options.p + options.len - 1;
	const char *p;

	if (!err && is_null(m.value)) {
		*e = (struct edit){m.value.p, m.value.len, "true", ""};
		return true;
	}
	if (err != -ENOENT)
		return false;
	for (p = m.object; p < end && strchr(" \t\r\n", *p); p++)
		;
	*e = (struct edit){m.object, 0, ASKED, p < end ? "," : ""};
	return true;
}

static bool edit_body(struct lg_slice body, struct edit *e)
{
	struct lg_json_member m;
	int err = lg_json_member_find(body, LG_SLICE(OPTIONS), &m);

	if (err == -ENOENT) {
		*e = (struct edit){m.object, 0, "\"" OPTIONS "\":{" ASKED "}",
				   ","};
		return true;
	}
	if (err)
		return false;
	if (is_null(m.value)) {
		*e = (struct edit){m.value.p, m.value.len, "{" ASKED "}", ""};
		return true;
	}
	return *m.value.p == '{' && edit_options(m.value, e);
}

static void put_body(struct lg_buf *out, struct lg_slice body,
		     const struct edit *e)
{
	size_t at = (size_t)(e->at - body.p);

	lg_buf_put(out, body.p, at);
	lg_buf_puts(out, e->text);
	lg_buf_puts(out, e->more);
	lg_buf_put(out, body.p + at + e->cut, body.len - at - e->cut);
}

static size_t edited_len(struct lg_slice body, const struct edit *e)
{
	return body.len + strlen(e->text) + strlen(e->more) - e->cut;
}

/* -- the head ---------------------------------------------------------------
 */

/* A field whose value is ours now; false: it stays. */
static bool put_field(struct lg_buf *out, struct lg_slice name, size_t len)
{
	if (lg_slice_ieq(name, LG_SLICE("accept-encoding"))) {
		lg_buf_put(out, name.p, name.len);
		lg_buf_puts(out, ": identity\r\n");
		return true;
	}
	if (!lg_slice_ieq(name, LG_SLICE("content-length")))
		return false;
	lg_buf_put(out, name.p, name.len);
	lg_buf_puts(out, ": ");
	lg_buf_put_u64(out, len);
	lg_buf_puts(out, "\r\n");
	return true;
}

/* False: it says something that we cannot keep true. */
static bool put_head(struct lg_buf *out, struct lg_slice head, size_t len)
{
	while (head.len) {
		const char *nl = memchr(head.p, '\n', head.len);
		size_t n = nl ? (size_t)(nl - head.p) + 1 : head.len;
		struct lg_slice name;

		lg_slice_cut((struct lg_slice){head.p, n}, ':', &name);
		if (*head.p == ' ' || *head.p == '\t' ||
		    lg_slice_ieq(name, LG_SLICE("content-encoding")) ||
		    lg_slice_ieq(name, LG_SLICE("content-md5")) ||
		    lg_slice_ieq(name, LG_SLICE("content-digest")) ||
		    lg_slice_ieq(name, LG_SLICE("digest")) ||
		    lg_slice_ieq(name, LG_SLICE("trailer")))
			return false;
		if (!put_field(out, name, len))
			lg_buf_put(out, head.p, n);
		head.p += n;
		head.len -= n;
	}
	return true;
}

/* -- the request ------------------------------------------------------------
 */

struct parsed {
	struct lg_framer framer;
	size_t head_len;
	struct lg_buf body; /* of CHUNKED: its bytes together */
	struct lg_slice text;
};

/* One whole message, nothing behind it. */
static bool parse(struct parsed *q, struct lg_slice held)
{
	enum lg_http1_event ev = LG_HTTP1_MORE;
	struct lg_slice piece;
	size_t used = 0;

	do {
		used += lg_framer_feed(&q->framer, held.p + used,
				       held.len - used, &ev, &piece);
		if (ev == LG_HTTP1_HEAD)
			q->head_len = used;
		if (ev != LG_HTTP1_BODY)
			continue;
		if (q->framer.m.framing == LG_HTTP1_LENGTH && !q->text.len)
			q->text = (struct lg_slice){piece.p, 0};
		q->text.len += piece.len;
		if (q->framer.m.framing == LG_HTTP1_CHUNKED &&
		    lg_buf_put(&q->body, piece.p, piece.len))
			return false;
	} while (ev == LG_HTTP1_HEAD || ev == LG_HTTP1_BODY);
	if (q->framer.m.framing == LG_HTTP1_CHUNKED)
		q->text = lg_buf_slice(&q->body);
	return ev == LG_HTTP1_END && used == held.len;
}

static bool rewrite(const struct parsed *q, struct lg_slice held,
		    struct lg_buf *out)
{
	bool chunked = q->framer.m.framing == LG_HTTP1_CHUNKED;
	struct edit e;
	size_t len;

	if (!q->text.len || !edit_body(q->text, &e))
		return false;
	len = edited_len(q->text, &e);
	if (lg_buf_reserve(out, q->head_len + len + 128) ||
	    !put_head(out, (struct lg_slice){held.p, q->head_len}, len))
		return false;
	if (chunked) {
		lg_buf_put_hex(out, len);
		lg_buf_puts(out, "\r\n");
	}
	put_body(out, q->text, &e);
	if (chunked)
		lg_buf_puts(out, "\r\n0\r\n\r\n");
	return !out->overflow;
}

void lg_inject_request(struct lg_exchange *x, struct lg_buf *held)
{
	struct parsed q = {.head_len = 0};
	struct lg_buf out, old = *held;

	if (!applies(x))
		return;
	lg_framer_init(&q.framer, LG_HTTP1_REQUEST);
	lg_buf_init(&q.body, BODY_MAX);
	lg_buf_init(&out, held->max);
	if (parse(&q, lg_buf_slice(held)) &&
	    !lg_attribution_is_signed((struct lg_slice){held->p, q.head_len}) &&
	    rewrite(&q, lg_buf_slice(held), &out)) {
		*held = out;
		out = old;
		x->injected = true;
	}
	lg_buf_fini(&out);
	lg_buf_fini(&q.body);
	lg_framer_fini(&q.framer);
}
