#ifndef LG_GUARD_PLAIN_H
#define LG_GUARD_PLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "guard/engine.h"

/*
 * Plain HTTP to hosts that the config names (plain_http:). What these tell
 * is of now: a config that is changed counts for the next connection.
 */
enum lg_plain_how {
	LG_PLAIN_NO,
	LG_PLAIN_LOOK, /* names are configured: the Host field decides */
	LG_PLAIN_YES,
};

struct lg_plain_peer {
	uint8_t addr[16]; /* IPv4 in IPv6's form (::ffff:1.2.3.4) */
	uint16_t port;
};

/* What is to be done with a connection to this peer? Any thread. */
enum lg_plain_how lg_plain_of(struct lg_engine *e,
			      const struct lg_plain_peer *p);
/*
 * Is a request with this Host field on such a connection one of them? Port 0:
 * on any connection?
 */
bool lg_plain_names(struct lg_engine *e, struct lg_slice host, uint16_t port);

#endif
