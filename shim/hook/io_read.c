#include "hook/io.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "hook/local.h"
#include "hook/wakeup.h"

#define PIECE 16384
#define RELEASE_AFTER_MS 1000

/*
 * A blocking read behind a head that is not whole: another thread may be about
 * to write the rest, so it is given time, unless the server speaks first.
 */
static bool waits_in_vain(struct lg_conn *c)
{
	struct pollfd p = {c->carrier->fd(c), POLLIN, 0};
	int64_t last = c->last_write_ms;
	int r, err = errno;

	if (p.fd < 0 || !lg_wakeup_is_blocking(c))
		return false;
	lg_conn_unlock(c);
	r = poll(&p, 1, RELEASE_AFTER_MS);
	lg_conn_relock(c);
	errno = err;
	return !r && c->flow && last == c->last_write_ms && !c->consumed &&
	       !c->pass_pending;
}

/* The program waits for an answer while its request is still held. */
static int release_held(struct lg_conn *c, bool waited)
{
	if (c->consumed || c->pass_pending)
		return 1;
	if (c->released)
		return lg_io_flush(c);
	if (lg_flow_is_cut(c->flow) && !waited && !waits_in_vain(c))
		return 1;
	if (!lg_flow_is_holding(c->flow) && !lg_flow_is_cut(c->flow))
		return 1;
	if (!waited && !lg_wakeup_is_blocking(c))
		return 1;
	return lg_io_release(c);
}

/* What stands before the server's next byte: already edited, or our own. */
static size_t take_ready(struct lg_conn *c, char *buf, size_t len, bool peek)
{
	struct lg_slice s = lg_buf_slice(&c->queue);
	size_t n;

	if (!s.len && (!c->flow || !lg_flow_synth(c->flow, &s)))
		return 0;
	n = len < s.len ? len : s.len;
	memcpy(buf, s.p, n);
	if (peek)
		return n;
	if (c->queue.len) {
		lg_buf_drop(&c->queue, n);
		if (!c->queue.len)
			lg_buf_fini(&c->queue);
	} else {
		lg_flow_synth_taken(c->flow, n);
	}
	return n;
}

/* This end of the connection is not told: something else comes instead. */
static void hush(struct lg_conn *c)
{
	if (c->carrier->hush)
		c->carrier->hush(c);
}

static int read_real(struct lg_conn *c, char *buf, size_t len)
{
	int r;

	lg_conn_unlock(c);
	r = c->carrier->read(c, buf, len);
	lg_conn_relock(c);
	lg_conn_after_handshake(c);
	if (r <= 0 && LG_UNLIKELY(c->relayed))
		hush(c);
	else if (r <= 0 && c->flow && !c->carrier->is_transient(c, r))
		lg_flow_eof(c->flow);
	return r;
}

static bool is_time_to_release(struct lg_conn *c)
{
	return !c->consumed &&
	       (lg_flow_is_holding(c->flow) || lg_flow_is_cut(c->flow)) &&
	       lg_clock_coarse_ms() - c->last_write_ms >= RELEASE_AFTER_MS;
}

static size_t arrived(struct lg_conn *c, char *buf, size_t len)
{
	size_t shown = lg_flow_arrived(c->flow, buf, len);

	/* the server sees its stream end, without a close_notify */
	if (LG_UNLIKELY(lg_flow_wants_close(c->flow)))
		c->stopped = lg_wakeup_close(c);
	/* HTTP/2 answers the server, and goes on sending as it allows */
	if (lg_flow_is_bound(c->flow) &&
	    lg_flow_out(c->flow, &(struct lg_slice){0})) {
		c->released = true;
		if (!c->flushing)
			(void)lg_io_flush(c);
	}
	return shown;
}

