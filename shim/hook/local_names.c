#include "hook/local_names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/hash.h"
#include "hook/local_dial.h"

#define SERVERS 3
#define SEARCH 6
#define CONF_MAX 2048
#define WORDS 512 /* of the search list */
#define TRY_MS 400
#define KNOWN 8
#define KNOWN_NS INT64_C(60000000000)
#define NONE_NS INT64_C(5000000000)

union server {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* resolv.conf(5) */
struct conf {
	union server server[SERVERS];
	unsigned nservers, nsearch, ndots;
	struct lg_slice search[SEARCH];
	char words[WORDS];
};

/* -- what is known --------------------------------------------------------- */

/* Held for a copy; whoever does not get it, does without. */
static unsigned busy;
static struct known {
	struct lg_hash128 host;
	int64_t until_ns;
	struct lg_names names;
} known[KNOWN];

static bool enter(void)
{
	unsigned free = 0;

	return lg_cas_seq(&busy, &free, 1);
}

static void leave(void)
{
	lg_store_release(&busy, 0);
}

static bool recall(struct lg_hash128 host, struct lg_names *out)
{
	const struct known *k = &known[host.a % KNOWN];
	bool yes;

	if (!enter())
		return false;
	yes = k->host.a == host.a && k->host.b == host.b &&
	      lg_clock_boot_ns() < k->until_ns;
	if (yes)
		*out = k->names;
	leave();
	return yes;
}

static void keep(struct lg_hash128 host, const struct lg_names *names)
{
	struct known *k = &known[host.a % KNOWN];

	if (!enter())
		return;
	k->host = host;
	k->until_ns = lg_clock_boot_ns() + (names->n ? KNOWN_NS : NONE_NS);
	k->names = *names;
	leave();
}

/* -- resolv.conf ----------------------------------------------------------- */

static struct lg_slice word_of(struct lg_slice *line)
{
	struct lg_slice w;

	*line = lg_slice_trim(*line);
	w.p = line->p;
	for (w.len = 0; w.len < line->len && w.p[w.len] > ' '; w.len++)
		;
	line->p += w.len;
	line->len -= w.len;
	return w;
}

static void add_server(struct conf *c, struct lg_slice word)
{
	union server *s = &c->server[c->nservers];
	char text[64];

	if (c->nservers == SERVERS || !word.len || word.len >= sizeof(text))
		return;
	memcpy(text, word.p, word.len);
	text[word.len] = '\0';
	memset(s, 0, sizeof(*s));
	if (inet_pton(AF_INET, text, &s->v4.sin_addr) == 1) {
		s->v4.sin_family = AF_INET;
		s->v4.sin_port = htons(53);
		c->nservers++;
	} else if (inet_pton(AF_INET6, text, &s->v6.sin6_addr) == 1) {
		s->v6.sin6_family = AF_INET6;
		s->v6.sin6_port = htons(53);
		c->nservers++;
	}
}

/* The last such line counts. */
static void set_search(struct conf *c, struct lg_slice line)
{
	struct lg_slice w;
	size_t at = 0;

	c->nsearch = 0;
	while (c->nsearch < SEARCH && (w = word_of(&line)).len &&
	       w.len <= WORDS - at) {
		memcpy(c->words + at, w.p, w.len);
		c->search[c->nsearch].p = c->words + at;
		c->search[c->nsearch++].len = w.len;
		at += w.len;
	}
}

static void set_options(struct conf *c, struct lg_slice line)
{
	struct lg_slice w;
	uint64_t n;

	while ((w = word_of(&line)).len) {
		if (!lg_slice_starts(w, LG_SLICE("ndots:")))
			continue;
		w.p += 6;
		w.len -= 6;
		if (!lg_slice_u64(w, &n))
			c->ndots = n < 15 ? (unsigned)n : 15;
	}
}

static void read_line(struct conf *c, struct lg_slice line)
{
	struct lg_slice key = word_of(&line);

	if (lg_slice_eq(key, LG_SLICE("nameserver")))
		add_server(c, word_of(&line));
	else if (lg_slice_eq(key, LG_SLICE("search")) ||
		 lg_slice_eq(key, LG_SLICE("domain")))
		set_search(c, line);
	else if (lg_slice_eq(key, LG_SLICE("options")))
		set_options(c, line);
}

/* None, or no such file: libc asks this machine. */
static void read_conf(struct conf *c)
{
	char text[CONF_MAX];
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/etc/resolv.conf",
			      O_RDONLY | O_CLOEXEC);
	long n = fd < 0 ? 0 : syscall(SYS_read, fd, text, sizeof(text));
	struct lg_slice line, rest = {text, n > 0 ? (size_t)n : 0};

	c->nservers = c->nsearch = 0;
	c->ndots = 1;
	while (rest.len) {
		rest = lg_slice_cut(rest, '\n', &line);
		read_line(c, line);
	}
	if (fd >= 0)
		syscall(SYS_close, fd);
	if (!c->nservers)
		add_server(c, LG_SLICE("127.0.0.1"));
}

/* -- one question ---------------------------------------------------------- */

struct question {
	struct lg_slice name;
	int64_t end_ns;
	struct lg_names *out;
};

