/* GnuTLS through the guard: what is peculiar to it. */
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/shim/lib/gnutls.h"
#include "tests/shim/lib/peer.h"

#define BIG 3000000
static int variants(void)
{
	static const char req[] = REQ("", 5);
	const size_t n = sizeof(req) - 1;
	int fd = client_socket(false);
	gnutls_session_t s = connected(fd, "localhost");
	unsigned char seq[8], seen[8];
	gnutls_packet_t p = NULL;
	gnutls_datum_t d = {0};
	char out[1024] = "";
	ssize_t r;

	CHECK(s);
	CHECK(gnutls_record_send(s, req, n) == (ssize_t)n);
	CHECK(gnutls_record_send2(s, "hello", 5, 0, 0) == 5);
	CHECK(answer(s, fd, out, sizeof(out)) > 0 && says(out, "hello", 5));
	CHECK(gnutls_record_send(s, "", 0) == GNUTLS_E_INVALID_REQUEST ||
	      gnutls_record_send(s, "", 0) == 0);
	CHECK(gnutls_record_send(s, req, n) == (ssize_t)n);
	CHECK(gnutls_record_send(s, "wor", 3) == 3);
	CHECK(gnutls_record_send(s, "ld", 2) == 2);
	r = gnutls_record_recv_packet(s, &p);
	CHECK(r > 0 && p);
	gnutls_packet_get(p, &d, seq);
	CHECK(d.size == (size_t)r && d.size < sizeof(out));
	memcpy(out, d.data, d.size);
	out[d.size] = '\0';
	CHECK(says(out, "world", 5));
	gnutls_packet_deinit(p);
	CHECK(gnutls_record_send(s, req, n) == (ssize_t)n);
	CHECK(gnutls_record_send(s, "third", 5) == 5);
	r = gnutls_record_recv_seq(s, out, 10, seen);
	CHECK(r == 10);
	CHECK(gnutls_record_check_pending(s) > 0);
	CHECK(memcmp(seen, seq, 8) > 0);
	CHECK(peer.requests == 3 && peer.body == 15);
	end(s, fd);
	return 0;
}

static int not_yet(void)
{
	int fd = client_socket(false);
	gnutls_session_t s = session("localhost", 0);
	char c, out[1024];

	gnutls_transport_set_int(s, fd);
	CHECK(gnutls_record_send(s, "abc", 3) ==
	      GNUTLS_E_UNAVAILABLE_DURING_HANDSHAKE);
	CHECK(gnutls_record_recv(s, &c, 1) ==
	      GNUTLS_E_UNAVAILABLE_DURING_HANDSHAKE);
	CHECK(!shake(s, fd));
	CHECK(gnutls_record_send(s, REQ("", 0), strlen(REQ("", 0))) > 0);
	CHECK(answer(s, fd, out, sizeof(out)) > 0);
	gnutls_deinit(s);
	gnutls_deinit(NULL);
	close(fd);
	return 0;
}

/* A full socket makes the program repeat, with its bytes or without. */
static int repeated(bool empty, bool head_apart)
{
	int fd = client_socket(true), small = 4096, waits = 0;
	gnutls_session_t s = connected(fd, "localhost");
	char *req = malloc(BIG + 256), out[1024], *body;
	size_t n, i, at = 0;
	ssize_t r;

	CHECK(s);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	n = (size_t)sprintf(req, REQ("", 3000000));
	body = req + n;
	for (i = 0; i < BIG; i++)
		body[i] = (char)('a' + i * 7 % 26);
	n += BIG;
	if (head_apart) {
		at = (size_t)(body - req);
		CHECK(gnutls_record_send(s, req, at) == (ssize_t)at);
	}
	while (at < n) {
		r = gnutls_record_send(s, req + at, n - at);
		while (again(r)) {
			waits++;
			CHECK(wait_for(s, fd));
			r = empty ? gnutls_record_send(s, NULL, 0)
				  : gnutls_record_send(s, req + at, n - at);
		}
		CHECK(r > 0 && r <= 16384);
		at += (size_t)r;
	}
	CHECK(waits > 0);
	CHECK(answer(s, fd, out, sizeof(out)) > 0);
	CHECK(says(out, body, BIG));
	CHECK(peer.requests == 1 && peer.body == BIG);
	free(req);
	end(s, fd);
	return 0;
}

static int repeated_same(void)
{
	return repeated(false, false);
}

static int repeated_empty(void)
{
	return repeated(true, true);
}

/*
 * A request behind one whose bytes are still on their way: what the program
 * gave is kept when it does not give it again.
 */
