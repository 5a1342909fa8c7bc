/* Plain HTTP at its edges: who else has the number, which calls come first. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/shim/lib/peer.h"
#include "tests/shim/lib/plain.h"

#define HEAD(more, len)                                                        \
	"POST /a HTTP/1.1\r\nHost: localhost\r\n" more "Content-Length: " len  \
	"\r\n\r\n"
#define ASK HEAD("", "2") "hi"
#define ASK_REFUSED HEAD("x-fake: block\r\n", "2") "hi"
#define ASK_EDITED HEAD("x-fake: swallow\r\n", "2") "hi"

static int answered(int fd, const char *want)
{
	char out[1024];
	ssize_t n = 0, r;

	do {
		r = read(fd, out + n, sizeof(out) - 1 - (size_t)n);
		n += r > 0 ? r : 0;
		out[n] = '\0';
	} while (r > 0 && !strstr(out, want));
	CHECK(strstr(out, want));
	return 0;
}

static int put(int fd, const char *text)
{
	ssize_t n = (ssize_t)strlen(text);

	CHECK(send(fd, text, (size_t)n, MSG_NOSIGNAL) == n);
	return 0;
}

/* Nothing of the request arrived when the guard is there to refuse it. */
static int settled(int fd)
{
	if (answered(fd, preloaded ? " 429 " : "got 2 "))
		return 1;
	CHECK(!preloaded || (!plain_peer.heads && !plain_peer.bytes));
	close(fd);
	return 0;
}