/* One real read; *shown of its bytes are the program's. */
static int read_step(struct lg_conn *c, char *buf, size_t len, size_t *shown)
{
	int r = c->flow ? release_held(c, false) : 1;

	*shown = 0;
	if (r <= 0 || lg_io_is_shut(c))
		return r <= 0 ? r : 1;
	if (c->flow && lg_flow_synth(c->flow, &(struct lg_slice){0}))
		return 1;
	if (LG_UNLIKELY(c->relayed))
		return lg_local_read(c, buf, len);
	r = read_real(c, buf, len);
	/* another thread's write put a local server in its place */
	if (r <= 0 && LG_UNLIKELY(c->relayed))
		return 1;
	if (!c->flow)
		*shown = r > 0 ? (size_t)r : 0;
	else if (r > 0)
		*shown = arrived(c, buf, (size_t)r);
	else if (lg_flow_synth(c->flow, &(struct lg_slice){0}))
		return 1; /* what was withheld until the end */
	else if (is_time_to_release(c) && c->carrier->is_transient(c, r) &&
		 release_held(c, true) > 0)
		return 1;
	return r;
}

/*
 * An edited stream can be peeked at only after it was read, and so can one
 * whose carrier has no peek.
 */
static int fill_queue(struct lg_conn *c)
{
	size_t shown;
	int r;

	if (lg_buf_reserve(&c->queue, PIECE))
		return c->carrier->say(c, LG_SAY_BROKEN);
	r = read_step(c, c->queue.p, PIECE, &shown);
	c->queue.len = shown;
	return r;
}

static int peek_real(struct lg_conn *c, char *buf, size_t len)
{
	int r;

	lg_conn_unlock(c);
	r = c->carrier->peek(c, buf, len);
	lg_conn_relock(c);
	lg_conn_after_handshake(c);
	return r;
}

static int real(struct lg_conn *c, char *buf, size_t len, bool peek,
		size_t *got)
{
	int r = peek ? peek_real(c, buf, len) : read_real(c, buf, len);

	*got = r > 0 ? (size_t)r : 0;
	return r;
}

/* A write of another thread may drop the flow in each of the real calls. */
static int read_locked(struct lg_conn *c, char *buf, size_t len, bool peek,
		       size_t *got)
{
	bool fills = peek && !c->carrier->peek;
	int r;

	for (;;) {
		*got = take_ready(c, buf, len, peek);
		if (*got)
			return 1;
		if (lg_io_is_shut(c))
			return c->carrier->say(c, LG_SAY_CLOSED);
		if (!c->flow && !fills)
			return real(c, buf, len, peek, got);
		if (!peek)
			r = read_step(c, buf, len, got);
		else if (fills || lg_flow_edits(c->flow))
			r = fill_queue(c);
		else if ((r = release_held(c, false)) > 0 && c->flow &&
			 !lg_flow_synth(c->flow, &(struct lg_slice){0}))
			r = real(c, buf, len, true, got);
		if (r <= 0)
			return r;
		if (*got)
			return 1;
	}
}

int lg_io_read(struct lg_conn *c, void *buf, size_t len, bool peek, size_t *got)
{
	int r;

	if (!lg_conn_lock(c))
		return c->carrier->say(c, LG_SAY_WAIT_READ);
	r = read_locked(c, buf, len, peek, got);
	lg_conn_unlock(c);
	return r;
}

bool lg_io_guards_read(struct lg_conn *c, const void *buf, size_t len)
{
	if (c->mode == LG_CONN_PASS || !buf || !len)
		return false;
	lg_conn_before_handshake(c, false);
	/* An answer may begin: what is written after it is looked at. */
	if (!c->flow && c->mode == LG_CONN_LOOK) {
		c->look = true;
		lg_conn_after_handshake(c);
	}
	return c->flow || c->queue.len;
}

size_t lg_io_ready(struct lg_conn *c, bool *shut)
{
	struct lg_slice synth = {NULL, 0};
	size_t n;

	*shut = false;
	if (!c->flow || !lg_conn_lock(c))
		return 0;
	if (!c->flow || !lg_flow_synth(c->flow, &synth))
		synth.len = 0;
	n = synth.len + c->queue.len;
	*shut = c->relayed || (c->flow && lg_flow_is_shut(c->flow));
	lg_conn_unlock(c);
	return n < INT_MAX ? n : INT_MAX;
}