static int kept(void)
{
	int fd = client_socket(true), small = 4096, waits = 0;
	gnutls_session_t s = connected(fd, "localhost");
	static const char next[] = REQ("", 2) "hi";
	char *req = malloc(BIG + 256), piece[sizeof(next)], out[1024] = "";
	size_t n, at = 0;
	ssize_t r = 0;

	CHECK(s);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	n = (size_t)sprintf(req, REQ("", 3000000));
	memset(req + n, 'x', BIG);
	n += BIG;
	while (at < n && r >= 0) {
		r = gnutls_record_send(s, req + at, n - at);
		if (again(r) && at > n - 16384)
			break;
		while (again(r)) {
			CHECK(wait_for(s, fd));
			r = gnutls_record_send(s, req + at, n - at);
		}
		CHECK(r > 0);
		at += (size_t)r;
	}
	while (again(r)) {
		CHECK(wait_for(s, fd));
		r = gnutls_record_send(s, NULL, 0);
	}
	CHECK(r > 0);
	memcpy(piece, next, sizeof(next));
	r = gnutls_record_send(s, piece, sizeof(next) - 1);
	memset(piece, '#', sizeof(piece));
	for (; again(r); waits++) {
		CHECK(wait_for(s, fd));
		r = gnutls_record_send(s, NULL, 0);
	}
	CHECK(r == sizeof(next) - 1);
	for (at = 0; at < sizeof(out) - 1 && !strstr(out, "got 2 ");) {
		r = gnutls_record_recv(s, out + at, sizeof(out) - 1 - at);
		CHECK(r > 0 || (again(r) && wait_for(s, fd)));
		at += r > 0 ? (size_t)r : 0;
	}
	CHECK(peer.requests == 2 && peer.body == BIG + 2);
	free(req);
	end(s, fd);
	return 0;
}

static int blocked(void)
{
	int fd = client_socket(true);
	gnutls_session_t s = connected(fd, "localhost");
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char out[1024];

	CHECK(s);
	/* the tickets of the handshake would wake it, too */
	while (poll(&p, 1, 100) == 1)
		CHECK(again(gnutls_record_recv(s, out, sizeof(out))));
	CHECK(gnutls_record_send(s, REQ(BLOCK, 2) "hi",
				 strlen(REQ(BLOCK, 2) "hi")) > 0);
	CHECK(poll(&p, 1, 2000) == 1);
	CHECK(gnutls_record_check_pending(s) > 100);
	CHECK(answer(s, fd, out, sizeof(out)) > 0);
	CHECK(strstr(out, "429"));
	CHECK(gnutls_record_check_pending(s) == 0);
	CHECK(gnutls_record_recv(s, out, sizeof(out)) == 0);
	CHECK(gnutls_record_recv(s, out, sizeof(out)) == 0);
	CHECK(gnutls_record_send(s, REQ("", 0), strlen(REQ("", 0))) ==
	      GNUTLS_E_PUSH_ERROR);
	CHECK(gnutls_bye(s, GNUTLS_SHUT_RDWR) == 0);
	CHECK(peer.requests == 0);
	gnutls_deinit(s);
	close(fd);
	return 0;
}

static int blocked_packet(void)
{
	int fd = client_socket(false);
	gnutls_session_t s = connected(fd, "localhost");
	gnutls_packet_t p = NULL;
	gnutls_datum_t d;
	unsigned char seq[8];

	CHECK(s);
	CHECK(gnutls_record_send(s, REQ(BLOCK, 0), strlen(REQ(BLOCK, 0))) > 0);
	CHECK(gnutls_record_recv_packet(s, &p) > 0);
	gnutls_packet_get(p, &d, seq);
	CHECK(d.size > 20 && !memcmp(d.data, "HTTP/1.1 429", 12));
	gnutls_packet_deinit(p);
	CHECK(gnutls_record_recv_packet(s, &p) == 0 && !p);
	CHECK(peer.requests == 0);
	end(s, fd);
	return 0;
}

/* A transport of the program's own, whose pointer looks like a descriptor. */
struct pipe_ {
	int fd, sent;
};

static ssize_t push(gnutls_transport_ptr_t p, const void *data, size_t n)
{
	struct pipe_ *t = *(struct pipe_ **)p;

	t->sent++;
	return send(t->fd, data, n, MSG_NOSIGNAL);
}

static ssize_t pull(gnutls_transport_ptr_t p, void *data, size_t n)
{
	return recv((*(struct pipe_ **)p)->fd, data, n, 0);
}

