#include "hook/dark.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "guard/dark.h"
#include "guard/engine.h"
#include "hook/conn.h"
#include "hook/wakeup.h"
#include "llm/route.h"
#include "wire/hello.h"

#define NAMES 16
#define ADDRS 64
#define CONNS 32
#define NAME_CAP 64
#define NOBODY 0xff /* an address that several names share */
#define LOCK_TRIES 2000
#define LONG_MS 10000
#define SWEEP_MS 2000
#define DATA_MIN 100 /* each way; less is no exchange */

unsigned lg_dark_armed, lg_dark_pending, lg_dark_unsure;

struct addr {
	uint8_t family; /* 0: free */
	uint8_t name;
	unsigned char b[16];
};

struct pending {
	uint64_t cookie; /* 0: free */
	int64_t since_ms;
	int fd, pid; /* a child of vfork has this memory and other fds */
	uint8_t name;
	bool unsure; /* its first bytes were not seen */
	bool local;  /* loopback: only what looks like it counts */
};

static struct {
	unsigned lock;
	bool given_up;
	char name[NAMES][NAME_CAP];
	unsigned seen[NAMES]; /* begun by a library we see, no fd yet */
	unsigned anonymous;   /* the same, of hosts without a name */
	unsigned nnames, naddrs;
	struct addr addr[ADDRS];
	struct pending conn[CONNS];
	int64_t swept_ms;
} dark;

static bool enter(void)
{
	unsigned expect, i;

	if (lg_load_relaxed(&dark.given_up) || lg_engine_was_sandboxed())
		return false;
	for (i = 0; i < LOCK_TRIES; i++) {
		expect = 0;
		if (lg_cas_seq(&dark.lock, &expect, 1))
			return true;
		sched_yield();
	}
	return false;
}

/* What is missed here would be a false alarm later. */
static bool must_enter(void)
{
	if (enter())
		return true;
	lg_store_relaxed(&dark.given_up, true);
	return false;
}

static void leave(void)
{
	lg_store_release(&dark.lock, 0);
}

/* -- names and addresses --------------------------------------------------
 */

static bool read_addr(const struct sockaddr *sa, socklen_t len, struct addr *a)
{
	const struct sockaddr_in6 *six = (const void *)sa;
	const struct sockaddr_in *four = (const void *)sa;

	memset(a, 0, sizeof(*a));
	if (!sa)
		return false;
	if (len >= sizeof(*four) && sa->sa_family == AF_INET) {
		a->family = AF_INET;
		memcpy(a->b, &four->sin_addr, 4);
		return true;
	}
	if (len < sizeof(*six) || sa->sa_family != AF_INET6)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
		a->family = AF_INET;
		memcpy(a->b, six->sin6_addr.s6_addr + 12, 4);
	} else {
		a->family = AF_INET6;
		memcpy(a->b, &six->sin6_addr, 16);
	}
	return true;
}

static bool is_loopback(const struct addr *a)
{
	static const unsigned char six[16] = {[15] = 1};

	return a->family == AF_INET ? a->b[0] == 127 : !memcmp(a->b, six, 16);
}

static struct addr *find_addr(const struct addr *want)
{
	for (unsigned i = 0; i < dark.naddrs; i++)
		if (dark.addr[i].family == want->family &&
		    !memcmp(dark.addr[i].b, want->b, sizeof(want->b)))
			return &dark.addr[i];
	return NULL;
}

static unsigned name_index(struct lg_slice host, bool make)
{
	unsigned i;

	for (i = 0; i < dark.nnames; i++)
		if (lg_slice_ieq(lg_slice_str(dark.name[i]), host))
			return i;
	if (!make || i == NAMES || host.len >= NAME_CAP)
		return NOBODY;
	lg_slice_copy(host, dark.name[i], NAME_CAP);
	dark.nnames++;
	return i;
}

static void add_addr(const struct addr *a, unsigned name)
{
	struct addr *old = find_addr(a);

	if (old) {
		old->name = old->name == name ? old->name : NOBODY;
	} else if (name != NOBODY && dark.naddrs < ADDRS) {
		dark.addr[dark.naddrs] = *a;
		dark.addr[dark.naddrs++].name = (uint8_t)name;
		lg_store_relaxed(&lg_dark_armed, 1);
	}
}

/*
 * The engine is built for a provider's own name, or in a program that was
 * told of a guard: others that resolve names shall not pay for it.
 */
static bool is_guarded(struct lg_slice host)
{
	struct lg_engine *e = lg_engine_peek();

	if (!e && (lg_route_host(host) || lg_hook_is_told))
		e = lg_conn_engine();
	return e && lg_engine_guards(e, host) && !lg_engine_is_off(e);
}

