#include "guard/inject_answer.h"

#include <string.h>

#include "base/mem.h"
#include "wire/json_member.h"

#define EVENT_MAX ((size_t)256 << 10)
#define BUF_MAX ((size_t)64 << 20)
#define CHUNK_FRAME 32 /* a chunk's size and line ends, and the last chunk */

struct lg_inject_answer *lg_inject_answer_new(const struct lg_http1 *m,
					      struct lg_slice head)
{
	struct lg_slice type =
		lg_http1_field(head, LG_SLICE("content-type"), 0);
	struct lg_slice coding =
		lg_http1_field(head, LG_SLICE("content-encoding"), 0);
	struct lg_inject_answer *a;

	if (m->status != 200 ||
	    !lg_slice_istarts(lg_slice_trim(type),
			      LG_SLICE("text/event-stream")) ||
	    (coding.len &&
	     !lg_slice_ieq(lg_slice_trim(coding), LG_SLICE("identity"))) ||
	    (m->framing != LG_HTTP1_CHUNKED &&
	     m->framing != LG_HTTP1_UNTIL_CLOSE))
		return NULL;
	a = lg_mem_alloc(sizeof(*a));
	if (!a)
		return NULL;
	lg_buf_init(&a->buf, BUF_MAX);
	a->chunked = m->framing == LG_HTTP1_CHUNKED;
	return a;
}

void lg_inject_answer_del(struct lg_inject_answer *a)
{
	if (!a)
		return;
	lg_buf_fini(&a->buf);
	lg_mem_free(a, sizeof(*a));
}

/* -- one event ------------------------------------------------------------- */

/* The JSON of its only data line, inside the event; empty: not like that. */
static struct lg_slice data_of(struct lg_slice event)
{
	struct lg_slice line, data = {NULL, 0};

	while (event.len) {
		event = lg_slice_cut(event, '\n', &line);
		if (!lg_slice_starts(line, LG_SLICE("data:")))
			continue;
		if (data.p)
			return (struct lg_slice){NULL, 0};
		data = lg_slice_trim(
			(struct lg_slice){line.p + 5, line.len - 5});
	}
	return data;
}

static bool is_empty_array(struct lg_slice v)
{
	if (v.len < 2 || *v.p != '[')
		return false;
	for (size_t i = 1; i < v.len - 1; i++)
		if (!strchr(" \t\r\n", v.p[i]))
			return false;
	return true;
}

/* The chunk that came because we asked: usage and no choice. */
static bool is_unasked(struct lg_slice json, const struct lg_json_member *usage)
{
	struct lg_json_member choices;

	return *usage->value.p == '{' &&
	       !lg_json_member_find(json, LG_SLICE("choices"), &choices) &&
	       is_empty_array(choices.value);
}

/* Take "usage": null with one of its commas out of the event at hand. */
static void cut_member(struct lg_inject_answer *a,
		       const struct lg_json_member *m)
{
	const char *end = a->buf.p + a->buf.len;
	const char *from = m->before ? m->before : m->key;
	const char *to = m->value.p + m->value.len;

	if (!m->before && m->after)
		to = m->after + 1;
	memmove(a->buf.p + (from - a->buf.p), to, (size_t)(end - to));
	a->buf.len -= (size_t)(to - from);
}

static void event_done(struct lg_inject_answer *a)
{
	struct lg_slice event = {a->buf.p + a->ready, a->buf.len - a->ready};
	struct lg_slice json;
	struct lg_json_member usage;

	a->dropped = false;
	if (!a->passing) {
		json = data_of(event);
		if (json.len && *json.p == '{' &&
		    !lg_json_member_find(json, LG_SLICE("usage"), &usage)) {
			a->dropped = is_unasked(json, &usage);
			if (lg_slice_eq(usage.value, LG_SLICE("null")))
				cut_member(a, &usage);
		}
	}
	if (a->dropped)
		a->buf.len = a->ready;
	a->ready = a->buf.len;
	a->passing = false;
}

/* -- bytes ----------------------------------------------------------------- */

static void line_end(struct lg_inject_answer *a, char c)
{
	a->at_event_end = a->line == 0;
	a->skip_lf = c == '\r';
	a->line = 0;
	if (a->at_event_end)
		event_done(a);
}

/* The LF of a CR LF belongs to what the CR ended. */
static void second_half(struct lg_inject_answer *a)
{
	a->skip_lf = false;
	if (a->at_event_end && a->dropped)
		return;
	lg_buf_putc(&a->buf, '\n');
	if (a->at_event_end)
		a->ready = a->buf.len;
}

void lg_inject_answer_feed(struct lg_inject_answer *a, const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end) {
		const char *q = p;

		if (a->skip_lf && *p == '\n') {
			second_half(a);
			p++;
			continue;
		}
		a->skip_lf = false;
		while (q < end && *q != '\n' && *q != '\r')
			q++;
		a->line += (size_t)(q - p);
		lg_buf_put(&a->buf, p, (size_t)(q - p) + (q < end));
		if (q < end)
			line_end(a, *q++);
		p = q;
	}
	if (a->buf.len - a->ready > EVENT_MAX)
		a->passing = true;
	if (a->passing)
		a->ready = a->buf.len;
}

bool lg_inject_answer_reserve(struct lg_inject_answer *a, size_t n,
			      struct lg_buf *out)
{
	return !lg_buf_reserve(&a->buf, n) &&
	       !lg_buf_reserve(out, a->buf.len + n + CHUNK_FRAME);
}

void lg_inject_answer_show(struct lg_inject_answer *a, struct lg_buf *out)
{
	if (!a->ready)
		return;
	if (a->chunked) {
		lg_buf_put_hex(out, a->ready);
		lg_buf_puts(out, "\r\n");
	}
	lg_buf_put(out, a->buf.p, a->ready);
	if (a->chunked)
		lg_buf_puts(out, "\r\n");
	lg_buf_drop(&a->buf, a->ready);
	a->ready = 0;
}

void lg_inject_answer_end(struct lg_inject_answer *a, bool complete,
			  struct lg_buf *out)
{
	a->ready = a->buf.len;
	lg_inject_answer_show(a, out);
	if (complete && a->chunked)
		lg_buf_puts(out, "0\r\n\r\n");
}
