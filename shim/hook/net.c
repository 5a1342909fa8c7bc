#include <errno.h>
#include <netdb.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"
#include "hook/dark.h"
#include "hook/hook.h"
#include "hook/plain.h"
#include "hook/resolve.h"

/* Bound in the constructor, as those of send.c. */
static int (*next_connect)(int, const struct sockaddr *, socklen_t);
static int (*next_close)(int);
static int (*next_getaddrinfo)(const char *, const char *,
			       const struct addrinfo *, struct addrinfo **);

void lg_hook_bind_net(void)
{
	next_connect = lg_next_symbol("connect");
	next_close = lg_next_symbol("close");
	next_getaddrinfo = lg_next_symbol("getaddrinfo");
}

int hook_getaddrinfo(const char *node, const char *service,
		     const struct addrinfo *hints, struct addrinfo **res)
{
	int r, err;

	if (LG_UNLIKELY(!next_getaddrinfo))
		next_getaddrinfo = lg_next_symbol("getaddrinfo");
	if (LG_UNLIKELY(!next_getaddrinfo))
		return EAI_FAIL;
	r = next_getaddrinfo(node, service, hints, res);
	if (r || !node || !lg_hook_is_on)
		return r;
	err = errno;
	lg_dark_resolved(node, *res);
	lg_plain_resolved(node, *res);
	errno = err;
	return r;
}

int hook_connect(const void *pc, int fd, __CONST_SOCKADDR_ARG to, socklen_t len)
{
	const struct sockaddr *sa = to.__sockaddr__;
	int r;

	if (LG_UNLIKELY(!next_connect))
		return (int)syscall(SYS_connect, fd, sa, len);
	r = next_connect(fd, sa, len);
	if (r && errno != EINPROGRESS && errno != EINTR)
		return r;
	if (LG_UNLIKELY(lg_load_relaxed(&lg_dark_armed)))
		lg_dark_connected(fd, sa, len);
	if (!lg_plain_is_ours(pc))
		lg_plain_connected(fd, sa, len);
	return r;
}

int hook_close(const void *pc, int fd)
{
	if (LG_UNLIKELY(lg_load_relaxed(&lg_dark_pending)))
		lg_dark_closing(fd);
	/* before: afterwards the number may be another thread's */
	if (lg_plain_is_any())
		lg_plain_closing(pc, fd);
	if (LG_UNLIKELY(!next_close))
		return (int)syscall(SYS_close, fd);
	return next_close(fd);
}
