#include "hook/plain.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/log.h"
#include "config/config.h"
#include "guard/plain.h"
#include "hook/io.h"
#include "hook/local.h"
#include "hook/resolve.h"
#include "wire/http1_head.h"

#define CALL_MAX ((size_t)1 << 30)
/* Flags that only the real call understands, or that promise too much. */
#define SEND_STRANGE (MSG_OOB | MSG_FASTOPEN | MSG_ZEROCOPY)
#define RECV_STRANGE (MSG_OOB | MSG_ERRQUEUE)

extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _etext[] __attribute__((visibility("hidden")));

static ssize_t (*next_send)(int, const void *, size_t, int);
static ssize_t (*next_recv)(int, void *, size_t, int);
static pid_t self;

/* The program's call that this thread is in; a handler may come in between. */
static __thread struct call {
	const struct lg_plain *plain;
	int fd, send_flags, recv_flags;
} call;

void lg_plain_bind(void)
{
	next_send = lg_next_symbol("send");
	next_recv = lg_next_symbol("recv");
	self = getpid();
}

void lg_plain_after_fork(void)
{
	self = getpid();
}

bool lg_plain_is_self(void)
{
	return getpid() == self;
}

bool lg_plain_is_ours(const void *pc)
{
	const char *p = pc;

	return p >= __ehdr_start && p < _etext;
}

/* -- the carrier ------------------------------------------------------------
 */

static struct lg_plain *plain_of(struct lg_conn *c)
{
	return c->handle;
}

/* Two numbers may lead to it: the call's own stands for what is done in it. */
static int plain_fd(struct lg_conn *c)
{
	const struct lg_plain *p = plain_of(c);

	return call.plain == p ? call.fd : lg_load_relaxed(&p->fd);
}

static int plain_write(struct lg_conn *c, const void *p, size_t n)
{
	int fd = plain_fd(c);

	if (n > CALL_MAX)
		n = CALL_MAX;
	/* the program's server is not there any more */
	if (lg_load_relaxed(&lg_local_relayed) && lg_local_swallows(fd))
		return (int)n;
	return (int)next_send(fd, p, n, call.send_flags);
}

static int plain_read(struct lg_conn *c, void *p, size_t n)
{
	return (int)next_recv(plain_fd(c), p, n < CALL_MAX ? n : CALL_MAX,
			      call.recv_flags & ~(MSG_PEEK | MSG_WAITALL));
}

static int plain_peek(struct lg_conn *c, void *p, size_t n)
{
	return (int)next_recv(plain_fd(c), p, n < CALL_MAX ? n : CALL_MAX,
			      call.recv_flags | MSG_PEEK);
}

static bool plain_is_transient(struct lg_conn *c, int result)
{
	int err = c->saved_errno;

	return result < 0 &&
	       (err == EAGAIN || err == EWOULDBLOCK || err == EINTR);
}

static int plain_say(struct lg_conn *c, enum lg_carrier_word word)
{
	(void)c;
	if (word == LG_SAY_CLOSED)
		return 0;
	errno = word == LG_SAY_BROKEN ? EPIPE : EAGAIN;
	return -1;
}

static enum lg_carrier_role plain_role(struct lg_conn *c, bool client)
{
	(void)c, (void)client;
	return LG_ROLE_CLIENT;
}

static struct lg_slice plain_host(struct lg_conn *c)
{
	(void)c;
	return (struct lg_slice){"", 0};
}

static bool yes(struct lg_conn *c)
{
	(void)c;
	return true;
}

static int plain_handshake(struct lg_conn *c)
{
	(void)c;
	return 1;
}

/* One call may do without waiting on a socket that blocks. */
static bool plain_is_blocking(struct lg_conn *c)
{
	int err = errno, flags;

	if ((call.send_flags | call.recv_flags) & MSG_DONTWAIT)
		return false;
	flags = fcntl(plain_fd(c), F_GETFL);
	errno = err;
	return flags >= 0 && !(flags & O_NONBLOCK);
}

static void plain_ask(struct lg_conn *c, const void *p, size_t n)
{
	(void)c, (void)p, (void)n;
}

static bool plain_is_named(struct lg_conn *c, struct lg_slice host)
{
	const struct lg_plain *p = plain_of(c);

	return !p->asks_host || lg_plain_names(lg_conn_engine(), host, p->port);
}

static const struct lg_carrier plain = {
	.write = plain_write,
	.read = plain_read,
	.peek = plain_peek,
	.is_transient = plain_is_transient,
	.say = plain_say,
	.role = plain_role,
	.host = plain_host,
	.is_open = yes,
	.handshake = plain_handshake,
	.fd = plain_fd,
	.is_blocking = plain_is_blocking,
	.is_partial = yes,
	.below = plain_read,
	.ask = plain_ask,
	.is_named = plain_is_named,
};

/* -- what a connection is ---------------------------------------------------
 */

