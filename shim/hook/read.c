#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/mem.h"
#include "hook/hook.h"
#include "hook/wakeup.h"
#include "hook/write.h"

#define READ_MAX ((size_t)1 << 30)
#define PIECE 16384
#define RELEASE_AFTER_MS 1000

/* The program waits for an answer while its request is still held. */
static int release_held(struct lg_conn *c, SSL *s, bool waited)
{
	if (c->consumed || c->pass_pending)
		return 1;
	if (c->released)
		return lg_write_flush(c, s);
	if (!lg_flow_is_holding(c->flow))
		return 1;
	if (!waited && !lg_wakeup_is_blocking(c, s))
		return 1;
	return lg_write_release(c, s);
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

/* Like a close_notify that has just arrived. */
static int look_closed(struct lg_conn *c, SSL *s)
{
	struct lg_tls *t = c->tls;

	t->SSL_set_shutdown(s,
			    t->SSL_get_shutdown(s) | LG_SSL_RECEIVED_SHUTDOWN);
	lg_store_relaxed(&c->fake_error, LG_SSL_ERROR_ZERO_RETURN);
	return 0;
}

static int read_real(struct lg_conn *c, SSL *s, char *buf, size_t len)
{
	int r, num = (int)(len < READ_MAX ? len : READ_MAX);

	lg_conn_unlock(c);
	r = LG_REAL(s, c->tls->SSL_read(s, buf, num));
	lg_conn_relock(c);
	lg_conn_after_handshake(c, s);
	if (r <= 0 && c->flow && !lg_conn_is_transient(c, s, r))
		lg_flow_eof(c->flow);
	return r;
}

static bool is_time_to_release(struct lg_conn *c)
{
	return !c->consumed && lg_flow_is_holding(c->flow) &&
	       lg_clock_coarse_ms() - c->last_write_ms >= RELEASE_AFTER_MS;
}

static size_t arrived(struct lg_conn *c, SSL *s, char *buf, size_t len)
{
	size_t shown = lg_flow_arrived(c->flow, buf, len);

	/* the server sees its stream end, without a close_notify */
	if (LG_UNLIKELY(lg_flow_wants_close(c->flow)))
		c->stopped = lg_wakeup_close(c, s);
	return shown;
}

/* One real read; *shown of its bytes are the program's. */
static int read_step(struct lg_conn *c, SSL *s, char *buf, size_t len,
		     size_t *shown)
{
	int r = release_held(c, s, false);

	*shown = 0;
	if (r <= 0 || !c->flow || lg_conn_is_shut(c))
		return r <= 0 ? r : 1;
	if (lg_flow_synth(c->flow, &(struct lg_slice){0}))
		return 1;
	r = read_real(c, s, buf, len);
	if (!c->flow)
		*shown = r > 0 ? (size_t)r : 0;
	else if (r > 0)
		*shown = arrived(c, s, buf, (size_t)r);
	else if (lg_flow_synth(c->flow, &(struct lg_slice){0}))
		return 1; /* what was withheld until the end */
	else if (is_time_to_release(c) && lg_conn_is_transient(c, s, r) &&
		 release_held(c, s, true) > 0)
		return 1;
	return r;
}

/* An edited stream can be peeked at only after it was read. */
static int fill_queue(struct lg_conn *c, SSL *s)
{
	size_t shown;
	int r;

	if (lg_buf_reserve(&c->queue, PIECE))
		return -1;
	r = read_step(c, s, c->queue.p, PIECE, &shown);
	c->queue.len = shown;
	return r;
}

static int peek_real(struct lg_conn *c, SSL *s, char *buf, size_t len)
{
	int r, num = (int)(len < READ_MAX ? len : READ_MAX);

	lg_conn_unlock(c);
	r = LG_REAL(s, c->tls->SSL_peek(s, buf, num));
	lg_conn_relock(c);
	lg_conn_after_handshake(c, s);
	return r;
}

static int real(struct lg_conn *c, SSL *s, char *buf, size_t len, bool peek,
		size_t *got)
{
	int r = peek ? peek_real(c, s, buf, len) : read_real(c, s, buf, len);

	*got = r > 0 ? (size_t)r : 0;
	return r;
}

/* A write of another thread may drop the flow in each of the real calls. */
static int read_locked(struct lg_conn *c, SSL *s, char *buf, size_t len,
		       bool peek, size_t *got)
{
	int r;

	for (;;) {
		*got = take_ready(c, buf, len, peek);
		if (*got)
			return 1;
		if (lg_conn_is_shut(c))
			return look_closed(c, s);
		if (!c->flow)
			return real(c, s, buf, len, peek, got);
		if (!peek)
			r = read_step(c, s, buf, len, got);
		else if (lg_flow_edits(c->flow))
			r = fill_queue(c, s);
		else if ((r = release_held(c, s, false)) > 0 && c->flow &&
			 !lg_flow_synth(c->flow, &(struct lg_slice){0}))
			r = real(c, s, buf, len, true, got);
		if (r <= 0)
			return r;
		if (*got)
			return 1;
	}
}

static int read_guarded(struct lg_conn *c, SSL *s, void *buf, size_t len,
			bool peek, size_t *got)
{
	int r;

	if (!lg_conn_lock(c)) {
		lg_store_relaxed(&c->fake_error, LG_SSL_ERROR_WANT_READ);
		errno = EAGAIN;
		return -1;
	}
	lg_store_relaxed(&c->fake_error, 0);
	r = read_locked(c, s, buf, len, peek, got);
	lg_conn_unlock(c);
	return r;
}

static struct lg_conn *guarded_read(struct lg_tls *t, const void *pc, SSL *s,
				    const void *buf, size_t len)
{
	struct lg_conn *c;

	if (lg_is_inner(t, s, pc))
		return NULL;
	c = lg_conn_make(t, s);
	if (!c || c->mode == LG_CONN_PASS || !buf || !len)
		return NULL;
	lg_conn_before_handshake(c, s, false);
	/* An answer may begin: what is written after it is looked at. */
	if (!c->flow && c->mode == LG_CONN_LOOK) {
		c->look = true;
		lg_conn_after_handshake(c, s);
	}
	return c->flow || c->queue.len ? c : NULL;
}

int hook_SSL_read(const void *pc, SSL *s, void *buf, int num)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_conn *c;
	size_t got;
	int r;

	if (LG_UNLIKELY(!t || !t->SSL_read))
		return -1;
	c = num > 0 ? guarded_read(t, pc, s, buf, (size_t)num) : NULL;
	if (LG_LIKELY(!c))
		return t->SSL_read(s, buf, num);
	r = read_guarded(c, s, buf, (size_t)num, false, &got);
	return r > 0 ? (int)got : r;
}

