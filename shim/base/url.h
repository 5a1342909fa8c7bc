#ifndef LG_BASE_URL_H
#define LG_BASE_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * The address of a model server:
 *   http://HOST[:PORT][/PATH]   HOST a name, an IPv4 or a [IPv6] address
 *   https://HOST[:PORT][/PATH]
 *   unix:/SOCKET[:/PATH]        the path of a socket of this machine
 */
#define LG_URL_MAX 127

struct lg_url {
	bool tls, local_socket;
	uint16_t port;
	struct lg_slice host; /* without brackets; the socket's path */
	struct lg_slice name; /* as a Host field names it, with its port */
	struct lg_slice path; /* "" or begins with '/', without its last '/' */
};

/*
 * The parts are borrowed from s. 0; -EINVAL with *why (what was allowed).
 * Any thread, no allocation.
 */
int lg_url_parse(struct lg_slice s, struct lg_url *out, const char **why);
/* Does it name this machine, by an address that no other one has? */
bool lg_url_is_loopback(const struct lg_url *u);

#endif
