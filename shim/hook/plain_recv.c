#include "hook/hook.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hook/plain.h"
#include "hook/resolve.h"

/* As in send.c: looked up in the constructor, before any signal handler. */
static ssize_t (*next_read)(int, void *, size_t);
static ssize_t (*next_readv)(int, const struct iovec *, int);
static ssize_t (*next_recv)(int, void *, size_t, int);
static ssize_t (*next_recvfrom)(int, void *, size_t, int, struct sockaddr *,
				socklen_t *);
static ssize_t (*next_recvmsg)(int, struct msghdr *, int);
static int (*next_recvmmsg)(int, struct mmsghdr *, unsigned, int,
			    struct timespec *);
static ssize_t (*next_read_chk)(int, void *, size_t, size_t);
static ssize_t (*next_recv_chk)(int, void *, size_t, size_t, int);
static ssize_t (*next_recvfrom_chk)(int, void *, size_t, size_t, int,
				    struct sockaddr *, socklen_t *);

void lg_hook_bind_recv(void)
{
	next_read = lg_next_symbol("read");
	next_readv = lg_next_symbol("readv");
	next_recv = lg_next_symbol("recv");
	next_recvfrom = lg_next_symbol("recvfrom");
	next_recvmsg = lg_next_symbol("recvmsg");
	next_recvmmsg = lg_next_symbol("recvmmsg");
	next_read_chk = lg_next_symbol("__read_chk");
	next_recv_chk = lg_next_symbol("__recv_chk");
	next_recvfrom_chk = lg_next_symbol("__recvfrom_chk");
}

static ssize_t take(struct lg_plain *p, int fd, void *buf, size_t n, int flags)
{
	ssize_t r = lg_plain_read(p, fd, buf, n, flags);

	lg_plain_put(p);
	return r;
}

ssize_t hook_read(const void *pc, int fd, void *buf, size_t n)
{
	struct lg_plain *p;

	if (LG_UNLIKELY(!next_read))
		return syscall(SYS_read, fd, buf, n);
	if (!lg_plain_is_any())
		return next_read(fd, buf, n);
	p = lg_plain_for_read(pc, fd, buf, n, 0);
	return p ? take(p, fd, buf, n, 0) : next_read(fd, buf, n);
}

/* The first piece with room; a reader goes on by itself. */
static const struct iovec *room(const struct iovec *iov, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (iov[i].iov_len)
			return &iov[i];
	return NULL;
}

ssize_t hook_readv(const void *pc, int fd, const struct iovec *iov, int n)
{
	const struct iovec *v;
	struct lg_plain *p = NULL;

	if (LG_UNLIKELY(!next_readv))
		return syscall(SYS_readv, fd, iov, n);
	if (!lg_plain_is_any())
		return next_readv(fd, iov, n);
	v = iov && n > 0 ? room(iov, (size_t)n) : NULL;
	if (v)
		p = lg_plain_for_read(pc, fd, v->iov_base, v->iov_len, 0);
	return p ? take(p, fd, v->iov_base, v->iov_len, 0)
		 : next_readv(fd, iov, n);
}

ssize_t hook_recv(const void *pc, int fd, void *buf, size_t n, int flags)
{
	struct lg_plain *p;

	if (LG_UNLIKELY(!next_recv))
		return syscall(SYS_recvfrom, fd, buf, n, flags, NULL, NULL);
	if (!lg_plain_is_any())
		return next_recv(fd, buf, n, flags);
	p = lg_plain_for_read(pc, fd, buf, n, flags);
	return p ? take(p, fd, buf, n, flags) : next_recv(fd, buf, n, flags);
}

/* A stream's bytes come without an address. */
static ssize_t take_from(struct lg_plain *p, int fd, void *buf, size_t n,
			 int flags, const struct sockaddr *addr, socklen_t *len)
{
	ssize_t r = take(p, fd, buf, n, flags);

	if (r >= 0 && addr && len)
		*len = 0;
	return r;
}

ssize_t hook_recvfrom(const void *pc, int fd, void *buf, size_t n, int flags,
		      __SOCKADDR_ARG addr, socklen_t *len)
{
	struct sockaddr *from = addr.__sockaddr__;
	struct lg_plain *p;

	if (LG_UNLIKELY(!next_recvfrom))
		return syscall(SYS_recvfrom, fd, buf, n, flags, from, len);
	if (!lg_plain_is_any())
		return next_recvfrom(fd, buf, n, flags, from, len);
	p = lg_plain_for_read(pc, fd, buf, n, flags);
	return p ? take_from(p, fd, buf, n, flags, from, len)
		 : next_recvfrom(fd, buf, n, flags, from, len);
}

