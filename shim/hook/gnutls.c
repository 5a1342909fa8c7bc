#include "hook/gnutls.h"

#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "base/log.h"
#include "base/mem.h"
#include "hook/local.h"
#include "hook/wakeup.h"

#define COPIES 4
#define SESSIONS_MAX 65536
#define CALL_MAX ((size_t)1 << 30)

static struct lg_gnutls copies[COPIES];
static struct lg_keyed_table sessions = {
	.size = sizeof(struct lg_session),
	.max = SESSIONS_MAX,
};

static void fill(struct lg_copy *copy, const struct lg_library *lib,
		 const void *caller)
{
	struct lg_gnutls *t = (struct lg_gnutls *)copy;
	bool whole = true;

#define MAYBE(type, name, params)                                              \
	t->name = (type(*) params)lg_library_find(lib, caller, #name);
#define NEEDED(type, name, params)                                             \
	MAYBE(type, name, params)                                              \
	whole = whole && t->name;
	LG_GNUTLS_FUNCTIONS(NEEDED, MAYBE, NEEDED, MAYBE)
#undef NEEDED
#undef MAYBE
	copy->whole = whole;
}

const struct lg_library lg_gnutls_library = {
	.file = "libgnutls",
	.probe = "gnutls_init",
	.fill = fill,
	.copies = copies,
	.size = sizeof(*copies),
	.ncopies = COPIES,
};

static struct lg_session *session_of(struct lg_conn *c)
{
	return (struct lg_session *)((char *)c -
				     offsetof(struct lg_session, conn));
}

struct lg_session *lg_session_get(gnutls_session_t s)
{
	return s ? lg_keyed_get(&sessions, s) : NULL;
}

/* Silence is never an answer. */
static void tell_unguarded(const char *why)
{
	static unsigned told;
	unsigned expect = 0;

	if (lg_load_relaxed(&told) || !lg_cas_seq(&told, &expect, 1))
		return;
	lg_log(LG_LOG_WARN, "tls_library_not_guarded",
	       (struct lg_log_kv[]){
		       {"library", LG_SLICE("libgnutls"), 0},
		       {"reason", lg_slice_str(why), 0},
	       },
	       2);
}

struct lg_session *lg_session_new(struct lg_gnutls *lib, gnutls_session_t s)
{
	struct lg_session *g = lg_session_get(s);

	/* freed behind our back, and its address was given out again */
	if (g)
		lg_session_del(g);
	if (!lib->copy.whole) {
		tell_unguarded("functions are missing");
		return NULL;
	}
	g = lg_keyed_take(&sessions, s);
	if (!g) {
		tell_unguarded("out of memory or too many sessions");
		return NULL;
	}
	lg_conn_init(&g->conn, &lg_gnutls_carrier, s);
	g->lib = lib;
	lg_keyed_show(g, s);
	return g;
}

void lg_session_del(struct lg_session *g)
{
	int err = errno;

	lg_conn_reset(&g->conn);
	lg_mem_free(g->saved, LG_GNUTLS_RECORD_MAX);
	lg_keyed_drop(&sessions, g);
	errno = err;
}

static size_t call_len(size_t n)
{
	return n < CALL_MAX ? n : CALL_MAX;
}

static int session_write(struct lg_conn *c, const void *p, size_t n)
{
	gnutls_session_t s = c->handle;
	struct lg_gnutls *t = session_of(c)->lib;

	return (int)LG_REAL(s, t->gnutls_record_send(s, p, call_len(n)));
}

static int session_read(struct lg_conn *c, void *p, size_t n)
{
	struct lg_session *g = session_of(c);
	gnutls_session_t s = c->handle;

	n = call_len(n);
	if (g->seq)
		return (int)LG_REAL(
			s, g->lib->gnutls_record_recv_seq(s, p, n, g->seq));
	return (int)LG_REAL(s, g->lib->gnutls_record_recv(s, p, n));
}

/* 0 is the end of the stream; alerts, rehandshakes and time-outs are not. */
static bool session_is_transient(struct lg_conn *c, int result)
{
	return result < 0 &&
	       (result == LG_GNUTLS_E_TIMEDOUT ||
		!session_of(c)->lib->gnutls_error_is_fatal(result));
}

static int session_say(struct lg_conn *c, enum lg_carrier_word word)
{
	(void)c;
	if (word == LG_SAY_CLOSED)
		return 0;
	errno = word == LG_SAY_BROKEN ? EPIPE : EAGAIN;
	return word == LG_SAY_BROKEN ? LG_GNUTLS_E_PUSH_ERROR
				     : LG_GNUTLS_E_AGAIN;
}

/* Servers and datagrams have no state. */
static enum lg_carrier_role session_role(struct lg_conn *c, bool client)
{
	(void)c, (void)client;
	return LG_ROLE_CLIENT;
}

static struct lg_slice session_host(struct lg_conn *c)
{
	struct lg_session *g = session_of(c);

	return (struct lg_slice){g->host, g->host_len};
}

static bool session_is_open(struct lg_conn *c)
{
	return session_of(c)->open;
}

static int session_handshake(struct lg_conn *c)
{
	(void)c;
	return LG_GNUTLS_E_UNAVAILABLE_DURING_HANDSHAKE;
}

/*
 * gnutls_transport_get_int gives whatever the program's own transport was
 * told, so only the descriptor that the ClientHello left on is believed.
 */
static int session_fd(struct lg_conn *c)
{
	return lg_wakeup_found(c);
}

/* As GnuTLS would: its reason stands in errno, if it says one at all. */
static int session_pull(struct lg_session *g, void *p, size_t n)
{
	void *from = NULL, *to = NULL;
	ssize_t r;

	g->lib->gnutls_transport_get_ptr2(g->conn.handle, &from, &to);
	errno = 0;
	r = g->pull(from, p, n);
	if (r >= 0)
		return (int)r;
	return errno == ECONNRESET || errno == EPIPE || errno == EBADF ? 0 : -1;
}

/*
 * From the descriptor only where the library itself reads there: a program
 * that does so for it may have taken the bytes already and gives them.
 */
static int session_below(struct lg_conn *c, void *p, size_t n)
{
	struct lg_session *g = session_of(c);
	struct lg_gnutls *t = g->lib;
	int fd = session_fd(c);

	if (fd >= 0 && g->pull && t->gnutls_transport_get_ptr2)
		return n ? session_pull(g, p, call_len(n)) : -1;
	if (fd < 0 || !t->gnutls_transport_get_int ||
	    t->gnutls_transport_get_int(c->handle) != fd)
		return 0;
	return n ? lg_local_recv(fd, p, n) : -1;
}

static bool session_random(struct lg_conn *c, unsigned char *out)
{
	struct lg_datum client = {NULL, 0};

	session_of(c)->lib->gnutls_session_get_random(c->handle, &client, NULL);
	if (!client.data || client.size != LG_CARRIER_RANDOM_LEN)
		return false;
	memcpy(out, client.data, LG_CARRIER_RANDOM_LEN);
	return true;
}

/* A record at most is taken at a time, and that one whole. */
static bool session_is_partial(struct lg_conn *c)
{
	(void)c;
	return false;
}

static void session_ask(struct lg_conn *c, const void *p, size_t n)
{
	int err = errno;

	(void)session_write(c, p, n);
	errno = err;
}

const struct lg_carrier lg_gnutls_carrier = {
	.write = session_write,
	.read = session_read,
	.is_transient = session_is_transient,
	.say = session_say,
	.role = session_role,
	.host = session_host,
	.is_open = session_is_open,
	.handshake = session_handshake,
	.fd = session_fd,
	.random = session_random,
	.is_partial = session_is_partial,
	.below = session_below,
	.ask = session_ask,
};