static int own_transport(void)
{
	struct pipe_ t = {.fd = client_socket(true)}, *pt = &t;
	gnutls_session_t s = session("localhost", 0);
	struct pollfd p = {.fd = t.fd, .events = POLLIN};
	char out[1024];

	gnutls_transport_set_ptr(s, &pt);
	gnutls_transport_set_push_function(s, push);
	gnutls_transport_set_pull_function(s, pull);
	CHECK(!shake(s, t.fd));
	CHECK(t.sent > 0);
	CHECK(gnutls_record_send(s, REQ("", 2) "hi", strlen(REQ("", 2) "hi")) >
	      0);
	CHECK(answer(s, t.fd, out, sizeof(out)) > 0 && says(out, "hi", 2));
	if (preloaded) {
		while (poll(&p, 1, 100) == 1)
			CHECK(again(gnutls_record_recv(s, out, sizeof(out))));
		t.sent = 0;
		CHECK(gnutls_record_send(s, REQ(BLOCK, 0),
					 strlen(REQ(BLOCK, 0))) > 0);
		CHECK(t.sent == 0);
		CHECK(poll(&p, 1, 2000) == 1);
		CHECK(answer(s, t.fd, out, sizeof(out)) > 0);
		CHECK(strstr(out, "429"));
		CHECK(peer.requests == 1);
	}
	end(s, t.fd);
	return 0;
}

static int corked(void)
{
	int fd = client_socket(false);
	gnutls_session_t s = connected(fd, "localhost");
	static const char req[] = REQ("", 20000);
	char *body = calloc(1, 20000), out[1024];
	ssize_t n = sizeof(req) - 1;

	CHECK(s);
	memset(body, 'b', 20000);
	gnutls_record_cork(s);
	CHECK(gnutls_record_send(s, req, (size_t)n) == n);
	CHECK(gnutls_record_send(s, body, 20000) == 20000);
	usleep(20000);
	CHECK(peer.requests == 0);
	CHECK(gnutls_record_uncork(s, GNUTLS_RECORD_WAIT) == n + 20000);
	CHECK(answer(s, fd, out, sizeof(out)) > 0 && says(out, body, 20000));
	CHECK(gnutls_record_uncork(s, 0) == 0);
	/* held over the uncorking */
	gnutls_record_cork(s);
	CHECK(gnutls_record_send(s, req, (size_t)n) == n);
	CHECK(gnutls_record_uncork(s, GNUTLS_RECORD_WAIT) == n);
	CHECK(gnutls_record_send(s, body, 20000) == 16384);
	CHECK(gnutls_record_send(s, body + 16384, 3616) == 3616);
	CHECK(answer(s, fd, out, sizeof(out)) > 0 && says(out, body, 20000));
	CHECK(peer.requests == 2);
	if (preloaded) {
		gnutls_record_cork(s);
		n = strlen(REQ(BLOCK, 0));
		CHECK(gnutls_record_send(s, REQ(BLOCK, 0), (size_t)n) == n);
		CHECK(gnutls_record_uncork(s, GNUTLS_RECORD_WAIT) == n);
		CHECK(answer(s, fd, out, sizeof(out)) > 0);
		CHECK(strstr(out, "429") && peer.requests == 2);
	}
	free(body);
	end(s, fd);
	return 0;
}

static int alpn_of(const char *name, bool name_last, const char *want)
{
	gnutls_datum_t p[] = {{(unsigned char *)"h2", 2},
			      {(unsigned char *)"http/1.1", 8}};
	gnutls_datum_t got = {NULL, 0};
	int fd = client_socket(false);
	gnutls_session_t s = session(name_last ? NULL : name, 0);

	CHECK(!gnutls_alpn_set_protocols(s, p, 2, 0));
	if (name_last)
		gnutls_server_name_set(s, GNUTLS_NAME_DNS, name, strlen(name));
	gnutls_transport_set_int(s, fd);
	CHECK(!shake(s, fd));
	CHECK(!gnutls_alpn_get_selected_protocol(s, &got));
	CHECK(got.size == strlen(want) && !memcmp(got.data, want, got.size));
	end(s, fd);
	return 0;
}

static int alpn(void)
{
	const char *guarded = preloaded ? "http/1.1" : "h2";

	CHECK(!alpn_of("localhost", false, guarded));
	CHECK(!alpn_of("localhost", true, guarded));
	CHECK(!alpn_of("other.test", false, "h2"));
	CHECK(!alpn_of("other.test", true, "h2"));
	return 0;
}

/* One thread reads, one writes. */
static void *reader(void *arg)
{
	static char out[1024];

	return answer(arg, -1, out, sizeof(out)) > 0 ? out : NULL;
}

static int two_threads(void)
{
	int fd = client_socket(false), i;
	gnutls_session_t s = connected(fd, "localhost");
	static const char req[] = REQ("", 100000);
	char *body = calloc(1, 100000);
	void *out = NULL;
	size_t at;
	ssize_t r;
	pthread_t t;

	CHECK(s);
	memset(body, 'z', 100000);
	for (i = 0; i < 20; i++) {
		CHECK(!pthread_create(&t, NULL, reader, s));
		CHECK(gnutls_record_send(s, req, sizeof(req) - 1) > 0);
		for (at = 0; at < 100000; at += (size_t)r) {
			r = gnutls_record_send(s, body + at, 100000 - at);
			CHECK(r > 0);
		}
		pthread_join(t, &out);
		CHECK(out && says(out, body, 100000));
	}
	CHECK(peer.requests == 20);
	free(body);
	end(s, fd);
	return 0;
}