/* Only for the first piece is waited, but where the program wants all. */
static ssize_t take_all(struct lg_plain *p, int fd, const struct iovec *v,
			const struct iovec *end, int flags)
{
	int err = errno;
	ssize_t r, total = 0;

	for (; v < end; v++) {
		if (!v->iov_len)
			continue;
		r = lg_plain_read(p, fd, v->iov_base, v->iov_len, flags);
		if (r < 0 && !total)
			return r;
		total += r > 0 ? r : 0;
		if (flags & MSG_PEEK || r < 0 || (size_t)r < v->iov_len)
			break;
		flags |= flags & MSG_WAITALL ? 0 : MSG_DONTWAIT;
	}
	errno = err;
	return total;
}

static ssize_t take_msg(struct lg_plain *p, int fd, struct msghdr *msg,
			const struct iovec *v, int flags)
{
	ssize_t r = take_all(p, fd, v, msg->msg_iov + msg->msg_iovlen, flags);

	lg_plain_put(p);
	if (r < 0)
		return r;
	msg->msg_namelen = 0;
	msg->msg_controllen = 0;
	msg->msg_flags = 0;
	return r;
}

ssize_t hook_recvmsg(const void *pc, int fd, struct msghdr *msg, int flags)
{
	const struct iovec *v;
	struct lg_plain *p = NULL;

	if (LG_UNLIKELY(!next_recvmsg))
		return syscall(SYS_recvmsg, fd, msg, flags);
	if (!lg_plain_is_any())
		return next_recvmsg(fd, msg, flags);
	v = msg && msg->msg_iov ? room(msg->msg_iov, msg->msg_iovlen) : NULL;
	if (v)
		p = lg_plain_for_read(pc, fd, v->iov_base, v->iov_len, flags);
	return p ? take_msg(p, fd, msg, v, flags)
		 : next_recvmsg(fd, msg, flags);
}

/* One message: a stream has no more than bytes. */
int hook_recvmmsg(const void *pc, int fd, struct mmsghdr *v, unsigned n,
		  int flags, struct timespec *timeout)
{
	struct lg_plain *p = NULL;
	ssize_t r;

	if (LG_UNLIKELY(!next_recvmmsg))
		return (int)syscall(SYS_recvmmsg, fd, v, n, flags, timeout);
	if (lg_plain_is_any() && v && n && !lg_plain_is_ours(pc))
		p = lg_plain_get(fd);
	if (!p)
		return next_recvmmsg(fd, v, n, flags, timeout);
	lg_plain_put(p);
	r = hook_recvmsg(pc, fd, &v->msg_hdr, flags & ~MSG_WAITFORONE);
	if (r < 0)
		return -1;
	v->msg_len = (unsigned)r;
	return 1;
}

/* What programs built with _FORTIFY_SOURCE call: size is their buffer's. */
ssize_t hook___read_chk(const void *pc, int fd, void *buf, size_t n,
			size_t size)
{
	if (LG_LIKELY(n <= size))
		return hook_read(pc, fd, buf, n);
	return next_read_chk ? next_read_chk(fd, buf, n, size)
			     : hook_read(pc, fd, buf, size);
}

ssize_t hook___recv_chk(const void *pc, int fd, void *buf, size_t n,
			size_t size, int flags)
{
	if (LG_LIKELY(n <= size))
		return hook_recv(pc, fd, buf, n, flags);
	return next_recv_chk ? next_recv_chk(fd, buf, n, size, flags)
			     : hook_recv(pc, fd, buf, size, flags);
}

ssize_t hook___recvfrom_chk(const void *pc, int fd, void *buf, size_t n,
			    size_t size, int flags, __SOCKADDR_ARG addr,
			    socklen_t *len)
{
	if (LG_LIKELY(n <= size))
		return hook_recvfrom(pc, fd, buf, n, flags, addr, len);
	return next_recvfrom_chk
		       ? next_recvfrom_chk(fd, buf, n, size, flags,
					   addr.__sockaddr__, len)
		       : hook_recvfrom(pc, fd, buf, size, flags, addr, len);
}
