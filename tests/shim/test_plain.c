/* Plain HTTP: every call that moves bytes, and every way a number moves. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/shim/lib/peer.h"
#include "tests/shim/lib/plain.h"

#define BIG 3000000
#define HEAD(more, len)                                                        \
	"POST /a HTTP/1.1\r\nHost: localhost\r\n" more "Content-Length: " len  \
	"\r\n\r\n"
#define ASK HEAD("", "2") "hi"
#define ASK_REFUSED HEAD("x-fake: block\r\n", "2") "hi"

ssize_t __read_chk(int fd, void *buf, size_t n, size_t size);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t size, int flags);

typedef ssize_t give_fn(int fd, const void *p, size_t n);
typedef ssize_t take_fn(int fd, void *p, size_t n);

static ssize_t by_send(int fd, const void *p, size_t n)
{
	return send(fd, p, n, MSG_NOSIGNAL);
}

static ssize_t by_sendto(int fd, const void *p, size_t n)
{
	return sendto(fd, p, n, 0, NULL, 0);
}

/* In pieces, empty ones among them. */
static size_t cut(const void *p, size_t n, struct iovec *v)
{
	v[0] = (struct iovec){NULL, 0};
	v[1] = (struct iovec){(void *)(size_t)p, n / 3};
	v[2] = (struct iovec){(char *)(size_t)p + n / 3, n - n / 3};
	return 3;
}

static ssize_t by_writev(int fd, const void *p, size_t n)
{
	struct iovec v[3];

	return writev(fd, v, (int)cut(p, n, v));
}

static ssize_t by_sendmsg(int fd, const void *p, size_t n)
{
	struct iovec v[3];
	struct msghdr m = {.msg_iov = v, .msg_iovlen = cut(p, n, v)};

	return sendmsg(fd, &m, MSG_NOSIGNAL);
}

static ssize_t by_recv(int fd, void *p, size_t n)
{
	return recv(fd, p, n, 0);
}

static ssize_t by_recvfrom(int fd, void *p, size_t n)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);

	return recvfrom(fd, p, n, 0, (struct sockaddr *)&from, &len);
}

static ssize_t by_readv(int fd, void *p, size_t n)
{
	struct iovec v[3];

	return readv(fd, v, (int)cut(p, n, v));
}

static ssize_t by_recvmsg(int fd, void *p, size_t n)
{
	struct iovec v[3];
	struct msghdr m = {.msg_iov = v, .msg_iovlen = cut(p, n, v)};

	return recvmsg(fd, &m, 0);
}

static ssize_t by_read_chk(int fd, void *p, size_t n)
{
	return __read_chk(fd, p, n, n);
}

static ssize_t by_recv_chk(int fd, void *p, size_t n)
{
	return __recv_chk(fd, p, n, n, 0);
}

static int take_answer(int fd, take_fn *take, char *out, size_t cap)
{
	size_t n = 0, want = cap;
	char *end, *cl;
	ssize_t r;

	while (n < want && n < cap - 1) {
		r = take(fd, out + n, cap - 1 - n);
		if (r <= 0)
			return -1;
		n += (size_t)r;
		out[n] = '\0';
		end = strstr(out, "\r\n\r\n");
		cl = strstr(out, "Content-Length: ");
		if (end && cl)
			want = (size_t)(end - out) + 4 +
			       strtoul(cl + 16, NULL, 10);
	}
	return (int)n;
}

static int ask(int fd, give_fn *give, take_fn *take, const char *text,
	       const char *want)
{
	char out[1024];
	size_t n = strlen(text);

	CHECK(give(fd, text, n) == (ssize_t)n);
	CHECK(take_answer(fd, take, out, sizeof(out)) > 0);
	CHECK(strstr(out, want));
	return 0;
}

static int good(int fd)
{
	return ask(fd, write, read, ASK, "got 2 ");
}

static int refused(int fd)
{
	return preloaded ? ask(fd, write, read, ASK_REFUSED, " 429 ")
			 : good(fd);
}

