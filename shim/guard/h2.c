#include "guard/h2.h"

#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "guard/h2_state.h"

#define OUT_MAX ((size_t)1 << 30)
#define KEEP ((size_t)4096)

struct lg_h2conn *lg_h2conn_new(struct lg_flow *flow)
{
	struct lg_h2conn *c = lg_mem_alloc(sizeof(*c));
	int64_t seed = lg_clock_boot_ns() ^ (int64_t)(uintptr_t)c;
	struct lg_hash128 h = lg_hash128(&seed, sizeof(seed), 1);

	if (!c)
		return NULL;
	c->flow = flow;
	c->guarded = flow->in == LG_IN_HEAD;
	c->up_window = c->down_window = LG_H2_WINDOW;
	c->up_all = c->down_all =
		(struct lg_h2_window){LG_H2_WINDOW, LG_H2_WINDOW};
	c->down_table = 4096;
	c->say_size = -1;
	/* the server's SETTINGS come first (RFC 9113 3.4) */
	c->mid = true;
	memcpy(c->ping, &h.a, sizeof(c->ping));
	lg_h2_init(&c->up);
	lg_h2_init(&c->down);
	lg_buf_init(&c->up_block, LG_H2_BLOCK_MAX);
	lg_buf_init(&c->down_block, LG_H2_BLOCK_MAX);
	lg_buf_init(&c->out, OUT_MAX);
	lg_buf_init(&c->next, OUT_MAX);
	lg_buf_init(&c->synth, OUT_MAX);
	lg_buf_init(&c->ours, OUT_MAX);
	lg_buf_init(&c->late, OUT_MAX);
	lg_buf_init(&c->piece, OUT_MAX);
	c->up_reader = lg_hpack_reader_new();
	c->down_reader = lg_hpack_reader_new();
	c->up_writer = lg_hpack_writer_new();
	if (c->up_reader && c->down_reader && c->up_writer)
		return c;
	lg_h2conn_del(c);
	return NULL;
}

void lg_h2conn_begin(struct lg_h2conn *c)
{
	lg_buf_puts(&c->next, LG_H2_PREFACE);
}

void lg_h2conn_del(struct lg_h2conn *c)
{
	if (!c)
		return;
	while (c->streams)
		lg_h2_stream_del(c, c->streams);
	lg_hpack_reader_del(c->up_reader);
	lg_hpack_reader_del(c->down_reader);
	lg_hpack_writer_del(c->up_writer);
	lg_buf_fini(&c->up_block);
	lg_buf_fini(&c->down_block);
	lg_buf_fini(&c->out);
	lg_buf_fini(&c->next);
	lg_buf_fini(&c->synth);
	lg_buf_fini(&c->ours);
	lg_buf_fini(&c->late);
	lg_buf_fini(&c->piece);
	lg_mem_free(c, sizeof(*c));
}

struct lg_buf *lg_h2conn_say(struct lg_h2conn *c)
{
	c->wake = true;
	return c->mid ? &c->ours : &c->synth;
}

/* -- what is not understood ------------------------------------------------ */

static void tell(const struct lg_h2conn *c)
{
	struct lg_log_kv kv = {"host", lg_slice_str(c->flow->host), 0};

	lg_log(LG_LOG_WARN, "connection_unguarded", &kv, 1);
}

static void flag_all(struct lg_h2conn *c)
{
	for (struct lg_h2_stream *st = c->streams; st; st = st->next)
		if (st->sub && st->sub->first)
			st->sub->first->row.flags |= LG_ROW_BAD_HTTP;
}

void lg_h2conn_break_up(struct lg_h2conn *c)
{
	if (c->broken)
		return;
	lg_h2conn_release(c);
	flag_all(c);
	c->broken = true;
	tell(c);
}

void lg_h2conn_break_down(struct lg_h2conn *c)
{
	if (c->deaf)
		return;
	/* other numbers or tables than the program's: nothing may pass */
	c->flow->shut |= c->moved || c->rewrite;
	flag_all(c);
	for (struct lg_h2_stream *st = c->streams; st; st = st->next) {
		if (st->sid)
			lg_h2_stream_answered(st, false);
		st->up.far = LG_H2_WINDOW_MAX;
	}
	c->up_all.far = c->up_window = LG_H2_WINDOW_MAX;
	c->deaf = c->mid = true;
	tell(c);
	lg_h2conn_send_all(c);
}