/* A and AAAA together; each answered, or not. */
struct pair {
	unsigned char q[2][LG_DNS_QUERY_MAX];
	size_t len[2];
	struct lg_dns_address a[2][LG_NAMES_MAX];
	unsigned n[2];
	bool open[2], failed;
};

static bool open_pair(struct pair *p, struct lg_slice name)
{
	static const unsigned type[2] = {LG_DNS_A, LG_DNS_AAAA};
	uint16_t id[2];

	if (syscall(SYS_getrandom, id, sizeof(id), 1) != sizeof(id))
		id[0] = id[1] = (uint16_t)(lg_clock_boot_ns() >> 4);
	id[1] = id[1] == id[0] ? id[1] ^ 1 : id[1];
	p->failed = false;
	for (unsigned i = 0; i < 2; i++) {
		p->len[i] = lg_dns_query(name, id[i], type[i], p->q[i]);
		p->open[i] = true;
		p->n[i] = 0;
	}
	return p->len[0];
}

static void hear(struct pair *p, int fd)
{
	unsigned char msg[LG_DNS_ANSWER_MAX];
	long n = syscall(SYS_recvfrom, fd, msg, sizeof(msg), MSG_DONTWAIT, NULL,
			 NULL);
	enum lg_dns_said said;

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		p->failed = true; /* nobody there: ICMP told */
	for (unsigned i = 0; i < 2 && n > 0; i++) {
		if (!p->open[i])
			continue;
		said = lg_dns_read(msg, (size_t)n, p->q[i], p->len[i], p->a[i],
				   LG_NAMES_MAX, &p->n[i]);
		p->open[i] = said == LG_DNS_OTHER;
		p->failed = p->failed || said == LG_DNS_FAILED;
	}
}

static void take(const struct pair *p, struct lg_names *out)
{
	for (unsigned i = 0; i < 2; i++)
		for (unsigned k = 0; k < p->n[i] && out->n < LG_NAMES_MAX; k++)
			out->a[out->n++] = p->a[i][k];
}

/* True: it is answered, with or without addresses. */
static bool ask_at(struct pair *p, const union server *s, int64_t end_ns)
{
	bool v4 = s->any.sa_family == AF_INET;
	int fd = lg_local_socket(s->any.sa_family, SOCK_DGRAM);
	int64_t try_end = lg_clock_boot_ns() + INT64_C(1000000) * TRY_MS;

	if (fd < 0)
		return false;
	try_end = try_end < end_ns ? try_end : end_ns;
	p->failed = syscall(SYS_connect, fd, &s->any,
			    v4 ? sizeof(s->v4) : sizeof(s->v6)) != 0;
	for (unsigned i = 0; i < 2; i++)
		if (!p->failed && p->open[i])
			syscall(SYS_sendto, fd, p->q[i], p->len[i],
				MSG_NOSIGNAL, NULL, 0);
	while (!p->failed && (p->open[0] || p->open[1]) &&
	       lg_local_wait(fd, false, try_end))
		hear(p, fd);
	syscall(SYS_close, fd);
	return !p->failed && !p->open[0] && !p->open[1];
}

static bool ask(const struct conf *c, struct question *q)
{
	struct pair p;

	if (!open_pair(&p, q->name))
		return false;
	for (unsigned i = 0; i < 2 * c->nservers; i++) {
		if (lg_clock_boot_ns() >= q->end_ns ||
		    ask_at(&p, &c->server[i % c->nservers], q->end_ns))
			break;
		/* half an answer is one, when the other half does not come */
		if (p.n[0] || p.n[1])
			break;
		p.open[0] = p.open[1] = true;
	}
	take(&p, q->out);
	return q->out->n;
}

/* -- names ----------------------------------------------------------------- */

static bool ask_below(const struct conf *c, struct question *q,
		      struct lg_slice host, struct lg_slice domain)
{
	char full[256];

	if (host.len + 1 + domain.len >= sizeof(full))
		return false;
	memcpy(full, host.p, host.len);
	full[host.len] = '.';
	memcpy(full + host.len + 1, domain.p, domain.len);
	q->name = (struct lg_slice){full, host.len + 1 + domain.len};
	return ask(c, q);
}

static bool ask_as_is(const struct conf *c, struct question *q,
		      struct lg_slice host)
{
	q->name = host;
	return ask(c, q);
}

static void find(const struct conf *c, struct question *q, struct lg_slice host)
{
	bool whole = host.p[host.len - 1] == '.';
	unsigned dots = 0;

	for (size_t i = 0; i < host.len; i++)
		dots += host.p[i] == '.';
	if ((whole || dots >= c->ndots) && ask_as_is(c, q, host))
		return;
	for (unsigned i = 0; !whole && i < c->nsearch; i++)
		if (ask_below(c, q, host, c->search[i]))
			return;
	if (!whole && dots < c->ndots)
		ask_as_is(c, q, host);
}

void lg_names_find(struct lg_slice host, int ms, struct lg_names *out)
{
	struct lg_hash128 id = lg_hash128(host.p, host.len, 53);
	struct question q = {
		.end_ns = lg_clock_boot_ns() + (int64_t)ms * 1000000,
		.out = out,
	};
	struct conf c;

	out->n = 0;
	if (!host.len || recall(id, out))
		return;
	read_conf(&c);
	find(&c, &q, host);
	keep(id, out);
}