void lg_dark_resolved(const char *name, const struct addrinfo *list)
{
	struct lg_slice host = lg_route_host_name(lg_slice_str(name));
	bool guarded = host.len && is_guarded(host);
	unsigned index, n = 0;
	struct addr a;

	if ((!guarded && !lg_load_relaxed(&lg_dark_armed)) || !enter())
		return;
	index = guarded ? name_index(host, true) : NOBODY;
	for (; list && n < ADDRS; list = list->ai_next, n++)
		if (read_addr(list->ai_addr, list->ai_addrlen, &a))
			add_addr(&a, index);
	leave();
}

/* -- connections ----------------------------------------------------------
 */

static bool is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) &&
	       type == SOCK_STREAM;
}

static void be_sure(struct pending *p)
{
	p->unsure = false;
	lg_add_relaxed(&lg_dark_unsure, -1);
	lg_add_relaxed(&lg_wakeup_watched, -1);
}

static void drop(struct pending *p)
{
	if (p->unsure)
		be_sure(p);
	p->cookie = 0;
	lg_add_relaxed(&lg_dark_pending, -1);
}

/* What it has carried; false: it is no more, or too little. */
static bool was_used(const struct pending *p, uint64_t *sent,
		     uint64_t *received)
{
	struct tcp_info ti = {0};
	socklen_t len = sizeof(ti);

	*sent = *received = 0;
	if (lg_wakeup_cookie(p->fd) != p->cookie ||
	    getsockopt(p->fd, IPPROTO_TCP, TCP_INFO, &ti, &len) ||
	    len < offsetof(struct tcp_info, tcpi_bytes_received) + 8)
		return false;
	*sent = ti.tcpi_bytes_acked;
	*received = ti.tcpi_bytes_received;
	return *sent >= DATA_MIN && *received >= DATA_MIN;
}

/* A library that we see has one more connection than we know the fd of. */
static bool is_accounted(const struct pending *p)
{
	if (dark.seen[p->name]) {
		dark.seen[p->name]--;
		return true;
	}
	if (dark.anonymous) {
		dark.anonymous--;
		return true;
	}
	return false;
}

struct verdict {
	bool dark;
	char host[NAME_CAP];
	uint64_t sent, received;
};

static bool is_gone(const struct pending *p)
{
	return lg_wakeup_cookie(p->fd) != p->cookie;
}

/*
 * It ends, or has stood for long. The lock is held. Some close by a bare
 * system call (libuv): then that it began to speak must do.
 */
static void judge(struct pending *p, struct verdict *v)
{
	bool used = was_used(p, &v->sent, &v->received);

	if (!used && !p->unsure && is_gone(p))
		used = true;
	v->dark = used && !(p->local && p->unsure) && !is_accounted(p);
	memcpy(v->host, dark.name[p->name], NAME_CAP);
	drop(p);
}

/* Without the lock: it writes files, which are closed. */
static void tell(const struct verdict *v)
{
	struct lg_engine *e = v->dark ? lg_engine_peek() : NULL;

	if (e)
		lg_dark_tell(e, lg_slice_str(v->host), v->sent, v->received);
}

/* One of those that stand for longer than `age`. False: none. */
static bool take_old(int64_t now, int64_t age, struct verdict *v)
{
	uint64_t sent, received;
	struct pending *p;
	int pid = getpid();
	bool used;

	for (p = dark.conn; p < dark.conn + CONNS; p++) {
		if (!p->cookie || p->pid != pid || now - p->since_ms < age)
			continue;
		used = was_used(p, &sent, &received);
		if (!used && !is_gone(p))
			continue; /* idle: it may still be used */
		judge(p, v);
		return true;
	}
	return false;
}

static void sweep(int64_t age)
{
	int64_t now = lg_clock_coarse_ms();
	struct verdict v;
	unsigned i;
	bool found;

	for (i = 0; i < CONNS; i++) {
		if (!enter())
			return;
		found = take_old(now, age, &v);
		dark.swept_ms = now;
		leave();
		if (!found)
			return;
		tell(&v);
	}
}

static void sweep_sometimes(void)
{
	int64_t now = lg_clock_coarse_ms();

	if (lg_load_relaxed(&lg_dark_pending) &&
	    now - lg_load_relaxed(&dark.swept_ms) >= SWEEP_MS)
		sweep(LONG_MS);
}

/* A child of vfork has our memory and descriptors of its own. */
static struct pending *find_conn(int fd)
{
	struct pending *p;
	int pid = getpid();

