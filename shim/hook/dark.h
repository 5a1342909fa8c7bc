#ifndef LG_HOOK_DARK_H
#define LG_HOOK_DARK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/slice.h"

struct addrinfo;

/*
 * Dark traffic: a TCP connection to an address that this process was told for
 * a guarded host's name, over which data went both ways, and which no library
 * that the hooks know used. It is counted when it is closed, when the process
 * ends by exit, or when it stands for ten seconds and any other connection is
 * made or closed. Never counted: names that are only resolved, connections
 * that carry nothing (the loser of happy eyeballs, health probes), those
 * whose first bytes are neither TLS nor HTTP, or are TLS for another name,
 * addresses that were told for other names too.
 *
 * Memory is fixed; what does not fit is not watched. A lock is only tried for
 * a while (a signal's handler may have come in between): a close is then found
 * out later; where a false alarm could follow, this process counts no more.
 */

/* More than 0: addresses of a guarded host are known. */
extern unsigned lg_dark_armed;
/* More than 0: such connections stand. */
extern unsigned lg_dark_pending;
/* More than 0: of some the first bytes are awaited. */
extern unsigned lg_dark_unsure;

/* getaddrinfo gave these for a name. */
void lg_dark_resolved(const char *name, const struct addrinfo *list);
/* connect was called and succeeds, or goes on. */
void lg_dark_connected(int fd, const struct sockaddr *to, socklen_t len);
/* It is about to be closed. */
void lg_dark_closing(int fd);
/* The first bytes that it sends. */
void lg_dark_look(int fd, const void *p, size_t n);

/*
 * A library that we see begins a connection to this host ("" unknown), on
 * this descriptor (-1: not known yet).
 */
void lg_dark_seen(struct lg_slice host, int fd);
/* And now it is known. */
void lg_dark_found(int fd);

void lg_dark_after_fork(void);
/* The process ends. */
void lg_dark_finish(void);

#endif
