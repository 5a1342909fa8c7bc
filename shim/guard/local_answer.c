#include "guard/local.h"

#include <stdint.h>
#include <string.h>

#include "guard/exchange.h"
#include "guard/translate.h"

/*
 * What stands before the answer on the descriptor: records of the connection
 * that was there before, perhaps from their middle on.
 */
#define SKIP_MAX ((size_t)256 << 10)
#define ERROR_TEXT_MAX 4096
#define BAD_GATEWAY 502

static const char *reason_of(unsigned status)
{
	return status < 300 ? "OK" : status == 502 ? "Bad Gateway" : "Error";
}

/* -- what the program sees ------------------------------------------------- */

static void put_start(struct lg_buf *out, unsigned status, struct lg_slice type)
{
	lg_buf_puts(out, "HTTP/1.1 ");
	lg_buf_put_u64(out, status);
	lg_buf_putc(out, ' ');
	lg_buf_puts(out, reason_of(status));
	if (type.len) {
		lg_buf_puts(out, "\r\ncontent-type: ");
		lg_buf_put(out, type.p, type.len);
	}
	lg_buf_puts(out, "\r\nx-llmguard-verdict: local\r\n"
			 "connection: close\r\n");
}

static void put_length(struct lg_buf *out, uint64_t len)
{
	lg_buf_puts(out, "content-length: ");
	lg_buf_put_u64(out, len);
	lg_buf_puts(out, "\r\n");
}

static void put_chunked(struct lg_buf *out)
{
	lg_buf_puts(out, "transfer-encoding: chunked\r\n");
}

static void head_done(struct lg_exchange *x, struct lg_buf *out, size_t from)
{
	lg_buf_puts(out, "\r\n");
	x->local->told = true;
	if (!out->overflow)
		lg_exchange_answer_head(
			x, (struct lg_slice){out->p + from, out->len - from},
			x->local->status);
}

/* A run of the body, in a chunk of its own where it has no length. */
static void put_run(struct lg_exchange *x, const char *p, size_t n,
		    struct lg_buf *out)
{
	bool chunked = x->local->chunked;

	if (!n)
		return;
	if (chunked) {
		lg_buf_put_hex(out, n);
		lg_buf_puts(out, "\r\n");
	}
	lg_buf_put(out, p, n);
	if (chunked)
		lg_buf_puts(out, "\r\n");
	lg_exchange_answer_body(x, p, n);
}

static void end(struct lg_exchange *x, bool complete, struct lg_buf *out)
{
	struct lg_local *l = x->local;

	if (complete && l->chunked)
		lg_buf_puts(out, "0\r\n\r\n");
	l->done = true;
	lg_exchange_answer_end(x, complete);
}

static void put_error(struct lg_exchange *x, unsigned status, const char *why,
		      struct lg_buf *out)
{
	struct lg_local *l = x->local;
	size_t from = out->len;
	struct lg_buf body;

	lg_buf_init(&body, (size_t)16 << 10);
	l->status = status;
	l->chunked = false;
	if (!lg_local_error(x, status, why, lg_buf_slice(&l->text), &body)) {
		put_start(out, status, LG_SLICE("application/json"));
		put_length(out, body.len);
		head_done(x, out, from);
		put_run(x, body.p, body.len, out);
	}
	end(x, true, out);
	lg_buf_fini(&body);
}

/* It ended where it should not have. */
static void fail(struct lg_exchange *x, const char *why, struct lg_buf *out)
{
	struct lg_local *l = x->local;

	if (l->told) {
		end(x, false, out);
		return;
	}
	lg_buf_fini(&l->text);
	put_error(x, BAD_GATEWAY, why, out);
}

/* -- what the local server says -------------------------------------------- */

static bool is_json(struct lg_slice type)
{
	struct lg_slice name;

	lg_slice_cut(type, ';', &name);
	name = lg_slice_trim(name);
	return lg_slice_ieq(name, LG_SLICE("application/json")) ||
	       lg_slice_iends(name, LG_SLICE("+json"));
}

static bool is_answer(struct lg_slice type)
{
	return is_json(type) ||
	       lg_slice_istarts(type, LG_SLICE("text/event-stream")) ||
	       lg_slice_istarts(type, LG_SLICE("application/x-ndjson"));
}

static void begin(struct lg_exchange *x, struct lg_slice head,
		  struct lg_buf *out)
{
	struct lg_local *l = x->local;
	const struct lg_http1 *m = &l->resp.m;
	struct lg_slice type = lg_slice_trim(
		lg_http1_field(head, LG_SLICE("content-type"), 0));
	struct lg_slice coding = lg_slice_trim(
		lg_http1_field(head, LG_SLICE("content-encoding"), 0));
	size_t from = out->len;

	if (lg_slice_ieq(coding, LG_SLICE("identity")))
		coding.len = 0;
	l->status = m->status;
	if (l->speech && !coding.len) {
		l->how = LG_LOCAL_SPEAK;
		lg_translation_head(l->speech, m->status, type);
		return;
	}
	if (l->speech || (m->status >= 300 && m->status < 400) ||
	    (m->status >= 300 ? !is_json(type) : !is_answer(type))) {
		l->how = LG_LOCAL_ERROR;
		return;
	}
	l->how = LG_LOCAL_PASS;
	put_start(out, m->status, type);
	if (coding.len) {
		lg_buf_puts(out, "content-encoding: ");
		lg_buf_put(out, coding.p, coding.len);
		lg_buf_puts(out, "\r\n");
	}
	l->chunked = !l->old && (m->framing == LG_HTTP1_CHUNKED ||
				 m->framing == LG_HTTP1_UNTIL_CLOSE);
	if (l->chunked)
		put_chunked(out);
	else if (m->framing == LG_HTTP1_LENGTH ||
		 m->framing == LG_HTTP1_NO_BODY)
		put_length(out, m->length);
	head_done(x, out, from);
}

