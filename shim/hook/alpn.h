#ifndef LG_HOOK_ALPN_H
#define LG_HOOK_ALPN_H

#include "hook/openssl.h"

/*
 * OpenSSL has no getter for the protocols that a client will offer, so the
 * lists are remembered as they are set.
 */
void lg_alpn_remember(struct lg_ssl *c, const unsigned char *p, unsigned len);
void lg_alpn_remember_ctx(struct lg_tls *t, SSL_CTX *ctx,
			  const unsigned char *p, unsigned len);
void lg_alpn_free(struct lg_alpn *a);
void lg_alpn_free_set(struct lg_alpn_set *set);
/* What a new SSL of this context will offer; lives as long as the context. */
const struct lg_alpn *lg_alpn_of_ctx(struct lg_tls *t, SSL_CTX *ctx);

/*
 * What is offered to a guarded host instead of list (at most 1024 bytes), into
 * out (room for len bytes). Returns its length; len: list as it is, also when
 * it is malformed. 0: nothing at all (http2: off, and the program speaks
 * nothing else).
 */
unsigned lg_alpn_for(struct lg_engine *e, const unsigned char *list,
		     unsigned len, unsigned char *out);

/*
 * Before the first handshake with a guarded host: offer HTTP/1.1 alone, when
 * the settings allow and the program offers it. Keeps errno, error queue.
 */
void lg_alpn_without_h2(struct lg_ssl *c);

#endif
