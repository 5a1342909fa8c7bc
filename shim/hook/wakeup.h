#ifndef LG_HOOK_WAKEUP_H
#define LG_HOOK_WAKEUP_H

#include <stdbool.h>
#include <stddef.h>

#include "hook/conn.h"

/*
 * Which descriptor carries a connection, and how to wake an event loop that
 * waits on it. Where the program moves the bytes itself (memory BIOs, BIOs of
 * its own) the library does not know. Then the ClientHello is looked for in
 * what the program sends: its 32 random bytes belong to one connection alone.
 * (TCP_INFO's byte counts do not tell apart connections that were opened
 * together.) The hooks on write, send and the like look only while a handshake
 * with a guarded host is under way; else they cost one relaxed load and a jump.
 */

/* Handshakes under way that need their descriptor found. */
extern unsigned lg_wakeup_watched;

/* Count c in when its descriptor is not known, and out again. */
void lg_wakeup_watch(struct lg_conn *c);
void lg_wakeup_unwatch(struct lg_conn *c);
/* After the handshake: c->fd by the ClientHello where the carrier does not
 * know. */
void lg_wakeup_find(struct lg_conn *c);

/* The descriptor that was found, while it is still that socket; else -1. */
int lg_wakeup_found(const struct lg_conn *c);

/*
 * Make poll, select and epoll report the connection readable: its receiving
 * side is shut down. False when the descriptor is unknown or meanwhile stands
 * for something else.
 */
bool lg_wakeup_now(struct lg_conn *c);

/*
 * Both sides are shut down: what the server still sends meets a reset. False
 * as above.
 */
bool lg_wakeup_close(struct lg_conn *c);

/* The descriptor itself, -1 when it is unknown or meanwhile another's. */
int lg_wakeup_fd(struct lg_conn *c);
/* What tells one socket from all others; 0: it is none. Keeps no errno. */
uint64_t lg_wakeup_cookie(int fd);

/* Is the connection's descriptor in blocking mode? False when unknown. */
bool lg_wakeup_is_blocking(struct lg_conn *c);

/* n bytes that went out on fd; any thread, async-signal-safe, keeps errno. */
void lg_wakeup_look(int fd, const void *p, size_t n);

#endif