/* What was translated so far; the head first, then a run of the body. */
static void put_spoken(struct lg_exchange *x, bool all, struct lg_buf *out)
{
	struct lg_local *l = x->local;
	size_t from = out->len;

	if (!l->told && (l->text.len || all)) {
		l->status = lg_translation_status(l->speech);
		put_start(out, l->status,
			  lg_slice_str(lg_translation_type(l->speech)));
		lg_buf_puts(out, lg_translation_fields(l->speech));
		l->chunked = !all && !l->old;
		if (l->chunked)
			put_chunked(out);
		else if (all)
			put_length(out, l->text.len);
		head_done(x, out, from);
	}
	put_run(x, l->text.p, l->text.len, out);
	l->text.len = 0;
}

static void speak(struct lg_exchange *x, struct lg_slice body,
		  struct lg_buf *out)
{
	struct lg_local *l = x->local;

	if (lg_translation_feed(l->speech, body.p, body.len, &l->text))
		fail(x, "answered too much", out);
	else
		put_spoken(x, false, out);
}

static void end_speech(struct lg_exchange *x, bool whole, struct lg_buf *out)
{
	struct lg_local *l = x->local;

	if (lg_translation_end(l->speech, whole, &l->text)) {
		fail(x, "answered too much", out);
		return;
	}
	put_spoken(x, true, out);
	end(x, true, out);
}

static void on_end(struct lg_exchange *x, struct lg_buf *out)
{
	struct lg_local *l = x->local;

	if (l->how == LG_LOCAL_SPEAK) {
		end_speech(x, true, out);
		return;
	}

	if (l->how == LG_LOCAL_PASS)
		end(x, true, out);
	else if (l->status >= 400)
		put_error(x, l->status, "answered with an error", out);
	else
		put_error(x, BAD_GATEWAY, "answered with something else", out);
}

static void on_event(struct lg_exchange *x, enum lg_http1_event ev,
		     struct lg_slice body, struct lg_buf *out)
{
	struct lg_local *l = x->local;
	bool interim = l->resp.m.status < 200;

	switch (ev) {
	case LG_HTTP1_HEAD:
		if (!interim)
			begin(x, lg_framer_head(&l->resp), out);
		break;
	case LG_HTTP1_BODY:
		if (l->how == LG_LOCAL_PASS)
			put_run(x, body.p, body.len, out);
		else if (l->how == LG_LOCAL_SPEAK)
			speak(x, body, out);
		else if (body.len <= ERROR_TEXT_MAX - l->text.len)
			lg_buf_put(&l->text, body.p, body.len);
		break;
	case LG_HTTP1_END:
		if (interim)
			lg_framer_next(&l->resp);
		else
			on_end(x, out);
		break;
	case LG_HTTP1_MORE:
		break;
	default:
		fail(x, "answered with something else", out);
		break;
	}
}

/* How many of these bytes stand before the answer's first word. */
static size_t skip(struct lg_local *l, const char *p, size_t n)
{
	static const char word[] = "HTTP/1.";
	size_t i;

	for (i = 0; i < n && l->seen < sizeof(word) - 1; i++) {
		if (p[i] == word[l->seen])
			l->seen++;
		else
			l->seen = p[i] == word[0];
		l->skipped += !l->seen;
	}
	return i;
}

void lg_local_arrived(struct lg_exchange *x, const char *p, size_t n,
		      struct lg_buf *out)
{
	struct lg_local *l = x->local;
	bool began = l->seen == 7;
	enum lg_http1_event ev;
	struct lg_slice body;
	size_t used = 0;

	if (l->done)
		return;
	l->got += n;
	if (!began) {
		used = skip(l, p, n);
		if (l->skipped > SKIP_MAX)
			fail(x, "answered with something else", out);
		if (l->done || l->seen < 7)
			return;
		lg_framer_feed(&l->resp, "HTTP/1.", 7, &ev, &body);
	}
	do {
		used += lg_framer_feed(&l->resp, p + used, n - used, &ev,
				       &body);
		on_event(x, ev, body, out);
	} while (!l->done && (ev != LG_HTTP1_MORE || used < n));
	if (out->overflow)
		l->done = true;
}

uint64_t lg_local_got(const struct lg_local *l)
{
	return l->seen == 7 ? l->got - l->skipped : l->got;
}

void lg_local_eof(struct lg_exchange *x, struct lg_buf *out)
{
	struct lg_local *l = x->local;

	if (l->done)
		return;
	if (l->seen == 7 && l->how != LG_LOCAL_HEAD &&
	    lg_http1_eof(&l->resp.m) == LG_HTTP1_END)
		on_end(x, out);
	else if (l->how == LG_LOCAL_SPEAK)
		end_speech(x, false, out);
	else
		fail(x,
		     l->skipped || l->seen
			     ? "ended in mid-answer"
			     : "closed the connection without an answer",
		     out);
	l->done = true;
}
