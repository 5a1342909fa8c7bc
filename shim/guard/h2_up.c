#include "guard/h2_state.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

static void tell(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	lg_h2_stream_tell(c, st);
	lg_h2_stream_reap(c, st);
}

/* -- requests -------------------------------------------------------------- */

static void refuse(struct lg_h2conn *c, uint32_t id, uint32_t why)
{
	lg_h2_put_u32(lg_h2conn_say(c), LG_H2_RST_STREAM, id, why);
}

static bool guard(struct lg_h2conn *c, struct lg_h2_stream *st, bool ended,
		  struct lg_buf *text)
{
	struct lg_flow_peer peer = {
		.host = lg_slice_str(c->flow->host),
		.guarded = c->guarded,
		.memo = c->flow->memo,
		.is_named = c->flow->is_named,
		.arg = c->flow->sleeper,
	};
	struct lg_slice length =
		lg_h2_fields_get(&st->head, LG_SLICE("content-length"));

	if (!lg_h2_fields_request(&st->head, ended, text))
		return false;
	st->sub = lg_flow_new(c->flow->engine, &peer);
	if (!st->sub)
		return false;
	st->sub->stream = true;
	st->chunked = !ended && !length.p;
	if (!st->chunked)
		lg_slice_u64(length, &st->declared);
	return true;
}

/* What HTTP/1.1 cannot say: a tunnel passes, all else is malformed. */
static bool is_tunnel(const struct lg_h2_fields *l)
{
	return lg_slice_eq(lg_h2_fields_get(l, LG_SLICE(":method")),
			   LG_SLICE("CONNECT"));
}

static void begin(struct lg_h2conn *c, struct lg_h2_stream *st, bool ended)
{
	struct lg_log_kv kv = {"host", lg_slice_str(c->flow->host), 0};
	struct lg_buf text;

	lg_buf_init(&text, LG_HTTP1_HEAD_MAX * 4);
	if (lg_engine_is_off(c->flow->engine)) {
		st->head_out = true;
	} else if (guard(c, st, ended, &text)) {
		lg_h2_stream_write(c, st, text.p, text.len);
		if (st->head.odd && st->sub->first)
			st->sub->first->row.flags |= LG_ROW_BAD_HTTP;
	} else if (is_tunnel(&st->head)) {
		lg_log(LG_LOG_WARN, "connection_unguarded", &kv, 1);
		st->head_out = true;
	} else {
		lg_h2_stream_reset(c, st, true, false,
				   text.overflow ? LG_H2_REFUSED_STREAM
						 : LG_H2_PROTOCOL_ERROR);
	}
	lg_buf_fini(&text);
	if (ended)
		lg_h2_stream_end(c, st);
	lg_h2_stream_send(c, st);
	tell(c, st);
}

static void new_stream(struct lg_h2conn *c, struct lg_h2_fields *l, bool ended)
{
	struct lg_h2_stream *st = NULL;

	c->last_id = c->up_stream;
	if (c->nstreams < LG_H2_STREAMS_MAX)
		st = lg_h2_stream_new(c, c->up_stream);
	if (!st) {
		refuse(c, c->up_stream, LG_H2_REFUSED_STREAM);
		return;
	}
	lg_h2_fields_fini(&st->head);
	st->head = *l;
	lg_h2_fields_init(l);
	if (c->up_flags & LG_H2_PRIO) {
		memcpy(st->prio, c->up_block.p, sizeof(st->prio));
		st->has_prio = true;
	}
	begin(c, st, ended);
}

static void trailers(struct lg_h2conn *c, struct lg_h2_stream *st,
		     struct lg_h2_fields *l)
{
	if (!l->odd) {
		lg_h2_fields_fini(&st->trailers);
		st->trailers = *l;
		lg_h2_fields_init(l);
	}
	lg_h2_stream_end(c, st);
	lg_h2_stream_send(c, st);
	tell(c, st);
}

/* A header block is complete. */
static void on_block(struct lg_h2conn *c)
{
	struct lg_slice block = lg_buf_slice(&c->up_block);
	bool ended = c->up_flags & LG_H2_END_STREAM;
	struct lg_h2_stream *st = lg_h2_stream_by_id(c, c->up_stream);
	struct lg_h2_fields l;
	int err = -EPROTO;

	lg_h2_fields_init(&l);
	if (c->up_flags & LG_H2_PRIO && block.len >= 5) {
		block.p += 5;
		block.len -= 5;
		err = 0;
	} else if (!(c->up_flags & LG_H2_PRIO)) {
		err = 0;
	}
	err = err ? err : lg_h2_fields_read(&l, c->up_reader, block);
	if (err == -EPROTO || !(c->up_stream & 1)) {
		/* nothing behind it can be read: the server's table is ours */
		lg_h2conn_break_up(c);
		lg_h2_put_block(&c->next, c->up_stream, ended, NULL,
				LG_SLICE("\x80"));
	} else if (st && !st->up_end) {
		if (ended)
			trailers(c, st, &l);
	} else if (c->up_stream > c->last_id && err) {
		c->last_id = c->up_stream;
		refuse(c, c->up_stream, LG_H2_REFUSED_STREAM);
	} else if (c->up_stream > c->last_id) {
		new_stream(c, &l, ended);
	}
	lg_h2_fields_fini(&l);
	c->up_block.len = 0;
	lg_buf_shrink(&c->up_block, 4096);
}