/* A child by vfork has numbers of its own and its parent's memory. */
static int vforked(void)
{
	int fd = plain_dial(), p[2], status;
	char buf[8];
	pid_t pid;

	CHECK(!pipe(p) && !put(fd, "POST /a HTTP/1.1\r\nx-fake: blo"));
	pid = vfork();
	if (!pid) {
		if (dup2(p[1], fd) != fd || write(fd, "child", 5) != 5)
			_exit(1);
		if (dup2(p[0], fd) != fd || read(fd, buf, 5) != 5)
			_exit(2);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	CHECK(!put(fd, "ck\r\nContent-Length: 2\r\n\r\nhi"));
	return settled(fd);
}

/* Is there an answer yet? A look is no wait for one. */
static int looked_at(void)
{
	int fd = plain_dial();
	struct iovec v = {.iov_base = (char[8]){0}, .iov_len = 8};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	char c;

	CHECK(!put(fd, HEAD("x-fake: block\r\n", "2")));
	errno = 0;
	CHECK(recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == -1);
	CHECK(errno == EAGAIN && recv(fd, &c, 1, MSG_DONTWAIT) == -1);
	CHECK(errno == EAGAIN && recvmsg(fd, &m, MSG_DONTWAIT) == -1);
	CHECK(!put(fd, "hi"));
	return settled(fd);
}

static struct sockaddr_in at(in_port_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = port,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static struct sockaddr_in guarded_peer(void)
{
	struct sockaddr_in to;
	socklen_t len = sizeof(to);
	int fd = plain_dial();

	(void)getpeername(fd, (struct sockaddr *)&to, &len);
	close(fd);
	return to;
}

static int listener(struct sockaddr_in *where)
{
	socklen_t len = sizeof(*where);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*where = at(0);
	CHECK(!bind(fd, (struct sockaddr *)where, len) && !listen(fd, 4));
	CHECK(!getsockname(fd, (struct sockaddr *)where, &len));
	return fd;
}

/* The same socket goes to one server, then to another. */
static int redirected(void)
{
	static const struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct sockaddr_in named = guarded_peer(), other;
	int l = listener(&other), fd = socket(AF_INET, SOCK_STREAM, 0), in;
	char buf[256] = "";

	CHECK(!connect(fd, (struct sockaddr *)&named, sizeof(named)));
	CHECK(!connect(fd, &none, sizeof(none)));
	CHECK(!connect(fd, (struct sockaddr *)&other, sizeof(other)));
	in = accept(l, NULL, NULL);
	CHECK(!put(fd, ASK_REFUSED));
	CHECK(read(in, buf, sizeof(buf)) == (ssize_t)strlen(ASK_REFUSED));
	CHECK(!connect(fd, &none, sizeof(none)));
	CHECK(!connect(fd, (struct sockaddr *)&named, sizeof(named)));
	close(in);
	close(l);
	CHECK(!put(fd, ASK_REFUSED));
	return settled(fd);
}

static int opened_fast(void)
{
	struct sockaddr_in to = guarded_peer();
	struct iovec v = {.iov_base = (void *)(size_t)ASK_REFUSED,
			  .iov_len = strlen(ASK_REFUSED)};
	struct msghdr m = {.msg_name = &to,
			   .msg_namelen = sizeof(to),
			   .msg_iov = &v,
			   .msg_iovlen = 1};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (sendto(fd, v.iov_base, v.iov_len, MSG_FASTOPEN,
		   (struct sockaddr *)&to, sizeof(to)) < 0) {
		CHECK(errno == EOPNOTSUPP);
		return 77;
	}
	if (settled(fd))
		return 1;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(sendmsg(fd, &m, MSG_FASTOPEN) == (ssize_t)v.iov_len);
	if (settled(fd))
		return 1;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(!setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on,
			  sizeof(on)));
	CHECK(!connect(fd, (struct sockaddr *)&to, sizeof(to)));
	CHECK(!put(fd, ASK_REFUSED));
	return settled(fd);
}

/* The head itself comes out of a file, out of a pipe. */
static int from_file(void)
{
	FILE *f = tmpfile();
	ssize_t n = (ssize_t)strlen(ASK_REFUSED), r;
	int fd = plain_dial(), in = fileno(f), p[2];
	off_t off = 0;

	CHECK(write(in, ASK_REFUSED, (size_t)n) == n && !pipe(p));
	CHECK(sendfile(fd, in, &off, (size_t)n) == n && off == n);
	if (settled(fd))
		return 1;
	fd = plain_dial();
	CHECK(write(p[1], ASK_REFUSED, (size_t)n) == n);
	r = splice(p[0], NULL, fd, NULL, (size_t)n, 0);
	if (r < 0 && errno == EINVAL)
		return put(fd, ASK_REFUSED) ? 1 : settled(fd);
	CHECK(r == n);
	return settled(fd);
}

/* Messages in a row, pieces that are waited for. */
static int messages(void)
{
	char one[7], two[600];
	struct iovec v[4] = {
		{(void *)(size_t)ASK_REFUSED, 20},
		{(char *)(size_t)ASK_REFUSED + 20, strlen(ASK_REFUSED) - 20},
		{one, sizeof(one)},
		{two, sizeof(two)},
	};
	struct mmsghdr m[2] = {
		{.msg_hdr = {.msg_iov = v, .msg_iovlen = 1}},
		{.msg_hdr = {.msg_iov = v + 1, .msg_iovlen = 1}},
	};
	struct mmsghdr in = {.msg_hdr = {.msg_iov = v + 2, .msg_iovlen = 2}};
	int fd = plain_dial();

	CHECK(sendmmsg(fd, m, 2, MSG_NOSIGNAL) == 2);
	CHECK(m[0].msg_len == 20 && m[1].msg_len == v[1].iov_len);
	CHECK(recvmmsg(fd, &in, 1, 0, NULL) == 1 && in.msg_len > 20);
	CHECK(!memcmp(one, "HTTP/1.", 7));
	CHECK(!preloaded || !memcmp(two, "1 429", 5));
	CHECK(!preloaded || !plain_peer.bytes);
	close(fd);
	fd = plain_dial();
	CHECK(!put(fd, ASK));
	v[3].iov_len = 20;
	CHECK(recvmsg(fd, &in.msg_hdr, MSG_WAITALL) == 27);
	close(fd);
	return 0;
}

static int polled(int fd)
{
	struct timespec now = {0, 0};
	struct timeval tv = {0, 0};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	fd_set set;

	CHECK(poll(&p, 1, 5000) == 1 && p.revents == POLLIN);
	CHECK(ppoll(&p, 1, &now, NULL) == 1 && p.revents == POLLIN);
	FD_ZERO(&set);
	FD_SET(fd, &set);
	CHECK(select(fd + 1, &set, NULL, NULL, &tv) == 1 && FD_ISSET(fd, &set));
	CHECK(pselect(fd + 1, &set, NULL, NULL, &now, NULL) == 1);
	CHECK(FD_ISSET(fd, &set));
	return 0;
}

/* The kernel's last byte was read, but the program has not had it yet. */
static int still_ours(void)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 7}, out[4];
	int fd = plain_dial(), ep = epoll_create1(0), i;
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN},
			      {.fd = -1, .events = POLLIN}};
	fd_set set;
	char c;

	CHECK(!put(fd, ASK_EDITED));
	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	CHECK(recv(fd, &c, 1, MSG_PEEK) == 1 && c == 'H');
	for (i = 0; i < 3; i++) {
		if (polled(fd))
			return 1;
		CHECK(epoll_wait(ep, out, 4, 5000) == 1);
		CHECK(out[0].events == EPOLLIN && out[0].data.u64 == 7);
		CHECK(epoll_pwait(ep, out, 4, 0, NULL) == 1);
		CHECK(read(fd, &c, 1) == 1);
	}
	if (answered(fd, "got 2 "))
		return 1;
	while (recv(fd, &c, 1, MSG_DONTWAIT) == 1)
		;
	CHECK(!poll(p, 2, 0) && !epoll_wait(ep, out, 4, 0));
	FD_ZERO(&set);
	FD_SET(fd, &set);
	CHECK(!select(fd + 1, &set, NULL, NULL, &(struct timeval){0, 0}));
	CHECK(!FD_ISSET(fd, &set));
	close(fd);
	close(ep);
	return 0;
}

