#include "guard/h2_state.h"

#include <string.h>

#include "base/mem.h"

#define WAIT_MAX ((size_t)1 << 30)
#define TAIL_MAX ((size_t)1 << 30)

/* -- the table ------------------------------------------------------------- */

static unsigned bucket(uint32_t id)
{
	return id / 2 % LG_H2_BUCKETS;
}

struct lg_h2_stream *lg_h2_stream_by_id(struct lg_h2conn *c, uint32_t id)
{
	struct lg_h2_stream *st = c->by_id[bucket(id)];

	while (st && st->id != id)
		st = st->same_id;
	return st;
}

struct lg_h2_stream *lg_h2_stream_by_sid(struct lg_h2conn *c, uint32_t sid)
{
	struct lg_h2_stream *st = c->by_sid[bucket(sid)];

	while (st && st->sid != sid)
		st = st->same_sid;
	return st;
}

const struct lg_h2_gone *lg_h2_stream_gone(const struct lg_h2conn *c,
					   uint32_t sid)
{
	for (unsigned i = 0; i < LG_H2_GONE; i++)
		if (c->gone[i].sid == sid && sid)
			return &c->gone[i];
	return NULL;
}

struct lg_h2_stream *lg_h2_stream_new(struct lg_h2conn *c, uint32_t id)
{
	struct lg_h2_stream *st = lg_mem_alloc(sizeof(*st));

	if (!st)
		return NULL;
	st->id = id;
	st->up.far = st->up.near = c->up_window;
	st->down.far = st->down.near = c->down_window;
	lg_h2_fields_init(&st->head);
	lg_h2_fields_init(&st->trailers);
	lg_framer_init(&st->back, LG_HTTP1_REQUEST);
	lg_framer_init(&st->say, LG_HTTP1_RESPONSE);
	lg_buf_init(&st->wait, WAIT_MAX);
	lg_buf_init(&st->tail, TAIL_MAX);
	st->same_id = c->by_id[bucket(id)];
	c->by_id[bucket(id)] = st;
	st->next = c->streams;
	st->at = &c->streams;
	if (st->next)
		st->next->at = &st->next;
	c->streams = st;
	c->nstreams++;
	return st;
}

static void take_out(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	struct lg_h2_stream **at = &c->by_id[bucket(st->id)];

	while (*at != st)
		at = &(*at)->same_id;
	*at = st->same_id;
	at = &c->by_sid[bucket(st->sid)];
	while (*at && *at != st)
		at = &(*at)->same_sid;
	if (*at)
		*at = st->same_sid;
	*st->at = st->next;
	if (st->next)
		st->next->at = st->at;
	c->nstreams--;
	if (c->down_st == st)
		c->down_st = NULL;
}

static void remember(struct lg_h2conn *c, const struct lg_h2_stream *st)
{
	if (!st->sid || (st->sid == st->id && !st->dead))
		return;
	c->gone[c->ngone++ % LG_H2_GONE] =
		(struct lg_h2_gone){st->id, st->sid, st->dead};
}

static void drop_wait(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	c->waiting -= st->wait.len - st->waited;
	st->waited = 0;
	lg_buf_fini(&st->wait);
}

static void drop_tail(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	c->telling -= (int64_t)(st->tail.len - st->tailed);
	st->tailed = 0;
	lg_buf_fini(&st->tail);
}

void lg_h2_stream_del(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	struct lg_exchange *x = st->sub ? st->sub->first : NULL;

	/* what the server cannot have whole was no request */
	if (x && (!st->up_done || c->flushed < st->end_at))
		x->written = false;
	take_out(c, st);
	remember(c, st);
	drop_wait(c, st);
	lg_flow_del(st->sub);
	lg_h2_fields_fini(&st->head);
	lg_h2_fields_fini(&st->trailers);
	lg_framer_fini(&st->back);
	lg_framer_fini(&st->say);
	drop_tail(c, st);
	lg_mem_free(st, sizeof(*st));
}

bool lg_h2_stream_reap(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	bool up = st->up_done || st->refused || st->dead;

	if (!up || !st->up_end || !st->down_done)
		return false;
	lg_h2_stream_del(c, st);
	return true;
}

