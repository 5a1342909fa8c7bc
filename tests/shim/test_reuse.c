/*
 * One SSL for several connections, several SSL on one descriptor, two
 * descriptors for one SSL, renegotiation, early data without ado.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/shim/lib/peer.h"

#define ASK "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi"
#define ASK_REFUSED                                                            \
	"POST /a HTTP/1.1\r\nHost: localhost\r\nx-fake: block\r\n"             \
	"Content-Length: 2\r\n\r\nhi"

static int ask(SSL *s, int fd, const char *text, const char *want)
{
	char out[1024];
	int n = (int)strlen(text), r;

	while ((r = SSL_write(s, text, n)) <= 0)
		CHECK(client_wait(s, fd, r));
	CHECK(r == n);
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	CHECK(strstr(out, want));
	return 0;
}

static int good(SSL *s, int fd)
{
	return ask(s, fd, ASK, "got 2 ");
}

static int refused(SSL *s, int fd)
{
	return preloaded ? ask(s, fd, ASK_REFUSED, " 429 ") : good(s, fd);
}

static int expect_requests(unsigned good_ones, unsigned refused_ones)
{
	CHECK(peer.requests == good_ones + (preloaded ? 0 : refused_ones));
	CHECK(ERR_peek_error() == 0);
	return 0;
}

/* What a connection was, its refusal too, ends where the next one begins. */
static int again(bool clear, bool after_refusal, bool nonblocking)
{
	int fd = client_socket(nonblocking), i, r;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");

	for (i = 0; i < 4; i++) {
		if (good(s, fd) || (after_refusal && refused(s, fd)))
			return 1;
		SSL_shutdown(s);
		close(fd);
		fd = client_socket(nonblocking);
		if (clear)
			CHECK(SSL_clear(s) == 1);
		else
			SSL_set_connect_state(s);
		CHECK(SSL_set_fd(s, fd) == 1);
		while ((r = SSL_connect(s)) != 1)
			CHECK(client_wait(s, fd, r));
	}
	if (good(s, fd))
		return 1;
	client_close(s, fd);
	return expect_requests(5, after_refusal ? 4 : 0);
}

static int cleared(void)
{
	return again(true, false, false);
}

static int cleared_refused(void)
{
	return again(true, true, false);
}

static int not_cleared(void)
{
	return again(false, false, false);
}

static int not_cleared_refused(void)
{
	return again(false, true, true);
}

/* In the middle of a request, its answer never came. */
static int cleared_midway(void)
{
	static const char part[] = "POST /a HTTP/1.1\r\nHost: localhost\r\n"
				   "Content-Length: 20\r\n\r\nhi";
	int fd = client_socket(false);
	SSL *s = client_ssl(client_ctx(), fd, "localhost");

	CHECK(SSL_write(s, part, sizeof(part) - 1) == sizeof(part) - 1);
	close(fd);
	CHECK(SSL_clear(s) == 1);
	fd = client_socket(false);
	CHECK(SSL_set_fd(s, fd) == 1);
	if (good(s, fd))
		return 1;
	client_close(s, fd);
	return 0;
}

/* The same session over another BIO and another number of the socket. */
static int moved(void)
{
	int fd = client_socket(false), other = dup(fd), last;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");

	if (good(s, fd))
		return 1;
	CHECK(SSL_set_fd(s, other) == 1);
	close(fd);
	if (good(s, other))
		return 1;
	last = dup(other);
	SSL_set_bio(s, BIO_new_socket(last, BIO_NOCLOSE),
		    BIO_new_socket(other, BIO_NOCLOSE));
	if (good(s, last) || refused(s, last))
		return 1;
	close(other);
	client_close(s, last);
	return expect_requests(3, 1);
}

struct relay {
	int from, to;
};

static void *relay(void *arg)
{
	struct relay *r = arg;
	char buf[4096];
	ssize_t n;

	while ((n = read(r->from, buf, sizeof(buf))) > 0)
		if (write(r->to, buf, (size_t)n) != n)
			break;
	shutdown(r->to, SHUT_WR);
	return NULL;
}

