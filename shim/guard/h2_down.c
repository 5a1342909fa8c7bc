#include "guard/h2_state.h"

#include <errno.h>
#include <string.h>

/* -- where the program sees it --------------------------------------------- */

static bool is_ahead(const struct lg_h2conn *c)
{
	return c->synth.len > c->told;
}

/* Bytes for the program, in place as long as they fit there. */
static void emit(struct lg_h2conn *c, struct lg_h2_view *v, const void *p,
		 size_t n)
{
	if (!n)
		return;
	if (c->to_late) {
		lg_buf_put(&c->late, p, n);
	} else if (!v || is_ahead(c) || v->shown + n > v->at) {
		lg_buf_put(&c->synth, p, n);
	} else {
		memmove(v->p + v->shown, p, n);
		v->shown += n;
	}
}

static void emit_buf(struct lg_h2conn *c, struct lg_h2_view *v,
		     struct lg_buf *b)
{
	emit(c, v, b->p, b->len);
	b->len = 0;
	lg_buf_shrink(b, 2 * LG_H2_FRAME_MAX);
}

/* The frame at hand as it was collected. */
void lg_h2_down_frame(struct lg_h2conn *c, struct lg_h2_view *v,
		      uint32_t stream)
{
	struct lg_h2_frame f = c->down.f;

	f.stream = stream;
	f.len = (uint32_t)c->down_block.len;
	lg_h2_put(&c->piece, &f, c->down_block.p);
	emit_buf(c, v, &c->piece);
}

/* -- the program's window is full ------------------------------------------ */

static bool drain_one(struct lg_h2conn *c)
{
	struct lg_slice s = lg_buf_slice(&c->late);
	const uint8_t *b = (const uint8_t *)s.p;
	size_t len;

	if (s.len < LG_H2_HEAD_LEN)
		return false;
	len = (size_t)b[0] << 16 | (size_t)b[1] << 8 | b[2];
	if (s.len < LG_H2_HEAD_LEN + len)
		return false;
	if (b[3] == LG_H2_DATA) {
		if (c->down_all.far < (int64_t)len)
			return false;
		c->down_all.far -= (int64_t)len;
		c->late_bytes -= (int64_t)len;
	}
	lg_buf_put(lg_h2conn_say(c), s.p, LG_H2_HEAD_LEN + len);
	lg_buf_drop(&c->late, LG_H2_HEAD_LEN + len);
	return true;
}

void lg_h2_down_drain(struct lg_h2conn *c)
{
	/* the program must be between two frames */
	while (c->late.len && !c->mid && drain_one(c))
		;
	if (c->late.len)
		return;
	lg_buf_shrink(&c->late, 0);
	/* what was to be said behind them */
	for (struct lg_h2_stream *st = c->streams, *next; st; st = next) {
		next = st->next;
		lg_h2_stream_tell(c, st);
		lg_h2_stream_reap(c, st);
	}
}

/* -- answers --------------------------------------------------------------- */

/* What sub shows of an answer that may be changed. */
static bool take_shown(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	struct lg_slice s;
	bool any = false;

	while (st->sub && lg_flow_synth(st->sub, &s)) {
		lg_h2_stream_add(c, st, s.p, s.len);
		lg_flow_synth_taken(st->sub, s.len);
		any = true;
	}
	return any;
}

static bool edits(const struct lg_h2_stream *st)
{
	return st->tail.len ||
	       (st->sub && st->sub->first && lg_flow_edits(st->sub));
}

/* Some of the body came and was not told yet. */
static bool withholds(const struct lg_h2_stream *st)
{
	const struct lg_exchange *x = st->sub ? st->sub->first : NULL;

	return st->tail.len || (x && x->edit && x->edit->buf.len);
}

static void answer_end(struct lg_h2conn *c, struct lg_h2_stream *st,
		       bool edited)
{
	st->answered = true;
	lg_h2_stream_answered(st, true);
	if (edited)
		take_shown(c, st);
	st->tail_end = edited;
	st->down_done = !edited;
	lg_h2_stream_tell(c, st);
}

/* Trailers follow: what was not told of the body goes before them. */
static void end_edited(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	struct lg_h2_frame f = {0, LG_H2_DATA, 0, st->id};
	size_t left;

	st->answered = true;
	lg_h2_stream_answered(st, true);
	take_shown(c, st);
	lg_h2_stream_tell(c, st);
	while ((left = st->tail.len - st->tailed)) {
		f.len = left < LG_H2_FRAME_MAX ? (uint32_t)left
					       : LG_H2_FRAME_MAX;
		lg_h2_put(&c->late, &f, st->tail.p + st->tailed);
		st->tailed += f.len;
		c->telling -= f.len;
		c->late_bytes += f.len;
		st->down.far -= f.len;
	}
	c->to_late = c->late.len;
}