static give_fn *const gives[] = {write, by_send, by_sendto, by_writev,
				 by_sendmsg};
static take_fn *const takes[] = {read,	     by_recv,	  by_recvfrom, by_readv,
				 by_recvmsg, by_read_chk, by_recv_chk};

static int all_calls(void)
{
	unsigned i, k, n = 0;
	int fd = plain_dial();

	for (i = 0; i < sizeof(gives) / sizeof(*gives); i++)
		for (k = 0; k < sizeof(takes) / sizeof(*takes); k++, n++)
			if (ask(fd, gives[i], takes[k], ASK, "got 2 "))
				return 1;
	CHECK(plain_peer.heads == n);
	close(fd);
	return 0;
}

static int all_refused(void)
{
	unsigned i, k;
	char c;
	int fd;

	for (i = 0; i < sizeof(gives) / sizeof(*gives); i++) {
		for (k = 0; k < sizeof(takes) / sizeof(*takes); k++) {
			fd = plain_dial();
			if (ask(fd, gives[i], takes[k], ASK_REFUSED, " 429 "))
				return 1;
			CHECK(read(fd, &c, 1) == 0);
			errno = 0;
			CHECK(send(fd, "x", 1, MSG_NOSIGNAL) == -1 &&
			      errno == EPIPE);
			close(fd);
		}
	}
	CHECK(plain_peer.heads == 0 && plain_peer.bytes == 0);
	return 0;
}

/* What waits for the answer hears of it, and all agree on what is there. */
static int wakes(void)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	struct timeval tv = {.tv_sec = 5};
	char one[2000], two[2000];
	int fd = plain_dial_nonblocking(), e = epoll_create1(0), n = 0;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	fd_set set;
	ssize_t r;

	CHECK(!epoll_ctl(e, EPOLL_CTL_ADD, fd, &ev));
	r = (ssize_t)strlen(ASK_REFUSED);
	CHECK(write(fd, ASK_REFUSED, (size_t)r) == r);
	CHECK(poll(&p, 1, 5000) == 1 && p.revents & POLLIN);
	CHECK(epoll_wait(e, &ev, 1, 5000) == 1 && ev.events & EPOLLIN);
	FD_ZERO(&set);
	FD_SET(fd, &set);
	CHECK(select(fd + 1, &set, NULL, NULL, &tv) == 1);
	CHECK(!ioctl(fd, FIONREAD, &n) && n > 100);
	r = recv(fd, one, sizeof(one), MSG_PEEK);
	CHECK(r == n);
	CHECK(recv(fd, one, 10, MSG_PEEK) == 10);
	CHECK(recv(fd, two, 10, 0) == 10 && !memcmp(one, two, 10));
	CHECK(recv(fd, two + 10, (size_t)n - 10, MSG_WAITALL) == n - 10);
	CHECK(!ioctl(fd, FIONREAD, &n) && n == 0);
	CHECK(read(fd, one, 10) == 0);
	CHECK(plain_peer.bytes == 0);
	close(fd);
	return 0;
}

/* Many calls for one body, of which the kernel takes a little each time. */
static int nonblocking(void)
{
	int fd = plain_dial_nonblocking(), small = 4096, waits = 0;
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	char out[1024], want[64], *body = malloc(BIG), *copy;
	size_t at = 0, len, i;
	ssize_t r;

	for (i = 0; i < BIG; i++)
		body[i] = (char)('a' + i * 7 % 26);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	r = (ssize_t)strlen(HEAD("", "3000000"));
	CHECK(write(fd, HEAD("", "3000000"), (size_t)r) == r);
	while (at < BIG) {
		len = BIG - at < 400000 ? BIG - at : 400000;
		copy = malloc(len);
		memcpy(copy, body + at, len);
		errno = 0;
		r = write(fd, copy, len);
		memset(copy, 'X', len);
		free(copy);
		if (r > 0) {
			at += (size_t)r;
			continue;
		}
		CHECK(r == -1 && errno == EAGAIN);
		CHECK(poll(&p, 1, 5000) == 1);
		waits++;
	}
	fcntl(fd, F_SETFL, 0);
	CHECK(take_answer(fd, read, out, sizeof(out)) > 0);
	snprintf(want, sizeof(want), "got %d %u", BIG, peer_sum(0, body, BIG));
	CHECK(strstr(out, want) && plain_peer.heads == 1);
	CHECK(waits > 0);
	close(fd);
	free(body);
	return 0;
}

