#include <errno.h>

#include "base/atomic.h"
#include "base/log.h"
#include "hook/alpn.h"
#include "hook/hook.h"
#include "hook/io.h"
#include "hook/openssl.h"

/* Settings, prices and region are opened now: a sandbox may come later. */
SSL_CTX *hook_SSL_CTX_new(const void *pc, const SSL_METHOD *m)
{
	struct lg_tls *t = lg_tls_of(pc);

	if (LG_UNLIKELY(!t || !t->SSL_CTX_new))
		return NULL;
	(void)lg_conn_engine();
	return t->SSL_CTX_new(m);
}

/* Silence is never an answer: a copy that cannot be guarded is named once. */
static void tell_unguarded(struct lg_tls *t)
{
	unsigned expect = 0;

	if (lg_load_relaxed(&t->told) || !lg_cas_seq(&t->told, &expect, 1))
		return;
	lg_log(LG_LOG_WARN, "tls_library_not_guarded",
	       &(struct lg_log_kv){"library", lg_slice_str(lg_tls_name(t)), 0},
	       1);
}

SSL *hook_SSL_new(const void *pc, SSL_CTX *ctx)
{
	struct lg_tls *t = lg_tls_of(pc);
	SSL *s;

	if (LG_UNLIKELY(!t || !t->SSL_new))
		return NULL;
	s = t->SSL_new(ctx);
	if (s && lg_conn_engine() && !lg_ssl_make(t, s) && !lg_ssl_indexed(t))
		tell_unguarded(t);
	return s;
}

int hook_SSL_CTX_set_alpn_protos(const void *pc, SSL_CTX *ctx,
				 const unsigned char *p, unsigned int len)
{
	struct lg_tls *t = lg_tls_of(pc);
	int r;

	if (LG_UNLIKELY(!t || !t->SSL_CTX_set_alpn_protos))
		return 1;
	r = t->SSL_CTX_set_alpn_protos(ctx, p, len);
	if (!r && ctx)
		lg_alpn_remember_ctx(t, ctx, p, len);
	return r;
}

int hook_SSL_set_alpn_protos(const void *pc, SSL *s, const unsigned char *p,
			     unsigned int len)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_ssl *c;
	int r;

	if (LG_UNLIKELY(!t || !t->SSL_set_alpn_protos))
		return 1;
	r = t->SSL_set_alpn_protos(s, p, len);
	c = r ? NULL : lg_ssl_make(t, s);
	if (c)
		lg_alpn_remember(c, p, len);
	return r;
}

/* An SSL is counted: its state goes when its ex_data does, not here. */
void hook_SSL_free(const void *pc, SSL *s)
{
	struct lg_tls *t = lg_tls_of(pc);

	if (t && t->SSL_free)
		t->SSL_free(s);
}

/* Each handshake begins with a SSL_clear of libssl's own. */
static bool is_own_clear(const struct lg_ssl *c, struct lg_tls *t, const SSL *s,
			 const void *pc)
{
	return lg_is_inside(s) || (!c->conn.handshaken && lg_tls_is_own(t, pc));
}

int hook_SSL_clear(const void *pc, SSL *s)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_ssl *c;
	int r;

	if (LG_UNLIKELY(!t || !t->SSL_clear))
		return 0;
	r = t->SSL_clear(s);
	c = lg_ssl_get(t, s);
	if (r && c && !is_own_clear(c, t, s, pc) && lg_conn_lock(&c->conn)) {
		lg_ssl_reset(c);
		lg_conn_unlock(&c->conn);
	}
	return r;
}

/*
 * A connection begins anew on an SSL that had one: without SSL_clear (libssl
 * does that in the handshake) this is what tells.
 */
static void restart(struct lg_tls *t, SSL *s, void (*real)(SSL *))
{
	struct lg_ssl *c = lg_is_inside(s) ? NULL : lg_ssl_get(t, s);

	real(s);
	if (!c || c->conn.mode == LG_CONN_NEW || !lg_conn_lock(&c->conn))
		return;
	lg_ssl_reset(c);
	lg_conn_unlock(&c->conn);
}