	for (p = dark.conn; p < dark.conn + CONNS; p++)
		if (p->cookie && p->fd == fd && p->pid == pid)
			return p;
	return NULL;
}

static void watch(int fd, const struct addr *a)
{
	struct pending new = {
		.fd = fd,
		.pid = getpid(),
		.unsure = true,
		.name = a->name,
		.local = is_loopback(a),
		.cookie = lg_wakeup_cookie(fd),
		.since_ms = lg_clock_coarse_ms(),
	};
	struct pending *p = dark.conn;

	while (p < dark.conn + CONNS && p->cookie)
		p++;
	if (p == dark.conn + CONNS || !new.cookie)
		return;
	*p = new;
	lg_add_relaxed(&lg_dark_unsure, 1);
	lg_add_relaxed(&lg_wakeup_watched, 1);
	lg_add_relaxed(&lg_dark_pending, 1);
}

void lg_dark_connected(int fd, const struct sockaddr *to, socklen_t len)
{
	struct verdict v = {.dark = false};
	struct addr a, *known;
	struct pending *p;
	int err = errno;

	if (!read_addr(to, len, &a) || !is_stream(fd) || !enter())
		goto out;
	p = find_conn(fd);
	if (p && is_gone(p))
		judge(p, &v);
	known = find_addr(&a);
	if (known && known->name != NOBODY)
		watch(fd, known);
	leave();
	tell(&v);
	sweep_sometimes();
out:
	errno = err;
}

/* Without the lock: most closes are of something else. */
static bool is_watched(int fd, bool *mine)
{
	int pid = getpid();
	struct pending *p;

	*mine = false;
	for (p = dark.conn; p < dark.conn + CONNS; p++) {
		if (!lg_load_relaxed(&p->cookie) ||
		    lg_load_relaxed(&p->pid) != pid)
			continue;
		*mine = true;
		if (lg_load_relaxed(&p->fd) == fd)
			return true;
	}
	return false;
}

void lg_dark_closing(int fd)
{
	struct verdict v = {.dark = false};
	struct pending *p;
	int err = errno;
	bool mine;

	if (!is_watched(fd, &mine)) {
		if (mine)
			sweep_sometimes();
	} else if (enter()) {
		p = find_conn(fd);
		if (p)
			judge(p, &v);
		leave();
		tell(&v);
	}
	errno = err;
}

void lg_dark_look(int fd, const void *bytes, size_t n)
{
	struct lg_slice name;
	struct pending *p;
	int err = errno;

	if (!n || !enter())
		return;
	p = find_conn(fd);
	if (p && p->unsure) {
		be_sure(p);
		/* a CONNECT goes on with what it asked for */
		if (!lg_hello_is_tls(bytes, n) && !lg_hello_is_http(bytes, n))
			drop(p);
		else if (lg_hello_name(bytes, n, &name) &&
			 !lg_slice_ieq(name, lg_slice_str(dark.name[p->name])))
			drop(p);
	}
	leave();
	errno = err;
}

void lg_dark_seen(struct lg_slice host, int fd)
{
	struct pending *p = NULL;
	unsigned i;
	int err = errno;

	if (!lg_load_relaxed(&lg_dark_armed) || !must_enter())
		return;
	if (fd >= 0)
		p = find_conn(fd);
	i = name_index(lg_route_host_name(host), false);
	if (p)
		drop(p);
	else if (fd < 0 && i != NOBODY)
		dark.seen[i]++;
	else if (fd < 0 && !host.len)
		dark.anonymous++;
	leave();
	errno = err;
}

void lg_dark_found(int fd)
{
	struct pending *p;
	int err = errno;

	if (fd < 0 || !lg_load_relaxed(&lg_dark_pending) || !must_enter())
		return;
	p = find_conn(fd);
	if (p) {
		(void)is_accounted(p);
		drop(p);
	}
	leave();
	errno = err;
}

void lg_dark_after_fork(void)
{
	struct pending *p;

	lg_store_relaxed(&dark.lock, 0);
	for (p = dark.conn; p < dark.conn + CONNS; p++) {
		if (p->cookie && p->unsure)
			be_sure(p);
		p->cookie = 0;
	}
	memset(dark.seen, 0, sizeof(dark.seen));
	dark.anonymous = 0;
	lg_store_relaxed(&lg_dark_pending, 0);
}

void lg_dark_finish(void)
{
	int err = errno;

	if (lg_load_relaxed(&lg_dark_pending))
		sweep(0);
	errno = err;
}
