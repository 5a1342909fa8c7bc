#ifndef LG_HOOK_LOCAL_TLS_H
#define LG_HOOK_LOCAL_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guard/local.h"
#include "hook/resolve.h"

/*
 * TLS to a model server of the user's own, by the program's copy of libssl:
 * its real functions alone, a context of our own, memory for both ways. The
 * bytes are moved by whoever calls, so it is the same whether the program
 * reads from a descriptor or moves them itself. Needs that copy's stack and
 * heap. One thread per object. Leaves nothing in the copy's error queue.
 */
struct lg_local_tls;

/*
 * A client for this server; certificates are read now. NULL, and why: this
 * copy lacks a function, no memory, the file of certificates cannot be read.
 */
struct lg_local_tls *lg_local_tls_new(struct lg_tls *t,
				      const struct lg_local_server *to,
				      const char **why);
/*
 * The handshake on this socket (which does not block), at most ms. NULL: the
 * server is who it should be; else why not.
 */
const char *lg_local_tls_connect(struct lg_local_tls *l, int fd, int ms);
/* All of s goes out; false: the server took nothing for stall_ms. */
bool lg_local_tls_send(struct lg_local_tls *l, int fd, struct lg_slice s,
		       int stall_ms);

/* Bytes that arrived, once the program has the socket. */
void lg_local_tls_feed(struct lg_local_tls *l, const char *p, size_t n);
/* What they said: its length; 0 the end, also a broken one; less: no more. */
int lg_local_tls_read(struct lg_local_tls *l, void *p, size_t n);
/* What TLS itself has to answer to that; never blocks. */
void lg_local_tls_answer(struct lg_local_tls *l, int fd);
/* Of the socket's bytes, those that were fed or read here. */
uint64_t lg_local_tls_got(const struct lg_local_tls *l);

/* NULL is accepted. Sends nothing. */
void lg_local_tls_del(struct lg_local_tls *l);

#endif
