/* Reading through the guard, refused requests, wake-ups, protocols. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/shim/lib/peer.h"

#define PLAIN "POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"
#define BLOCK "POST /a HTTP/1.1\r\nx-fake: block\r\nContent-Length: 2\r\n\r\nhi"
#define EDIT                                                                   \
	"POST /a HTTP/1.1\r\nx-fake: swallow\r\nContent-Length: 2\r\n\r\nhi"

static int send_text(SSL *s, const char *text)
{
	return SSL_write(s, text, (int)strlen(text)) == (int)strlen(text);
}

static int peek_and_pending(void)
{
	int fd = client_socket(false);
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char a[1024], b[1024];
	size_t n = 0, m = 0;
	int r;

	CHECK(send_text(s, PLAIN));
	CHECK(SSL_peek_ex(s, a, sizeof(a), &n) == 1 && n > 10);
	CHECK(SSL_pending(s) == (int)n && SSL_has_pending(s) == 1);
	r = SSL_peek(s, b, 5);
	CHECK(r == 5 && !memcmp(a, b, 5));
	r = SSL_read(s, b, 3);
	CHECK(r == 3 && !memcmp(a, b, 3));
	CHECK(SSL_pending(s) == (int)n - 3);
	CHECK(SSL_read_ex(s, b, sizeof(b), &m) == 1 && m == n - 3);
	CHECK(!memcmp(a + 3, b, m));
	CHECK(SSL_pending(s) == 0);
	client_close(s, fd);
	return 0;
}

/* A stream that is edited on its way can be peeked at, too. */
static int peek_edited(void)
{
	int fd = client_socket(false), n;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char a[1024], b[1024];

	CHECK(send_text(s, EDIT));
	n = SSL_peek(s, a, sizeof(a));
	CHECK(n > 10);
	CHECK(SSL_pending(s) == n);
	CHECK(SSL_peek(s, b, 7) == 7 && !memcmp(a, b, 7));
	CHECK(SSL_read(s, b, 7) == 7 && !memcmp(a, b, 7));
	CHECK(SSL_read(s, b, sizeof(b)) == n - 7 && !memcmp(a + 7, b, 9));
	client_close(s, fd);
	return 0;
}

static int expect_refusal(SSL *s, char *out, size_t cap)
{
	size_t n = 0, got = 0;

	CHECK(SSL_pending(s) > 100 && SSL_has_pending(s) == 1);
	CHECK(SSL_peek(s, out, 12) == 12 && !memcmp(out, "HTTP/1.1 429", 12));
	while (SSL_read_ex(s, out + n, n < 50 ? 7 : cap - 1 - n, &got) == 1)
		n += got;
	out[n] = '\0';
	CHECK(SSL_get_error(s, 0) == SSL_ERROR_ZERO_RETURN);
	CHECK(SSL_get_shutdown(s) & SSL_RECEIVED_SHUTDOWN);
	CHECK(SSL_read(s, out + n, 1) == 0);
	CHECK(SSL_get_error(s, 0) == SSL_ERROR_ZERO_RETURN);
	CHECK(SSL_pending(s) == 0 && SSL_has_pending(s) == 0);
	CHECK(strstr(out, "\r\n\r\n{\"error\""));
	CHECK(ERR_peek_error() == 0);
	return 0;
}

static int refused_blocking(void)
{
	int fd = client_socket(false);
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char out[1024];

	CHECK(send_text(s, BLOCK));
	CHECK(expect_refusal(s, out, sizeof(out)) == 0);
	CHECK(SSL_write(s, "x", 1) == -1);
	CHECK(errno == EPIPE && SSL_get_error(s, -1) == SSL_ERROR_SYSCALL);
	CHECK(SSL_shutdown(s) == 1);
	SSL_free(s);
	close(fd);
	CHECK(peer.requests == 0);
	return 0;
}

/* Everything that was received but the tickets: then the loop would sleep. */
static void drain(SSL *s, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char c;

	while (poll(&p, 1, 100) == 1 && SSL_read(s, &c, 1) <= 0)
		;
}

static int wakes_loops(void)
{
	int fd = client_socket(true), ep = epoll_create1(0), r;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char out[1024];

	while ((r = SSL_connect(s)) != 1)
		CHECK(client_wait(s, fd, r));
	drain(s, fd);
	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	CHECK(epoll_wait(ep, &e, 1, 0) == 0);
	CHECK(send_text(s, BLOCK));
	CHECK(epoll_wait(ep, &e, 1, 3000) == 1 && poll(&p, 1, 0) == 1);
	CHECK(expect_refusal(s, out, sizeof(out)) == 0);
	client_close(s, fd);
	CHECK(peer.requests == 0);
	return 0;
}

