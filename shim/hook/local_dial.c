#include "hook/local_dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/hash.h"
#include "hook/local_names.h"

#define ADDRESSES 4
#define SILENT 8
#define SILENT_NS INT64_C(5000000000)
#define HIGH 200 /* first number tried for a descriptor of ours */
#define HOSTS_PIECE 2048

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

struct found {
	union address a[ADDRESSES];
	unsigned n;
};

static void add_literal(struct found *f, const char *text, uint16_t port)
{
	union address *a = &f->a[f->n];

	if (f->n == ADDRESSES)
		return;
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(port);
		f->n++;
	} else if (inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		f->n++;
	}
}

/* -- /etc/hosts ------------------------------------------------------------ */

static struct lg_slice word_of(struct lg_slice *line)
{
	struct lg_slice w;

	*line = lg_slice_trim(*line);
	w.p = line->p;
	for (w.len = 0; w.len < line->len && w.p[w.len] > ' '; w.len++)
		;
	line->p += w.len;
	line->len -= w.len;
	return w;
}

static void read_line(struct found *f, struct lg_slice line,
		      const struct lg_url *to)
{
	struct lg_slice addr, name;
	char text[64];

	lg_slice_cut(line, '#', &line);
	addr = word_of(&line);
	if (!addr.len || addr.len >= sizeof(text))
		return;
	while ((name = word_of(&line)).len)
		if (lg_slice_ieq(name, to->host)) {
			memcpy(text, addr.p, addr.len);
			text[addr.len] = '\0';
			add_literal(f, text, to->port);
			return;
		}
}

static void read_hosts(struct found *f, const struct lg_url *to)
{
	char text[HOSTS_PIECE];
	size_t have = 0;
	ssize_t n;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/etc/hosts",
			      O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	do {
		char *at = text, *nl;

		n = syscall(SYS_read, fd, text + have, sizeof(text) - have);
		have += n > 0 ? (size_t)n : 0;
		while ((nl = memchr(at, '\n', have - (size_t)(at - text)))) {
			read_line(f, (struct lg_slice){at, (size_t)(nl - at)},
				  to);
			at = nl + 1;
		}
		have -= (size_t)(at - text);
		memmove(text, at, have);
		if (n <= 0 && have)
			read_line(f, (struct lg_slice){text, have}, to);
		if (have == sizeof(text))
			have = 0;
	} while (n > 0);
	syscall(SYS_close, fd);
}

/* -- addresses ------------------------------------------------------------- */

static void add_socket(struct found *f, struct lg_slice path)
{
	struct sockaddr_un *a = &f->a[0].local;

	memset(a, 0, sizeof(*a));
	if (path.len >= sizeof(a->sun_path))
		return;
	a->sun_family = AF_UNIX;
	memcpy(a->sun_path, path.p, path.len);
	f->n = 1;
}

static void ask(struct found *f, const struct lg_url *to, int ms)
{
	struct lg_names names;

	lg_names_find(to->host, ms, &names);
	for (unsigned i = 0; i < names.n && f->n < ADDRESSES; i++) {
		union address *a = &f->a[f->n++];

		memset(a, 0, sizeof(*a));
		if (names.a[i].len == sizeof(a->v4.sin_addr)) {
			a->v4.sin_family = AF_INET;
			a->v4.sin_port = htons(to->port);
			memcpy(&a->v4.sin_addr, names.a[i].ip, 4);
		} else {
			a->v6.sin6_family = AF_INET6;
			a->v6.sin6_port = htons(to->port);
			memcpy(&a->v6.sin6_addr, names.a[i].ip, 16);
		}
	}
}

