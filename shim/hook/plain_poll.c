#include "hook/hook.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hook/io.h"
#include "hook/local.h"
#include "hook/plain.h"
#include "hook/resolve.h"

#define SET_MAX 64 /* of one select */
#define WORD_BITS (8 * (int)sizeof(unsigned long))

unsigned lg_plain_left;

static int (*next_poll)(struct pollfd *, unsigned long, int);
static int (*next_poll_chk)(struct pollfd *, unsigned long, int, size_t);
static int (*next_ppoll)(struct pollfd *, unsigned long,
			 const struct timespec *, const sigset_t *);
static int (*next_ppoll_chk)(struct pollfd *, unsigned long,
			     const struct timespec *, const sigset_t *, size_t);
static int (*next_select)(int, fd_set *, fd_set *, fd_set *, struct timeval *);
static int (*next_pselect)(int, fd_set *, fd_set *, fd_set *,
			   const struct timespec *, const sigset_t *);
static int (*next_epoll_wait)(int, struct epoll_event *, int, int);
static int (*next_epoll_pwait)(int, struct epoll_event *, int, int,
			       const sigset_t *);

void lg_hook_bind_poll(void)
{
	next_poll = lg_next_symbol("poll");
	next_poll_chk = lg_next_symbol("__poll_chk");
	next_ppoll = lg_next_symbol("ppoll");
	next_ppoll_chk = lg_next_symbol("__ppoll_chk");
	next_select = lg_next_symbol("select");
	next_pselect = lg_next_symbol("pselect");
	next_epoll_wait = lg_next_symbol("epoll_wait");
	next_epoll_pwait = lg_next_symbol("epoll_pwait");
}

/* A refusal's socket was shut down: the kernel tells of that by itself. */
static bool is_left(struct lg_plain *p)
{
	bool shut;

	return lg_io_ready(&p->conn, &shut) &&
	       (!shut || lg_load_relaxed(&p->conn.relayed));
}

void lg_plain_note(struct lg_plain *p)
{
	unsigned was = lg_load_relaxed(&p->left), now = is_left(p);

	if (was == now || !lg_cas_seq(&p->left, &was, now))
		return;
	lg_store_relaxed(&p->told, false);
	lg_add_relaxed(&lg_plain_left, now ? 1u : (unsigned)-1);
}

bool lg_plain_has_left(int fd)
{
	struct lg_plain *p = lg_plain_get(fd);
	bool left = p && lg_load_relaxed(&p->left);

	if (p)
		lg_plain_put(p);
	return left;
}

static bool is_any_left(const void *pc)
{
	return LG_UNLIKELY(lg_load_relaxed(&lg_plain_left)) &&
	       !lg_plain_is_ours(pc) && lg_plain_is_self();
}

/* -- poll -------------------------------------------------------------------
 */

static bool has_any(const struct pollfd *v, unsigned long n)
{
	int err = errno;
	unsigned long i;

	for (i = 0; i < n; i++)
		if (v[i].events & (POLLIN | POLLRDNORM) &&
		    lg_plain_has_left(v[i].fd))
			break;
	errno = err;
	return i < n;
}

static int add_polled(struct pollfd *v, unsigned long n, int r)
{
	int err = errno;

	for (unsigned long i = 0; i < n; i++) {
		int in = v[i].events & (POLLIN | POLLRDNORM);

		if (!in || !lg_plain_has_left(v[i].fd))
			continue;
		r += !v[i].revents;
		v[i].revents = (short)(v[i].revents | in);
	}
	errno = err;
	return r;
}

int hook_poll(const void *pc, struct pollfd *v, unsigned long n, int timeout)
{
	int r;

	if (LG_UNLIKELY(!next_poll))
		return (int)syscall(SYS_poll, v, n, timeout);
	if (!is_any_left(pc) || !v || !has_any(v, n))
		return next_poll(v, n, timeout);
	r = next_poll(v, n, 0);
	return r < 0 ? r : add_polled(v, n, r);
}

int hook___poll_chk(const void *pc, struct pollfd *v, unsigned long n,
		    int timeout, size_t size)
{
	if (LG_UNLIKELY(next_poll_chk && size / sizeof(*v) < n))
		return next_poll_chk(v, n, timeout, size);
	return hook_poll(pc, v, n, timeout);
}

int hook_ppoll(const void *pc, struct pollfd *v, unsigned long n,
	       const struct timespec *timeout, const sigset_t *mask)
{
	static const struct timespec now = {0, 0};
	int r;

	if (LG_UNLIKELY(!next_ppoll)) {
		errno = ENOSYS;
		return -1;
	}
	if (!is_any_left(pc) || !v || !has_any(v, n))
		return next_ppoll(v, n, timeout, mask);
	r = next_ppoll(v, n, &now, mask);
	return r < 0 ? r : add_polled(v, n, r);
}

int hook___ppoll_chk(const void *pc, struct pollfd *v, unsigned long n,
		     const struct timespec *timeout, const sigset_t *mask,
		     size_t size)
{
	if (LG_UNLIKELY(next_ppoll_chk && size / sizeof(*v) < n))
		return next_ppoll_chk(v, n, timeout, mask, size);
	return hook_ppoll(pc, v, n, timeout, mask);
}

/* -- select -----------------------------------------------------------------
 */

