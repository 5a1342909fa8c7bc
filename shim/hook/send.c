#include "hook/hook.h"
#include "hook/resolve.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"
#include "hook/library.h"
#include "hook/local.h"
#include "hook/patched.h"
#include "hook/plain.h"
#include "hook/wakeup.h"

#define HEAD 64 /* enough for a ClientHello's first fields */

/*
 * Looked up in the constructor: a signal handler may write, and dlsym is not
 * for those. Who comes before the constructor gets the system call.
 */
static ssize_t (*next_write)(int, const void *, size_t);
static ssize_t (*next_writev)(int, const struct iovec *, int);
static ssize_t (*next_send)(int, const void *, size_t, int);
static ssize_t (*next_sendto)(int, const void *, size_t, int,
			      const struct sockaddr *, socklen_t);
static ssize_t (*next_sendmsg)(int, const struct msghdr *, int);
static int (*next_sendmmsg)(int, struct mmsghdr *, unsigned, int);
static int (*next_dlclose)(void *);

void lg_hook_bind_libc(void)
{
	next_write = lg_next_symbol("write");
	next_writev = lg_next_symbol("writev");
	next_send = lg_next_symbol("send");
	next_sendto = lg_next_symbol("sendto");
	next_sendmsg = lg_next_symbol("sendmsg");
	next_sendmmsg = lg_next_symbol("sendmmsg");
	next_dlclose = lg_next_symbol("dlclose");
	lg_hook_bind_recv();
	lg_hook_bind_life();
	lg_hook_bind_poll();
	lg_plain_bind();
}

static inline bool is_watching(void)
{
	return LG_UNLIKELY(lg_load_relaxed(&lg_wakeup_watched) |
			   lg_load_relaxed(&lg_local_relayed) |
			   lg_load_relaxed(&lg_plain_tracked));
}

/* Meant for a server that is not there any more. */
static inline bool is_lost(int fd)
{
	return lg_load_relaxed(&lg_local_relayed) && lg_local_swallows(fd);
}

