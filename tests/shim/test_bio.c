/* Writing and reading through BIOs over an SSL. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/shim/lib/peer.h"

#define BIG 3000000

static BIO *open_chain(bool buffered, bool nonblocking, const char *name)
{
	SSL_CTX *ctx = client_ctx();
	BIO *b = buffered ? BIO_new_buffer_ssl_connect(ctx)
			  : BIO_new_ssl_connect(ctx);
	char where[64];
	SSL *s = NULL;

	snprintf(where, sizeof(where), "127.0.0.1:%d", peer.port);
	if (!b || BIO_set_conn_hostname(b, where) <= 0 ||
	    BIO_get_ssl(b, &s) <= 0)
		return NULL;
	if (nonblocking)
		BIO_set_nbio(b, 1);
	if (name)
		SSL_set_tlsext_host_name(s, name);
	return b;
}

static bool wait_for(BIO *b, int *waits)
{
	struct pollfd p = {.events = POLLIN};

	if (!BIO_should_retry(b))
		return false;
	if (BIO_get_fd(b, &p.fd) < 0)
		return true;
	/* while it connects there is nothing to tell which way */
	if (BIO_should_write(b) || BIO_should_io_special(b))
		p.events = POLLOUT;
	++*waits;
	return poll(&p, 1, 10000) == 1;
}

static bool write_all(BIO *b, const char *p, size_t n, int *waits)
{
	int r;

	while (n) {
		r = BIO_write(b, p, (int)n);
		if (r <= 0) {
			if (!wait_for(b, waits))
				return false;
			continue;
		}
		p += r;
		n -= (size_t)r;
	}
	return true;
}