void lg_h2_stream_reset(struct lg_h2conn *c, struct lg_h2_stream *st,
			bool program, bool server, uint32_t why)
{
	if (server && st->sid)
		lg_h2_put_u32(&c->next, LG_H2_RST_STREAM, st->sid, why);
	if (program)
		lg_h2_put_u32(lg_h2conn_say(c), LG_H2_RST_STREAM, st->id, why);
	if (program)
		st->down_done = st->up_end = true;
	st->dead = true;
	drop_wait(c, st);
	drop_tail(c, st);
}

void lg_h2_stream_answered(struct lg_h2_stream *st, bool complete)
{
	if (!st->sub || !st->sub->first)
		return;
	if (!complete)
		st->sub->deaf = true;
	lg_flow_eof(st->sub);
}

/* -- what is let go -------------------------------------------------------- */

static bool take_head(struct lg_h2_stream *st)
{
	struct lg_h2_fields now;

	lg_h2_fields_init(&now);
	if (!lg_h2_fields_changed(&st->head, lg_framer_head(&st->back), &now)) {
		lg_h2_fields_fini(&now);
		return false;
	}
	lg_h2_fields_fini(&st->head);
	st->head = now;
	st->head_out = true;
	return true;
}

static void put_wait(struct lg_h2conn *c, struct lg_h2_stream *st,
		     const char *p, size_t n)
{
	if (st->dead || st->refused)
		return;
	if (lg_buf_put(&st->wait, p, n))
		lg_h2_stream_reset(c, st, true, true, LG_H2_REFUSED_STREAM);
	else
		c->waiting += n;
}

/* Bytes of the request as it goes out, in its HTTP/1.1 form. */
static void let_go(struct lg_h2conn *c, struct lg_h2_stream *st, const char *p,
		   size_t n)
{
	enum lg_http1_event ev;
	struct lg_slice body;
	size_t used = 0;

	do {
		used += lg_framer_feed(&st->back, p + used, n - used, &ev,
				       &body);
		if (ev == LG_HTTP1_BODY)
			put_wait(c, st, body.p, body.len);
		else if (ev == LG_HTTP1_HEAD && !take_head(st))
			ev = LG_HTTP1_BAD;
	} while (ev == LG_HTTP1_HEAD || ev == LG_HTTP1_BODY ||
		 (ev == LG_HTTP1_MORE && used < n));
	/* what a content-length did not announce is the server's to judge */
	if (ev == LG_HTTP1_BAD || ev == LG_HTTP1_TOO_LARGE)
		lg_h2_stream_reset(c, st, true, true, LG_H2_REFUSED_STREAM);
}

/* -- what is said to the program ------------------------------------------- */

static void say_head(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	unsigned status = st->say.m.status;
	struct lg_h2_fields l;
	struct lg_buf block;

	lg_h2_fields_init(&l);
	lg_buf_init(&block, LG_H2_BLOCK_MAX);
	if (c->say_size >= 0)
		lg_hpack_put_size(&block, (uint32_t)c->say_size);
	if (lg_h2_fields_of_answer(&l, lg_framer_head(&st->say), status) ||
	    lg_h2_fields_write(&l, NULL, &block)) {
		lg_h2_stream_reset(c, st, true, true, LG_H2_REFUSED_STREAM);
	} else {
		c->say_size = -1;
		lg_h2_put_block(lg_h2conn_say(c), st->id, false, NULL,
				lg_buf_slice(&block));
		st->refused |= status >= 200 && !st->sid;
	}
	lg_buf_fini(&block);
	lg_h2_fields_fini(&l);
}

