#include "guard/h2_watch.h"

#include <string.h>

#include "base/mem.h"
#include "guard/flow_state.h"
#include "guard/h2_fields.h"
#include "llm/shape.h"
#include "wire/h2.h"
#include "wire/hpack_late.h"

#define BUCKETS 64
#define STREAMS_MAX 4096
#define GONE 128
#define BLOCK_MAX ((size_t)256 << 10)
#define BODY_MAX ((size_t)1 << 20)
#define SSE_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
#define GZIP_MAGIC "\x1f\x8b\x08"

struct stream {
	struct stream *next;
	uint32_t id;
	struct lg_flow *sub;
	uint64_t declared;  /* by content-length, yet to come */
	struct lg_buf body; /* of a request that nobody can place yet */
	struct lg_buf head; /* of its answer, until its body begins */
	bool blind;	    /* its request's head is not known */
	bool chunked;	    /* sub is told the request in chunks */
	bool up_end, answered;
	bool status_unknown, coding_unknown;
};

struct side {
	struct lg_h2 p;
	struct lg_hpack_late *reader;
	struct lg_buf block;
	uint32_t stream; /* of the header block */
	uint8_t flags, kind;
	bool lost; /* where a frame begins is not known */
};

struct lg_h2watch {
	struct lg_flow *flow;
	struct side up, down;
	struct stream *streams[BUCKETS];
	unsigned n;
	uint32_t last_id;
	bool late;
	uint32_t gone[GONE]; /* streams that are over */
	unsigned ngone;
	struct stream *newest;
};

/* -- life --------------------------------------------------------------------
 */

static bool side_init(struct side *s, bool late)
{
	lg_h2_init(&s->p);
	lg_buf_init(&s->block, BLOCK_MAX);
	s->lost = late;
	s->reader = lg_hpack_late_new(!late);
	return s->reader;
}

static void side_fini(struct side *s)
{
	lg_hpack_late_del(s->reader);
	lg_buf_fini(&s->block);
}

struct lg_h2watch *lg_h2watch_new(struct lg_flow *flow, bool late)
{
	struct lg_h2watch *w = lg_mem_alloc(sizeof(*w));
	bool up, down;

	if (!w)
		return NULL;
	w->flow = flow;
	w->late = late;
	up = side_init(&w->up, late);
	down = side_init(&w->down, late);
	if (up && down)
		return w;
	lg_h2watch_del(w);
	return NULL;
}

static struct stream **slot(struct lg_h2watch *w, uint32_t id)
{
	struct stream **at = &w->streams[id / 2 % BUCKETS];

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static void del(struct lg_h2watch *w, struct stream **at)
{
	struct stream *st = *at;

	*at = st->next;
	w->n--;
	w->gone[w->ngone++ % GONE] = st->id;
	if (w->newest == st)
		w->newest = NULL;
	lg_flow_del(st->sub);
	lg_buf_fini(&st->body);
	lg_buf_fini(&st->head);
	lg_mem_free(st, sizeof(*st));
}

void lg_h2watch_del(struct lg_h2watch *w)
{
	if (!w)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		while (w->streams[i])
			del(w, &w->streams[i]);
	side_fini(&w->up);
	side_fini(&w->down);
	lg_mem_free(w, sizeof(*w));
}

static bool is_gone(const struct lg_h2watch *w, uint32_t id)
{
	for (unsigned i = 0; i < GONE && i < w->ngone; i++)
		if (w->gone[i] == id)
			return true;
	return false;
}

/* -- streams
 * ------------------------------------------------------------------- */

static struct stream *new_stream(struct lg_h2watch *w, uint32_t id, bool blind)
{
	struct lg_flow *f = w->flow;
	struct lg_flow_peer peer = {
		.host = lg_slice_str(f->host),
		.guarded = f->named,
		.observe_only = true,
		.late = blind,
		.memo = f->memo,
		.who = f->who,
	};
	struct stream *st;

