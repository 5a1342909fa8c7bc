#ifndef LG_HOOK_LOCAL_H
#define LG_HOOK_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "guard/local.h"
#include "hook/conn.h"

/*
 * A request goes to a model server of the user's own: the hook connects,
 * writes it, and puts that connection in the place of the program's, under
 * the same descriptor. So nothing is kept besides, whatever waits for the
 * descriptor hears of the answer, and whatever closes it ends the exchange.
 * The provider's connection is closed; what the program still writes for it
 * (the end of a handshake, a close_notify) is dropped.
 */

/*
 * The flow's lg_local_send_fn; conn: a struct lg_conn. Waits for the
 * address and the connection (1 s each), a TLS handshake (2 s), and while the
 * server takes the request. Else NULL: nothing has changed, and why.
 */
const char *lg_local_send(void *conn, const struct lg_local_server *to,
			  struct lg_slice request);
/*
 * Read what the local server sends and tell it to the flow; buf: len bytes
 * of room, contents of no use afterwards. 1, or what the program's call
 * returns. Locked.
 */
int lg_local_read(struct lg_conn *c, char *buf, size_t len);
/*
 * As a carrier's below, from a descriptor; no hook sees it. May block where
 * the descriptor does.
 */
int lg_local_recv(int fd, void *p, size_t n);
/* The connection is nobody's any more: its descriptor may be another's. */
void lg_local_forget(struct lg_conn *c);

/* Descriptors that are relayed: 0 nearly always. */
extern unsigned lg_local_relayed;
/* Is this one of them: does a write on it go nowhere? Keeps errno. */
bool lg_local_swallows(int fd);

/*
 * Who waits for a descriptor by epoll, as told by /proc; remembered, taken
 * out, and put in again for the file that stands there then.
 */
#define LG_EPOLLS_MAX 16

struct lg_epolls {
	unsigned n;
	bool ring; /* the process has an io_uring */
	struct {
		int fd;
		uint32_t events;
		uint64_t data;
	} at[LG_EPOLLS_MAX];
};

/* Is fd waited for in this one? Then e->at[0] says how. */
bool lg_epolls_in(int ep, int fd, struct lg_epolls *e);
/* False: it cannot be told (no /proc, too many). */
bool lg_epolls_find(int fd, struct lg_epolls *e);
void lg_epolls_drop(const struct lg_epolls *e, int fd);
void lg_epolls_join(const struct lg_epolls *e, int fd);

#endif