bool lg_plain_read_peer(const struct sockaddr *to, socklen_t len,
			struct lg_plain_peer *out)
{
	struct sockaddr_in6 six;
	struct sockaddr_in four;

	memset(out, 0, sizeof(*out));
	if (len < sizeof(to->sa_family))
		return false;
	if (to->sa_family == AF_INET && len >= sizeof(four)) {
		memcpy(&four, to, sizeof(four));
		out->addr[10] = out->addr[11] = 0xff;
		memcpy(out->addr + 12, &four.sin_addr, 4);
		out->port = ntohs(four.sin_port);
		return true;
	}
	if (to->sa_family != AF_INET6 || len < sizeof(six))
		return false;
	memcpy(&six, to, sizeof(six));
	memcpy(out->addr, &six.sin6_addr, 16);
	out->port = ntohs(six.sin6_port);
	return true;
}

static bool is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) &&
	       type == SOCK_STREAM;
}

/* Without a config no server is named: nothing is built for any connection. */
static bool has_config(void)
{
	static unsigned known; /* 0 not yet, 1 no, 2 yes */
	unsigned k = lg_load_relaxed(&known);
	char path[512];

	if (!k) {
		lg_config_find(path, sizeof(path));
		k = path[0] ? 2 : 1;
		lg_store_relaxed(&known, k);
	}
	return k == 2;
}

/* In a sandbox no file may be opened any more. */
struct lg_engine *lg_plain_engine(void)
{
	if (!lg_hook_is_on || !lg_plain_is_self())
		return NULL;
	if (!lg_engine_peek() && (lg_engine_was_sandboxed() || !has_config()))
		return NULL;
	return lg_conn_engine();
}

static void track(int fd, uint64_t id, const struct lg_plain_peer *peer,
		  bool asks_host)
{
	struct lg_plain *p = lg_plain_new();

	if (!p) {
		lg_log(LG_LOG_WARN, "connection_unguarded", NULL, 0);
		return;
	}
	lg_conn_init(&p->conn, &plain, p);
	lg_conn_reset(&p->conn);
	p->conn.fd_cookie = id;
	p->fd = fd;
	p->port = peer->port;
	p->asks_host = asks_host;
	p->was_told = asks_host && lg_plain_was_told(peer->addr);
	if (!lg_plain_enter(fd, p))
		lg_log(LG_LOG_WARN, "connection_unguarded", NULL, 0);
	lg_plain_put(p);
}

/*
 * A socket that is connected once more: asked how far it has come, or on its
 * way to another peer after one that could not be reached.
 */
static bool has_begun(int fd)
{
	struct lg_plain *p = lg_plain_get(fd);
	bool begun = p && p->begun;

	if (p)
		lg_plain_put(p);
	if (p && !begun)
		lg_plain_leave(fd);
	return begun;
}

static enum lg_plain_how how_of(const struct sockaddr *to, socklen_t len,
				struct lg_plain_peer *peer)
{
	struct lg_engine *e;

	if (!to || !lg_plain_read_peer(to, len, peer))
		return LG_PLAIN_NO;
	e = lg_plain_engine();
	return e && !lg_engine_is_off(e) ? lg_plain_of(e, peer) : LG_PLAIN_NO;
}

bool lg_plain_opens(const void *pc, int fd, const struct sockaddr *to,
		    socklen_t len)
{
	struct lg_plain_peer peer;
	int err = errno;
	bool opens = !lg_plain_is_ours(pc) &&
		     how_of(to, len, &peer) != LG_PLAIN_NO && is_stream(fd);

	errno = err;
	return opens;
}

void lg_plain_connected(int fd, const struct sockaddr *to, socklen_t len)
{
	struct lg_plain_peer peer;
	enum lg_plain_how how = how_of(to, len, &peer);
	int err = errno;
	uint64_t id;

	if (lg_plain_is_any() && lg_plain_is_self()) {
		if (to && len >= sizeof(to->sa_family) &&
		    to->sa_family == AF_UNSPEC)
			lg_plain_leave(fd);
		else if (has_begun(fd))
			how = LG_PLAIN_NO;
	}
	id = how != LG_PLAIN_NO && is_stream(fd) ? lg_plain_identity(fd) : 0;
	if (id)
		track(fd, id, &peer, how == LG_PLAIN_LOOK);
	errno = err;
}

/*
 * Where names decide: an address that was told for one of them may be others',
 * too, and through a proxy come requests for many hosts. There each request's
 * Host field is looked at by the flow. Else it has to be here already.
 */
static bool may_be_named(struct lg_plain *p, const char *buf, size_t n)
{
	const char *end = memmem(buf, n, "\r\n\r\n", 4);
	const char *target = memchr(buf, ' ', n);
	struct lg_slice head = {buf, end ? (size_t)(end - buf) + 4 : 0};

	if (p->was_told || !p->asks_host)
		return true;
	if (target && (size_t)(buf + n - target) > 8 &&
	    !memcmp(target, " http://", 8))
		return true;
	return end && plain_is_named(&p->conn,
				     lg_http1_field(head, LG_SLICE("host"), 0));
}