/* An answer of the guard's, in its HTTP/1.1 form. */
static void say(struct lg_h2conn *c, struct lg_h2_stream *st, const char *p,
		size_t n)
{
	enum lg_http1_event ev;
	struct lg_slice body;
	size_t used = 0;

	do {
		used += lg_framer_feed(&st->say, p + used, n - used, &ev,
				       &body);
		if (ev == LG_HTTP1_HEAD)
			say_head(c, st);
		else if (ev == LG_HTTP1_BODY)
			lg_h2_stream_add(c, st, body.p, body.len);
		else if (ev == LG_HTTP1_END && st->say.m.status < 200)
			lg_framer_next(&st->say);
		else if (ev == LG_HTTP1_END)
			st->tail_end = true;
	} while (!st->tail_end && ev != LG_HTTP1_BAD &&
		 ev != LG_HTTP1_TOO_LARGE && ev != LG_HTTP1_UPGRADE &&
		 (ev != LG_HTTP1_MORE || used < n));
}

void lg_h2_stream_add(struct lg_h2conn *c, struct lg_h2_stream *st,
		      const char *p, size_t n)
{
	if (!lg_buf_put(&st->tail, p, n))
		c->telling += (int64_t)n;
}

void lg_h2_stream_tell(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	size_t left = st->tail.len - st->tailed;
	bool any = left || st->tail_end;

	if (st->down_done || !any || c->deaf || c->late.len)
		return;
	do {
		struct lg_h2_frame f = {0, LG_H2_DATA, 0, st->id};
		int64_t room = st->down.far < c->down_all.far ? st->down.far
							      : c->down_all.far;
		size_t n = left < LG_H2_FRAME_MAX ? left : LG_H2_FRAME_MAX;

		if (left && room <= 0)
			return;
		if (left && n > (size_t)room)
			n = (size_t)room;
		left -= n;
		f.len = (uint32_t)n;
		st->down_done = st->tail_end && !left;
		f.flags = st->down_done ? LG_H2_END_STREAM : 0;
		lg_h2_put(lg_h2conn_say(c), &f, st->tail.p + st->tailed);
		st->tailed += n;
		c->telling -= (int64_t)n;
		st->down.far -= (int64_t)n;
		c->down_all.far -= (int64_t)n;
	} while (left);
	st->tailed = st->tail.len = 0;
	lg_buf_shrink(&st->tail, LG_H2_FRAME_MAX);
}

/* -- both ------------------------------------------------------------------ */

void lg_h2_stream_pump(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	struct lg_slice s;

	while (st->sub && lg_flow_out(st->sub, &s)) {
		let_go(c, st, s.p, s.len);
		lg_flow_sent(st->sub, s.len);
	}
	while (st->sub && !st->answered && lg_flow_synth(st->sub, &s)) {
		say(c, st, s.p, s.len);
		lg_flow_synth_taken(st->sub, s.len);
	}
	/* refused, and no memory to say why */
	if (st->sub && !st->sid && !st->refused && !st->dead &&
	    lg_flow_is_shut(st->sub))
		lg_h2_stream_reset(c, st, true, false, LG_H2_REFUSED_STREAM);
}

void lg_h2_stream_write(struct lg_h2conn *c, struct lg_h2_stream *st,
			const char *p, size_t n)
{
	while (n && st->sub) {
		enum lg_flow_gate gate;
		size_t k = lg_flow_offer(st->sub, p, n, &gate);

		lg_h2_stream_pump(c, st);
		if (gate == LG_FLOW_PASS) {
			let_go(c, st, p, k);
			lg_flow_passed(st->sub, p, k);
		}
		p += k;
		n -= k;
	}
}

void lg_h2_stream_end(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	if (st->up_end)
		return;
	st->up_end = true;
	if (!st->sub)
		return;
	if (st->chunked)
		lg_h2_stream_write(c, st, "0\r\n\r\n", 5);
	if (lg_flow_is_holding(st->sub)) {
		lg_flow_release(st->sub);
		lg_h2_stream_pump(c, st);
	}
}

/* -- to the server --------------------------------------------------------- */

static void put_fields(struct lg_h2conn *c, struct lg_h2_stream *st,
		       struct lg_h2_fields *l, bool end, const uint8_t *prio)
{
	struct lg_buf block;

	lg_buf_init(&block, LG_H2_BLOCK_MAX);
	if (lg_h2_fields_write(l, c->up_writer, &block))
		lg_h2_stream_reset(c, st, true, true, LG_H2_REFUSED_STREAM);
	else
		lg_h2_put_block(&c->next, st->sid, end, prio,
				lg_buf_slice(&block));
	lg_buf_fini(&block);
	lg_h2_fields_fini(l);
}