/* -- bodies ---------------------------------------------------------------- */

static void put_chunk(struct lg_h2conn *c, struct lg_h2_stream *st,
		      struct lg_slice run)
{
	char text[24];
	struct lg_buf b;

	lg_buf_init_fixed(&b, text, sizeof(text));
	lg_buf_put_hex(&b, run.len);
	lg_buf_puts(&b, "\r\n");
	lg_h2_stream_write(c, st, b.p, b.len);
	lg_h2_stream_write(c, st, run.p, run.len);
	lg_h2_stream_write(c, st, "\r\n", 2);
}

static void put_direct(struct lg_h2conn *c, struct lg_h2_stream *st,
		       struct lg_slice run)
{
	if (!run.len || !st->head_out || st->dead)
		return;
	if (lg_buf_put(&st->wait, run.p, run.len))
		lg_h2_stream_reset(c, st, true, true, LG_H2_REFUSED_STREAM);
	else
		c->waiting += run.len;
}

static void on_data(struct lg_h2conn *c, struct lg_slice run)
{
	struct lg_h2_stream *st = lg_h2_stream_by_id(c, c->up.f.stream);
	struct lg_slice said = run;

	if (!st || st->up_end || st->dead || !run.len)
		return;
	if (st->sub && st->chunked) {
		put_chunk(c, st, run);
		return;
	}
	if (said.len > st->declared)
		said.len = (size_t)st->declared;
	if (st->sub)
		lg_h2_stream_write(c, st, said.p, said.len);
	else
		said.len = 0;
	st->declared -= said.len;
	run.p += said.len;
	run.len -= said.len;
	put_direct(c, st, run);
}

static void on_data_end(struct lg_h2conn *c)
{
	const struct lg_h2_frame *f = &c->up.f;
	struct lg_h2_stream *st = lg_h2_stream_by_id(c, f->stream);

	c->up_all.near -= f->len;
	if (!st) {
		lg_h2conn_grant_up(c, NULL, LG_H2_GRANT);
		return;
	}
	st->up.near -= f->len;
	if (f->flags & LG_H2_END_STREAM)
		lg_h2_stream_end(c, st);
	lg_h2_stream_send(c, st);
	lg_h2_stream_tell(c, st);
	lg_h2conn_grant_up(c, st, LG_H2_GRANT);
	lg_h2_stream_reap(c, st);
}

/* -- control frames -------------------------------------------------------- */

static void forward(struct lg_h2conn *c);

/* A stream that the server opened has the same number on both sides. */
static void forward_push(struct lg_h2conn *c)
{
	if (!(c->up.f.stream & 1))
		forward(c);
}

static void on_reset(struct lg_h2conn *c)
{
	struct lg_h2_stream *st = lg_h2_stream_by_id(c, c->up.f.stream);

	if (!st)
		forward_push(c);
	if (!st)
		return;
	if (st->sid && !st->dead)
		lg_h2_put_u32(&c->next, LG_H2_RST_STREAM, st->sid,
			      lg_h2_u32(c->up_block.p));
	lg_h2_stream_del(c, st);
	lg_h2conn_grant_up(c, NULL, LG_H2_GRANT);
}

static void tell_all(struct lg_h2conn *c)
{
	struct lg_h2_stream *st, *next;

	for (st = c->streams; st; st = next) {
		next = st->next;
		tell(c, st);
	}
}

static void on_window(struct lg_h2conn *c)
{
	uint32_t by = lg_h2_u32(c->up_block.p) & 0x7fffffff;
	struct lg_h2_stream *st = NULL;
	struct lg_h2_window *w = &c->down_all;

	if (c->up.f.stream) {
		st = lg_h2_stream_by_id(c, c->up.f.stream);
		if (!st)
			forward_push(c);
		if (!st)
			return;
		w = &st->down;
	}
	/* an error of the program's, which the server will call so */
	if (!by || w->far > LG_H2_WINDOW_MAX - (int64_t)by) {
		if (st && !st->sid)
			lg_h2_stream_reset(c, st, true, false,
					   LG_H2_PROTOCOL_ERROR);
		else
			forward(c);
		return;
	}
	w->far += by;
	if (!st)
		lg_h2_down_drain(c);
	lg_h2conn_grant_down(c, st, 1);
	if (st)
		tell(c, st);
	else
		tell_all(c);
}

