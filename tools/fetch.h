#ifndef LG_TOOLS_FETCH_H
#define LG_TOOLS_FETCH_H

#include "base/buf.h"

/*
 * A file from the network, by libcurl: TLS with the system's certificates (or
 * SSL_CERT_FILE's), at most 5 redirects that never leave https, 20 s to
 * connect and 120 s in all. libcurl is loaded at the first call: it would cost
 * every other command 10 ms.
 */
#define FETCH_MAX ((size_t)32 << 20)

/*
 * The body into out (FETCH_MAX or less, decoded). http:// is taken too where
 * insecure_ok. 0; -errno with why[] filled.
 */
int fetch(const char *url, bool insecure_ok, struct lg_buf *out, char why[256]);

#endif
