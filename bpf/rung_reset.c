#include "bpf/rung.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FDS_MAX 65536

/* -- another process's sockets ------------------------------------------------
 */

static int take(const struct rung_whom *w, int fd)
{
	int s = w->pidfd < 0 ? -1
			     : (int)syscall(SYS_pidfd_getfd, w->pidfd, fd, 0);

	return s < 0 ? -errno : s;
}

static void peer_from(const struct sockaddr_storage *ss,
		      struct connect_peer *out)
{
	const struct sockaddr_in *in = (const void *)ss;
	const struct sockaddr_in6 *in6 = (const void *)ss;

	memset(out, 0, sizeof(*out));
	if (ss->ss_family == AF_INET) {
		out->addr[2] = htonl(0xffff);
		out->addr[3] = in->sin_addr.s_addr;
		out->port = in->sin_port;
	} else {
		memcpy(out->addr, &in6->sin6_addr, 16);
		out->port = in6->sin6_port;
	}
}

/* Of a connected TCP socket. */
static int peer_of(int s, struct connect_peer *out)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss), n = sizeof(int);
	int protocol = 0;

	if (getsockopt(s, SOL_SOCKET, SO_PROTOCOL, &protocol, &n))
		return -errno;
	if (protocol != IPPROTO_TCP)
		return -ENOTCONN;
	if (getpeername(s, (void *)&ss, &len))
		return -errno;
	if (ss.ss_family != AF_INET && ss.ss_family != AF_INET6)
		return -ENOTCONN;
	peer_from(&ss, out);
	return 0;
}

/* -- SOCK_DESTROY
 * --------------------------------------------------------------
 */

static void ids_from(const struct connect_peer *peer, int family, __be32 *addr,
		     __be16 *port)
{
	if (family == AF_INET)
		addr[0] = peer->addr[3];
	else
		memcpy(addr, peer->addr, 16);
	*port = (__be16)peer->port;
}

static int destroy(int family, const struct connect_peer *local,
		   const struct connect_peer *peer)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} m = {
		.h = {.nlmsg_len = sizeof(m),
		      .nlmsg_type = SOCK_DESTROY,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.r = {.sdiag_family = (__u8)family,
		      .sdiag_protocol = IPPROTO_TCP,
		      .id.idiag_cookie = {INET_DIAG_NOCOOKIE,
					  INET_DIAG_NOCOOKIE}},
	};
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} answer = {0};
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int err = 0;

	if (s < 0)
		return -errno;
	ids_from(local, family, m.r.id.idiag_src, &m.r.id.idiag_sport);
	ids_from(peer, family, m.r.id.idiag_dst, &m.r.id.idiag_dport);
	if (send(s, &m, sizeof(m), 0) != sizeof(m) ||
	    recv(s, &answer, sizeof(answer), 0) < 0)
		err = -errno;
	else if (answer.h.nlmsg_type == NLMSG_ERROR)
		err = answer.e.error;
	close(s);
	return err;
}

static bool read_end(char *text, struct connect_peer *out)
{
	char *port = strchr(text, ':');
	size_t n = port ? (size_t)(port - text) : 0;

	memset(out, 0, sizeof(*out));
	if (n != 8 && n != 32)
		return false;
	out->port = htons((uint16_t)strtoul(port + 1, NULL, 16));
	out->addr[2] = n == 8 ? htonl(0xffff) : 0;
	for (unsigned i = 0; i < n / 8; i++) {
		char word[9] = {0};

		memcpy(word, text + (size_t)i * 8, 8);
		out->addr[n == 8 ? 3 : i] = (uint32_t)strtoul(word, NULL, 16);
	}
	return true;
}

struct ends {
	int family;
	struct connect_peer local, peer;
};

/* The socket of this inode, as the process's network namespace lists it. */
static int find_ends(uint32_t tgid, unsigned long inode, struct ends *out)
{
	static const char *const names[] = {"tcp", "tcp6"};
	char path[64], line[512], local[40], peer[40];
	unsigned long ino;
	int err = -ENOENT;
	FILE *f;

	for (unsigned i = 0; i < 2 && err; i++) {
		snprintf(path, sizeof(path), "/proc/%u/net/%s", tgid, names[i]);
		f = fopen(path, "re");
		while (f && err && fgets(line, sizeof(line), f))
			if (sscanf(line,
				   "%*s %39s %39s %*s %*s %*s %*s %*s %*s %lu",
				   local, peer, &ino) == 3 &&
			    ino == inode && read_end(local, &out->local) &&
			    read_end(peer, &out->peer)) {
				out->family = i ? AF_INET6 : AF_INET;
				err = 0;
			}
		if (f)
			fclose(f);
	}
	return err;
}