static void answer_head(struct lg_h2_stream *st, const struct lg_h2_fields *l)
{
	struct lg_slice status = lg_h2_fields_get(l, LG_SLICE(":status"));
	struct lg_buf text;

	lg_buf_init(&text, LG_HTTP1_HEAD_MAX * 4);
	if (lg_h2_fields_answer(l, &text)) {
		st->answered = *status.p != '1';
		if (st->sub && st->sub->first)
			lg_flow_arrived(st->sub, text.p, text.len);
	} else if (st->sub && st->sub->first) {
		st->sub->first->row.flags |= LG_ROW_BAD_HTTP;
		lg_h2_stream_answered(st, false);
		st->answered = true;
	}
	lg_buf_fini(&text);
}

static void write_block(struct lg_h2conn *c, struct lg_h2_view *v,
			const struct lg_h2_fields *l, uint32_t stream)
{
	bool pushes = c->down_kind == LG_H2_PUSH_PROMISE;
	struct lg_buf block;

	lg_buf_init(&block, LG_H2_BLOCK_MAX * 2);
	/* the promised stream's number */
	lg_buf_put(&block, c->down_block.p, pushes ? 4 : 0);
	if (c->say_size >= 0)
		lg_hpack_put_size(&block, (uint32_t)c->say_size);
	c->say_size = -1;
	if (!lg_h2_fields_write(l, NULL, &block))
		lg_h2_put_block(&c->piece, stream,
				!pushes && c->down_flags & LG_H2_END_STREAM,
				NULL, lg_buf_slice(&block));
	if (pushes && c->piece.len)
		c->piece.p[3] = LG_H2_PUSH_PROMISE;
	lg_buf_fini(&block);
	emit_buf(c, v, &c->piece);
}

/* What belongs to the frame and not to its header block. */
static size_t before_block(const struct lg_h2conn *c)
{
	if (c->down_kind == LG_H2_PUSH_PROMISE)
		return 4;
	return c->down_flags & LG_H2_PRIO ? 5 : 0;
}

static void on_block(struct lg_h2conn *c, struct lg_h2_view *v)
{
	struct lg_slice block = lg_buf_slice(&c->down_block);
	struct lg_h2_stream *st = lg_h2_stream_by_sid(c, c->down_stream);
	size_t skip = before_block(c);
	bool ends = st && !st->dead && c->down_kind == LG_H2_HEADERS &&
		    c->down_flags & LG_H2_END_STREAM;
	struct lg_h2_fields l;
	int err = -EPROTO;

	lg_h2_fields_init(&l);
	if (block.len >= skip) {
		if (skip)
			block.p += skip;
		block.len -= skip;
		err = lg_h2_fields_read(&l, c->down_reader, block);
	}
	if (err == -EPROTO) {
		lg_h2conn_break_down(c);
	} else if (c->down_kind == LG_H2_HEADERS) {
		if (ends && withholds(st))
			end_edited(c, st);
		if (!c->block_raw && (st ? !st->dead : !(c->down_stream & 1)))
			write_block(c, v, &l, st ? st->id : c->down_stream);
		if (st && !st->dead && !st->answered)
			answer_head(st, &l);
	} else if (!c->block_raw) {
		write_block(c, v, &l, c->down_stream);
	}
	c->rewrite |= !c->block_raw;
	if (c->block_raw)
		c->say_size = -1;
	lg_h2_fields_fini(&l);
	if (ends && !c->deaf) {
		answer_end(c, st, false);
		lg_h2_stream_reap(c, st);
	}
}

/* -- DATA that may be changed ---------------------------------------------- */

/* The stream was cut: what was said instead stands in sub's bytes. */
static void cut(struct lg_h2conn *c, struct lg_h2_stream *st, const char *p,
		size_t n)
{
	bool said;

	lg_h2_stream_add(c, st, p, n);
	said = take_shown(c, st);
	lg_h2_put_u32(&c->next, LG_H2_RST_STREAM, st->sid, LG_H2_CANCEL);
	st->dead = true;
	c->pass = LG_H2_EAT;
	st->tail_end = said;
	lg_h2_stream_tell(c, st);
	if (said)
		return;
	/* nothing can be said in its coding: it ends short */
	lg_h2_put_u32(lg_h2conn_say(c), LG_H2_RST_STREAM, st->id, LG_H2_CANCEL);
	st->down_done = st->up_end = true;
}

