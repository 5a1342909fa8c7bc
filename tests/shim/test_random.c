/*
 * Random programs: requests in random pieces by any of the writing calls, on
 * sockets and memory BIOs, blocking or not, answers by any of the reading
 * calls. What arrives must be what was sent, bare and preloaded.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/shim/lib/peer.h"

#define ROUNDS 150
#define REQ_MAX (300 * 1024)

static unsigned seed;
static SSL_CTX *ctx;

struct conn {
	SSL *s;
	int fd;
	bool memory, nonblocking, partial;
};

static unsigned rnd(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

static void pump_out(struct conn *c)
{
	char buf[16384];
	int n, at, r;

	while (c->memory &&
	       (n = BIO_read(SSL_get_wbio(c->s), buf, sizeof(buf))) > 0)
		for (at = 0; at<n; at += r> 0 ? r : 0) {
			r = (int)send(c->fd, buf + at, (size_t)(n - at), 0);
			if (r < 0)
				poll(&(struct pollfd){.fd = c->fd,
						      .events = POLLOUT},
				     1, 1000);
		}
}

/* Do what the SSL waits for; false when it failed for good. */
static bool go_on(struct conn *c, int ret)
{
	int e = SSL_get_error(c->s, ret), n;
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	char buf[4096];

	if (!c->memory)
		return client_wait(c->s, c->fd, ret);
	pump_out(c);
	if (e != SSL_ERROR_WANT_READ || poll(&p, 1, 10000) != 1)
		return e == SSL_ERROR_WANT_WRITE;
	n = (int)recv(c->fd, buf, 1 + rnd(sizeof(buf)), 0);
	return n > 0 && BIO_write(SSL_get_rbio(c->s), buf, n) == n;
}

static void open_conn(struct conn *c)
{
	const char *const name[] = {"localhost", "a.fake.test", "plain.test",
				    NULL};
	int small = 8192;

	c->memory = rnd(3) == 0;
	c->nonblocking = c->memory || rnd(2);
	c->partial = rnd(3) == 0;
	c->fd = client_socket(c->nonblocking);
	if (rnd(2))
		setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	c->s = client_ssl(ctx, c->memory ? -1 : c->fd, name[rnd(4)]);
	if (c->memory)
		SSL_set_bio(c->s, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	if (c->partial)
		SSL_set_mode(c->s, SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_set_mode(c->s, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

/* One logical write of n bytes, repeated from another place each time. */
static int write_once(struct conn *c, const char *p, size_t n)
{
	bool ex = rnd(2);
	size_t done = 0;
	char *copy;
	int r;

	do {
		copy = malloc(n);
		memcpy(copy, p, n);
		r = ex ? SSL_write_ex(c->s, copy, n, &done)
		       : SSL_write(c->s, copy, (int)n);
		memset(copy, '#', n);
		free(copy);
		if (r > 0)
			return ex ? (int)done : r;
	} while (go_on(c, r));
	return -1;
}

static bool write_all(struct conn *c, const char *p, size_t len)
{
	size_t at = 0, n;
	int r;

	while (at < len) {
		n = 1 + rnd(rnd(4) ? 70000 : 60);
		n = n < len - at ? n : len - at;
		r = write_once(c, p + at, n);
		if (r <= 0 || (!c->partial && (size_t)r != n))
			return false;
		at += (size_t)r;
		pump_out(c);
		if (rnd(8) == 0)
			(void)SSL_pending(c->s);
	}
	return true;
}

static int read_once(struct conn *c, char *p, size_t cap)
{
	char seen[512];
	size_t n = 1 + rnd(rnd(2) ? 5 : (unsigned)cap - 1), got = 0;
	int r, peeked = 0;

	if (rnd(4) == 0)
		peeked = SSL_peek(c->s, seen, sizeof(seen));
	r = rnd(2)			    ? SSL_read(c->s, p, (int)n)
	    : SSL_read_ex(c->s, p, n, &got) ? (int)got
					    : 0;
	if (peeked > 0 && r > 0 &&
	    memcmp(seen, p, (size_t)(peeked < r ? peeked : r)))
		return -2;
	return r;
}

static bool read_answer(struct conn *c, char *out, size_t cap)
{
	size_t n = 0, want = cap;
	char *end, *cl;
	int r;

	while (n < want && n + 1 < cap) {
		r = read_once(c, out + n, cap - 1 - n);
		if (r == -2)
			return false;
		if (r <= 0 && !go_on(c, r))
			return false;
		n += r > 0 ? (size_t)r : 0;
		out[n] = '\0';
		end = strstr(out, "\r\n\r\n");
		cl = strstr(out, "Content-Length: ");
		if (end && cl)
			want = (size_t)(end - out) + 4 +
			       strtoul(cl + 16, NULL, 10);
	}
	return n == want;
}

static int exchange(struct conn *c, char *req)
{
	size_t body = rnd(2) ? rnd(2000) : rnd(REQ_MAX - 300), i;
	char out[2048], want[64];
	int head = sprintf(req,
			   "POST /%u HTTP/1.1\r\nHost: h\r\n"
			   "Content-Length: %zu\r\n\r\n",
			   rnd(1000), body);

	for (i = 0; i < body; i++)
		req[(size_t)head + i] = (char)(i * 31 + seed % 251);
	snprintf(want, sizeof(want), "got %zu %u", body,
		 peer_sum(0, req + head, body));
	if (!write_all(c, req, (size_t)head + body) ||
	    !read_answer(c, out, sizeof(out)))
		return 1;
	return strstr(out, want) ? 0 : 2;
}

static int refusal(struct conn *c, char *req)
{
	char out[2048];
	unsigned before = peer.requests;
	int n = sprintf(req, "POST / HTTP/1.1\r\nx-fake: block\r\n"
			     "Content-Length: 9\r\n\r\n123456789");

	if (write_once(c, req, (size_t)n) <= 0)
		return 1;
	pump_out(c);
	if (!read_answer(c, out, sizeof(out)))
		return 2;
	return strstr(out, "429") && peer.requests == before ? 0 : 3;
}

static int random_programs(void)
{
	char *req = malloc(REQ_MAX);
	struct conn c;
	int i, k;

	ctx = client_ctx();
	for (i = 0; i < ROUNDS; i++) {
		seed = (unsigned)i * 7919 + 1;
		open_conn(&c);
		for (k = (int)rnd(4); k >= 0; k--)
			if (exchange(&c, req)) {
				printf("round %d\n", i);
				return 1;
			}
		if (preloaded && rnd(2) && (k = refusal(&c, req))) {
			printf("round %d: not refused (%d)\n", i, k);
			return 1;
		}
		CHECK(ERR_peek_error() == 0);
		client_close(c.s, c.fd);
		ERR_clear_error();
	}
	free(req);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct shim_case cases[] = {
		{"random_programs", random_programs, false},
	};

	return shim_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
