/* Writing through the guard: variants, repeats, partial and early writes. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/shim/lib/peer.h"

#define BIG 3000000

static char *big_body(size_t n)
{
	char *p = malloc(n);
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (char)('a' + i * 7 % 26);
	return p;
}

static int head_for(char *out, size_t cap, const char *path, size_t body)
{
	return snprintf(out, cap,
			"POST %s HTTP/1.1\r\nHost: localhost\r\n"
			"Content-Length: %zu\r\n\r\n",
			path, body);
}

static bool says(const char *answer, const char *body, size_t n)
{
	char want[64];

	snprintf(want, sizeof(want), "got %zu %u", n, peer_sum(0, body, n));
	return strstr(answer, want);
}

static int variants(void)
{
	int fd = client_socket(false), n;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char head[256], out[1024];
	size_t done = 0;

	CHECK(SSL_connect(s) == 1);
	n = head_for(head, sizeof(head), "/a", 5);
	CHECK(SSL_write(s, head, n) == n);
	CHECK(SSL_write(s, "hello", 5) == 5);
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	CHECK(says(out, "hello", 5));
	CHECK(SSL_write_ex(s, head, (size_t)n, &done) == 1 &&
	      done == (size_t)n);
	CHECK(SSL_write_ex(s, "wo", 2, &done) == 1 && done == 2);
	CHECK(SSL_write_ex(s, "rld", 3, &done) == 1 && done == 3);
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	CHECK(says(out, "world", 5));
	CHECK(peer.requests == 2 && peer.body == 10);
	CHECK(ERR_peek_error() == 0);
	client_close(s, fd);
	return 0;
}

static int zero_length(void)
{
	int fd = client_socket(false), n;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char head[256], out[1024];
	size_t done = 9;

	CHECK(SSL_write(s, "", 0) == 0);
	CHECK(SSL_write_ex(s, "", 0, &done) == 1 && done == 0);
	n = head_for(head, sizeof(head), "/a", 0);
	CHECK(SSL_write(s, head, n) == n);
	CHECK(SSL_write(s, "", 0) == 0);
	CHECK(SSL_write(s, head, -1) == -1);
	ERR_clear_error();
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	client_close(s, fd);
	return 0;
}

static int before_handshake(void)
{
	int fd = client_socket(true), n, r;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char req[256], out[1024];

	n = head_for(req, sizeof(req) - 8, "/a", 2);
	memcpy(req + n, "hi", 2);
	while ((r = SSL_write(s, req, n + 2)) <= 0) {
		CHECK(r == -1);
		CHECK(SSL_get_error(s, r) == SSL_ERROR_WANT_READ);
		CHECK(peer.requests == 0);
		CHECK(client_wait(s, fd, r));
	}
	CHECK(r == n + 2);
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	CHECK(says(out, "hi", 2) && peer.requests == 1);
	client_close(s, fd);
	return 0;
}

/* One write that a full socket makes the program repeat many times. */
static int repeated(bool ex)
{
	int fd = client_socket(true), n, r, small = 4096, waits = 0;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char head[256], out[1024], *body = big_body(BIG);
	size_t done = 0;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	while ((r = SSL_connect(s)) != 1)
		CHECK(client_wait(s, fd, r));
	n = head_for(head, sizeof(head), "/big", BIG);
	while ((r = SSL_write(s, head, n)) <= 0)
		CHECK(client_wait(s, fd, r));
	do {
		r = ex ? SSL_write_ex(s, body, BIG, &done)
		       : SSL_write(s, body, BIG);
		if (r > 0)
			break;
		CHECK(r == (ex ? 0 : -1));
		CHECK(SSL_get_error(s, r) == SSL_ERROR_WANT_WRITE);
		waits++;
	} while (client_wait(s, fd, r));
	CHECK(ex ? r == 1 && done == BIG : r == BIG);
	CHECK(waits > 0);
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	CHECK(says(out, body, BIG) && peer.body == BIG);
	CHECK(ERR_peek_error() == 0);
	client_close(s, fd);
	free(body);
	return 0;
}

static int repeated_plain(void)
{
	return repeated(false);
}

static int repeated_ex(void)
{
	return repeated(true);
}