/* By hand: programs with larger sets than an fd_set allocate their own. */
static unsigned long *word_of(fd_set *set, int fd)
{
	return (unsigned long *)(void *)set + fd / WORD_BITS;
}

static unsigned long bit_of(int fd)
{
	return 1ul << fd % WORD_BITS;
}

/* Those in the set that have something left: numbers, at most SET_MAX. */
static int in_set(fd_set *in, int n, int *fds)
{
	int err = errno, i, found = 0;

	for (i = 0; in && i < n && found < SET_MAX; i++) {
		if (!*word_of(in, i)) {
			i |= WORD_BITS - 1;
			continue;
		}
		if (*word_of(in, i) & bit_of(i) && lg_plain_has_left(i))
			fds[found++] = i;
	}
	errno = err;
	return found;
}

static int add_selected(fd_set *in, const int *fds, int found, int r)
{
	for (int i = 0; i < found; i++) {
		r += !(*word_of(in, fds[i]) & bit_of(fds[i]));
		*word_of(in, fds[i]) |= bit_of(fds[i]);
	}
	return r;
}

int hook_select(const void *pc, int n, fd_set *in, fd_set *out, fd_set *bad,
		struct timeval *timeout)
{
	struct timeval now = {0, 0};
	int fds[SET_MAX], found, r;

	if (LG_UNLIKELY(!next_select)) {
		errno = ENOSYS;
		return -1;
	}
	found = is_any_left(pc) ? in_set(in, n, fds) : 0;
	if (!found)
		return next_select(n, in, out, bad, timeout);
	r = next_select(n, in, out, bad, &now);
	return r < 0 ? r : add_selected(in, fds, found, r);
}

int hook_pselect(const void *pc, int n, fd_set *in, fd_set *out, fd_set *bad,
		 const struct timespec *timeout, const sigset_t *mask)
{
	static const struct timespec now = {0, 0};
	int fds[SET_MAX], found, r;

	if (LG_UNLIKELY(!next_pselect)) {
		errno = ENOSYS;
		return -1;
	}
	found = is_any_left(pc) ? in_set(in, n, fds) : 0;
	if (!found)
		return next_pselect(n, in, out, bad, timeout, mask);
	r = next_pselect(n, in, out, bad, &now, mask);
	return r < 0 ? r : add_selected(in, fds, found, r);
}

/* -- epoll ------------------------------------------------------------------
 */

/* An edge is told once; a single shot waits for being armed again. */
static bool is_due(struct lg_plain *p, int ep, int fd, struct lg_epolls *e)
{
	struct epoll_event off = {0};

	if (!lg_epolls_in(ep, fd, e) || !(e->at[0].events & EPOLLIN))
		return false;
	if (e->at[0].events & EPOLLONESHOT) {
		off.events = e->at[0].events & (EPOLLET | EPOLLONESHOT);
		off.data.u64 = e->at[0].data;
		return !epoll_ctl(ep, EPOLL_CTL_MOD, fd, &off);
	}
	if (!(e->at[0].events & EPOLLET))
		return true;
	return !__atomic_exchange_n(&p->told, true, __ATOMIC_RELAXED);
}

static bool has_event(const struct epoll_event *v, int n, uint64_t data)
{
	for (int i = 0; i < n; i++)
		if (v[i].data.u64 == data && v[i].events & EPOLLIN)
			return true;
	return false;
}

/* v has r events already; as many more as there is room for. */
static int add_events(int ep, struct epoll_event *v, int r, int n)
{
	struct lg_plain *p;
	struct lg_epolls e;
	int err = errno, fd, had = r;

	for (p = lg_plain_first(); p && r < n; p = p->next) {
		if (!lg_load_relaxed(&p->left))
			continue;
		fd = lg_load_relaxed(&p->fd);
		if (!lg_plain_has_left(fd) || !is_due(p, ep, fd, &e) ||
		    has_event(v, had, e.at[0].data))
			continue;
		v[r].events = EPOLLIN;
		v[r++].data.u64 = e.at[0].data;
	}
	errno = err;
	return r;
}

/*
 * What the kernel has is taken along without waiting; only when there is
 * nothing at all the wait begins.
 */
int hook_epoll_pwait(const void *pc, int ep, struct epoll_event *v, int n,
		     int timeout, const sigset_t *mask)
{
	int r;

	if (LG_UNLIKELY(!next_epoll_pwait)) {
		errno = ENOSYS;
		return -1;
	}
	if (is_any_left(pc) && v && n > 0) {
		r = next_epoll_pwait(ep, v, n, 0, mask);
		if (r >= 0)
			r = add_events(ep, v, r, n);
		if (r)
			return r;
	}
	return next_epoll_pwait(ep, v, n, timeout, mask);
}

int hook_epoll_wait(const void *pc, int ep, struct epoll_event *v, int n,
		    int timeout)
{
	int r;

	if (LG_UNLIKELY(!next_epoll_wait))
		return hook_epoll_pwait(pc, ep, v, n, timeout, NULL);
	if (is_any_left(pc) && v && n > 0) {
		r = next_epoll_wait(ep, v, n, 0);
		if (r >= 0)
			r = add_events(ep, v, r, n);
		if (r)
			return r;
	}
	return next_epoll_wait(ep, v, n, timeout);
}
