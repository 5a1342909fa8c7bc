#ifndef LG_SHIM_LIB_GNUTLS_H
#define LG_SHIM_LIB_GNUTLS_H

#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/shim/lib/peer.h"

/*
 * A GnuTLS client of the peer. All inline: only the tests over GnuTLS are
 * linked with it.
 */
#define REQ(more, n)                                                           \
	"POST /a HTTP/1.1\r\nHost: localhost\r\n" more "Content-Length: " #n   \
	"\r\n\r\n"
#define BLOCK "x-fake: block\r\n"

static gnutls_certificate_credentials_t cred;

static inline gnutls_session_t session(const char *name, unsigned flags)
{
	gnutls_session_t s = NULL;

	if (!cred)
		gnutls_certificate_allocate_credentials(&cred);
	if (gnutls_init(&s, GNUTLS_CLIENT | flags))
		return NULL;
	gnutls_set_default_priority(s);
	gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, cred);
	if (name)
		gnutls_server_name_set(s, GNUTLS_NAME_DNS, name, strlen(name));
	return s;
}

static inline bool wait_for(gnutls_session_t s, int fd)
{
	struct pollfd p = {.fd = fd};

	p.events = gnutls_record_get_direction(s) ? POLLOUT : POLLIN;
	return poll(&p, 1, 10000) == 1;
}

static inline bool again(ssize_t r)
{
	return r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED;
}

static inline int shake(gnutls_session_t s, int fd)
{
	int r;

	while ((r = gnutls_handshake(s)) && !gnutls_error_is_fatal(r))
		if (again(r) && !wait_for(s, fd))
			return -1;
	return r;
}

static inline gnutls_session_t connected(int fd, const char *name)
{
	gnutls_session_t s = session(name, 0);

	gnutls_transport_set_int(s, fd);
	return shake(s, fd) ? NULL : s;
}

static inline void end(gnutls_session_t s, int fd)
{
	gnutls_bye(s, GNUTLS_SHUT_WR);
	gnutls_deinit(s);
	close(fd);
}

static inline bool is_whole(const char *out, size_t n)
{
	const char *e = strstr(out, "\r\n\r\n");
	const char *cl = strstr(out, "Content-Length: ");

	return e && cl &&
	       n >= (size_t)(e - out) + 4 + strtoul(cl + 16, NULL, 10);
}

static inline int answer(gnutls_session_t s, int fd, char *out, size_t cap)
{
	size_t n = 0;
	ssize_t r;

	out[0] = '\0';
	while (n < cap - 1 && !is_whole(out, n)) {
		r = gnutls_record_recv(s, out + n, cap - 1 - n);
		if (again(r) && (fd < 0 || wait_for(s, fd)))
			continue; /* blocking: that was a ticket */
		if (r <= 0)
			return -1;
		n += (size_t)r;
		out[n] = '\0';
	}
	return (int)n;
}

static inline bool says(const char *out, const char *body, size_t n)
{
	char want[64];

	snprintf(want, sizeof(want), "got %zu %u", n, peer_sum(0, body, n));
	return strstr(out, want);
}

#endif
