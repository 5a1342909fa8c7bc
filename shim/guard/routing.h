#ifndef LG_GUARD_ROUTING_H
#define LG_GUARD_ROUTING_H

#include "guard/exchange.h"

/*
 * Where a request goes, by its host and path: the route, and what of it stands
 * in the row. x->memo is the connection's: what a client repeats is looked up
 * once. One thread.
 */

/*
 * Sets x->route, quiet and head_request, and the row's host and endpoint. sni:
 * the connection's, empty where there is none; host: the field of the head.
 */
void lg_routing_find(struct lg_exchange *x, struct lg_slice sni,
		     struct lg_slice host, struct lg_slice method,
		     struct lg_slice target);
/* Sets the dialect that is read, and the row's provider, dialect and type. */
void lg_routing_name(struct lg_exchange *x);

#endif