	if (!(id & 1) || w->n == STREAMS_MAX || is_gone(w, id))
		return NULL;
	st = lg_mem_alloc(sizeof(*st));
	if (!st)
		return NULL;
	st->sub = lg_flow_new(f->engine, &peer);
	if (!st->sub) {
		lg_mem_free(st, sizeof(*st));
		return NULL;
	}
	st->sub->stream = true;
	st->sub->astray = false;
	st->sub->late_flags = w->late ? LG_ROW_JOINED_LATE : LG_ROW_LOST;
	st->id = id;
	st->blind = blind;
	lg_buf_init(&st->body, BODY_MAX);
	lg_buf_init(&st->head, LG_HTTP1_HEAD_MAX * 4);
	st->next = w->streams[id / 2 % BUCKETS];
	w->streams[id / 2 % BUCKETS] = st;
	w->n++;
	w->newest = st;
	return st;
}

/* A stream that we did not see begin; only where that may be. */
static struct stream *find(struct lg_h2watch *w, uint32_t id, bool begin)
{
	struct stream *st = *slot(w, id);

	if (st || !begin || !w->late || !(id & 1) || id <= 0)
		return st;
	return new_stream(w, id, true);
}

static void say(struct lg_h2watch *w, struct stream *st, const char *p,
		size_t n)
{
	uint32_t begun = st->sub->begun;
	enum lg_flow_gate gate;

	while (n) {
		size_t k = lg_flow_offer(st->sub, p, n, &gate);

		if (gate == LG_FLOW_PASS)
			lg_flow_passed(st->sub, p, k);
		p += k;
		n -= k;
	}
	w->flow->begun += st->sub->begun - begun;
}

static void hear(struct lg_h2watch *w, struct stream *st, const char *p,
		 size_t n)
{
	uint32_t begun = st->sub->begun;

	/* observed bytes are read and never moved */
	lg_flow_arrived(st->sub, (char *)(uintptr_t)p, n);
	w->flow->begun += st->sub->begun - begun;
}

/* -- header blocks
 * --------------------------------------------------------------- */

struct fields {
	struct lg_h2_fields l;
	bool odd; /* some are not known */
	bool failed;
};

static void on_field(void *ctx, const struct lg_hpack_late_field *f)
{
	struct fields *to = ctx;

	if (!f->name.p || !f->value.p)
		to->odd = true;
	else if (!to->failed)
		to->failed = lg_h2_fields_add(&to->l, f->name, f->value, false);
}

static void end_up(struct lg_h2watch *w, struct stream *st)
{
	if (st->up_end)
		return;
	st->up_end = true;
	if (st->blind)
		return;
	if (st->chunked)
		say(w, st, "0\r\n\r\n", 5);
	else if (st->declared)
		lg_flow_gap(st->sub, true, 0);
}

static void request(struct lg_h2watch *w, struct fields *in, bool ended)
{
	struct stream *st = *slot(w, w->up.stream);
	struct lg_slice length =
		lg_h2_fields_get(&in->l, LG_SLICE("content-length"));
	struct lg_slice host;
	struct lg_buf text;
	bool known;

	if (st) { /* trailers */
		if (ended)
			end_up(w, st);
		return;
	}
	lg_buf_init(&text, LG_HTTP1_HEAD_MAX * 4);
	known = lg_h2_fields_request(&in->l, ended, &text);
	host = lg_h2_fields_get(&in->l, LG_SLICE(":authority"));
	if (known && w->late && !w->flow->host[0])
		lg_slice_copy(host, w->flow->host, sizeof(w->flow->host));
	st = new_stream(w, w->up.stream, !known);
	if (st && known) {
		st->chunked = !ended && !length.p;
		if (!st->chunked)
			lg_slice_u64(length, &st->declared);
		if (in->odd && st->sub)
			st->sub->late_flags |= LG_ROW_JOINED_LATE;
		say(w, st, text.p, text.len);
	}
	if (st && ended)
		end_up(w, st);
	lg_buf_fini(&text);
}

/* The answer's head is told with its first byte of body, which may say more. */
static void tell_head(struct lg_h2watch *w, struct stream *st,
		      struct lg_slice body)
{
	static const char coded[] = "content-encoding: gzip\r\n\r\n";
	struct lg_buf *b = &st->head;