static int read_answer(BIO *b, char *out, size_t cap, int *waits)
{
	size_t n = 0, want = cap;
	char *end, *cl;
	int r;

	while (n < want && n < cap - 1) {
		r = BIO_read(b, out + n, (int)(cap - 1 - n));
		if (r <= 0) {
			if (!wait_for(b, waits))
				return r;
			continue;
		}
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

static int head_for(char *out, const char *more, size_t body)
{
	return snprintf(out, 256,
			"POST /a HTTP/1.1\r\nHost: localhost\r\n%s"
			"Content-Length: %zu\r\n\r\n",
			more, body);
}

static int plain(void)
{
	BIO *b = open_chain(false, false, "localhost");
	char head[256], out[1024], want[64];
	int waits = 0, i, n;

	CHECK(b && BIO_do_connect(b) == 1);
	CHECK(BIO_find_type(b, BIO_TYPE_SSL) == b);
	CHECK(!strcmp(BIO_method_name(b), "ssl"));
	for (i = 0; i < 3; i++) {
		n = head_for(head, "", 5);
		CHECK(BIO_write(b, head, n) == n);
		if (preloaded)
			CHECK(peer.requests == (unsigned)i);
		CHECK(BIO_puts(b, "hello") == 5);
		CHECK(read_answer(b, out, sizeof(out), &waits) > 0);
		snprintf(want, sizeof(want), "got 5 %u",
			 peer_sum(0, "hello", 5));
		CHECK(strstr(out, want));
		CHECK(BIO_pending(b) == 0);
	}
	CHECK(peer.requests == 3 && waits == 0);
	CHECK(ERR_peek_error() == 0);
	BIO_free_all(b);
	return 0;
}

/* Connected by the first write; the answer by lines. */
static int buffered(void)
{
	BIO *b = open_chain(true, false, "localhost");
	char head[256], line[256];
	int length = 0;

	CHECK(b);
	head_for(head, "", 2);
	CHECK(BIO_puts(b, head) > 0 && BIO_puts(b, "hi") == 2);
	CHECK(BIO_flush(b) == 1);
	CHECK(BIO_gets(b, line, sizeof(line)) > 0);
	CHECK(!strcmp(line, "HTTP/1.1 200 OK\r\n"));
	while (BIO_gets(b, line, sizeof(line)) > 2)
		if (!strncmp(line, "Content-Length: ", 16))
			length = atoi(line + 16);
	CHECK(length > 0);
	CHECK(BIO_read(b, line, length) == length);
	CHECK(!strncmp(line, "got 2 ", 6));
	BIO_ssl_shutdown(b);
	BIO_free_all(b);
	return 0;
}

static int nonblocking(void)
{
	BIO *b = open_chain(false, true, "localhost");
	char head[256], out[1024], want[64], *body = malloc(BIG);
	int waits = 0, n, fd, small = 4096;
	size_t i;

	for (i = 0; i < BIG; i++)
		body[i] = (char)('a' + i * 7 % 26);
	n = head_for(head, "", BIG);
	CHECK(b);
	while (BIO_do_connect(b) <= 0)
		CHECK(wait_for(b, &waits));
	CHECK(BIO_get_fd(b, &fd) >= 0);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	waits = 0;
	CHECK(write_all(b, head, (size_t)n, &waits));
	CHECK(write_all(b, body, BIG, &waits));
	CHECK(waits > 0);
	CHECK(read_answer(b, out, sizeof(out), &waits) > 0);
	snprintf(want, sizeof(want), "got %d %u", BIG, peer_sum(0, body, BIG));
	CHECK(strstr(out, want) && peer.requests == 1);
	CHECK(ERR_peek_error() == 0);
	BIO_free_all(b);
	free(body);
	return 0;
}

static int refused(bool nonblocking_too, const char *name)
{
	BIO *b = open_chain(false, nonblocking_too, name);
	char head[256], out[1024];
	int waits = 0, n = head_for(head, "x-fake: block\r\n", 2);

	CHECK(b);
	while (BIO_do_connect(b) <= 0)
		CHECK(wait_for(b, &waits));
	memcpy(head + n, "hi", 2);
	CHECK(write_all(b, head, (size_t)n + 2, &waits));
	if (preloaded)
		CHECK(BIO_pending(b) > 0);
	n = read_answer(b, out, sizeof(out), &waits);
	CHECK(n > 0 && !strncmp(out, "HTTP/1.1 429", 12));
	CHECK(BIO_pending(b) == 0);
	CHECK(BIO_read(b, out, sizeof(out)) == 0);
	CHECK(!BIO_should_retry(b));
	CHECK(BIO_write(b, "x", 1) < 0 && !BIO_should_retry(b));
	CHECK(peer.requests == 0);
	CHECK(ERR_peek_error() == 0);
	BIO_free_all(b);
	return 0;
}

static int refused_blocking(void)
{
	return refused(false, "localhost");
}

static int refused_nonblocking(void)
{
	return refused(true, "localhost");
}

static int refused_unnamed(void)
{
	return refused(true, NULL);
}

/* The filter over an SSL that the program made, and made anew after that. */
static int own_ssl(void)
{
	char head[256], out[1024];
	SSL_CTX *ctx = client_ctx();
	int waits = 0, i, n = head_for(head, "", 0), fd, last = -1;
	BIO *b = BIO_new(BIO_f_ssl());
	SSL *s = NULL, *same = NULL;

	for (i = 0; i < 3; i++) {
		fd = client_socket(false);
		s = client_ssl(ctx, fd, "localhost");
		CHECK(BIO_set_ssl(b, s, BIO_CLOSE) == 1);
		CHECK(BIO_get_ssl(b, &same) == 1 && same == s);
		CHECK(BIO_write(b, head, n) == n);
		CHECK(read_answer(b, out, sizeof(out), &waits) > 0);
		CHECK(strstr(out, "got 0 0"));
		close(last);
		last = fd;
	}
	CHECK(peer.requests == 3);
	CHECK(BIO_read(NULL, out, 1) < 0);
	ERR_clear_error();
	CHECK(BIO_write(b, NULL, 0) == 0);
	BIO_free_all(b);
	b = BIO_new(BIO_f_ssl());
	CHECK(BIO_write(b, "x", 1) < 0 || !preloaded);
	ERR_clear_error();
	BIO_free(b);
	return 0;
}

/* BIO_reset: the same SSL and socket address for a new connection. */
static int reset(void)
{
	BIO *b = open_chain(false, false, "localhost");
	char head[256], out[1024];
	int waits = 0, n;

	CHECK(b);
	n = head_for(head, preloaded ? "x-fake: block\r\n" : "", 0);
	CHECK(BIO_write(b, head, n) == n);
	CHECK(read_answer(b, out, sizeof(out), &waits) > 0);
	(void)BIO_reset(b);
	ERR_clear_error();
	n = head_for(head, "", 0);
	CHECK(BIO_write(b, head, n) == n);
	CHECK(read_answer(b, out, sizeof(out), &waits) > 0);
	CHECK(strstr(out, "got 0 0"));
	BIO_free_all(b);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct shim_case cases[] = {
		{"plain", plain, false},
		{"buffered", buffered, false},
		{"nonblocking", nonblocking, false},
		{"refused_blocking", refused_blocking, true},
		{"refused_nonblocking", refused_nonblocking, true},
		{"refused_unnamed", refused_unnamed, true},
		{"own_ssl", own_ssl, false},
		{"reset", reset, false},
	};

	return shim_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