/* One way here, another way there: pairs of sockets, or pipes. */
static int two_ways(bool pipes)
{
	struct pollfd p = {.events = POLLIN};
	int fd = client_socket(false), in[2], out[2], n;
	SSL *s = client_ssl(client_ctx(), -1, "localhost");
	struct relay there, back;
	char text[1024];
	pthread_t t;

	if (pipes)
		CHECK(!pipe(in) && !pipe(out));
	else
		CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, in) &&
		      !socketpair(AF_UNIX, SOCK_STREAM, 0, out));
	there = (struct relay){out[0], fd};
	back = (struct relay){fd, in[1]};
	CHECK(!pthread_create(&t, NULL, relay, &there));
	CHECK(!pthread_create(&t, NULL, relay, &back));
	CHECK(SSL_set_rfd(s, in[0]) == 1 && SSL_set_wfd(s, out[1]) == 1);
	CHECK(SSL_get_rfd(s) == in[0] && SSL_get_wfd(s) == out[1]);
	if (good(s, in[0]) || good(s, in[0]))
		return 1;
	CHECK(peer.requests == 2);
	if (!preloaded)
		return 0;
	while (poll(&p, 0, 50))
		;
	n = (int)strlen(ASK_REFUSED);
	CHECK(SSL_write(s, ASK_REFUSED, n) == n);
	p.fd = in[0];
	CHECK(poll(&p, 1, 5000) == 1);
	CHECK(client_answer(s, in[0], text, sizeof(text)) > 0);
	CHECK(strstr(text, " 429 "));
	CHECK(peer.body == 4);
	CHECK(ERR_peek_error() == 0);
	return 0;
}

static int two_sockets(void)
{
	return two_ways(false);
}

static int two_pipes(void)
{
	return two_ways(true);
}

/* A server that begins TLS anew on the same TCP connection. */
struct twice {
	int listener;
	SSL_CTX *ctx;
	_Atomic unsigned requests;
};

static void *serve_twice(void *arg)
{
	static const char yes[] =
		"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ngot 2 ";
	struct twice *t = arg;
	int fd = accept(t->listener, NULL, NULL), i;
	char buf[4096];
	SSL *s;

	for (i = 0; i < 3; i++) {
		s = SSL_new(t->ctx);
		SSL_set_fd(s, fd);
		if (SSL_accept(s) != 1)
			break;
		while (SSL_read(s, buf, sizeof(buf)) > 0) {
			t->requests++;
			SSL_write(s, yes, sizeof(yes) - 1);
		}
		SSL_shutdown(s);
		SSL_free(s);
	}
	close(fd);
	return NULL;
}

static int connect_to(int listener)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (getsockname(listener, (struct sockaddr *)&a, &len) ||
	    connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return -1;
	return fd;
}

static int several_on_one(void)
{
	struct twice t = {.ctx = peer_ctx()};
	SSL_CTX *ctx = client_ctx();
	pthread_t thread;
	int fd, i;
	SSL *s, *idle;

	t.listener = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(t.listener >= 0 && !listen(t.listener, 1));
	CHECK(!pthread_create(&thread, NULL, serve_twice, &t));
	fd = connect_to(t.listener);
	idle = client_ssl(ctx, fd, "localhost");
	for (i = 0; i < 3; i++) {
		s = client_ssl(ctx, fd, "localhost");
		SSL_set_num_tickets(s, 0);
		if (good(s, fd) || good(s, fd))
			return 1;
		if (i == 2)
			break;
		CHECK(SSL_shutdown(s) == 0);
		CHECK(SSL_shutdown(s) == 1);
		SSL_free(s);
	}
	CHECK(t.requests == 6);
	if (preloaded && refused(s, fd))
		return 1;
	CHECK(t.requests == 6);
	SSL_free(idle);
	client_close(s, fd);
	CHECK(!pthread_join(thread, NULL));
	return 0;
}