static void edit(struct lg_h2conn *c, struct lg_h2_view *v,
		 struct lg_h2_stream *st, struct lg_slice run)
{
	char *p = v->p + (run.p - v->p);
	size_t n = run.len;

	if (st->sub && st->sub->first)
		n = lg_flow_arrived(st->sub, p, n);
	if (st->sub && lg_flow_wants_close(st->sub)) {
		cut(c, st, p, n);
		return;
	}
	lg_h2_stream_add(c, st, p, n);
	take_shown(c, st);
	if (c->down.left > c->down.pad || !(c->down.f.flags & LG_H2_END_STREAM))
		lg_h2_stream_tell(c, st);
}

/* -- a frame begins -------------------------------------------------------- */

/* A stream that the program does not know under this number. */
bool lg_h2_down_is_unknown(const struct lg_h2conn *c, uint32_t sid)
{
	const struct lg_h2_gone *g = lg_h2_stream_gone(c, sid);

	return sid & 1 && (g ? g->dead : c->moved);
}

static enum lg_h2_pass pass_of_data(struct lg_h2conn *c,
				    struct lg_h2_stream *st)
{
	if (st ? st->dead : lg_h2_down_is_unknown(c, c->down.f.stream))
		return LG_H2_EAT;
	return st && edits(st) ? LG_H2_EDIT : LG_H2_RAW;
}

static void on_data(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	int64_t len = c->down.f.len;
	bool within = c->down_all.near >= len;

	c->pass = pass_of_data(c, st);
	c->down_all.near -= len;
	if (st)
		st->down.near -= len;
	c->to_late = c->pass == LG_H2_RAW &&
		     (c->late.len || (c->down_all.far < len && within));
	if (c->pass != LG_H2_RAW)
		return;
	if (c->to_late)
		c->late_bytes += len;
	else
		c->down_all.far -= len;
	if (st)
		st->down.far -= len;
}

static void on_block_begin(struct lg_h2conn *c, const struct lg_h2_stream *st)
{
	c->down_block.len = 0;
	c->down_stream = c->down.f.stream;
	c->down_flags = c->down.f.flags;
	c->down_kind = c->down.f.type;
	c->block_raw =
		!c->rewrite &&
		!(st ? st->dead : lg_h2_down_is_unknown(c, c->down_stream)) &&
		!(st && c->down_flags & LG_H2_END_STREAM && withholds(st));
}

static bool is_block(uint8_t type)
{
	return type == LG_H2_HEADERS || type == LG_H2_PUSH_PROMISE ||
	       type == LG_H2_CONTINUATION;
}

static void choose(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	c->to_late = false;
	switch (c->down.f.type) {
	case LG_H2_DATA:
		on_data(c, st);
		break;
	case LG_H2_HEADERS:
	case LG_H2_PUSH_PROMISE:
		on_block_begin(c, st);
		/* fall through */
	case LG_H2_CONTINUATION:
		c->pass = c->block_raw ? LG_H2_RAW : LG_H2_EAT;
		c->to_late = c->late.len;
		break;
	case LG_H2_PING:
	case LG_H2_WINDOW_UPDATE:
	case LG_H2_RST_STREAM:
	case LG_H2_GOAWAY:
		c->pass = LG_H2_EAT;
		break;
	default:
		c->pass = LG_H2_RAW;
	}
}

uint32_t lg_h2_down_name(const struct lg_h2conn *c,
			 const struct lg_h2_stream *st, uint32_t sid)
{
	const struct lg_h2_gone *g;

	if (st)
		return st->id;
	g = sid ? lg_h2_stream_gone(c, sid) : NULL;
	return g ? g->id : sid;
}

static void on_frame(struct lg_h2conn *c, struct lg_h2_view *v)
{
	struct lg_h2_frame f = c->down.f;
	uint8_t *head = c->down.head;

	c->down_st = f.stream ? lg_h2_stream_by_sid(c, f.stream) : NULL;
	choose(c, c->down_st);
	if (f.type != LG_H2_DATA && !is_block(f.type))
		c->down_block.len = 0;
	if (c->pass != LG_H2_RAW)
		return;
	f.stream = lg_h2_down_name(c, c->down_st, f.stream);
	if (f.stream != c->down.f.stream)
		lg_h2_head(&f, head);
	emit(c, v, head, LG_H2_HEAD_LEN);
	c->mid |= !c->to_late;
}