int hook_SSL_read_ex(const void *pc, SSL *s, void *buf, size_t num, size_t *got)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_conn *c;

	if (LG_UNLIKELY(!t || !t->SSL_read_ex))
		return 0;
	c = guarded_read(t, pc, s, buf, num);
	if (LG_LIKELY(!c))
		return t->SSL_read_ex(s, buf, num, got);
	return read_guarded(c, s, buf, num, false, got) > 0;
}

int hook_SSL_peek(const void *pc, SSL *s, void *buf, int num)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_conn *c;
	size_t got;
	int r;

	if (LG_UNLIKELY(!t || !t->SSL_peek))
		return -1;
	c = num > 0 ? guarded_read(t, pc, s, buf, (size_t)num) : NULL;
	if (LG_LIKELY(!c))
		return t->SSL_peek(s, buf, num);
	r = read_guarded(c, s, buf, (size_t)num, true, &got);
	return r > 0 ? (int)got : r;
}

int hook_SSL_peek_ex(const void *pc, SSL *s, void *buf, size_t num, size_t *got)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_conn *c;

	if (LG_UNLIKELY(!t || !t->SSL_peek_ex))
		return 0;
	c = guarded_read(t, pc, s, buf, num);
	if (LG_LIKELY(!c))
		return t->SSL_peek_ex(s, buf, num, got);
	return read_guarded(c, s, buf, num, true, got) > 0;
}

/* Only servers read early data. */
int hook_SSL_read_early_data(const void *pc, SSL *s, void *buf, size_t num,
			     size_t *got)
{
	struct lg_tls *t = lg_tls_of(pc);

	if (LG_UNLIKELY(!t || !t->SSL_read_early_data))
		return 0;
	return t->SSL_read_early_data(s, buf, num, got);
}

/* Bytes that we have for the program; -1: not a guarded connection. */
static long ready_bytes(struct lg_tls *t, const void *pc, const SSL *s,
			bool *shut)
{
	struct lg_conn *c = lg_is_inner(t, s, pc) ? NULL : lg_conn_get(t, s);
	struct lg_slice synth = {NULL, 0};
	size_t n;

	*shut = false;
	if (!c || !c->flow || !lg_conn_lock(c))
		return 0;
	if (!lg_flow_synth(c->flow, &synth))
		synth.len = 0;
	n = synth.len + c->queue.len;
	*shut = lg_flow_is_shut(c->flow);
	lg_conn_unlock(c);
	return n < INT_MAX ? (long)n : INT_MAX;
}

int hook_SSL_pending(const void *pc, const SSL *s)
{
	struct lg_tls *t = lg_tls_of(pc);
	long ours, theirs;
	bool shut;

	if (LG_UNLIKELY(!t || !t->SSL_pending))
		return 0;
	ours = ready_bytes(t, pc, s, &shut);
	theirs = shut ? 0 : t->SSL_pending(s);
	return (int)(ours + theirs < INT_MAX ? ours + theirs : INT_MAX);
}

int hook_SSL_has_pending(const void *pc, const SSL *s)
{
	struct lg_tls *t = lg_tls_of(pc);
	bool shut;

	if (LG_UNLIKELY(!t || !t->SSL_has_pending))
		return 0;
	if (ready_bytes(t, pc, s, &shut) > 0)
		return 1;
	return shut ? 0 : t->SSL_has_pending(s);
}