static int inode_of(uint32_t tgid, int fd, unsigned long *out)
{
	char path[64], to[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/fd/%d", tgid, fd);
	n = readlink(path, to, sizeof(to) - 1);
	if (n < 0)
		return -errno;
	to[n] = '\0';
	return sscanf(to, "socket:[%lu]", out) == 1 ? 0 : -ENOTSOCK;
}

static int ends_of(uint32_t tgid, int fd, struct ends *out)
{
	unsigned long inode;
	int err = inode_of(tgid, fd, &inode);

	return err ? err : find_ends(tgid, inode, out);
}

/* -- one connection -----------------------------------------------------------
 */

int rung_peer_of(const struct rung_whom *w, int fd, struct connect_peer *out)
{
	struct ends ends;
	int s = take(w, fd), err;

	if (s < 0) {
		err = rung_is_gone(w) ? -ESRCH : ends_of(w->tgid, fd, &ends);
		if (!err)
			*out = ends.peer;
		return err;
	}
	err = peer_of(s, out);
	close(s);
	return err;
}

int rung_reset_fd(const struct rung_whom *w, int fd)
{
	struct ends ends;
	int s = take(w, fd), err;

	if (s >= 0) {
		err = shutdown(s, SHUT_RDWR) ? -errno : 1;
		close(s);
		return err;
	}
	if (rung_is_gone(w))
		return -ESRCH;
	err = ends_of(w->tgid, fd, &ends);
	if (!err)
		err = destroy(ends.family, &ends.local, &ends.peer);
	return err ? err : 1;
}

/* -- all of them -------------------------------------------------------------
 */

/* Each connected TCP socket; visit returns non-zero to stop. */
static int each_socket(const struct rung_whom *w,
		       int (*visit)(void *arg, int fd,
				    const struct connect_peer *peer),
		       void *arg)
{
	struct connect_peer peer;
	unsigned long inode;
	struct dirent *e;
	char path[40];
	int n = 0, err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/fd", w->tgid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (!err && n++ < FDS_MAX && (e = readdir(dir))) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] == '.' || inode_of(w->tgid, fd, &inode) ||
		    rung_peer_of(w, fd, &peer))
			continue;
		err = visit(arg, fd, &peer);
	}
	closedir(dir);
	return err;
}

struct resetting {
	const struct rung_whom *whom;
	const struct connect_peer *peer;
	int n;
};

static int reset_one(void *arg, int fd, const struct connect_peer *peer)
{
	struct resetting *r = arg;

	if (!memcmp(peer, r->peer, sizeof(*peer)) &&
	    rung_reset_fd(r->whom, fd) > 0)
		r->n++;
	return 0;
}

int rung_reset_peer(const struct rung_whom *w, const struct connect_peer *peer)
{
	struct resetting r = {.whom = w, .peer = peer};
	int err = each_socket(w, reset_one, &r);

	return err ? err : r.n;
}

struct choosing {
	bool (*test)(void *arg, const struct connect_peer *peer);
	void *arg;
	struct connect_peer *out;
	bool found;
};

static int choose(void *arg, int fd, const struct connect_peer *peer)
{
	struct choosing *c = arg;

	(void)fd;
	if (c->test && !c->test(c->arg, peer))
		return 0;
	if (c->found && memcmp(peer, c->out, sizeof(*peer)))
		return -EEXIST;
	c->found = true;
	*c->out = *peer;
	return 0;
}

int rung_only_peer(const struct rung_whom *w,
		   bool (*test)(void *arg, const struct connect_peer *peer),
		   void *arg, struct connect_peer *out)
{
	struct choosing c = {test, arg, out, false};
	int err = each_socket(w, choose, &c);

	if (err)
		return err;
	return c.found ? 0 : -ENOTCONN;
}

/* -- a trial ----------------------------------------------------------------
 */

/* Two ends of a connection of our own. */
static int make_pair(int out[2])
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), err = 0;

	out[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	out[1] = -1;
	if (l < 0 || out[0] < 0 || bind(l, (void *)&at, sizeof(at)) ||
	    listen(l, 1) || getsockname(l, (void *)&at, &len) ||
	    connect(out[0], (void *)&at, sizeof(at)))
		err = -errno;
	if (!err)
		out[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	if (!err && out[1] < 0)
		err = -errno;
	if (l >= 0)
		close(l);
	return err;
}

static int try_both(const int pair[2])
{
	struct rung_whom me = {.pidfd = -1};
	struct timeval tv = {.tv_sec = 1};
	struct ends ends;
	char byte;
	int err = rung_whom_open((uint32_t)getpid(), &me), n;

	if (err)
		return err;
	err = rung_reset_fd(&me, pair[0]);
	if (err < 0) {
		err = ends_of(me.tgid, pair[0], &ends);
		if (!err)
			err = destroy(ends.family, &ends.local, &ends.peer);
	}
	rung_whom_close(&me);
	if (err < 0)
		return err;
	setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	n = (int)recv(pair[1], &byte, 1, 0);
	return n == 0 || (n < 0 && errno == ECONNRESET) ? 0 : -EPROTO;
}

int rung_reset_probe(char *why_not)
{
	int pair[2], err = make_pair(pair);

	if (!err)
		err = try_both(pair);
	for (unsigned i = 0; i < 2; i++)
		if (pair[i] >= 0)
			close(pair[i]);
	if (err)
		snprintf(why_not, RUNG_WHY, "a socket of our own: %s",
			 strerror(-err));
	return err;
}
