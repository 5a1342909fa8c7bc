#include "hook/write.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/mem.h"
#include "hook/hook.h"
#include "hook/wakeup.h"

#define WRITE_MAX ((size_t)1 << 30)
#define FILE_PIECE 16384

static int write_real(struct lg_conn *c, SSL *s, const char *p, size_t n)
{
	int num = (int)(n < WRITE_MAX ? n : WRITE_MAX);

	return LG_REAL(s, c->tls->SSL_write(s, p, num));
}

bool lg_conn_is_shut(const struct lg_conn *c)
{
	struct lg_slice synth;

	return c->flow && lg_flow_is_shut(c->flow) && !c->queue.len &&
	       !lg_flow_synth(c->flow, &synth);
}

/* A budget that is nearly used up spreads what is left of it. */
static void nap(struct lg_conn *c)
{
	int64_t ns = c->flow ? lg_flow_take_nap(c->flow) : 0;
	struct timespec t = {.tv_sec = ns / 1000000000,
			     .tv_nsec = ns % 1000000000};

	if (!ns)
		return;
	lg_conn_unlock(c);
	nanosleep(&t, NULL);
	lg_conn_relock(c);
}

int lg_write_flush(struct lg_conn *c, SSL *s)
{
	struct lg_slice out;
	int r;

	nap(c);
	while (c->flow && lg_flow_out(c->flow, &out)) {
		lg_conn_unlock(c);
		r = write_real(c, s, out.p, out.len);
		lg_conn_relock(c);
		if (r <= 0) {
			if (c->flow && !lg_conn_is_transient(c, s, r))
				lg_flow_write_failed(c->flow);
			return r;
		}
		if (c->flow)
			lg_flow_sent(c->flow, (size_t)r);
	}
	c->released = false;
	return 1;
}

int lg_write_release(struct lg_conn *c, SSL *s)
{
	if (lg_flow_is_holding(c->flow)) {
		lg_flow_release(c->flow);
		c->released = true;
		lg_write_wake(c, s);
	}
	return lg_write_flush(c, s);
}

/*
 * Where no descriptor is known an answer of the server wakes the program; it
 * is never read. No Host, no path, no credentials: RFC 1945 asks for none.
 */
static void ask_for_wakeup(struct lg_conn *c, SSL *s)
{
	static const char ask[] = "HEAD / HTTP/1.0\r\n\r\n";
	struct lg_slice out;

	if (c->pass_pending || lg_flow_out(c->flow, &out))
		return;
	c->tls->ERR_set_mark();
	lg_conn_unlock(c);
	(void)write_real(c, s, ask, sizeof(ask) - 1);
	lg_conn_relock(c);
	c->tls->ERR_pop_to_mark();
}

void lg_write_wake(struct lg_conn *c, SSL *s)
{
	if (lg_flow_wants_wakeup(c->flow) && !lg_wakeup_now(c, s))
		ask_for_wakeup(c, s);
}

/*
 * Nothing goes out behind an answer that said the connection is closed, and
 * nothing beside another thread that is just writing.
 */
static int refuse(struct lg_conn *c, int fake_error, int err)
{
	lg_store_relaxed(&c->fake_error, fake_error);
	c->saved_errno = err;
	errno = err;
	return -1;
}

static bool is_partial(struct lg_conn *c, SSL *s)
{
	return c->tls->SSL_ctrl(s, LG_SSL_CTRL_MODE, 0, NULL) &
	       LG_SSL_MODE_PARTIAL_WRITE;
}

/* The flow says these pass: written from the program's own buffer. */
static int pass(struct lg_conn *c, SSL *s, const char *p, size_t n)
{
	int r;

	lg_conn_unlock(c);
	r = write_real(c, s, p, n);
	lg_conn_relock(c);
	c->pass_pending = r <= 0;
	if (r > 0) {
		if (c->flow)
			lg_flow_passed(c->flow, p, (size_t)r);
		c->consumed += (size_t)r;
	} else if (c->flow && !lg_conn_is_transient(c, s, r)) {
		lg_flow_write_failed(c->flow);
	}
	return r;
}

/*
 * One round: 1 go on, 0 all of the program's bytes are dealt with, less: the
 * real result minus one, so that a 0 of libssl stays apart.
 */
