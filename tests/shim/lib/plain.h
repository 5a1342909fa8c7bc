#ifndef LG_SHIM_LIB_PLAIN_H
#define LG_SHIM_LIB_PLAIN_H

#include <stddef.h>

/*
 * A plain HTTP server in a thread of the test, begun by the first dial. A POST
 * with Content-Length is read whole and answered with its length and sum;
 * whatever does not begin like one comes back as it is.
 */
struct plain_peer {
	_Atomic unsigned heads; /* that arrived */
	_Atomic size_t bytes;
};
extern struct plain_peer plain_peer;

/* A connected socket; libfake.so is told that its peer is to be guarded. */
int plain_dial(void);
int plain_dial_nonblocking(void);

#endif