	if (!b->len)
		return;
	if (st->coding_unknown && lg_slice_starts(body, LG_SLICE(GZIP_MAGIC))) {
		b->len -= 2;
		lg_buf_puts(b, coded);
	}
	hear(w, st, b->p, b->len);
	if (st->status_unknown && st->sub->first)
		st->sub->first->row.status = 0;
	b->len = 0;
}

static void end_down(struct lg_h2watch *w, struct stream *st)
{
	tell_head(w, st, (struct lg_slice){"", 0});
	if (!st->answered)
		st->sub->deaf = true;
	lg_flow_eof(st->sub);
	del(w, slot(w, st->id));
}

static void answer(struct lg_h2watch *w, struct fields *in, bool ended)
{
	struct stream *st = find(w, w->down.stream, true);
	struct lg_slice status = lg_h2_fields_get(&in->l, LG_SLICE(":status"));

	if (!st)
		return;
	if (!st->answered && !(status.p && *status.p == '1')) {
		st->answered = true;
		st->status_unknown = !status.p;
		st->coding_unknown =
			in->odd &&
			!lg_h2_fields_get(&in->l, LG_SLICE("content-encoding"))
				 .p;
		if (!status.p)
			lg_h2_fields_add(&in->l, LG_SLICE(":status"),
					 LG_SLICE("200"), false);
		if (!lg_h2_fields_answer(&in->l, &st->head))
			st->head.len = 0;
		if (st->head.len && !st->coding_unknown)
			tell_head(w, st, (struct lg_slice){"", 0});
	}
	if (ended)
		end_down(w, st);
}

static void on_block(struct lg_h2watch *w, struct side *s)
{
	struct lg_slice block = lg_buf_slice(&s->block);
	size_t skip = s->kind == LG_H2_PUSH_PROMISE ? 4
		      : s->flags & LG_H2_PRIO	    ? 5
						    : 0;
	bool ended = s->flags & LG_H2_END_STREAM;
	struct fields in = {.odd = false};
	int err;

	if (block.len < skip)
		return;
	lg_h2_fields_init(&in.l);
	if (skip)
		block.p += skip;
	block.len -= skip;
	err = lg_hpack_late_read(s->reader, block, on_field, &in);
	in.odd |= err || in.failed;
	if (s->kind == LG_H2_HEADERS && s == &w->up)
		request(w, &in, ended);
	else if (s->kind == LG_H2_HEADERS)
		answer(w, &in, ended);
	lg_h2_fields_fini(&in.l);
}

/* -- bodies
 * ------------------------------------------------------------------------ */

static void data_up(struct lg_h2watch *w, struct lg_slice run)
{
	struct stream *st = find(w, w->up.p.f.stream, true);
	char text[24];
	struct lg_buf b;

	if (!st || st->up_end || !run.len)
		return;
	if (st->blind) {
		size_t room = BODY_MAX - st->body.len;

		lg_buf_put(&st->body, run.p, run.len < room ? run.len : room);
		st->sub->late_body = lg_buf_slice(&st->body);
	} else if (st->chunked) {
		lg_buf_init_fixed(&b, text, sizeof(text));
		lg_buf_put_hex(&b, run.len);
		lg_buf_puts(&b, "\r\n");
		say(w, st, b.p, b.len);
		say(w, st, run.p, run.len);
		say(w, st, "\r\n", 2);
	} else {
		if (run.len > st->declared)
			run.len = (size_t)st->declared;
		say(w, st, run.p, run.len);
		st->declared -= run.len;
	}
}

/* The head of this stream of events went by before we came. */
static bool joins(struct lg_h2watch *w, struct stream *st, struct lg_slice run)
{
	if (!lg_shape_is_sse(run) || (st->blind && !lg_shape_answer(run)))
		return false;
	st->answered = true;
	hear(w, st, SSE_HEAD, sizeof(SSE_HEAD) - 1);
	return true;
}

static void data_down(struct lg_h2watch *w, struct lg_slice run)
{
	struct stream *st = find(w, w->down.p.f.stream, true);

	if (!st || !run.len || (!st->answered && !joins(w, st, run)))
		return;
	tell_head(w, st, run);
	hear(w, st, run.p, run.len);
}

static void data_end(struct lg_h2watch *w, struct side *s)
{
	struct stream *st = *slot(w, s->p.f.stream);

	if (!st || !(s->p.f.flags & LG_H2_END_STREAM))
		return;
	if (s == &w->up)
		end_up(w, st);
	else
		end_down(w, st);
}

/* -- frames
 * -------------------------------------------------------------------------- */

static bool is_block(uint8_t type)
{
	return type == LG_H2_HEADERS || type == LG_H2_CONTINUATION ||
	       type == LG_H2_PUSH_PROMISE;
}

static void on_frame(struct side *s)
{
	if (s->p.f.type != LG_H2_HEADERS && s->p.f.type != LG_H2_PUSH_PROMISE)
		return;
	s->block.len = 0;
	s->block.overflow = false;
	s->stream = s->p.f.stream;
	s->flags = s->p.f.flags;
	s->kind = s->p.f.type;
}

static void on_end(struct lg_h2watch *w, struct side *s)
{
	const struct lg_h2_frame *f = &s->p.f;
	struct stream **at;

	if (f->type == LG_H2_DATA) {
		data_end(w, s);
	} else if (is_block(f->type) && !s->p.block) {
		if (s->block.overflow)
			lg_hpack_late_forget(s->reader);
		else
			on_block(w, s);
		s->block.len = 0;
		lg_buf_shrink(&s->block, 4096);
	} else if (f->type == LG_H2_RST_STREAM) {
		at = slot(w, f->stream);
		if (*at)
			del(w, at);
	}
}

/* Where it goes on is not known: nor are the tables. */
static void lose(struct lg_h2watch *w, struct side *s)
{
	s->lost = w->late = true;
	s->block.len = 0;
	lg_hpack_late_forget(s->reader);
}

static void feed(struct lg_h2watch *w, struct side *s, const char *p, size_t n)
{
	enum lg_h2_event ev = LG_H2_MORE;
	struct lg_slice run;
	size_t used = 0;

	if (s->lost) {
		if (n >= LG_H2_PREFACE_LEN &&
		    !memcmp(p, LG_H2_PREFACE, LG_H2_PREFACE_LEN))
			used = LG_H2_PREFACE_LEN;
		else
			used = lg_h2_find(p, n);
		if (used == n)
			return;
		lg_h2_init(&s->p);
		s->lost = false;
	}
	do {
		used += lg_h2_feed(&s->p, p + used, n - used, &ev, &run);
		if (ev == LG_H2_FRAME)
			on_frame(s);
		else if (ev == LG_H2_PAYLOAD && s->p.f.type == LG_H2_DATA)
			s == &w->up ? data_up(w, run) : data_down(w, run);
		else if (ev == LG_H2_PAYLOAD && is_block(s->p.f.type))
			lg_buf_put(&s->block, run.p, run.len);
		else if (ev == LG_H2_END)
			on_end(w, s);
		else if (ev == LG_H2_BAD)
			lose(w, s);
	} while (!s->lost && (ev != LG_H2_MORE || used < n));
}

void lg_h2watch_up(struct lg_h2watch *w, const char *p, size_t n)
{
	feed(w, &w->up, p, n);
}

void lg_h2watch_down(struct lg_h2watch *w, const char *p, size_t n)
{
	feed(w, &w->down, p, n);
}

/* -- the rest
 * ---------------------------------------------------------------------- */

void lg_h2watch_gap(struct lg_h2watch *w, bool up, uint64_t missing)
{
	struct side *s = up ? &w->up : &w->down;
	struct stream *st;

	if (!s->lost && missing && s->p.f.type == LG_H2_DATA &&
	    lg_h2_skip(&s->p, missing)) {
		st = *slot(w, s->p.f.stream);
		if (st && up)
			st->declared -=
				missing < st->declared ? missing : st->declared;
		if (st && !st->blind)
			lg_flow_gap(st->sub, up, missing);
		return;
	}
	lose(w, s);
	for (unsigned i = 0; i < BUCKETS; i++)
		for (st = w->streams[i]; st; st = st->next)
			if (!(up && st->up_end))
				lg_flow_gap(st->sub, up, 0);
}

const struct lg_row *lg_h2watch_head(const struct lg_h2watch *w)
{
	return w->newest ? lg_flow_head(w->newest->sub) : NULL;
}

void lg_h2watch_unsent(struct lg_h2watch *w, bool unsent)
{
	if (w->newest)
		lg_flow_unsent(w->newest->sub, unsent);
}

void lg_h2watch_forsake(struct lg_h2watch *w, const struct lg_row *like)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct stream *st = w->streams[i]; st; st = st->next)
			lg_flow_forsake(st->sub, like);
}

void lg_h2watch_mark(struct lg_h2watch *w, int verdict, const char *reason,
		     bool newest)
{
	if (newest) {
		if (w->newest)
			lg_flow_mark(w->newest->sub, verdict, reason, true);
		return;
	}
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct stream *st = w->streams[i]; st; st = st->next)
			lg_flow_mark(st->sub, verdict, reason, false);
}
