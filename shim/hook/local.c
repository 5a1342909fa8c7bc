#include "hook/local.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "guard/sandbox.h"
#include "hook/local_dial.h"
#include "hook/local_tls.h"
#include "hook/wakeup.h"

#define RELAYS 2048 /* in sets, found by the number of the descriptor */
#define SET 8
#define PIECE_MAX ((size_t)1 << 30)
#define DIAL_MS 1000
#define HANDSHAKE_MS 2000
#define RAW 2048
/* The server takes nothing of the request. */
#define STALL_MS 1000
#define STALL_BLOCKING_MS 10000

unsigned lg_local_relayed;

/* A torn entry has no socket's cookie. */
static struct {
	int fd;
	uint64_t cookie;
} relays[RELAYS];

/* -- what still goes out --------------------------------------------------- */

static unsigned set_of(int fd)
{
	return (unsigned)fd % (RELAYS / SET) * SET;
}

/* Its SSL was never freed, but the number is another file's now. */
static bool is_stale(unsigned i, uint64_t cookie)
{
	return cookie > 1 &&
	       lg_wakeup_cookie(lg_load_relaxed(&relays[i].fd)) != cookie;
}

static bool remember(struct lg_conn *c, int fd, uint64_t cookie)
{
	unsigned first = set_of(fd);

	for (unsigned i = first; cookie && i < first + SET; i++) {
		uint64_t was = lg_load_acquire(&relays[i].cookie);

		if ((was && !is_stale(i, was)) ||
		    !lg_cas_seq(&relays[i].cookie, &was, 1))
			continue;
		if (!was)
			lg_add_relaxed(&lg_local_relayed, 1);
		lg_store_relaxed(&relays[i].fd, fd);
		lg_store_release(&relays[i].cookie, cookie);
		c->relayed = true;
		c->fd = fd;
		c->fd_cookie = cookie;
		return true;
	}
	return false;
}

static void drop_tls(struct lg_conn *c)
{
	lg_local_tls_del(c->local);
	c->local = NULL;
}

void lg_local_forget(struct lg_conn *c)
{
	unsigned first = set_of(c->fd);

	if (!c->relayed)
		return;
	c->relayed = false;
	drop_tls(c);
	for (unsigned i = first; i < first + SET; i++) {
		uint64_t cookie = lg_load_acquire(&relays[i].cookie);

		if (cookie == c->fd_cookie &&
		    lg_cas_seq(&relays[i].cookie, &cookie, 0)) {
			lg_add_relaxed(&lg_local_relayed, -1);
			return;
		}
	}
}

bool lg_local_swallows(int fd)
{
	unsigned first = set_of(fd);
	int err = errno;
	bool yes = false;

	for (unsigned i = first; i < first + SET && !yes; i++) {
		uint64_t cookie = lg_load_acquire(&relays[i].cookie);

		yes = cookie > 1 && lg_load_relaxed(&relays[i].fd) == fd &&
		      lg_wakeup_cookie(fd) == cookie;
	}
	errno = err;
	return yes;
}

/* -- one connection in the place of another -------------------------------- */

static void copy_timeout(int from, int to, int name)
{
	struct timeval tv;
	socklen_t len = sizeof(tv);

	if (!getsockopt(from, SOL_SOCKET, name, &tv, &len))
		setsockopt(to, SOL_SOCKET, name, &tv, len);
}

static bool alike(int from, int to)
{
	int flags = fcntl(from, F_GETFL);

	if (flags < 0 || fcntl(to, F_SETFL, flags & O_NONBLOCK))
		return false;
	copy_timeout(from, to, SO_RCVTIMEO);
	copy_timeout(from, to, SO_SNDTIMEO);
	return true;
}

/*
 * Who waits for the old one in another thread's poll is woken by its end and
 * finds the new one.
 */
static bool replace(int fd, int with, const struct lg_epolls *e)
{
	int keep = fcntl(fd, F_GETFD);
	int old = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	bool done;

	if (keep < 0 || old < 0)
		return false;
	lg_epolls_drop(e, fd);
	done = dup3(with, fd, keep & FD_CLOEXEC ? O_CLOEXEC : 0) == fd;
	lg_epolls_join(e, fd);
	if (done)
		shutdown(old, SHUT_RDWR);
	syscall(SYS_close, old);
	return done;
}

/* Does a new file under this number reach whoever waits for it? */
static bool is_movable(int fd, struct lg_epolls *e)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || !lg_wakeup_cookie(fd) || lg_sandbox_entered())
		return false;
	if (!lg_epolls_find(fd, e))
		return !(flags & O_NONBLOCK);
	return e->n || !e->ring || !(flags & O_NONBLOCK);
}

/* A connection that is not the program's yet. */
struct fresh {
	int fd;
	struct lg_local_tls *tls;
};

static const char *open_to(struct fresh *s, struct lg_conn *c,
			   const struct lg_local_server *to)
{
	struct lg_tls *t =
		to->url.tls && c->carrier->tls ? c->carrier->tls(c) : NULL;
	const char *why = NULL;

	if (to->url.tls && !t)
		return "no TLS to be had";
	s->fd = lg_local_dial(&to->url, DIAL_MS);
	if (s->fd < 0)
		return "unreachable";
	if (!to->url.tls)
		return NULL;
	s->tls = lg_local_tls_new(t, to, &why);
	return s->tls ? lg_local_tls_connect(s->tls, s->fd, HANDSHAKE_MS) : why;
}

