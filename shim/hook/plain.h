#ifndef LG_HOOK_PLAIN_H
#define LG_HOOK_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/atomic.h"
#include "hook/plain_table.h"

/*
 * Plain HTTP to servers that the config names (plain_http:). A connection is
 * recognised when it is made: by its peer's address, or, where names are
 * configured, by the Host field of its first request. What does not begin like
 * an HTTP request (a ClientHello, any other protocol) is never looked at
 * again. Where nothing is configured no connection is known, and every hook
 * costs one relaxed load and a branch.
 */
static inline bool lg_plain_is_any(void)
{
	return LG_UNLIKELY(lg_load_relaxed(&lg_plain_tracked));
}

/* The libc functions underneath, before any signal; and in a child. */
void lg_plain_bind(void);
void lg_plain_after_fork(void);
/* False in a child by vfork: its memory is its parent's. */
bool lg_plain_is_self(void);
/* Is this call our own library's? */
bool lg_plain_is_ours(const void *pc);

/* A write that connects (MSG_FASTOPEN): is it to one of these peers? */
bool lg_plain_opens(const void *pc, int fd, const struct sockaddr *to,
		    socklen_t len);
/* fd was connected to this address, or is about to be. Keeps errno. */
void lg_plain_connected(int fd, const struct sockaddr *to, socklen_t len);

/*
 * getaddrinfo gave these addresses for a name: those of configured names are
 * remembered, as many as there is room for. addr: an lg_plain_peer's.
 */
struct addrinfo;
struct lg_plain_peer;
void lg_plain_resolved(const char *name, const struct addrinfo *list);
bool lg_plain_was_told(const uint8_t *addr);
bool lg_plain_read_peer(const struct sockaddr *to, socklen_t len,
			struct lg_plain_peer *out);
/* The engine where servers are named; NULL: there is nothing to do. */
struct lg_engine *lg_plain_engine(void);

/* fd is about to be closed. Keeps errno. */
void lg_plain_closing(const void *pc, int fd);

/*
 * The connection of a write that the flow must see, with a reference; NULL:
 * straight to the real function. p, n: what is written first.
 */
struct lg_plain *lg_plain_for_write(const void *pc, int fd, const void *p,
				    size_t n, int flags);
ssize_t lg_plain_write(struct lg_plain *p, int fd, const void *buf, size_t n,
		       int flags);
ssize_t lg_plain_writev(struct lg_plain *p, int fd, const struct iovec *iov,
			size_t n, int flags);

/* The same for reads. */
struct lg_plain *lg_plain_for_read(const void *pc, int fd, const void *p,
				   size_t n, int flags);
ssize_t lg_plain_read(struct lg_plain *p, int fd, void *buf, size_t n,
		      int flags);
/* The program ends what it writes: what is held goes first. */
void lg_plain_end(struct lg_plain *p, int fd);

/*
 * Bytes that we have read and the program has not are unknown to the kernel:
 * poll, select and epoll_wait are told of them. note: after each call on p.
 */
extern unsigned lg_plain_left;
void lg_plain_note(struct lg_plain *p);
/* Is there something of ours to read at this number? */
bool lg_plain_has_left(int fd);
void lg_hook_bind_poll(void);

#endif