/* -- its content ----------------------------------------------------------- */

static bool is_kept(uint8_t type)
{
	return type != LG_H2_DATA && type <= LG_H2_CONTINUATION;
}

static void on_run(struct lg_h2conn *c, struct lg_h2_view *v,
		   enum lg_h2_event ev, struct lg_slice run)
{
	struct lg_h2_stream *st = c->down_st;
	uint8_t type = c->down.f.type;
	size_t max = is_block(type) ? LG_H2_BLOCK_MAX : LG_H2_CONTROL_MAX;
	bool bad = false;

	if (ev == LG_H2_PAYLOAD && is_kept(type))
		bad = c->down_block.len + run.len > max ||
		      lg_buf_put(&c->down_block, run.p, run.len);
	if (ev == LG_H2_PAYLOAD && c->pass == LG_H2_EDIT && st)
		edit(c, v, st, run);
	if (c->pass != LG_H2_RAW)
		goto out;
	if (ev == LG_H2_PAYLOAD && type == LG_H2_DATA && st && st->sub &&
	    st->sub->first)
		lg_flow_arrived(st->sub, v->p + (run.p - v->p), run.len);
	emit(c, v, run.p, run.len);
out:
	if (bad)
		lg_h2conn_break_down(c);
}

/* -- its end --------------------------------------------------------------- */

static void on_data_end(struct lg_h2conn *c)
{
	struct lg_h2_stream *st = c->down_st;

	if (st && !st->dead && !st->down_done &&
	    c->down.f.flags & LG_H2_END_STREAM) {
		answer_end(c, st, c->pass == LG_H2_EDIT);
	}
	lg_h2conn_grant_down(c, st, LG_H2_GRANT);
	if (st)
		lg_h2_stream_reap(c, st);
}

static void on_end(struct lg_h2conn *c, struct lg_h2_view *v)
{
	uint8_t type = c->down.f.type;

	if (c->pass == LG_H2_RAW && !c->to_late)
		c->mid = c->down.block;
	if (type == LG_H2_DATA)
		on_data_end(c);
	else if (is_block(type) && !c->down.block)
		on_block(c, v);
	else if (!is_block(type))
		lg_h2_down_control(c, v);
	c->to_late = false;
	if (c->mid || c->deaf)
		return;
	if (c->ours.len) {
		lg_buf_put(&c->synth, c->ours.p, c->ours.len);
		c->ours.len = 0;
		lg_buf_shrink(&c->ours, 0);
	}
	if (c->late.len)
		lg_h2_down_drain(c);
}

/* -- bytes ----------------------------------------------------------------- */

/* The rest passes as it came; what was kept of the frame goes first. */
static void pass_rest(struct lg_h2conn *c, struct lg_h2_view *v,
		      enum lg_h2_event ev, struct lg_slice run, size_t n)
{
	c->to_late = false;
	if (ev == LG_H2_BAD)
		lg_h2conn_break_down(c);
	if (c->flow->shut)
		return;
	if (ev == LG_H2_BAD) {
		/* a wrong padding is found behind a head that has passed */
		if (!run.len || c->pass != LG_H2_RAW)
			emit(c, v, c->down.head, LG_H2_HEAD_LEN);
		emit(c, v, run.p, run.len);
	}
	lg_buf_put(&c->synth, c->late.p, c->late.len);
	c->late.len = 0;
	n -= v->at;
	v->at += n;
	emit(c, v, v->p + v->at - n, n);
}

size_t lg_h2_down_feed(struct lg_h2conn *c, char *p, size_t n)
{
	struct lg_h2_view v = {.p = p};
	enum lg_h2_event ev = LG_H2_MORE;
	struct lg_slice run;

	while (!c->deaf && (ev != LG_H2_MORE || v.at < n)) {
		v.at += lg_h2_feed(&c->down, p + v.at, n - v.at, &ev, &run);
		if (ev == LG_H2_FRAME)
			on_frame(c, &v);
		else if (ev == LG_H2_PAYLOAD || ev == LG_H2_PAD)
			on_run(c, &v, ev, run);
		else if (ev == LG_H2_END)
			on_end(c, &v);
		else if (ev == LG_H2_BAD)
			break;
	}
	if (c->deaf || ev == LG_H2_BAD)
		pass_rest(c, &v, ev, run, n);
	return v.shown;
}