static bool send_all(const struct fresh *s, struct lg_conn *c,
		     struct lg_slice request)
{
	int ms = lg_wakeup_is_blocking(c) ? STALL_BLOCKING_MS : STALL_MS;

	return s->tls ? lg_local_tls_send(s->tls, s->fd, request, ms)
		      : lg_local_put(s->fd, request, ms);
}

static bool hand_over(struct fresh *s, struct lg_conn *c, int fd,
		      const struct lg_epolls *e)
{
	uint64_t was = c->fd_cookie;
	int at = c->fd;

	if (!alike(fd, s->fd) || !remember(c, fd, lg_wakeup_cookie(s->fd)))
		return false;
	if (!replace(fd, s->fd, e)) {
		lg_local_forget(c);
		c->fd = at;
		c->fd_cookie = was;
		return false;
	}
	c->local_old = c->carrier->waiting ? c->carrier->waiting(c) : 0;
	c->local = s->tls;
	s->tls = NULL;
	return true;
}

static const char *send_on(struct lg_conn *c, int fd,
			   const struct lg_local_server *to,
			   struct lg_slice request)
{
	struct fresh s = {.fd = -1};
	struct lg_epolls e;
	const char *why;

	if (!is_movable(fd, &e))
		return "its place cannot be taken";
	why = open_to(&s, c, to);
	if (!why && !send_all(&s, c, request))
		why = "takes no request";
	if (!why && !hand_over(&s, c, fd, &e))
		why = "its place cannot be taken";
	lg_local_tls_del(s.tls);
	if (s.fd >= 0)
		syscall(SYS_close, s.fd);
	c->stopped = !why;
	return why;
}

const char *lg_local_send(void *conn, const struct lg_local_server *to,
			  struct lg_slice request)
{
	struct lg_conn *c = conn;
	int fd = lg_wakeup_fd(c), err = errno;
	const char *why = "its place cannot be taken";

	if (fd >= 0 && c->carrier->below && c->carrier->below(c, NULL, 0) < 0)
		why = send_on(c, fd, to, request);
	errno = err;
	return why;
}

int lg_local_recv(int fd, void *p, size_t n)
{
	long r = syscall(SYS_recvfrom, fd, p, n < PIECE_MAX ? n : PIECE_MAX, 0,
			 NULL, NULL);

	if (r >= 0)
		return (int)r;
	return errno == EAGAIN || errno == EINTR ? -1 : 0;
}

/* 0: the end; else there is more, or nothing is known. */
static long recv_peek(int fd, char *p)
{
	return syscall(SYS_recvfrom, fd, p, 1, MSG_PEEK | MSG_DONTWAIT, NULL,
		       NULL);
}

/*
 * asyncio does not tell its memory BIO of an end. It is one when the kernel
 * has no more, and nothing of what it had is still on its way through the
 * program (an end counts as one byte).
 */
static bool is_over(struct lg_conn *c)
{
	int fd = lg_wakeup_fd(c);
	struct tcp_info info;
	socklen_t len = sizeof(info);
	char none;

	if (fd < 0 || recv_peek(fd, &none) ||
	    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) ||
	    len < offsetof(struct tcp_info, tcpi_bytes_received) + 8)
		return false;
	return info.tcpi_bytes_received <=
	       (c->local ? lg_local_tls_got(c->local)
			 : lg_flow_local_got(c->flow)) +
		       1;
}

static bool is_local(struct lg_conn *c)
{
	return c->flow && lg_flow_is_local(c->flow);
}

/* Tell what n bytes from below say. False: it is the end. */
static bool tell_tls(struct lg_conn *c, const char *raw, size_t n, char *buf,
		     size_t len)
{
	struct lg_local_tls *l = c->local;
	int fd = lg_wakeup_found(c), r;

	lg_local_tls_feed(l, raw, n);
	while ((r = lg_local_tls_read(l, buf, len)) > 0 && is_local(c))
		lg_flow_local_arrived(c->flow, buf, (size_t)r);
	if (fd >= 0)
		lg_local_tls_answer(l, fd);
	return r;
}

static bool tell(struct lg_conn *c, const char *raw, size_t n, char *buf,
		 size_t len)
{
	size_t old = n < c->local_old ? n : c->local_old;

	c->local_old -= old;
	raw += old;
	n -= old;
	if (!n)
		return true;
	if (c->local)
		return tell_tls(c, raw, n, buf, len);
	lg_flow_local_arrived(c->flow, raw, n);
	return true;
}

int lg_local_read(struct lg_conn *c, char *buf, size_t len)
{
	char piece[RAW];
	char *raw = c->local ? piece : buf;
	int r;

	if (!is_local(c))
		return c->carrier->say(c, LG_SAY_CLOSED);
	lg_conn_unlock(c);
	r = c->carrier->below(c, raw, c->local ? sizeof(piece) : len);
	lg_conn_relock(c);
	if (!is_local(c))
		return 1;
	if (r < 0 && !is_over(c)) {
		r = c->carrier->say(c, LG_SAY_WAIT_READ);
		c->saved_errno = errno;
		return r;
	}
	if ((r <= 0 || !tell(c, raw, (size_t)r, buf, len)) && is_local(c))
		lg_flow_local_eof(c->flow);
	if (!is_local(c))
		drop_tls(c);
	return 1;
}