/* -- writing --------------------------------------------------------------- */

/* What waits for the program is seen once something comes from the server. */
static void wake(struct lg_h2conn *c)
{
	struct lg_h2_frame f = {sizeof(c->ping), LG_H2_PING, 0, 0};

	if (c->wake && c->synth.len > c->told && !c->pinged && !c->broken &&
	    !c->deaf) {
		lg_h2_put(&c->next, &f, c->ping);
		c->pinged = true;
	}
	c->wake = false;
}

size_t lg_h2conn_offer(struct lg_h2conn *c, const char *p, size_t len,
		       enum lg_flow_gate *gate)
{
	*gate = LG_FLOW_TAKEN;
	if (c->broken) {
		*gate = LG_FLOW_PASS;
		return len;
	}
	lg_h2_up_feed(c, p, len);
	wake(c);
	return len;
}

bool lg_h2conn_out(struct lg_h2conn *c, struct lg_slice *out)
{
	if (!c->out.len && c->next.len) {
		struct lg_buf empty = c->out;

		c->out = c->next;
		c->next = empty;
		c->sent = 0;
		c->queued += c->out.len;
	}
	if (!c->out.len)
		return false;
	*out = (struct lg_slice){c->out.p + c->sent, c->out.len - c->sent};
	return true;
}

void lg_h2conn_sent(struct lg_h2conn *c, size_t n)
{
	size_t left = c->out.len - c->sent;

	n = n < left ? n : left;
	c->sent += n;
	c->flushed += n;
	if (c->sent < c->out.len)
		return;
	c->out.len = c->sent = 0;
	lg_buf_shrink(&c->out, KEEP);
}

void lg_h2conn_write_failed(struct lg_h2conn *c)
{
	c->out.len = c->next.len = c->sent = 0;
	c->broken = true;
}

bool lg_h2conn_is_holding(const struct lg_h2conn *c)
{
	bool held = false;

	for (struct lg_h2_stream *st = c->streams; st; st = st->next) {
		if (st->sid && !st->down_done && !st->dead)
			return false;
		held |= st->sub && lg_flow_is_holding(st->sub);
	}
	return held && c->synth.len <= c->told && !c->ours.len;
}

void lg_h2conn_release(struct lg_h2conn *c)
{
	for (struct lg_h2_stream *st = c->streams; st; st = st->next) {
		if (!st->sub || !lg_flow_is_holding(st->sub))
			continue;
		lg_flow_release(st->sub);
		lg_h2_stream_pump(c, st);
		lg_h2_stream_send(c, st);
		lg_h2_stream_tell(c, st);
	}
}

/* -- reading --------------------------------------------------------------- */

size_t lg_h2conn_arrived(struct lg_h2conn *c, char *p, size_t n)
{
	size_t shown = n;

	if (!c->deaf)
		shown = lg_h2_down_feed(c, p, n);
	if (c->flow->shut)
		shown = 0;
	/* it is just reading: only what comes later has to wake it */
	c->wake = false;
	return shown;
}

void lg_h2conn_eof(struct lg_h2conn *c)
{
	for (struct lg_h2_stream *st = c->streams; st; st = st->next)
		lg_h2_stream_answered(st, false);
	c->deaf = true;
}

bool lg_h2conn_synth(const struct lg_h2conn *c, struct lg_slice *out)
{
	if (c->told >= c->synth.len)
		return false;
	*out = (struct lg_slice){c->synth.p + c->told, c->synth.len - c->told};
	return true;
}

void lg_h2conn_synth_taken(struct lg_h2conn *c, size_t n)
{
	size_t left = c->synth.len - c->told;

	c->told += n < left ? n : left;
	if (c->told < c->synth.len)
		return;
	c->synth.len = c->told = 0;
	lg_buf_shrink(&c->synth, 0);
}

bool lg_h2conn_is_passing(const struct lg_h2conn *c)
{
	return c->broken && c->deaf && !c->streams && !c->out.len &&
	       !c->next.len && c->told >= c->synth.len;
}