void lg_h2_stream_open(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	bool end = st->up_end && !st->wait.len && !st->trailers.n;

	if (c->going || c->last_sid > INT32_MAX - 4u) {
		lg_h2_stream_reset(c, st, true, false, LG_H2_REFUSED_STREAM);
		return;
	}
	st->sid = st->id > c->last_sid ? st->id : c->last_sid + 2;
	c->last_sid = st->sid;
	c->moved |= st->sid != st->id;
	st->same_sid = c->by_sid[bucket(st->sid)];
	c->by_sid[bucket(st->sid)] = st;
	if (st->has_prio && c->moved)
		memset(st->prio, 0, 4);
	put_fields(c, st, &st->head, end, st->has_prio ? st->prio : NULL);
	st->up_done = end;
	/* now: in a read no client expects that there is something to write */
	lg_h2conn_grant_down(c, st, 1);
}

static size_t room_up(const struct lg_h2conn *c, const struct lg_h2_stream *st)
{
	int64_t room = st->up.far < c->up_all.far ? st->up.far : c->up_all.far;

	if (room <= 0)
		return 0;
	return room < LG_H2_FRAME_MAX ? (size_t)room : LG_H2_FRAME_MAX;
}

/* One frame of the body. */
static void send_piece(struct lg_h2conn *c, struct lg_h2_stream *st,
		       size_t room)
{
	size_t left = st->wait.len - st->waited;
	size_t n = left < room ? left : room;
	struct lg_h2_frame f = {(uint32_t)n, LG_H2_DATA, 0, st->sid};

	left -= n;
	st->up_done = !left && st->up_end && !st->trailers.n;
	f.flags = st->up_done ? LG_H2_END_STREAM : 0;
	lg_h2_put(&c->next, &f, st->wait.p + st->waited);
	st->waited += n;
	c->waiting -= n;
	st->up.far -= (int64_t)n;
	c->up_all.far -= (int64_t)n;
	st->end_at = c->queued + c->next.len;
	if (left)
		return;
	st->waited = st->wait.len = 0;
	lg_buf_shrink(&st->wait, st->up_end ? 0 : LG_H2_FRAME_MAX);
}

void lg_h2_stream_send(struct lg_h2conn *c, struct lg_h2_stream *st)
{
	struct lg_h2_frame end = {0, LG_H2_DATA, LG_H2_END_STREAM, 0};
	size_t room;

	if (!st->head_out || st->dead || st->refused || st->up_done ||
	    c->broken)
		return;
	if (!st->sid)
		lg_h2_stream_open(c, st);
	if (st->dead)
		return;
	while (st->wait.len && (room = room_up(c, st)))
		send_piece(c, st, room);
	if (st->up_end && !st->up_done && !st->wait.len) {
		end.stream = st->sid;
		if (st->trailers.n)
			put_fields(c, st, &st->trailers, true, NULL);
		else
			lg_h2_put(&c->next, &end, NULL);
		st->up_done = true;
	}
	if (st->up_done)
		st->end_at = c->queued + c->next.len;
}

/* The next one after c->turn, which may send something; the list falls. */
static struct lg_h2_stream *whose_turn(struct lg_h2conn *c)
{
	struct lg_h2_stream *best = NULL, *first = NULL;

	for (struct lg_h2_stream *st = c->streams; st; st = st->next) {
		if (!st->sid || st->dead || !st->wait.len || !room_up(c, st))
			continue;
		first = st;
		if (st->id > c->turn)
			best = st;
	}
	return best ? best : first;
}

void lg_h2conn_send_all(struct lg_h2conn *c)
{
	struct lg_h2_stream *st;

	/* a frame each, so that none has to wait for a large one */
	while (c->up_all.far > 0 && !c->broken && (st = whose_turn(c))) {
		c->turn = st->id;
		send_piece(c, st, room_up(c, st));
		if (!st->wait.len)
			lg_h2_stream_send(c, st);
	}
}