static int file_body(void)
{
	FILE *f = tmpfile();
	int fd = plain_dial(), i, in = fileno(f);
	char *body = malloc(100000), out[1024], want[64];
	off_t at = 10;
	ssize_t n;

	for (i = 0; i < 100000; i++)
		body[i] = (char)('a' + i % 26);
	CHECK(write(in, body, 100000) == 100000);
	snprintf(want, sizeof(want), "got 90000 %u",
		 peer_sum(0, body + 10, 90000));
	n = (ssize_t)strlen(HEAD("", "90000"));
	CHECK(write(fd, HEAD("", "90000"), (size_t)n) == n);
	for (i = 0; at < 90010; i++)
		CHECK(sendfile(fd, in, &at, (size_t)(90010 - at)) > 0);
	CHECK(take_answer(fd, read, out, sizeof(out)) > 0);
	CHECK(strstr(out, want));
	CHECK(lseek(in, 10, SEEK_SET) == 10);
	CHECK(write(fd, HEAD("", "90000"), (size_t)n) == n);
	for (i = 0; i < 90000; i += (int)n) {
		n = sendfile(fd, in, NULL, (size_t)(90000 - i));
		CHECK(n > 0);
	}
	CHECK(lseek(in, 0, SEEK_CUR) == 90010);
	CHECK(take_answer(fd, read, out, sizeof(out)) > 0);
	CHECK(strstr(out, want));
	close(fd);
	return 0;
}

/* Two requests in one write; a request whose stream ends. */
static int pipelined(void)
{
	int fd = plain_dial();
	char out[4096] = "";
	const char *first = NULL;
	size_t n = 0;
	ssize_t r = (ssize_t)strlen(ASK ASK);

	CHECK(write(fd, ASK ASK, (size_t)r) == r);
	while (!first || !strstr(first + 5, "got 2")) {
		r = read(fd, out + n, sizeof(out) - 1 - n);
		CHECK(r > 0);
		n += (size_t)r;
		out[n] = '\0';
		first = strstr(out, "got 2");
	}
	CHECK(plain_peer.heads == 2);
	r = (ssize_t)strlen(ASK);
	CHECK(write(fd, ASK, (size_t)r) == r);
	CHECK(!shutdown(fd, SHUT_WR));
	CHECK(take_answer(fd, read, out, sizeof(out)) > 0);
	CHECK(read(fd, out, 1) == 0);
	close(fd);
	return 0;
}

/* Whatever else is spoken there passes as it is, from its first byte on. */
static int other_protocols(void)
{
	static const char *const said[] = {
		"\x16\x03\x01\x02\x00\x01\x00\x01", /* a ClientHello */
		"EHLO mail.example\r\n",
		"*1\r\n$4\r\nPING\r\n",
		"SSH-2.0-test\r\n",
		"PING\r\n",
		"HEAD is no request\r\n",
	};
	char buf[64];
	unsigned i, k;
	size_t n;
	int fd;

	for (i = 0; i < sizeof(said) / sizeof(*said); i++) {
		n = i ? strlen(said[i]) : 9;
		fd = plain_dial();
		for (k = 0; k < 3; k++) {
			CHECK(write(fd, said[i], n) == (ssize_t)n);
			CHECK(recv(fd, buf, n, MSG_WAITALL) == (ssize_t)n);
			CHECK(!memcmp(buf, said[i], n));
		}
		close(fd);
	}
	return 0;
}

