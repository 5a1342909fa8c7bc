#include "guard/reframe.h"

#include <errno.h>
#include <string.h>

#include "guard/attribution.h"
#include "wire/content.h"

#define BODY_MAX ((size_t)1 << 30)
#define DECODED_MAX ((size_t)16 << 20)
#define HEAD_ROOM 1024 /* what a longer target and length may need */

void lg_edits_init(struct lg_edits *e, struct lg_slice body)
{
	e->body = body;
	e->n = 0;
	e->used = 0;
	e->bad = false;
}

void lg_edits_add(struct lg_edits *e, const char *p, size_t cut,
		  struct lg_slice text, const char *more)
{
	size_t at = (size_t)(p - e->body.p), extra = strlen(more);
	unsigned i = e->n;

	if (e->n == LG_EDITS_MAX || text.len > sizeof(e->text) - e->used ||
	    extra > sizeof(e->text) - e->used - text.len) {
		e->bad = true;
		return;
	}
	for (; i && e->e[i - 1].at > at; i--)
		e->e[i] = e->e[i - 1];
	e->e[i].at = at;
	e->e[i].cut = cut;
	e->e[i].from = (uint16_t)e->used;
	e->e[i].len = (uint16_t)(text.len + extra);
	memcpy(e->text + e->used, text.p, text.len);
	memcpy(e->text + e->used + text.len, more, extra);
	e->used += text.len + extra;
	e->n++;
}

/* They stand one behind the other, none within another. */
static bool is_sound(const struct lg_edits *e)
{
	size_t end = 0;

	for (unsigned i = 0; i < e->n; i++) {
		if (e->e[i].at < end || e->e[i].at > e->body.len ||
		    e->e[i].cut > e->body.len - e->e[i].at)
			return false;
		end = e->e[i].at + e->e[i].cut;
	}
	return !e->bad;
}

static size_t edited_len(const struct lg_edits *e)
{
	size_t len = e->body.len;

	for (unsigned i = 0; i < e->n; i++)
		len += e->e[i].len - e->e[i].cut;
	return len;
}

static void put_body(const struct lg_edits *e, struct lg_buf *out)
{
	size_t at = 0;

	for (unsigned i = 0; i < e->n; i++) {
		lg_buf_put(out, e->body.p + at, e->e[i].at - at);
		lg_buf_put(out, e->text + e->e[i].from, e->e[i].len);
		at = e->e[i].at + e->e[i].cut;
	}
	lg_buf_put(out, e->body.p + at, e->body.len - at);
}

/* -- the head ---------------------------------------------------------------
 */

/* What a change of the body would make untrue, and we cannot make true. */
static bool is_in_the_way(const char *line, struct lg_slice name)
{
	static const char *const names[] = {
		"content-md5",	   "content-digest", "digest",
		"trailer",	   "signature",	     "signature-input",
		"x-amz-signature", "x-tc-action",
	};

	if (*line == ' ' || *line == '\t')
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (lg_slice_ieq(name, lg_slice_str(names[i])))
			return true;
	return false;
}

/* "AWS4-HMAC-SHA256 ..., Signature=x", "Signature keyId=..., signature=y". */
static bool is_signed(struct lg_slice head)
{
	struct lg_slice auth =
		lg_http1_field(head, LG_SLICE("authorization"), 0);
	struct lg_slice method, target;
	struct lg_slice in[2] = {auth};

	if (lg_attribution_is_signed(head))
		return true;
	if (lg_http1_request_line(head, &method, &target))
		in[1] = target;
	for (unsigned k = 0; k < 2; k++)
		for (; in[k].len; in[k].p++, in[k].len--)
			if (lg_slice_istarts(in[k], LG_SLICE("signature=")))
				return true;
	return false;
}

static bool is_coding(struct lg_slice name)
{
	return lg_slice_ieq(name, LG_SLICE("content-encoding"));
}