/* An edge is told once, a single shot is spent. */
static int told_once(void)
{
	static const unsigned how[] = {EPOLLET, EPOLLONESHOT};
	struct epoll_event ev, out;
	unsigned i;
	int fd, ep;
	char c;

	for (i = 0; i < 2; i++) {
		fd = plain_dial();
		ep = epoll_create1(0);
		ev.events = EPOLLIN | how[i];
		ev.data.fd = fd;
		CHECK(!put(fd, ASK_EDITED));
		CHECK(recv(fd, &c, 1, MSG_PEEK) == 1 && c == 'H');
		CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
		CHECK(epoll_wait(ep, &out, 1, 2000) == 1);
		CHECK(out.data.fd == fd && out.events & EPOLLIN);
		CHECK(!epoll_wait(ep, &out, 1, 0));
		CHECK(i == 0 || !epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev));
		CHECK(i == 0 || epoll_wait(ep, &out, 1, 2000) == 1);
		close(fd);
		close(ep);
	}
	return 0;
}

static void *ask_often(void *arg)
{
	int fd = (int)(long)arg, i;

	for (i = 0; i < 200; i++)
		if (send(fd, ASK, strlen(ASK), MSG_NOSIGNAL) < 0)
			return "";
	return NULL;
}

/* One thread writes, one reads: that is what sockets are for. */
static int both_ways(void)
{
	int fd = plain_dial(), n = 0;
	char buf[512], *at;
	pthread_t t;
	ssize_t r;
	void *bad;

	CHECK(!pthread_create(&t, NULL, ask_often, (void *)(long)fd));
	while (n < 200) {
		r = recv(fd, buf, sizeof(buf) - 1, n % 2 ? MSG_PEEK : 0);
		CHECK(r > 0);
		if (n % 2)
			r = read(fd, buf, (size_t)r);
		buf[r] = '\0';
		for (at = buf; (at = strchr(at, 'g')); at++)
			n++;
	}
	CHECK(!pthread_join(t, &bad) && !bad);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct shim_case cases[] = {
		{"vforked", vforked, false},
		{"looked_at", looked_at, false},
		{"redirected", redirected, false},
		{"opened_fast", opened_fast, false},
		{"from_file", from_file, false},
		{"messages", messages, false},
		{"still_ours", still_ours, false},
		{"told_once", told_once, false},
		{"both_ways", both_ways, false},
	};

	return shim_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
