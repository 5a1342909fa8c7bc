#ifndef LG_HOOK_OPENSSL_H
#define LG_HOOK_OPENSSL_H

#include "hook/conn.h"
#include "hook/resolve.h"

/*
 * OpenSSL as a carrier. The state of an SSL lives in the SSL's own ex_data
 * slot of its own copy of libssl and goes with it.
 */
struct lg_alpn {
	struct lg_alpn *next;
	unsigned len;
	unsigned char list[]; /* wire format: length, name, ... */
};

/* The lists ever set on one SSL_CTX, in its ex_data. */
struct lg_alpn_set {
	struct lg_alpn *all;
	const struct lg_alpn *now; /* in force, or NULL */
};

struct lg_ssl {
	struct lg_conn conn; /* its handle is the SSL */
	struct lg_tls *tls;
	struct lg_alpn *alpn;		/* set on this SSL, or NULL */
	const struct lg_alpn *ctx_alpn; /* of its context at SSL_new */
	int fake_error; /* what SSL_get_error says next, 0: the truth */
	bool early;	/* early data went through the flow */
};

/* Our ex_data slots on this copy. False: nothing of it can be guarded. */
bool lg_ssl_indexed(struct lg_tls *t);

/*
 * The state of an SSL that may be guarded, or NULL: pass the call through.
 * get never creates.
 */
struct lg_ssl *lg_ssl_get(struct lg_tls *t, const SSL *s);
struct lg_ssl *lg_ssl_make(struct lg_tls *t, SSL *s);

/* Back to an SSL of which nothing is known (SSL_clear). */
void lg_ssl_reset(struct lg_ssl *c);

/* No byte of a handshake has left. BoringSSL does not say: it is not over. */
static inline bool lg_ssl_in_before(const struct lg_tls *t, const SSL *s)
{
	return t->SSL_in_before ? t->SSL_in_before(s)
				: !t->SSL_is_init_finished(s);
}

/* What SSL_get_error says about this result, with the guard's own word. */
int lg_ssl_error(struct lg_tls *t, const SSL *s, int ret);

/* Does libssl itself make this call, from inside a real call of ours? */
static inline bool lg_is_inner(struct lg_tls *t, const SSL *s, const void *pc)
{
	return lg_is_inside(s) && lg_tls_is_own(t, pc);
}

#endif
