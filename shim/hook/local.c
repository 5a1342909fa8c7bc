#include "hook/local.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "guard/sandbox.h"
#include "hook/local_dial.h"
#include "hook/wakeup.h"

#define RELAYS 64
#define PIECE_MAX ((size_t)1 << 30)
#define DIAL_MS 1000
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

static bool remember(struct lg_conn *c, int fd, uint64_t cookie)
{
	uint64_t none;

	for (unsigned i = 0; cookie && i < RELAYS; i++) {
		none = 0;
		if (!lg_cas_seq(&relays[i].cookie, &none, 1))
			continue;
		lg_store_relaxed(&relays[i].fd, fd);
		lg_store_release(&relays[i].cookie, cookie);
		lg_add_relaxed(&lg_local_relayed, 1);
		c->relayed = true;
		c->fd = fd;
		c->fd_cookie = cookie;
		return true;
	}
	return false;
}

void lg_local_forget(struct lg_conn *c)
{
	if (!c->relayed)
		return;
	c->relayed = false;
	for (unsigned i = 0; i < RELAYS; i++) {
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
	int err = errno;
	bool yes = false;

	for (unsigned i = 0; i < RELAYS && !yes; i++) {
		uint64_t cookie = lg_load_acquire(&relays[i].cookie);

		yes = cookie > 1 && lg_load_relaxed(&relays[i].fd) == fd &&
		      lg_wakeup_cookie(fd) == cookie;
	}
	errno = err;
	return yes;
}

/* -- the request ----------------------------------------------------------- */

static bool wait_for(int fd, short what, int ms)
{
	struct pollfd p = {.fd = fd, .events = what};
	int64_t end = lg_clock_boot_ns() + (int64_t)ms * 1000000, left;
	int r;

	do {
		left = (end - lg_clock_boot_ns()) / 1000000;
		r = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (r < 0 && errno == EINTR);
	return r > 0;
}

/*
 * By the system call: no hook takes it for the program's. A server that
 * answers before it has read all is heard later.
 */
static bool send_all(int fd, struct lg_slice s, int stall_ms)
{
	while (s.len) {
		long n = syscall(SYS_sendto, fd, s.p, s.len,
				 MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 &&
		    (errno != EAGAIN || !wait_for(fd, POLLOUT, stall_ms)))
			return false;
		if (n > 0) {
			s.p += n;
			s.len -= (size_t)n;
		}
	}
	return true;
}

/* 0: the end; else there is more, or nothing is known. */
static long recv_peek(int fd, char *p)
{
	return syscall(SYS_recvfrom, fd, p, 1, MSG_PEEK | MSG_DONTWAIT, NULL,
		       NULL);
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

static bool send_on(struct lg_conn *c, int fd, const struct lg_url *to,
		    struct lg_slice request)
{
	uint64_t was = c->fd_cookie;
	struct lg_epolls e;
	int s, at = c->fd;
	bool done;

	if (!is_movable(fd, &e))
		return false;
	s = lg_local_dial(to, DIAL_MS);
	if (s < 0)
		return false;
	done = send_all(s, request,
			lg_wakeup_is_blocking(c) ? STALL_BLOCKING_MS
						 : STALL_MS) &&
	       alike(fd, s) && remember(c, fd, lg_wakeup_cookie(s));
	if (done && !replace(fd, s, &e)) {
		lg_local_forget(c);
		c->fd = at;
		c->fd_cookie = was;
		done = false;
	}
	syscall(SYS_close, s);
	c->stopped = done;
	return done;
}

bool lg_local_send(void *conn, const struct lg_url *to, struct lg_slice request)
{
	struct lg_conn *c = conn;
	int fd = lg_wakeup_fd(c), err = errno;
	bool done = fd >= 0 && c->carrier->below &&
		    c->carrier->below(c, NULL, 0) < 0 &&
		    send_on(c, fd, to, request);

	errno = err;
	return done;
}

int lg_local_recv(int fd, void *p, size_t n)
{
	long r = syscall(SYS_recvfrom, fd, p, n < PIECE_MAX ? n : PIECE_MAX, 0,
			 NULL, NULL);

	if (r >= 0)
		return (int)r;
	return errno == EAGAIN || errno == EINTR ? -1 : 0;
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
	return info.tcpi_bytes_received <= lg_flow_local_got(c->flow) + 1;
}

int lg_local_read(struct lg_conn *c, char *buf, size_t len)
{
	int r;

	if (!c->flow || !lg_flow_is_local(c->flow))
		return c->carrier->say(c, LG_SAY_CLOSED);
	lg_conn_unlock(c);
	r = c->carrier->below(c, buf, len);
	lg_conn_relock(c);
	if (!c->flow || !lg_flow_is_local(c->flow))
		return 1;
	if (r < 0 && !is_over(c)) {
		r = c->carrier->say(c, LG_SAY_WAIT_READ);
		c->saved_errno = errno;
		return r;
	}
	if (r > 0)
		lg_flow_local_arrived(c->flow, buf, (size_t)r);
	else
		lg_flow_local_eof(c->flow);
	return 1;
}