static int write_step(struct lg_conn *c, SSL *s, const char *buf, size_t len)
{
	enum lg_flow_gate gate = LG_FLOW_PASS;
	const char *p;
	size_t left, n;
	int r;

	if (!c->pass_pending) {
		r = lg_write_flush(c, s);
		if (r <= 0)
			return r - 1;
	}
	if (c->consumed >= len)
		return 0;
	if (lg_conn_is_shut(c))
		return refuse(c, LG_SSL_ERROR_SYSCALL, EPIPE) - 1;
	p = buf + c->consumed;
	left = len - c->consumed;
	n = c->flow ? lg_flow_offer(c->flow, p, left, &gate) : left;
	if (gate == LG_FLOW_TAKEN) {
		c->consumed += n;
		lg_write_wake(c, s);
		return 1;
	}
	r = pass(c, s, p, n);
	if (r <= 0)
		return c->consumed && is_partial(c, s) ? 0 : r - 1;
	return (size_t)r < n ? 0 : 1;
}

static int write_locked(struct lg_conn *c, SSL *s, const char *buf, size_t len,
			size_t *written)
{
	int r;

	c->last_write_ms = lg_clock_coarse_ms();
	do {
		r = write_step(c, s, buf, len);
	} while (r > 0);
	if (!r) {
		*written = len < c->consumed ? len : c->consumed;
		c->consumed -= *written;
	}
	lg_conn_unlock(c);
	return r + 1;
}

/* 1 and *written, or what the real SSL_write returns when it fails. */
static int write_guarded(struct lg_conn *c, SSL *s, const void *buf, size_t len,
			 size_t *written)
{
	struct lg_tls *t = c->tls;
	int r;

	lg_store_relaxed(&c->fake_error, 0);
	if (!t->SSL_is_init_finished(s)) {
		r = LG_REAL(s, t->SSL_do_handshake(s));
		if (r <= 0)
			return r;
	}
	if (!lg_conn_lock(c))
		return refuse(c, LG_SSL_ERROR_WANT_WRITE, EAGAIN);
	lg_conn_after_handshake(c, s);
	return write_locked(c, s, buf, len, written);
}

/*
 * On a connection to a host that nobody named only a whole request head is
 * worth a look; what it is, the flow decides.
 */
static bool may_be_request(const void *buf, size_t len)
{
	return len >= 32 && !memcmp(buf, "POST /", 6) &&
	       memmem(buf, len < 65536 ? len : 65536, "\r\n\r\n", 4);
}

static bool begin_flow(struct lg_conn *c, SSL *s)
{
	struct lg_flow_peer peer = {
		.guarded = false,
		.may_sleep = lg_conn_may_sleep,
		.arg = c,
	};
	int err = errno;

	peer.host = lg_slice_str(c->tls->SSL_get_servername(s, 0));
	c->flow = lg_flow_new(lg_conn_engine(), &peer);
	errno = err;
	return c->flow;
}

/* Nothing of a request or of an answer would be lost with the flow. */
static bool is_between(struct lg_conn *c)
{
	struct lg_slice s;

	return !c->flow ||
	       (!lg_flow_is_holding(c->flow) && !lg_flow_out(c->flow, &s) &&
		!lg_flow_synth(c->flow, &s) && !c->queue.len &&
		!lg_flow_is_shut(c->flow));
}

static bool is_off(struct lg_conn *c)
{
	bool off;

	if (c->consumed || !lg_engine_is_off(lg_conn_engine()))
		return false;
	if (!lg_conn_lock(c))
		return false;
	off = is_between(c);
	if (off)
		lg_conn_give_up(c);
	lg_conn_unlock(c);
	return off;
}

/* Must this write go through the flow? False: straight to the real one. */
static bool is_guarded_write(struct lg_conn *c, SSL *s, const void *buf,
			     size_t len)
{
	bool passing;

	if (c->mode == LG_CONN_PASS || !len || !buf)
		return false;
	lg_conn_before_handshake(c, s, false);
	if (c->mode == LG_CONN_LOOK && !c->flow) {
		if (LG_LIKELY(!c->look))
			return false;
		c->look = false;
		lg_conn_after_handshake(c, s);
		if (!may_be_request(buf, len) || !begin_flow(c, s))
			return false;
	}
	if (!c->flow || is_off(c))
		return false;
	if (c->pass_pending || c->consumed)
		return true;
	if (!lg_conn_lock(c))
		return true;
	passing = lg_conn_is_passing(c);
	lg_conn_unlock(c);
	return !passing;
}

