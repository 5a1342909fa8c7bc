#ifndef LG_WIRE_HELLO_H
#define LG_WIRE_HELLO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/*
 * The first bytes that a connection sends. All of it is untrusted and may be
 * cut. Async-signal-safe.
 */

/* A TLS handshake record with a ClientHello (RFC 8446 4.1.2 and 5.1). */
bool lg_hello_is_tls(const void *p, size_t n);
/* An HTTP/1 request line, or HTTP/2's preface. */
bool lg_hello_is_http(const void *p, size_t n);
/*
 * The server name that a ClientHello asks for (RFC 6066 3), borrowed. False:
 * it asks for none, or the bytes end before it.
 */
bool lg_hello_name(const void *p, size_t n, struct lg_slice *out);

#endif