/* Move bytes between a memory-BIO SSL and its socket, as event loops do. */
static void pump_out(SSL *s, int fd)
{
	char buf[16384];
	int n;

	while ((n = BIO_read(SSL_get_wbio(s), buf, sizeof(buf))) > 0)
		if (send(fd, buf, (size_t)n, 0) != n)
			return;
}

static bool pump(SSL *s, int fd, int wait_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char buf[16384];
	ssize_t n;

	pump_out(s, fd);
	if (poll(&p, 1, wait_ms) != 1)
		return false;
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	return n > 0 && BIO_write(SSL_get_rbio(s), buf, (int)n) == n;
}

static SSL *memory_client(int fd, const char *name)
{
	SSL *s = client_ssl(client_ctx(), -1, name);

	SSL_set_bio(s, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	while (SSL_do_handshake(s) != 1)
		if (!pump(s, fd, 5000))
			return NULL;
	pump_out(s, fd);
	return s;
}

static int memory_bio(void)
{
	int fd = client_socket(true), n;
	SSL *s = memory_client(fd, "localhost");
	char out[1024];

	CHECK(s && SSL_get_fd(s) == -1);
	CHECK(send_text(s, PLAIN));
	do {
		pump(s, fd, 5000);
		n = SSL_read(s, out, sizeof(out));
	} while (n <= 0 && SSL_get_error(s, n) == SSL_ERROR_WANT_READ);
	CHECK(n > 0 && peer.requests == 1);
	SSL_free(s);
	close(fd);
	return 0;
}

/* The descriptor of the right one of two is shut, found by its ClientHello. */
static int memory_bio_refused(void)
{
	int fd[2] = {client_socket(true), client_socket(true)}, i;
	SSL *s[2] = {memory_client(fd[0], "a.fake.test"),
		     memory_client(fd[1], "a.fake.test")};
	struct pollfd p[2] = {{.fd = fd[0], .events = POLLIN},
			      {.fd = fd[1], .events = POLLIN}};
	char out[1024];

	for (i = 0; i < 20; i++) {
		pump(s[0], fd[0], 5);
		pump(s[1], fd[1], 5);
	}
	CHECK(poll(p, 2, 0) == 0);
	CHECK(send_text(s[1], BLOCK));
	CHECK(poll(p, 2, 2000) == 1 && p[1].revents && !p[0].revents);
	CHECK(expect_refusal(s[1], out, sizeof(out)) == 0);
	CHECK(send_text(s[0], PLAIN));
	CHECK(pump(s[0], fd[0], 2000));
	CHECK(peer.requests == 1);
	SSL_free(s[0]);
	SSL_free(s[1]);
	return 0;
}

/* A descriptor that now stands for another socket is left alone. */
static int memory_bio_moved(void)
{
	int fd = client_socket(true), moved = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	SSL *s = memory_client(fd, "localhost");
	int other[2];
	struct pollfd p = {.events = POLLIN};
	char out[1024];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, other));
	CHECK(dup2(other[0], fd) == fd);
	CHECK(send_text(s, BLOCK));
	p.fd = fd;
	CHECK(poll(&p, 1, 50) == 0);
	CHECK(expect_refusal(s, out, sizeof(out)) == 0);
	close(moved);
	return 0;
}

static void send_hidden(SSL *s, int fd)
{
	char buf[16384];
	int n;

	while ((n = BIO_read(SSL_get_wbio(s), buf, sizeof(buf))) > 0)
		syscall(SYS_sendto, fd, buf, n, 0, NULL, 0);
}