/* The server's settings are in force for what follows. */
static void on_ack(struct lg_h2conn *c)
{
	struct lg_h2_settings s;
	int64_t by;

	if (!lg_h2_settings_pop(c->down_set, &c->ndown_set, &s))
		return;
	if (s.table >= 0)
		lg_hpack_writer_resize(c->up_writer, (uint32_t)s.table);
	if (s.window < 0)
		return;
	by = s.window - c->up_window;
	c->up_window = s.window;
	for (struct lg_h2_stream *st = c->streams; st; st = st->next) {
		st->up.far += by;
		st->up.near += by;
		lg_h2conn_grant_up(c, st, LG_H2_GRANT);
	}
	lg_h2conn_send_all(c);
}

static void on_settings(struct lg_h2conn *c)
{
	struct lg_slice content = lg_buf_slice(&c->up_block);
	struct lg_slice left = content;
	uint32_t value;
	unsigned id;

	if (c->up.f.flags & LG_H2_ACK) {
		on_ack(c);
		return;
	}
	while (lg_h2_next_setting(&left, &id, &value))
		if (id == LG_H2_SET_TABLE)
			lg_hpack_reader_allow(c->down_reader, value);
	lg_h2_settings_push(c->up_set, &c->nup_set, content);
}

/* As it came; a stream that has another number there is called by that. */
static void forward(struct lg_h2conn *c)
{
	struct lg_h2_stream *st = lg_h2_stream_by_id(c, c->up.f.stream);
	struct lg_h2_frame f = c->up.f;

	if (f.type == LG_H2_PRIORITY || f.type == LG_H2_PRIORITY_UPDATE) {
		if (c->moved)
			return;
	} else if (f.stream && st && st->sid)
		f.stream = st->sid;
	else if (f.stream & 1 && (c->moved || st))
		return;
	f.len = (uint32_t)c->up_block.len;
	if (f.type == LG_H2_PUSH_PROMISE)
		f.flags &= (uint8_t)~LG_H2_PADDED;
	lg_h2_put(&c->next, &f, c->up_block.p);
}

static void on_control(struct lg_h2conn *c)
{
	switch (c->up.f.type) {
	case LG_H2_RST_STREAM:
		on_reset(c);
		break;
	case LG_H2_WINDOW_UPDATE:
		on_window(c);
		break;
	case LG_H2_SETTINGS:
		forward(c);
		on_settings(c);
		break;
	default:
		forward(c);
	}
	c->up_block.len = 0;
	lg_buf_shrink(&c->up_block, 4096);
}

/* -- frames ---------------------------------------------------------------- */

static bool is_block(uint8_t type)
{
	return type == LG_H2_HEADERS || type == LG_H2_CONTINUATION;
}

static void on_frame(struct lg_h2conn *c)
{
	if (c->up.f.type != LG_H2_HEADERS)
		return;
	c->up_stream = c->up.f.stream;
	c->up_flags = c->up.f.flags;
}

static void on_end(struct lg_h2conn *c)
{
	uint8_t type = c->up.f.type;

	if (type == LG_H2_DATA)
		on_data_end(c);
	else if (!is_block(type))
		on_control(c);
	else if (!c->up.block)
		on_block(c);
}

/* All but DATA waits until it is whole. False: it grows beyond reason. */
static bool collect(struct lg_h2conn *c, struct lg_slice run)
{
	size_t max =
		is_block(c->up.f.type) ? LG_H2_BLOCK_MAX : LG_H2_CONTROL_MAX;

	return c->up_block.len + run.len <= max &&
	       !lg_buf_put(&c->up_block, run.p, run.len);
}

/* What was taken of a frame that is not understood goes out as it came. */
static void give_up(struct lg_h2conn *c, struct lg_slice run)
{
	lg_h2conn_break_up(c);
	lg_buf_put(&c->next, c->up.head, LG_H2_HEAD_LEN);
	lg_buf_put(&c->next, c->up_block.p, c->up_block.len);
	lg_buf_put(&c->next, run.p, run.len);
	c->up_block.len = 0;
}

void lg_h2_up_feed(struct lg_h2conn *c, const char *p, size_t n)
{
	enum lg_h2_event ev = LG_H2_MORE;
	size_t used = 0;

	do {
		struct lg_slice run;

		used += lg_h2_feed(&c->up, p + used, n - used, &ev, &run);
		if (ev == LG_H2_FRAME)
			on_frame(c);
		else if (ev == LG_H2_PAYLOAD && c->up.f.type == LG_H2_DATA)
			on_data(c, run);
		else if (ev == LG_H2_PAYLOAD && !collect(c, run))
			give_up(c, run);
		else if (ev == LG_H2_END)
			on_end(c);
		else if (ev == LG_H2_BAD)
			give_up(c, run);
	} while (!c->broken && (ev != LG_H2_MORE || used < n));
	if (c->broken)
		lg_buf_put(&c->next, p + used, n - used);
}