/* Numbers that are copied, put in another's place, closed, used again. */
static int numbers(void)
{
	int fd = plain_dial(), other, i;

	for (i = 0; i < 4; i++) {
		if (good(fd))
			return 1;
		other = i == 0	 ? dup(fd)
			: i == 1 ? fcntl(fd, F_DUPFD_CLOEXEC, 50)
			: i == 2 ? dup2(fd, 60)
				 : dup3(fd, 61, O_CLOEXEC);
		CHECK(other >= 0);
		if (good(other))
			return 1;
		close(fd);
		if (good(other))
			return 1;
		fd = other;
	}
	other = plain_dial();
	if (good(other))
		return 1;
	CHECK(dup2(other, fd) == fd); /* in the place of the first one */
	close(other);
	if (good(fd) || refused(fd))
		return 1;
	close(fd);
	for (i = 0; i < 300; i++) {
		fd = plain_dial();
		if (i % 3 ? good(fd) : refused(fd))
			return 1;
		close(fd);
	}
	return 0;
}

/* Closed behind our back, the number now something else's. */
static int closed_unseen(void)
{
	int fd = plain_dial(), p[2];
	char buf[16];

	if (good(fd))
		return 1;
	CHECK(write(fd, HEAD("", "200"), 10) == 10);
	CHECK(!close_range((unsigned)fd, (unsigned)fd, 0));
	CHECK(!pipe(p));
	CHECK(p[0] == fd || p[1] == fd);
	CHECK(write(p[1], "POST / HTT", 10) == 10);
	CHECK(read(p[0], buf, 16) == 10 && !memcmp(buf, "POST / HTT", 10));
	close(p[0]);
	close(p[1]);
	fd = plain_dial();
	if (good(fd) || refused(fd))
		return 1;
	close(fd);
	return 0;
}

static int forked(void)
{
	int fd = plain_dial(), status;
	pid_t pid;

	if (good(fd))
		return 1;
	pid = fork();
	if (!pid)
		_exit(good(fd) || refused(fd));
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	close(fd);
	fd = plain_dial();
	pid = vfork();
	if (!pid) {
		close(fd); /* its own copy, not ours */
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	if (good(fd) || refused(fd))
		return 1;
	close(fd);
	return 0;
}

static void *churn(void *arg)
{
	long i, bad = 0;
	int fd;

	for (i = 0; i < 60; i++) {
		fd = plain_dial();
		bad += i % 4 ? good(fd) : refused(fd);
		if (i % 2)
			close(fd);
		else
			close(dup2(fd, 200 + (int)(long)arg)), close(fd);
	}
	return (void *)bad;
}

static int threads(void)
{
	pthread_t t[8];
	void *bad;
	long i;

	close(plain_dial());
	for (i = 0; i < 8; i++)
		CHECK(!pthread_create(&t[i], NULL, churn, (void *)i));
	for (i = 0; i < 8; i++)
		CHECK(!pthread_join(t[i], &bad) && !bad);
	return 0;
}

static void *wait_for_answer(void *arg)
{
	char buf[64];

	(void)!write((int)(long)arg, ASK, 20); /* never whole */
	while (read((int)(long)arg, buf, sizeof(buf)) > 0)
		;
	return NULL;
}

static int cancelled(void)
{
	int fd = plain_dial(), i;
	pthread_t t;
	void *how;

	for (i = 0; i < 20; i++) {
		CHECK(!pthread_create(&t, NULL, wait_for_answer,
				      (void *)(long)fd));
		usleep(2000);
		CHECK(!pthread_cancel(t));
		CHECK(!pthread_join(t, &how) && how == PTHREAD_CANCELED);
		close(fd);
		fd = plain_dial();
		if (good(fd))
			return 1;
	}
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct shim_case cases[] = {
		{"all_calls", all_calls, false},
		{"all_refused", all_refused, true},
		{"wakes", wakes, true},
		{"nonblocking", nonblocking, false},
		{"file_body", file_body, false},
		{"pipelined", pipelined, false},
		{"other_protocols", other_protocols, false},
		{"numbers", numbers, false},
		{"closed_unseen", closed_unseen, false},
		{"forked", forked, false},
		{"threads", threads, false},
		{"cancelled", cancelled, false},
	};

	return shim_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
