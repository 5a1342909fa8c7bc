#include "bpf/enforce_state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/slice.h"

#define HOSTS_MAX 64
#define AGAIN_MS 3600000
#define GIVE_UP_MS 10000
#define HTTPS 443

/* -- connections --------------------------------------------------------------
 */

struct dial *dial_get(struct ward *t, const struct probe_conn_key *key,
		      bool create)
{
	struct dial *c = t->dials;

	while (c && c->key.ssl != key->ssl)
		c = c->next;
	if (c || !create)
		return c;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->key = *key;
	c->fd = -1;
	c->next = t->dials;
	t->dials = c;
	return c;
}

void dial_drop(struct ward *t, uint64_t ssl)
{
	struct dial **at = &t->dials, *c;

	while ((c = *at) && c->key.ssl != ssl)
		at = &c->next;
	if (!c)
		return;
	*at = c->next;
	free(c);
}

void dials_free(struct ward *t)
{
	while (t->dials)
		dial_drop(t, t->dials->key.ssl);
}

static bool is_https(void *arg, const struct connect_peer *peer)
{
	(void)arg;
	return ntohs((uint16_t)peer->port) == HTTPS;
}

/*
 * Programs that move TLS's bytes themselves do not tell OpenSSL a descriptor:
 * then it is the one peer of all their connections, or of those to port 443.
 */
void dial_learn_peer(struct enforce *e, struct ward *t, struct dial *c)
{
	if (c->fd >= 0)
		c->has_peer = !rung_peer_of(&t->whom, c->fd, &c->peer);
	if (!c->has_peer)
		c->has_peer = !rung_only_peer(&t->whom, NULL, NULL, &c->peer);
	if (!c->has_peer)
		c->has_peer =
			!rung_only_peer(&t->whom, is_https, NULL, &c->peer);
	if (c->has_peer && e->deny)
		rung_deny_peer(e->deny, &c->peer);
}

/* A descriptor may be another socket's by now. */
static bool is_its_fd(const struct ward *t, const struct dial *c)
{
	struct connect_peer peer;

	return c->fd >= 0 && c->has_peer &&
	       !rung_peer_of(&t->whom, c->fd, &peer) &&
	       !memcmp(&peer, &c->peer, sizeof(peer));
}

static bool is_alone(const struct ward *t, const struct dial *c)
{
	for (const struct dial *d = t->dials; d; d = d->next)
		if (d != c && d->call[0])
			return false;
	return true;
}

int dial_reset(struct ward *t, struct dial *c, bool others_too)
{
	int n = -ENOTCONN;

	if (is_its_fd(t, c))
		n = rung_reset_fd(&t->whom, c->fd);
	else if (c->has_peer && (others_too || is_alone(t, c)))
		n = rung_reset_peer(&t->whom, &c->peer);
	return n > 0 ? 0 : n ? n : -ENOTCONN;
}

/* -- names ------------------------------------------------------------------
 */

/* The resolver may block for long, so it does in a child. */
struct resolver {
	struct {
		char name[96];
		int64_t asked_ms;
	} host[HOSTS_MAX];
	unsigned nhosts;
	pid_t child; /* 0: none */
	int pipe;
	int64_t since_ms;
};

struct resolver *resolver_new(void)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r)
		r->pipe = -1;
	return r;
}

static void end_child(struct resolver *r)
{
	if (!r->child)
		return;
	kill(r->child, SIGKILL);
	waitpid(r->child, NULL, 0);
	close(r->pipe);
	r->child = 0;
	r->pipe = -1;
}

void resolver_del(struct resolver *r)
{
	if (r)
		end_child(r);
	free(r);
}

void resolver_ask(struct resolver *r, const char *host)
{
	if (!r || !host[0] || r->nhosts == HOSTS_MAX)
		return;
	for (unsigned i = 0; i < r->nhosts; i++)
		if (!strcmp(r->host[i].name, host))
			return;
	lg_slice_copy(lg_slice_str(host), r->host[r->nhosts].name,
		      sizeof(r->host[0].name));
	r->nhosts++;
}

static void tell_all(const struct addrinfo *ai, int to)
{
	for (; ai; ai = ai->ai_next) {
		const struct sockaddr_in *in = (const void *)ai->ai_addr;
		const struct sockaddr_in6 *in6 = (const void *)ai->ai_addr;
		struct connect_peer p = {.port = htons(HTTPS)};

		if (ai->ai_family == AF_INET) {
			p.addr[2] = htonl(0xffff);
			p.addr[3] = in->sin_addr.s_addr;
		} else {
			memcpy(p.addr, &in6->sin6_addr, 16);
		}
		if (write(to, &p, sizeof(p)) != sizeof(p))
			return;
	}
}

static _Noreturn void resolve(const struct resolver *r, int to, int64_t now)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *ai;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < r->nhosts; i++) {
		if (r->host[i].asked_ms != now ||
		    getaddrinfo(r->host[i].name, NULL, &hints, &ai))
			continue;
		tell_all(ai, to);
		freeaddrinfo(ai);
	}
	_exit(0);
}

static void start_child(struct resolver *r)
{
	int64_t now = lg_clock_boot_ns() / 1000000;
	bool due = false;
	int fds[2];

	for (unsigned i = 0; i < r->nhosts; i++) {
		if (r->host[i].asked_ms && now - r->host[i].asked_ms < AGAIN_MS)
			continue;
		r->host[i].asked_ms = now;
		due = true;
	}
	if (!due || pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return;
	r->child = fork();
	if (!r->child)
		resolve(r, fds[1], now);
	close(fds[1]);
	r->pipe = fds[0];
	r->since_ms = now;
	if (r->child < 0) {
		r->child = 0;
		close(fds[0]);
	}
}

void resolver_poll(struct resolver *r,
		   void (*fn)(void *arg, const struct connect_peer *peer),
		   void *arg)
{
	struct connect_peer p;
	ssize_t n;

	if (!r)
		return;
	if (!r->child)
		start_child(r);
	if (!r->child)
		return;
	while ((n = read(r->pipe, &p, sizeof(p))) == sizeof(p))
		fn(arg, &p);
	if (!n || lg_clock_boot_ns() / 1000000 - r->since_ms > GIVE_UP_MS)
		end_child(r);
}