/* Bytes that leave by a bare system call: the server's answer must wake. */
static int memory_bio_hidden(void)
{
	int fd = client_socket(true), i;
	SSL *s = client_ssl(client_ctx(), -1, "localhost");
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char out[1024];

	SSL_set_bio(s, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	for (i = 0; i < 9; i++) {
		(void)SSL_do_handshake(s);
		send_hidden(s, fd);
		pump(s, fd, 50);
	}
	CHECK(poll(&p, 1, 0) == 0);
	CHECK(send_text(s, BLOCK));
	send_hidden(s, fd);
	CHECK(poll(&p, 1, 3000) == 1);
	CHECK(expect_refusal(s, out, sizeof(out)) == 0);
	CHECK(peer.body == 0);
	SSL_free(s);
	close(fd);
	return 0;
}

static const char *alpn_of(SSL *s, int fd)
{
	static char name[16];
	const unsigned char *p;
	unsigned n;
	int r;

	while ((r = SSL_connect(s)) != 1)
		if (!client_wait(s, fd, r))
			return "failed";
	SSL_get0_alpn_selected(s, &p, &n);
	snprintf(name, sizeof(name), "%.*s", (int)n, (const char *)p);
	client_close(s, fd);
	return name;
}

static int alpn(void)
{
	static const unsigned char both[] = "\x02h2\x08http/1.1";
	SSL_CTX *ctx = client_ctx();
	const char *mine = preloaded ? "http/1.1" : "h2";
	int fd = client_socket(false);
	SSL *s = client_ssl(ctx, fd, "localhost");

	CHECK(SSL_set_alpn_protos(s, both, 12) == 0);
	CHECK(!strcmp(alpn_of(s, fd), mine));
	CHECK(SSL_CTX_set_alpn_protos(ctx, both, 12) == 0);
	fd = client_socket(false);
	CHECK(!strcmp(alpn_of(client_ssl(ctx, fd, "localhost"), fd), mine));
	fd = client_socket(false);
	CHECK(!strcmp(alpn_of(client_ssl(ctx, fd, "plain.test"), fd), "h2"));
	fd = client_socket(false);
	s = client_ssl(ctx, fd, "localhost");
	CHECK(SSL_set_alpn_protos(s, both, 3) == 0);
	CHECK(!strcmp(alpn_of(s, fd), "h2"));
	CHECK(SSL_CTX_set_alpn_protos(ctx, NULL, 0) == 0);
	fd = client_socket(false);
	CHECK(!strcmp(alpn_of(client_ssl(ctx, fd, "localhost"), fd), ""));
	CHECK(SSL_CTX_set_alpn_protos(ctx, both, 5) != 0);
	ERR_clear_error();
	SSL_CTX_free(ctx);
	return 0;
}

/* The server answers before the body is whole: a blocking read must end. */
static int reads_before_whole(void)
{
	int fd = client_socket(false);
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char out[1024];

	CHECK(send_text(s, "POST /early HTTP/1.1\r\n"
			   "Content-Length: 9\r\n\r\nhalf"));
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	CHECK(peer.requests == 1);
	client_close(s, fd);
	return 0;
}

static int polls_before_whole(void)
{
	int fd = client_socket(true), r, i;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char out[1024];

	while ((r = SSL_connect(s)) != 1)
		CHECK(client_wait(s, fd, r));
	CHECK(send_text(s, "POST /early HTTP/1.1\r\n"
			   "Content-Length: 9\r\n\r\nhalf"));
	for (i = 0; i < 60; i++) {
		r = SSL_read(s, out, sizeof(out));
		if (r > 0)
			break;
		CHECK(SSL_get_error(s, r) == SSL_ERROR_WANT_READ);
		usleep(50000);
	}
	CHECK(r > 0 && peer.requests == 1);
	client_close(s, fd);
	return 0;
}

static int end_of_stream(void)
{
	int fd = client_socket(false), r;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char out[1024];

	CHECK(send_text(s, PLAIN));
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	shutdown(fd, SHUT_WR);
	r = SSL_read(s, out, sizeof(out));
	CHECK(r <= 0);
	r = SSL_get_error(s, r);
	CHECK(r == SSL_ERROR_ZERO_RETURN || r == SSL_ERROR_SSL);
	ERR_clear_error();
	client_close(s, fd);
	return 0;
}

/* Not a known host: only what begins like a request is looked at. */
static int other_hosts(void)
{
	int fd = client_socket(false);
	SSL *s = client_ssl(client_ctx(), fd, NULL);
	char out[1024];

	CHECK(send_text(s, "POST /b HTTP/1.1\r\nContent-Length: 60\r\n\r\n"));
	CHECK(send_text(s, "POST /a HTTP/1.1\r\nx-fake: block\r\n\r\n"));
	CHECK(send_text(s, "123456789012345678901234567"));
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	CHECK(strstr(out, "got 60") && peer.requests == 1);
	if (preloaded) {
		CHECK(send_text(s, BLOCK));
		CHECK(expect_refusal(s, out, sizeof(out)) == 0);
	}
	client_close(s, fd);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct shim_case cases[] = {
		{"peek_and_pending", peek_and_pending, false},
		{"peek_edited", peek_edited, true},
		{"refused_blocking", refused_blocking, true},
		{"wakes_loops", wakes_loops, true},
		{"memory_bio", memory_bio, false},
		{"memory_bio_refused", memory_bio_refused, true},
		{"memory_bio_moved", memory_bio_moved, true},
		{"memory_bio_hidden", memory_bio_hidden, true},
		{"alpn", alpn, false},
		{"reads_before_whole", reads_before_whole, false},
		{"polls_before_whole", polls_before_whole, false},
		{"end_of_stream", end_of_stream, false},
		{"other_hosts", other_hosts, false},
	};

	return shim_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