static void find(struct found *f, const struct lg_url *to, int ms)
{
	char text[LG_URL_MAX + 1];

	f->n = 0;
	if (to->local_socket) {
		add_socket(f, to->host);
		return;
	}
	memcpy(text, to->host.p, to->host.len);
	text[to->host.len] = '\0';
	add_literal(f, text, to->port);
	if (!f->n)
		read_hosts(f, to);
	if (!f->n && lg_slice_ieq(to->host, LG_SLICE("localhost"))) {
		add_literal(f, "127.0.0.1", to->port);
		add_literal(f, "::1", to->port);
	}
	if (!f->n)
		ask(f, to, ms);
}

static socklen_t size_of(const union address *a)
{
	return a->any.sa_family == AF_INET    ? sizeof(a->v4)
	       : a->any.sa_family == AF_INET6 ? sizeof(a->v6)
					      : sizeof(a->local);
}

/* -- sockets --------------------------------------------------------------- */

/* Low numbers are what a program may expect to get next. */
int lg_local_socket(int family, int type)
{
	int fd = (int)syscall(SYS_socket, family,
			      type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, HIGH);

	if (high < 0)
		return fd;
	syscall(SYS_close, fd);
	return high;
}

bool lg_local_wait(int fd, bool write, int64_t end_ns)
{
	struct pollfd p = {.fd = fd, .events = write ? POLLOUT : POLLIN};
	int64_t left;
	int r;

	do {
		left = (end_ns - lg_clock_boot_ns() + 999999) / 1000000;
		r = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (r < 0 && errno == EINTR);
	return r > 0;
}

/* A server that answers before it has read all is heard later. */
bool lg_local_put(int fd, struct lg_slice s, int stall_ms)
{
	while (s.len) {
		long n = syscall(SYS_sendto, fd, s.p, s.len,
				 MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 &&
		    (errno != EAGAIN ||
		     !lg_local_wait(fd, true,
				    lg_clock_boot_ns() +
					    (int64_t)stall_ms * 1000000)))
			return false;
		if (n > 0) {
			s.p += n;
			s.len -= (size_t)n;
		}
	}
	return true;
}

static bool is_connected(int fd, int64_t end)
{
	int err = 0;
	socklen_t len = sizeof(err);

	return lg_local_wait(fd, true, end) &&
	       !getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) && !err;
}

static int try(const union address *a, int64_t end)
{
	int fd = lg_local_socket(a->any.sa_family, SOCK_STREAM);
	int one = 1;

	if (fd < 0)
		return -1;
	if (syscall(SYS_connect, fd, &a->any, size_of(a)) &&
	    (errno != EINPROGRESS || !is_connected(fd, end))) {
		syscall(SYS_close, fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* -- hosts that do not even refuse ----------------------------------------- */

/* An event loop waits for them once in a while, not at each request. */
static struct {
	uint64_t who;
	int64_t until_ns;
} silent[SILENT];

static uint64_t who_of(const struct lg_url *to)
{
	return lg_hash128(to->host.p, to->host.len, to->port).a;
}

static bool is_silent(const struct lg_url *to)
{
	uint64_t who = who_of(to);
	unsigned i = who % SILENT;

	return lg_load_relaxed(&silent[i].who) == who &&
	       lg_clock_boot_ns() < lg_load_relaxed(&silent[i].until_ns);
}

static void note_silent(const struct lg_url *to)
{
	uint64_t who = who_of(to);
	unsigned i = who % SILENT;

	lg_store_relaxed(&silent[i].until_ns, lg_clock_boot_ns() + SILENT_NS);
	lg_store_relaxed(&silent[i].who, who);
}

int lg_local_dial(const struct lg_url *to, int ms)
{
	struct found f;
	int64_t end;
	int fd = -1;

	if (is_silent(to))
		return -1;
	find(&f, to, ms);
	end = lg_clock_boot_ns() + (int64_t)ms * 1000000;
	for (unsigned i = 0; i < f.n && fd < 0; i++)
		fd = try(&f.a[i],
			 end - (int64_t)(f.n - 1 - i) * ms * 1000000 / f.n);
	if (fd < 0 && f.n && lg_clock_boot_ns() >= end)
		note_silent(to);
	return fd;
}