/* A field whose value is ours now; false: it stays. */
static bool put_field(struct lg_buf *out, struct lg_slice name, size_t len,
		      bool plain)
{
	if (plain && lg_slice_ieq(name, LG_SLICE("accept-encoding"))) {
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

/* The request line with another target; how much of the head it took. */
static size_t put_line(struct lg_buf *out, struct lg_slice head,
		       struct lg_slice target)
{
	struct lg_slice method, old;
	const char *nl = memchr(head.p, '\n', head.len);
	const char *from = head.p;

	if (!target.p || !nl || !lg_http1_request_line(head, &method, &old))
		return 0;
	lg_buf_put(out, from, (size_t)(old.p - from));
	lg_buf_put(out, target.p, target.len);
	from = old.p + old.len;
	lg_buf_put(out, from, (size_t)(nl + 1 - from));
	return (size_t)(nl + 1 - head.p);
}

/* False: it says something that we cannot keep true. */
static bool put_head(const struct lg_reframe *q, struct lg_buf *out,
		     struct lg_slice target, size_t len, bool plain)
{
	struct lg_slice head = q->head;
	size_t used = put_line(out, head, target);

	if (is_signed(head) || (target.p && !used))
		return false;
	head.p += used;
	head.len -= used;
	while (head.len) {
		const char *nl = memchr(head.p, '\n', head.len);
		size_t n = nl ? (size_t)(nl - head.p) + 1 : head.len;
		struct lg_slice name;

		lg_slice_cut((struct lg_slice){head.p, n}, ':', &name);
		if (is_in_the_way(head.p, name) ||
		    (is_coding(name) && !q->decoded))
			return false;
		if (!is_coding(name) && !put_field(out, name, len, plain))
			lg_buf_put(out, head.p, n);
		head.p += n;
		head.len -= n;
	}
	return true;
}

/* -- the message ------------------------------------------------------------
 */

int lg_reframe_open(struct lg_reframe *q, struct lg_slice held)
{
	enum lg_http1_event ev = LG_HTTP1_MORE;
	struct lg_slice piece;
	size_t used = 0;

	memset(q, 0, sizeof(*q));
	lg_framer_init(&q->framer, LG_HTTP1_REQUEST);
	lg_buf_init(&q->joined, BODY_MAX);
	lg_buf_init(&q->plain, DECODED_MAX);
	do {
		used += lg_framer_feed(&q->framer, held.p + used,
				       held.len - used, &ev, &piece);
		if (ev == LG_HTTP1_HEAD)
			q->head = (struct lg_slice){held.p, used};
		if (ev != LG_HTTP1_BODY)
			continue;
		if (q->framer.m.framing == LG_HTTP1_LENGTH && !q->body.len)
			q->body = (struct lg_slice){piece.p, 0};
		q->body.len += piece.len;
		if (q->framer.m.framing == LG_HTTP1_CHUNKED &&
		    lg_buf_put(&q->joined, piece.p, piece.len))
			return -ENOMEM;
	} while (ev == LG_HTTP1_HEAD || ev == LG_HTTP1_BODY);
	if (q->framer.m.framing == LG_HTTP1_CHUNKED)
		q->body = lg_buf_slice(&q->joined);
	return ev == LG_HTTP1_END && used == held.len ? 0 : -EPROTO;
}

static void collect(void *ctx, const char *p, size_t len)
{
	lg_buf_put(ctx, p, len);
}

int lg_reframe_decode(struct lg_reframe *q)
{
	struct lg_slice name = LG_SLICE("content-encoding");
	struct lg_content *c;
	int err;

	if (lg_http1_field(q->head, name, 1).p)
		return -ENOTSUP;
	err = lg_content_new(lg_http1_field(q->head, name, 0), collect,
			     &q->plain, &c);
	if (err)
		return err;
	if (c) {
		err = lg_content_feed(c, q->body.p, q->body.len);
		if (!err)
			err = lg_content_end(c);
		if (!err && q->plain.overflow)
			err = -EMSGSIZE;
		lg_content_del(c);
		if (err)
			return err;
		q->body = lg_buf_slice(&q->plain);
	}
	q->decoded = true;
	return 0;
}

void lg_reframe_close(struct lg_reframe *q)
{
	lg_buf_fini(&q->plain);
	lg_buf_fini(&q->joined);
	lg_framer_fini(&q->framer);
}

bool lg_reframe_put(const struct lg_reframe *q, struct lg_edits *e,
		    struct lg_slice target, bool plain, struct lg_buf *out)
{
	bool chunked = q->framer.m.framing == LG_HTTP1_CHUNKED;
	size_t len;

	if (!is_sound(e))
		return false;
	len = edited_len(e);
	if (lg_buf_reserve(out, q->head.len + len + HEAD_ROOM) ||
	    !put_head(q, out, target, len, plain))
		return false;
	if (chunked) {
		lg_buf_put_hex(out, len);
		lg_buf_puts(out, "\r\n");
	}
	put_body(e, out);
	if (chunked)
		lg_buf_puts(out, "\r\n0\r\n\r\n");
	return !out->overflow;
}