/* The first bytes decide. False: nothing that is ours. */
static bool begin(struct lg_plain *p, const char *buf, size_t n)
{
	struct lg_conn *c = &p->conn;
	int err = errno;

	p->begun = true;
	if (n > 65536)
		n = 65536;
	if (buf[0] >= 'A' && buf[0] <= 'Z' && lg_http1_sniff(buf, n) >= 0 &&
	    may_be_named(p, buf, n) &&
	    lg_conn_begin(c, (struct lg_slice){"", 0}, true)) {
		c->mode = LG_CONN_GUARDED;
		c->begun = c->handshaken = true;
	} else {
		c->mode = LG_CONN_PASS;
	}
	errno = err;
	return c->mode == LG_CONN_GUARDED;
}

/* -- writing and reading ----------------------------------------------------
 */

/* The number leads nowhere from here on: all of it passes. */
static struct lg_plain *let_go(struct lg_plain *p, int fd)
{
	int err = errno;

	lg_plain_leave(fd);
	lg_plain_put(p);
	errno = err;
	return NULL;
}

static struct lg_plain *strange(struct lg_plain *p, int fd)
{
	if (p->conn.flow)
		lg_log(LG_LOG_WARN, "connection_unguarded", NULL, 0);
	return let_go(p, fd);
}

struct lg_plain *lg_plain_for_write(const void *pc, int fd, const void *buf,
				    size_t n, int flags)
{
	struct lg_plain *p;

	if (lg_plain_is_ours(pc) || !buf || !n)
		return NULL;
	p = lg_plain_get(fd);
	if (!p)
		return NULL;
	if (flags & SEND_STRANGE)
		return strange(p, fd);
	lg_store_relaxed(&p->fd, fd);
	if (!p->begun && !begin(p, buf, n))
		return let_go(p, fd);
	if (lg_io_guards_write(&p->conn, buf, n))
		return p;
	return let_go(p, fd);
}

ssize_t lg_plain_write(struct lg_plain *p, int fd, const void *buf, size_t n,
		       int flags)
{
	struct call was = call;
	size_t written;
	int r;

	call = (struct call){p, fd, flags, flags & MSG_DONTWAIT};
	r = lg_io_write(&p->conn, buf, n, &written);
	call = was;
	lg_plain_note(p);
	return r > 0 ? (ssize_t)written : r;
}

ssize_t lg_plain_writev(struct lg_plain *p, int fd, const struct iovec *iov,
			size_t n, int flags)
{
	ssize_t total = 0, r;

	for (size_t i = 0; i < n; i++) {
		if (!iov[i].iov_len)
			continue;
		r = lg_plain_write(p, fd, iov[i].iov_base, iov[i].iov_len,
				   flags);
		if (r <= 0)
			return total ? total : r;
		total += r;
		if ((size_t)r < iov[i].iov_len)
			break;
	}
	return total;
}

struct lg_plain *lg_plain_for_read(const void *pc, int fd, const void *buf,
				   size_t n, int flags)
{
	struct lg_plain *p;

	if (lg_plain_is_ours(pc) || flags & RECV_STRANGE || !n)
		return NULL;
	p = lg_plain_get(fd);
	if (!p)
		return NULL;
	/* thrown away unseen */
	if (flags & MSG_TRUNC)
		return strange(p, fd);
	lg_store_relaxed(&p->fd, fd);
	if (p->begun && lg_io_guards_read(&p->conn, buf, n))
		return p;
	lg_plain_put(p);
	return NULL;
}

ssize_t lg_plain_read(struct lg_plain *p, int fd, void *buf, size_t n,
		      int flags)
{
	bool all = flags & MSG_WAITALL && !(flags & MSG_PEEK);
	struct call was = call;
	ssize_t total = 0;
	size_t got;
	int r;

	call = (struct call){p, fd, MSG_NOSIGNAL | (flags & MSG_DONTWAIT),
			     flags};
	do {
		r = lg_io_read(&p->conn, (char *)buf + total, n - (size_t)total,
			       flags & MSG_PEEK, &got);
		if (r > 0)
			total += (ssize_t)got;
	} while (r > 0 && all && (size_t)total < n);
	call = was;
	lg_plain_note(p);
	return total ? total : r;
}

void lg_plain_end(struct lg_plain *p, int fd)
{
	struct call was = call;

	if (!p->conn.flow || !lg_conn_lock(&p->conn))
		return;
	call = (struct call){p, fd, MSG_NOSIGNAL, 0};
	if (p->conn.flow)
		(void)lg_io_end(&p->conn);
	lg_conn_unlock(&p->conn);
	call = was;
}
