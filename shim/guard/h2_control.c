#include "guard/h2_state.h"

#include <string.h>

/* Ours to the server, if it says so; table sizes for the coders. */
static void on_settings(struct lg_h2conn *c)
{
	struct lg_slice left = lg_buf_slice(&c->down_block);
	struct lg_h2_settings s;
	uint32_t value;
	unsigned id;

	if (!(c->down.f.flags & LG_H2_ACK)) {
		lg_h2_settings_push(c->down_set, &c->ndown_set, left);
		while (lg_h2_next_setting(&left, &id, &value))
			if (id == LG_H2_SET_TABLE)
				lg_hpack_reader_allow(c->up_reader, value);
		return;
	}
	if (!lg_h2_settings_pop(c->up_set, &c->nup_set, &s))
		return;
	if (s.table >= 0 && s.table < c->down_table)
		c->say_size = s.table;
	if (s.table >= 0)
		c->down_table = s.table;
	if (s.window < 0)
		return;
	for (struct lg_h2_stream *st = c->streams; st; st = st->next) {
		st->down.far += s.window - c->down_window;
		st->down.near += s.window - c->down_window;
	}
	c->down_window = s.window;
}

static void on_ping(struct lg_h2conn *c, struct lg_h2_view *v)
{
	if (c->pinged && c->down.f.flags & LG_H2_ACK &&
	    !memcmp(c->down_block.p, c->ping, sizeof(c->ping)))
		c->pinged = false;
	else
		lg_h2_down_frame(c, v, 0);
}

static void on_window(struct lg_h2conn *c, struct lg_h2_view *v)
{
	uint32_t by = lg_h2_u32(c->down_block.p) & 0x7fffffff;
	struct lg_h2_stream *st = c->down_st;
	struct lg_h2_window *w = &c->up_all;

	if (c->down.f.stream && !st)
		return;
	if (st)
		w = &st->up;
	/* an error of the server's, which the program will call so */
	if (!by || w->far > LG_H2_WINDOW_MAX - (int64_t)by) {
		lg_h2_down_frame(c, v, st ? st->id : 0);
		return;
	}
	w->far += by;
	if (st)
		lg_h2_stream_send(c, st);
	else
		lg_h2conn_send_all(c);
	lg_h2conn_grant_up(c, st, 1);
}

static void on_reset(struct lg_h2conn *c, struct lg_h2_view *v)
{
	struct lg_h2_stream *st = c->down_st;

	if (!st && lg_h2_down_is_unknown(c, c->down.f.stream))
		return;
	/* its answer was complete: the rest of it waits for a window */
	if (st && st->tail_end && !st->down_done)
		st->dead = true;
	if (!st || !st->dead) {
		c->to_late = c->late.len;
		lg_h2_down_frame(c, v,
				 lg_h2_down_name(c, st, c->down.f.stream));
	}
	if (!st || (st->dead && !st->down_done))
		return;
	lg_h2_stream_answered(st, false);
	/* it was, or will be, told its end by us */
	lg_h2_stream_del(c, st);
	lg_h2conn_grant_up(c, NULL, LG_H2_GRANT);
}

/* The highest of the program's streams that the server may have seen. */
static uint32_t last_seen(struct lg_h2conn *c, uint32_t last)
{
	uint32_t id = 0;

	if (!c->moved || last >= INT32_MAX)
		return last;
	for (struct lg_h2_stream *st = c->streams; st; st = st->next)
		if (st->sid && st->sid <= last && st->id > id)
			id = st->id;
	for (unsigned i = 0; i < LG_H2_GONE; i++)
		if (c->gone[i].sid <= last && c->gone[i].id > id)
			id = c->gone[i].id;
	return id ? id : last;
}

/* Streams that the program would believe to be under way are not. */
static void on_goaway(struct lg_h2conn *c, struct lg_h2_view *v)
{
	uint32_t last = lg_h2_u32(c->down_block.p) & 0x7fffffff;
	uint32_t seen = last_seen(c, last);
	struct lg_h2_stream *st, *next;

	c->down_block.p[0] = (char)(seen >> 24 & 0x7f);
	c->down_block.p[1] = (char)(seen >> 16);
	c->down_block.p[2] = (char)(seen >> 8);
	c->down_block.p[3] = (char)seen;
	c->to_late = c->late.len;
	lg_h2_down_frame(c, v, 0);
	c->to_late = false;
	if (last >= INT32_MAX)
		return;
	c->going = true;
	for (st = c->streams; st; st = next) {
		next = st->next;
		if ((st->sid && st->sid <= last) || st->refused)
			continue;
		lg_h2_stream_reset(c, st, st->id <= seen, false,
				   LG_H2_REFUSED_STREAM);
		lg_h2_stream_answered(st, false);
		lg_h2_stream_del(c, st);
	}
}

void lg_h2_down_control(struct lg_h2conn *c, struct lg_h2_view *v)
{
	switch (c->down.f.type) {
	case LG_H2_SETTINGS:
		on_settings(c);
		break;
	case LG_H2_PING:
		on_ping(c, v);
		break;
	case LG_H2_WINDOW_UPDATE:
		on_window(c, v);
		break;
	case LG_H2_RST_STREAM:
		on_reset(c, v);
		break;
	case LG_H2_GOAWAY:
		on_goaway(c, v);
		break;
	default:
		break;
	}
}
