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
static int (*next_dlclose)(void *);

void lg_hook_bind_libc(void)
{
	next_write = lg_next_symbol("write");
	next_writev = lg_next_symbol("writev");
	next_send = lg_next_symbol("send");
	next_sendto = lg_next_symbol("sendto");
	next_sendmsg = lg_next_symbol("sendmsg");
	next_dlclose = lg_next_symbol("dlclose");
}

static inline bool is_watching(void)
{
	return LG_UNLIKELY(lg_load_relaxed(&lg_wakeup_watched) |
			   lg_load_relaxed(&lg_local_relayed));
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

ssize_t hook_write(int fd, const void *buf, size_t n)
{
	if (LG_UNLIKELY(!next_write))
		return syscall(SYS_write, fd, buf, n);
	if (!is_watching())
		return next_write(fd, buf, n);
	if (is_lost(fd))
		return (ssize_t)n;
	return look(fd, buf, next_write(fd, buf, n));
}

ssize_t hook_writev(int fd, const struct iovec *iov, int n)
{
	if (LG_UNLIKELY(!next_writev))
		return syscall(SYS_writev, fd, iov, n);
	if (!is_watching())
		return next_writev(fd, iov, n);
	if (n > 0 && is_lost(fd))
		return (ssize_t)sum(iov, (size_t)n);
	return look_iov(fd, iov, n > 0 ? (size_t)n : 0,
			next_writev(fd, iov, n));
}

ssize_t hook_send(int fd, const void *buf, size_t n, int flags)
{
	if (LG_UNLIKELY(!next_send))
		return syscall(SYS_sendto, fd, buf, n, flags, NULL, 0);
	if (!is_watching())
		return next_send(fd, buf, n, flags);
	if (is_lost(fd))
		return (ssize_t)n;
	return look(fd, buf, next_send(fd, buf, n, flags));
}

ssize_t hook_sendto(int fd, const void *buf, size_t n, int flags,
		    __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	const struct sockaddr *to = addr.__sockaddr__;

	if (LG_UNLIKELY(!next_sendto))
		return syscall(SYS_sendto, fd, buf, n, flags, to, len);
	if (!is_watching())
		return next_sendto(fd, buf, n, flags, to, len);
	if (is_lost(fd))
		return (ssize_t)n;
	return look(fd, buf, next_sendto(fd, buf, n, flags, to, len));
}

ssize_t hook_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	ssize_t r;

	if (LG_UNLIKELY(!next_sendmsg))
		return syscall(SYS_sendmsg, fd, msg, flags);
	if (!is_watching())
		return next_sendmsg(fd, msg, flags);
	if (is_lost(fd))
		return (ssize_t)sum(msg->msg_iov, msg->msg_iovlen);
	r = next_sendmsg(fd, msg, flags);
	/* only then does msg point to something */
	return r > 0 ? look_iov(fd, msg->msg_iov, msg->msg_iovlen, r) : r;
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
		lg_patched_arrived();
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