void hook_SSL_set_connect_state(const void *pc, SSL *s)
{
	struct lg_tls *t = lg_tls_of(pc);

	if (t && t->SSL_set_connect_state)
		restart(t, s, t->SSL_set_connect_state);
}

void hook_SSL_set_accept_state(const void *pc, SSL *s)
{
	struct lg_tls *t = lg_tls_of(pc);

	if (t && t->SSL_set_accept_state)
		restart(t, s, t->SSL_set_accept_state);
}

static int handshake(struct lg_tls *t, const void *pc, SSL *s,
		     int (*real)(SSL *), bool client)
{
	struct lg_ssl *c = lg_is_inner(t, s, pc) ? NULL : lg_ssl_make(t, s);
	int r;

	if (LG_LIKELY(!c || c->conn.mode == LG_CONN_PASS))
		return real(s);
	lg_store_relaxed(&c->fake_error, 0);
	lg_conn_before_handshake(&c->conn, client);
	r = LG_REAL_OF(t, s, real(s));
	lg_conn_after_handshake(&c->conn);
	return r;
}

int hook_SSL_connect(const void *pc, SSL *s)
{
	struct lg_tls *t = lg_tls_of(pc);

	if (LG_UNLIKELY(!t || !t->SSL_connect))
		return -1;
	return handshake(t, pc, s, t->SSL_connect, true);
}

int hook_SSL_do_handshake(const void *pc, SSL *s)
{
	struct lg_tls *t = lg_tls_of(pc);

	if (LG_UNLIKELY(!t || !t->SSL_do_handshake))
		return -1;
	return handshake(t, pc, s, t->SSL_do_handshake, false);
}

/* What is held incomplete would have left long ago: it goes before the end. */
int hook_SSL_shutdown(const void *pc, SSL *s)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_ssl *c;

	if (LG_UNLIKELY(!t || !t->SSL_shutdown))
		return -1;
	c = lg_is_inner(t, s, pc) ? NULL : lg_ssl_get(t, s);
	if (LG_LIKELY(!c || !c->conn.flow))
		return t->SSL_shutdown(s);
	if (lg_conn_lock(&c->conn)) {
		lg_store_relaxed(&c->fake_error, 0);
		/* after an answer of ours the peer counts as closed */
		if (lg_io_end(&c->conn))
			t->SSL_set_shutdown(s,
					    t->SSL_get_shutdown(s) |
						    LG_SSL_RECEIVED_SHUTDOWN);
		/* what is below is no TLS any more */
		if (c->conn.relayed)
			t->SSL_set_shutdown(s, LG_SSL_RECEIVED_SHUTDOWN |
						       LG_SSL_SENT_SHUTDOWN);
		/* a write on a socket that is shut would be a SIGPIPE */
		if (c->conn.stopped)
			t->SSL_set_shutdown(s, t->SSL_get_shutdown(s) |
						       LG_SSL_SENT_SHUTDOWN);
		lg_conn_unlock(&c->conn);
	}
	return LG_REAL_OF(t, s, t->SSL_shutdown(s));
}

int lg_ssl_error(struct lg_tls *t, const SSL *s, int ret)
{
	struct lg_ssl *c = ret <= 0 ? lg_ssl_get(t, s) : NULL;
	int fake = c ? lg_load_relaxed(&c->fake_error) : 0;

	return fake ? fake : t->SSL_get_error(s, ret);
}

int hook_SSL_get_error(const void *pc, const SSL *s, int ret)
{
	struct lg_tls *t = lg_tls_of(pc);

	if (LG_UNLIKELY(!t || !t->SSL_get_error))
		return ret > 0 ? LG_SSL_ERROR_NONE : LG_SSL_ERROR_SSL;
	if (lg_is_inner(t, s, pc))
		return t->SSL_get_error(s, ret);
	return lg_ssl_error(t, s, ret);
}