/* Addresses come again; each session starts anew. */
static int many(void)
{
	gnutls_session_t all[300], s;
	char out[1024];
	int i, fd;

	for (i = 0; i < 300; i++)
		CHECK((all[i] = session(i & 1 ? "localhost" : NULL, 0)));
	for (i = 0; i < 300; i++)
		gnutls_deinit(all[i]);
	for (i = 0; i < 20; i++) {
		fd = client_socket(false);
		CHECK((s = connected(fd, i & 1 ? "localhost" : "x.test")));
		CHECK(gnutls_record_send(s, REQ("", 1) "x",
					 strlen(REQ("", 1) "x")) > 0);
		CHECK(answer(s, fd, out, sizeof(out)) > 0);
		end(s, fd);
	}
	CHECK(peer.requests == 20);
	return 0;
}

/* A request that never became whole leaves before the end. */
static int cut_short(void)
{
	int fd = client_socket(false), i;
	gnutls_session_t s = connected(fd, "localhost");

	CHECK(s);
	CHECK(gnutls_record_send(s, REQ("", 50) "abc",
				 strlen(REQ("", 50) "abc")) > 0);
	CHECK(gnutls_bye(s, GNUTLS_SHUT_WR) == 0);
	for (i = 0; i < 200 && peer.body < 3; i++)
		usleep(10000);
	CHECK(peer.requests == 1 && peer.body == 3);
	gnutls_deinit(s);
	close(fd);
	return 0;
}

/* A child that only drops its copy says nothing to the peer. */
static int forked(void)
{
	int fd = client_socket(false), status = 1;
	gnutls_session_t s = connected(fd, "localhost");
	char out[1024];
	pid_t pid;

	CHECK(s);
	CHECK(gnutls_record_send(s, REQ("", 2), strlen(REQ("", 2))) > 0);
	pid = fork();
	if (!pid) {
		gnutls_deinit(s);
		s = connected(client_socket(false), "localhost");
		if (!s ||
		    gnutls_record_send(s, REQ("", 1) "c",
				       strlen(REQ("", 1) "c")) <= 0 ||
		    answer(s, -1, out, sizeof(out)) <= 0 || !says(out, "c", 1))
			_exit(1);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(gnutls_record_send(s, "hi", 2) == 2);
	CHECK(answer(s, fd, out, sizeof(out)) > 0 && says(out, "hi", 2));
	CHECK(peer.requests == 2);
	end(s, fd);
	return 0;
}

/* Early data to a guarded host goes as ordinary data, by the program. */
static int early(void)
{
	int fd = client_socket(false);
	gnutls_session_t s = session("localhost", GNUTLS_ENABLE_EARLY_DATA);
	static const char req[] = REQ(BLOCK, 0);
	gnutls_datum_t ticket;
	char out[1024];

	gnutls_transport_set_int(s, fd);
	CHECK(!shake(s, fd));
	CHECK(gnutls_record_send(s, REQ("", 0), strlen(REQ("", 0))) > 0);
	CHECK(answer(s, fd, out, sizeof(out)) > 0);
	CHECK(!gnutls_session_get_data2(s, &ticket));
	end(s, fd);
	fd = client_socket(false);
	s = session("localhost", GNUTLS_ENABLE_EARLY_DATA);
	gnutls_transport_set_int(s, fd);
	CHECK(!gnutls_session_set_data(s, ticket.data, ticket.size));
	CHECK(gnutls_record_send_early_data(s, req, sizeof(req) - 1) == 0);
	CHECK(!shake(s, fd));
	CHECK(!(gnutls_session_get_flags(s) & GNUTLS_SFLAGS_EARLY_DATA));
	CHECK(gnutls_record_send(s, req, sizeof(req) - 1) > 0);
	CHECK(answer(s, fd, out, sizeof(out)) > 0 && strstr(out, "429"));
	CHECK(peer.requests == 1);
	gnutls_free(ticket.data);
	end(s, fd);
	return 0;
}

static const struct shim_case cases[] = {
	{"variants", variants, false},
	{"not_yet", not_yet, false},
	{"repeated_same", repeated_same, false},
	{"repeated_empty", repeated_empty, false},
	{"kept", kept, false},
	{"blocked", blocked, true},
	{"blocked_packet", blocked_packet, true},
	{"own_transport", own_transport, false},
	{"corked", corked, false},
	{"alpn", alpn, false},
	{"two_threads", two_threads, false},
	{"many", many, false},
	{"cut_short", cut_short, false},
	{"forked", forked, false},
	{"early", early, true},
};

int main(int argc, char **argv)
{
	return shim_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