static struct lg_conn *guarded_write(struct lg_tls *t, const void *pc, SSL *s,
				     const void *buf, size_t len)
{
	struct lg_conn *c;

	if (lg_is_inner(t, s, pc))
		return NULL;
	c = lg_conn_make(t, s);
	return c && is_guarded_write(c, s, buf, len) ? c : NULL;
}

int hook_SSL_write(const void *pc, SSL *s, const void *buf, int num)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_conn *c;
	size_t written;
	int r;

	if (LG_UNLIKELY(!t || !t->SSL_write))
		return -1;
	c = num > 0 ? guarded_write(t, pc, s, buf, (size_t)num) : NULL;
	if (LG_LIKELY(!c))
		return t->SSL_write(s, buf, num);
	r = write_guarded(c, s, buf, (size_t)num, &written);
	return r > 0 ? (int)written : r;
}

int hook_SSL_write_ex(const void *pc, SSL *s, const void *buf, size_t num,
		      size_t *written)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_conn *c;

	if (LG_UNLIKELY(!t || !t->SSL_write_ex))
		return 0;
	c = guarded_write(t, pc, s, buf, num);
	if (LG_LIKELY(!c))
		return t->SSL_write_ex(s, buf, num, written);
	return write_guarded(c, s, buf, num, written) > 0;
}

int hook_SSL_write_ex2(const void *pc, SSL *s, const void *buf, size_t num,
		       uint64_t flags, size_t *written)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_conn *c;

	if (LG_UNLIKELY(!t || !t->SSL_write_ex2))
		return 0;
	c = guarded_write(t, pc, s, buf, num);
	if (LG_LIKELY(!c))
		return t->SSL_write_ex2(s, buf, num, flags, written);
	return write_guarded(c, s, buf, num, written) > 0;
}

/*
 * A request in early data leaves before an answer could refuse it halfway
 * and may be replayed: to a guarded host it becomes an ordinary write after
 * the handshake, and the program hears that it was accepted, which it was.
 */
int hook_SSL_write_early_data(const void *pc, SSL *s, const void *buf,
			      size_t num, size_t *written)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_conn *c;

	if (LG_UNLIKELY(!t || !t->SSL_write_early_data))
		return 0;
	c = guarded_write(t, pc, s, buf, num);
	if (LG_LIKELY(!c))
		return t->SSL_write_early_data(s, buf, num, written);
	c->early = true;
	return write_guarded(c, s, buf, num, written) > 0;
}

int hook_SSL_get_early_data_status(const void *pc, const SSL *s)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_conn *c;

	if (LG_UNLIKELY(!t || !t->SSL_get_early_data_status))
		return 0;
	c = lg_conn_get(t, s);
	return c && c->early ? LG_SSL_EARLY_DATA_ACCEPTED
			     : t->SSL_get_early_data_status(s);
}

static ssize_t sendfile_piece(struct lg_conn *c, SSL *s, int fd, off_t offset,
			      size_t size, char *piece)
{
	size_t done = 0, n, written;
	ssize_t got;

	while (done < size) {
		n = size - done < FILE_PIECE ? size - done : FILE_PIECE;
		got = pread(fd, piece, n, offset + (off_t)done);
		if (got < 0 && !done)
			return refuse(c, LG_SSL_ERROR_SYSCALL, errno);
		if (got <= 0)
			break;
		if (write_guarded(c, s, piece, (size_t)got, &written) <= 0)
			return done ? (ssize_t)done : -1;
		done += written;
	}
	return (ssize_t)done;
}

static ssize_t sendfile_guarded(struct lg_conn *c, SSL *s, int fd, off_t offset,
				size_t size)
{
	char *piece = lg_mem_alloc(FILE_PIECE);
	ssize_t r;

	if (!piece)
		return refuse(c, LG_SSL_ERROR_SYSCALL, ENOMEM);
	r = sendfile_piece(c, s, fd, offset, size, piece);
	lg_mem_free(piece, FILE_PIECE);
	return r;
}

ssize_t hook_SSL_sendfile(const void *pc, SSL *s, int fd, off_t offset,
			  size_t size, int flags)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_conn *c;

	if (LG_UNLIKELY(!t || !t->SSL_sendfile))
		return -1;
	/* A file's bytes are a body: they matter only behind a head. */
	c = lg_is_inner(t, s, pc) ? NULL : lg_conn_get(t, s);
	if (!c || !c->flow || !size || !is_guarded_write(c, s, "", 1))
		return t->SSL_sendfile(s, fd, offset, size, flags);
	return sendfile_guarded(c, s, fd, offset, size);
}