/* PARTIAL_WRITE with a buffer that moves and a rest that is passed whole. */
static int partial_moving(void)
{
	int fd = client_socket(true), r, small = 4096, head;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char out[1024], *body = big_body(BIG), *req = malloc(BIG + 256), *copy;
	size_t at = 0, len;

	SSL_set_mode(s, SSL_MODE_ENABLE_PARTIAL_WRITE |
				SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	head = head_for(req, 256, "/big", BIG);
	memcpy(req + head, body, BIG);
	len = (size_t)head + BIG;
	while (at < len) {
		copy = malloc(len - at);
		memcpy(copy, req + at, len - at);
		r = SSL_write(s, copy, (int)(len - at));
		memset(copy, 'X', len - at);
		free(copy);
		if (r > 0)
			at += (size_t)r;
		else
			CHECK(client_wait(s, fd, r));
	}
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	CHECK(says(out, body, BIG) && peer.body == BIG);
	client_close(s, fd);
	return 0;
}

/* Error queue and errno are the program's own. */
static int leaves_no_trace(void)
{
	int fd = client_socket(false), n;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char head[256], out[1024];

	CHECK(SSL_connect(s) == 1);
	n = head_for(head, sizeof(head), "/a", 3);
	errno = 4711;
	CHECK(SSL_write(s, head, n) == n);
	CHECK(SSL_write(s, "ab", 2) == 2);
	CHECK(SSL_pending(s) == 0 && SSL_has_pending(s) == 0);
	if (preloaded)
		CHECK(errno == 4711);
	ERR_raise(ERR_LIB_USER, 77);
	CHECK(SSL_pending(s) == 0);
	CHECK(ERR_GET_REASON(ERR_peek_last_error()) == 77);
	ERR_clear_error();
	CHECK(SSL_write(s, "c", 1) == 1);
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	CHECK(says(out, "abc", 3));
	client_close(s, fd);
	return 0;
}

/* A request in early data arrives once, by whichever way. */
static int early_data(void)
{
	SSL_CTX *ctx = client_ctx();
	int fd = client_socket(false), n;
	SSL *s = client_ssl(ctx, fd, "localhost");
	SSL_SESSION *sess;
	char req[256], out[1024];
	size_t done = 0;

	n = head_for(req, sizeof(req), "/a", 0);
	CHECK(SSL_write(s, req, n) == n);
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	sess = SSL_get1_session(s);
	client_close(s, fd);
	CHECK(SSL_SESSION_get_max_early_data(sess) > 0);
	fd = client_socket(false);
	s = client_ssl(ctx, fd, "localhost");
	CHECK(SSL_set_session(s, sess) == 1);
	n = head_for(req, sizeof(req) - 8, "/a", 2);
	memcpy(req + n, "hi", 2);
	CHECK(SSL_write_early_data(s, req, (size_t)n + 2, &done) == 1);
	CHECK(done == (size_t)n + 2);
	CHECK(SSL_connect(s) == 1);
	CHECK(SSL_get_early_data_status(s) == SSL_EARLY_DATA_ACCEPTED);
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	CHECK(says(out, "hi", 2) && peer.requests == 2);
	client_close(s, fd);
	return 0;
}

static int sendfile_body(void)
{
	int fd = client_socket(false), n, file;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char head[256], out[1024], *body = big_body(100000);
	FILE *f = tmpfile();

	file = fileno(f);
	CHECK(write(file, body, 100000) == 100000);
	CHECK(SSL_connect(s) == 1);
	n = head_for(head, sizeof(head), "/a", 99990);
	CHECK(SSL_write(s, head, n) == n);
	CHECK(SSL_sendfile(s, file, 10, 99990, 0) == 99990);
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	CHECK(says(out, body + 10, 99990));
	client_close(s, fd);
	return 0;
}

static int server_gone(void)
{
	int fd = client_socket(false), n, r = 1, i;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char head[256];

	CHECK(SSL_connect(s) == 1);
	n = head_for(head, sizeof(head), "/a", 0);
	shutdown(fd, SHUT_RDWR);
	for (i = 0; i < 3 && r > 0; i++)
		r = SSL_write(s, head, n);
	CHECK(r == -1);
	i = SSL_get_error(s, r);
	CHECK(i == SSL_ERROR_SYSCALL || i == SSL_ERROR_SSL);
	client_close(s, fd);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct shim_case cases[] = {
		{"variants", variants, false},
		{"zero_length", zero_length, false},
		{"before_handshake", before_handshake, false},
		{"repeated", repeated_plain, false},
		{"repeated_ex", repeated_ex, false},
		{"partial_moving", partial_moving, false},
		{"leaves_no_trace", leaves_no_trace, false},
		{"early_data", early_data, false},
		{"sendfile", sendfile_body, true},
		{"server_gone", server_gone, false},
	};

	return shim_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