static size_t sum(const struct iovec *iov, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

/* Only what the kernel could read is read again. */
static ssize_t look(int fd, const void *p, ssize_t r)
{
	if (r > 0)
		lg_wakeup_look(fd, p, (size_t)r);
	return r;
}

static ssize_t look_iov(int fd, const struct iovec *iov, size_t n, ssize_t r)
{
	char head[HEAD];
	size_t i, len, had = 0, left = r > 0 ? (size_t)r : 0;

	for (i = 0; i < n && left && had < HEAD; i++) {
		len = iov[i].iov_len < left ? iov[i].iov_len : left;
		left -= len;
		if (len > HEAD - had)
			len = HEAD - had;
		if (len)
			memcpy(head + had, iov[i].iov_base, len);
		had += len;
	}
	lg_wakeup_look(fd, head, had);
	return r;
}

static ssize_t give(struct lg_plain *p, int fd, const void *buf, size_t n,
		    int flags)
{
	ssize_t r = lg_plain_write(p, fd, buf, n, flags);

	lg_plain_put(p);
	return r;
}

static ssize_t give_iov(struct lg_plain *p, int fd, const struct iovec *iov,
			size_t n, int flags)
{
	ssize_t r = lg_plain_writev(p, fd, iov, n, flags);

	lg_plain_put(p);
	return r;
}

/* The connection, when it is a plain one and these bytes are for its flow. */
static struct lg_plain *plain_of(const void *pc, int fd, const void *buf,
				 size_t n, int flags)
{
	return lg_plain_is_any() ? lg_plain_for_write(pc, fd, buf, n, flags)
				 : NULL;
}

static struct lg_plain *plain_of_iov(const void *pc, int fd,
				     const struct iovec *iov, size_t n,
				     int flags)
{
	size_t i = 0;

	if (!lg_plain_is_any() || !iov)
		return NULL;
	while (i < n && !iov[i].iov_len)
		i++;
	return i < n ? lg_plain_for_write(pc, fd, iov[i].iov_base,
					  iov[i].iov_len, flags)
		     : NULL;
}

ssize_t hook_write(const void *pc, int fd, const void *buf, size_t n)
{
	struct lg_plain *p;

	if (LG_UNLIKELY(!next_write))
		return syscall(SYS_write, fd, buf, n);
	if (!is_watching())
		return next_write(fd, buf, n);
	p = plain_of(pc, fd, buf, n, 0);
	if (p)
		return give(p, fd, buf, n, 0);
	if (is_lost(fd))
		return (ssize_t)n;
	return look(fd, buf, next_write(fd, buf, n));
}

ssize_t hook_writev(const void *pc, int fd, const struct iovec *iov, int n)
{
	size_t len = n > 0 ? (size_t)n : 0;
	struct lg_plain *p;

	if (LG_UNLIKELY(!next_writev))
		return syscall(SYS_writev, fd, iov, n);
	if (!is_watching())
		return next_writev(fd, iov, n);
	p = plain_of_iov(pc, fd, iov, len, 0);
	if (p)
		return give_iov(p, fd, iov, len, 0);
	if (is_lost(fd))
		return (ssize_t)sum(iov, len);
	return look_iov(fd, iov, len, next_writev(fd, iov, n));
}

ssize_t hook_send(const void *pc, int fd, const void *buf, size_t n, int flags)
{
	struct lg_plain *p;

	if (LG_UNLIKELY(!next_send))
		return syscall(SYS_sendto, fd, buf, n, flags, NULL, 0);
	if (!is_watching())
		return next_send(fd, buf, n, flags);
	p = plain_of(pc, fd, buf, n, flags);
	if (p)
		return give(p, fd, buf, n, flags);
	if (is_lost(fd))
		return (ssize_t)n;
	return look(fd, buf, next_send(fd, buf, n, flags));
}

ssize_t hook_sendto(const void *pc, int fd, const void *buf, size_t n,
		    int flags, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	const struct sockaddr *to = addr.__sockaddr__;
	struct lg_plain *p;

	if (LG_UNLIKELY(!next_sendto))
		return syscall(SYS_sendto, fd, buf, n, flags, to, len);
	if (LG_UNLIKELY(flags & MSG_FASTOPEN) &&
	    lg_plain_opens(pc, fd, to, len))
		return hook_connect(pc, fd, addr, len)
			       ? -1
			       : hook_send(pc, fd, buf, n,
					   flags & ~MSG_FASTOPEN);
	if (!is_watching())
		return next_sendto(fd, buf, n, flags, to, len);
	p = plain_of(pc, fd, buf, n, flags);
	if (p)
		return give(p, fd, buf, n, flags);
	if (is_lost(fd))
		return (ssize_t)n;
	return look(fd, buf, next_sendto(fd, buf, n, flags, to, len));
}

/* The bytes have to wait for our decision, the connection need not. */
static ssize_t open_by(const void *pc, int fd, const struct msghdr *msg,
		       int flags)
{
	struct msghdr m = *msg;

	if (hook_connect(pc, fd, (struct sockaddr *)m.msg_name, m.msg_namelen))
		return -1;
	m.msg_name = NULL;
	m.msg_namelen = 0;
	return hook_sendmsg(pc, fd, &m, flags);
}

ssize_t hook_sendmsg(const void *pc, int fd, const struct msghdr *msg,
		     int flags)
{
	struct lg_plain *p;
	ssize_t r;

	if (LG_UNLIKELY(!next_sendmsg))
		return syscall(SYS_sendmsg, fd, msg, flags);
	if (LG_UNLIKELY(flags & MSG_FASTOPEN) && msg &&
	    lg_plain_opens(pc, fd, msg->msg_name, msg->msg_namelen))
		return open_by(pc, fd, msg, flags & ~MSG_FASTOPEN);
	if (!is_watching())
		return next_sendmsg(fd, msg, flags);
	p = msg ? plain_of_iov(pc, fd, msg->msg_iov, msg->msg_iovlen, flags)
		: NULL;
	if (p)
		return give_iov(p, fd, msg->msg_iov, msg->msg_iovlen, flags);
	if (is_lost(fd))
		return (ssize_t)sum(msg->msg_iov, msg->msg_iovlen);
	r = next_sendmsg(fd, msg, flags);
	/* only then does msg point to something */
	return r > 0 ? look_iov(fd, msg->msg_iov, msg->msg_iovlen, r) : r;
}

/* Message by message where they are for a flow: of a stream, so none is lost.
 */
int hook_sendmmsg(const void *pc, int fd, struct mmsghdr *v, unsigned n,
		  int flags)
{
	struct lg_plain *p = NULL;
	unsigned i;
	ssize_t r;

	if (LG_UNLIKELY(!next_sendmmsg))
		return (int)syscall(SYS_sendmmsg, fd, v, n, flags);
	if (lg_plain_is_any() && v && !lg_plain_is_ours(pc))
		p = lg_plain_get(fd);
	if (!p)
		return next_sendmmsg(fd, v, n, flags);
	lg_plain_put(p);
	for (i = 0; i < n; i++) {
		r = hook_sendmsg(pc, fd, &v[i].msg_hdr, flags);
		if (r < 0)
			return i ? (int)i : -1;
		v[i].msg_len = (unsigned)r;
		if ((size_t)r <
		    sum(v[i].msg_hdr.msg_iov, v[i].msg_hdr.msg_iovlen))
			return (int)i + 1;
	}
	return (int)n;
}

/*
 * The linker searches as the caller of dlopen wants it: we ask in its place
 * only where that makes no difference, else we are gone before it looks.
 */
void *hook_dlopen(const void *pc, const char *file, int flags)
{
	void *h;

	if (LG_LIKELY(!lg_patched_cares(file, flags)) ||
	    !lg_patched_may_open(pc, file))
		return lg_real_dlopen(file, flags);
	h = lg_real_dlopen(file, flags);
	if (h)
		lg_patched_arrived(h);
	return h;
}

int hook_dlclose(void *handle)
{
	int r;

	if (LG_UNLIKELY(!next_dlclose))
		return 0;
	r = next_dlclose(handle);
	lg_tls_forget_callers();
	lg_library_forget_callers();
	return r;
}
