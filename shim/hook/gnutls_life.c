#include <errno.h>
#include <string.h>

#include "hook/alpn.h"
#include "hook/gnutls.h"
#include "hook/io.h"

#define NAMES_MAX 8 /* ALPN: what GnuTLS takes */
#define NAME_LEN 32

/* Settings, prices and region are opened now: a sandbox may come later. */
int hook_gnutls_init(const void *pc, gnutls_session_t *s, unsigned flags)
{
	struct lg_gnutls *t = lg_gnutls_of(pc);
	int r;

	if (LG_UNLIKELY(!t || !t->gnutls_init))
		return LG_GNUTLS_E_MEMORY_ERROR;
	r = t->gnutls_init(s, flags);
	if (!r && !(flags & (LG_GNUTLS_SERVER | LG_GNUTLS_DATAGRAM)) &&
	    lg_conn_engine())
		(void)lg_session_new(t, *s);
	return r;
}

/* Its state goes first: the address may be given out again at once. */
void hook_gnutls_deinit(const void *pc, gnutls_session_t s)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);

	if (g)
		lg_session_del(g);
	if (t && t->gnutls_deinit)
		t->gnutls_deinit(s);
}

void hook_gnutls_transport_set_pull_function(const void *pc, gnutls_session_t s,
					     lg_gnutls_pull_fn *pull)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);

	if (t && t->gnutls_transport_set_pull_function)
		t->gnutls_transport_set_pull_function(s, pull);
	if (g)
		g->pull = pull;
}

int hook_gnutls_server_name_set(const void *pc, gnutls_session_t s, int type,
				const void *name, size_t len)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);
	int r;

	if (LG_UNLIKELY(!t || !t->gnutls_server_name_set))
		return LG_GNUTLS_E_INVALID_REQUEST;
	r = t->gnutls_server_name_set(s, type, name, len);
	if (r || !g || type != LG_GNUTLS_NAME_DNS || len > sizeof(g->host))
		return r;
	if (len)
		memcpy(g->host, name, len);
	g->host_len = (uint16_t)len;
	return 0;
}

/* To the wire's form. 0: not what GnuTLS takes. */
static unsigned pack(unsigned char *out, const struct lg_datum *p, unsigned n)
{
	unsigned i, len = 0;

	if (!p || n > NAMES_MAX)
		return 0;
	for (i = 0; i < n; i++) {
		if (!p[i].size || p[i].size >= NAME_LEN || !p[i].data)
			return 0;
		out[len++] = (unsigned char)p[i].size;
		memcpy(out + len, p[i].data, p[i].size);
		len += p[i].size;
	}
	return len;
}

static int tell_alpn(struct lg_session *g, unsigned char *list, unsigned len)
{
	struct lg_datum p[NAMES_MAX];
	unsigned i, n = 0;

	for (i = 0; i < len && n < NAMES_MAX; i += list[i] + 1u)
		p[n++] = (struct lg_datum){list + i + 1, list[i]};
	g->alpn_len = 0;
	return g->lib->gnutls_alpn_set_protocols(g->conn.handle, p, n,
						 g->alpn_flags);
}

/*
 * GnuTLS adds to a list rather than replace it, so ours cannot be set behind
 * the program's: a list waits until it is known whose connection it is for.
 */
static void settle_alpn(struct lg_session *g)
{
	unsigned char out[LG_GNUTLS_ALPN_MAX];
	struct lg_engine *e = lg_conn_engine();
	unsigned len = g->alpn_len;
	int err = errno;

	if (LG_LIKELY(!len))
		return;
	g->alpn_len = 0;
	if (g->conn.mode == LG_CONN_GUARDED && e)
		len = lg_alpn_for(e, g->alpn, len, out);
	else
		memcpy(out, g->alpn, len);
	if (len)
		(void)tell_alpn(g, out, len);
	errno = err;
}

int hook_gnutls_alpn_set_protocols(const void *pc, gnutls_session_t s,
				   const struct lg_datum *p, unsigned n,
				   unsigned flags)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);
	unsigned len;

	if (LG_UNLIKELY(!t || !t->gnutls_alpn_set_protocols))
		return LG_GNUTLS_E_INVALID_REQUEST;
	if (!g || g->conn.begun)
		return t->gnutls_alpn_set_protocols(s, p, n, flags);
	settle_alpn(g);
	len = pack(g->alpn, p, n);
	if (!len)
		return t->gnutls_alpn_set_protocols(s, p, n, flags);
	g->alpn_len = (uint16_t)len;
	g->alpn_flags = flags;
	return 0;
}

int hook_gnutls_handshake(const void *pc, gnutls_session_t s)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);
	int r;

	if (LG_UNLIKELY(!t || !t->gnutls_handshake))
		return LG_GNUTLS_E_INVALID_REQUEST;
	if (LG_LIKELY(!g || g->open))
		return t->gnutls_handshake(s);
	lg_conn_before_handshake(&g->conn, true);
	settle_alpn(g);
	r = t->gnutls_handshake(s);
	if (!r) {
		g->open = true;
		lg_conn_after_handshake(&g->conn);
	}
	return r;
}

/*
 * After an answer of ours nothing comes from the peer any more: it is not
 * waited for. Nothing is written on a socket that is shut.
 */
int hook_gnutls_bye(const void *pc, gnutls_session_t s, int how)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);
	bool stopped;

	if (LG_UNLIKELY(!t || !t->gnutls_bye))
		return LG_GNUTLS_E_INVALID_REQUEST;
	if (!g || !g->conn.flow || !lg_conn_lock(&g->conn))
		return t->gnutls_bye(s, how);
	if (g->conn.flow && lg_io_end(&g->conn))
		how = LG_GNUTLS_SHUT_WR;
	stopped = g->conn.stopped;
	lg_conn_unlock(&g->conn);
	return stopped ? 0 : LG_REAL(s, t->gnutls_bye(s, how));
}
