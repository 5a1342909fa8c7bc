#include "hook/wakeup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/atomic.h"
#include "hook/dark.h"

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif
#define HELLOS 256 /* power of two */
#define RANDOM_AT 11
#define HELLO_MIN (RANDOM_AT + LG_CARRIER_RANDOM_LEN)

unsigned lg_wakeup_watched;

/* The last ClientHellos seen; a torn entry matches nothing. */
static struct {
	uint64_t a, b, cookie, fd;
} hellos[HELLOS];
static unsigned nhellos;

uint64_t lg_wakeup_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len))
		return 0;
	return cookie;
}

void lg_wakeup_watch(struct lg_conn *c)
{
	if (c->watching || !c->carrier->random || c->carrier->fd(c) >= 0)
		return;
	c->watching = true;
	lg_add_relaxed(&lg_wakeup_watched, 1);
}

void lg_wakeup_unwatch(struct lg_conn *c)
{
	if (!c->watching)
		return;
	c->watching = false;
	lg_add_relaxed(&lg_wakeup_watched, -1);
}

/* RFC 8446 4.1.2 and 5.1: record type 22, handshake type 1, then random. */
void lg_wakeup_look(int fd, const void *p, size_t n)
{
	const unsigned char *b = p;
	uint64_t random[2];
	unsigned i;
	int err;

	if (lg_load_relaxed(&lg_dark_unsure))
		lg_dark_look(fd, p, n);
	if (n < HELLO_MIN || b[0] != 22 || b[1] != 3 || b[5] != 1)
		return;
	err = errno;
	memcpy(random, b + RANDOM_AT, sizeof(random));
	i = lg_add_relaxed(&nhellos, 1) & (HELLOS - 1);
	lg_store_seq(&hellos[i].a, 0);
	lg_store_release(&hellos[i].b, random[1]);
	lg_store_release(&hellos[i].cookie, lg_wakeup_cookie(fd));
	lg_store_release(&hellos[i].fd, (uint64_t)fd);
	lg_store_release(&hellos[i].a, random[0]);
	errno = err;
}

static void find_hello(struct lg_conn *c, const unsigned char *random)
{
	uint64_t a, b, fd, cookie;
	unsigned i;

	memcpy(&a, random, 8);
	memcpy(&b, random + 8, 8);
	for (i = 0; i < HELLOS; i++) {
		if (lg_load_acquire(&hellos[i].a) != a ||
		    lg_load_acquire(&hellos[i].b) != b)
			continue;
		fd = lg_load_acquire(&hellos[i].fd);
		cookie = lg_load_acquire(&hellos[i].cookie);
		if (lg_load_acquire(&hellos[i].a) != a)
			continue; /* another one came into its place */
		c->fd = (int)fd;
		c->fd_cookie = cookie;
		return;
	}
}

void lg_wakeup_find(struct lg_conn *c)
{
	unsigned char random[LG_CARRIER_RANDOM_LEN];

	if (c->carrier->fd(c) >= 0 || !c->watching)
		return;
	if (c->carrier->random && c->carrier->random(c, random))
		find_hello(c, random);
}

int lg_wakeup_found(const struct lg_conn *c)
{
	int err = errno, fd = -1;

	if (c->fd >= 0 && c->fd_cookie &&
	    lg_wakeup_cookie(c->fd) == c->fd_cookie)
		fd = c->fd;
	errno = err;
	return fd;
}

int lg_wakeup_fd(struct lg_conn *c)
{
	int fd = c->carrier->fd(c);

	return fd >= 0 ? fd : lg_wakeup_found(c);
}

static bool shut_down(struct lg_conn *c, int how)
{
	int fd = lg_wakeup_fd(c);
	int err = errno;
	bool done;

	done = fd >= 0 && !shutdown(fd, how);
	errno = err;
	return done;
}

bool lg_wakeup_now(struct lg_conn *c)
{
	return shut_down(c, SHUT_RD);
}

bool lg_wakeup_close(struct lg_conn *c)
{
	bool done = shut_down(c, SHUT_RDWR);
	int fd = c->carrier->write_fd ? c->carrier->write_fd(c) : -1;
	int err = errno;

	/* two descriptors, one for each way */
	if (fd >= 0 && fd != c->carrier->fd(c))
		done = !shutdown(fd, SHUT_RDWR);
	errno = err;
	return done;
}

bool lg_wakeup_is_blocking(struct lg_conn *c)
{
	int err = errno, flags = -1, fd;

	if (c->carrier->is_blocking)
		return c->carrier->is_blocking(c);
	fd = c->carrier->fd(c);
	if (fd >= 0)
		flags = fcntl(fd, F_GETFL);
	errno = err;
	return flags >= 0 && !(flags & O_NONBLOCK);
}