/* TLS 1.2: the handshake once more, between requests and in one. */
static int renegotiate(void)
{
	static const char head[] = "POST /a HTTP/1.1\r\nHost: localhost\r\n"
				   "Content-Length: 2\r\n\r\n";
	SSL_CTX *ctx = client_ctx();
	int fd = client_socket(false);
	char out[1024];
	SSL *s;

	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	s = client_ssl(ctx, fd, "localhost");
	if (good(s, fd))
		return 1;
	CHECK(SSL_renegotiate(s) == 1);
	CHECK(SSL_do_handshake(s) == 1);
	if (good(s, fd))
		return 1;
	CHECK(SSL_write(s, head, sizeof(head) - 1) == sizeof(head) - 1);
	CHECK(SSL_renegotiate_abbreviated(s) == 1);
	CHECK(SSL_write(s, "hi", 2) == 2);
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	CHECK(strstr(out, "got 2 "));
	CHECK(SSL_renegotiate(s) == 1);
	if (refused(s, fd))
		return 1;
	client_close(s, fd);
	return expect_requests(3, 1);
}

static SSL_SESSION *ticket(SSL_CTX *ctx)
{
	int fd = client_socket(false);
	SSL *s = client_ssl(ctx, fd, "localhost");
	SSL_SESSION *sess;

	if (good(s, fd))
		return NULL;
	sess = SSL_get1_session(s);
	client_close(s, fd);
	return sess;
}

/* No word of a handshake before the early data. Resumed all the same. */
static int early(void)
{
	SSL_CTX *ctx = client_ctx();
	SSL_SESSION *sess = ticket(ctx);
	const char *text = preloaded ? ASK_REFUSED : ASK;
	int fd, i;
	char out[1024];
	size_t done = 0;
	SSL *s;

	for (i = 0; i < 2; i++) {
		fd = client_socket(false);
		s = SSL_new(ctx);
		SSL_set_tlsext_host_name(s, "localhost");
		SSL_set_fd(s, fd);
		CHECK(sess && SSL_SESSION_get_max_early_data(sess) > 0);
		CHECK(SSL_set_session(s, sess) == 1);
		if (i)
			text = ASK;
		CHECK(SSL_write_early_data(s, text, strlen(text), &done) == 1);
		CHECK(done == strlen(text));
		CHECK(SSL_connect(s) == 1);
		CHECK(SSL_get_early_data_status(s) == SSL_EARLY_DATA_ACCEPTED);
		CHECK(SSL_session_reused(s));
		CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
		CHECK(strstr(out, preloaded && !i ? " 429 " : "got 2 "));
		client_close(s, fd);
	}
	return expect_requests(2, 1);
}

static int ktls(void)
{
	int fd = client_socket(false);
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char ulp[256] = "";
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_available_ulp", "r");

	if (!f || !fgets(ulp, sizeof(ulp), f) || !strstr(ulp, "tls")) {
		printf("this kernel has no module tls\n");
		return 77;
	}
	SSL_set_options(s, SSL_OP_ENABLE_KTLS);
	if (good(s, fd) || good(s, fd))
		return 1;
	if (!BIO_get_ktls_send(SSL_get_wbio(s))) {
		printf("the kernel took no key of this cipher\n");
		return 77;
	}
	if (refused(s, fd))
		return 1;
	client_close(s, fd);
	return expect_requests(2, 1);
}

int main(int argc, char **argv)
{
	static const struct shim_case cases[] = {
		{"cleared", cleared, false},
		{"cleared_refused", cleared_refused, false},
		{"cleared_midway", cleared_midway, false},
		{"not_cleared", not_cleared, false},
		{"not_cleared_refused", not_cleared_refused, false},
		{"moved", moved, false},
		{"two_sockets", two_sockets, false},
		{"two_pipes", two_pipes, false},
		{"several_on_one", several_on_one, false},
		{"renegotiate", renegotiate, false},
		{"early", early, false},
		{"ktls", ktls, false},
	};

	return shim_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
