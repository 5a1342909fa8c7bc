#ifndef LG_HOOK_CARRIER_H
#define LG_HOOK_CARRIER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/*
 * What moves the bytes of one connection: OpenSSL, GnuTLS, NSS, a plain
 * socket. The core (conn.c, io_read.c, io_write.c, wakeup.c) gates, holds,
 * flushes and answers the same way over each of them and knows no library;
 * what is peculiar to one stands in its own files.
 *
 * Results: more than 0 is a count of bytes. 0 and less are the library's own
 * words; the core looks at their sign only and hands them to the hook, which
 * returns them to the program. What a call says beside its result (errno, an
 * error queue) is the carrier's to keep.
 *
 * All of them are called on the thread of the program's call and may block
 * where that one may. write, read, peek, handshake and ask are called without
 * the connection's lock, the others with or without it: they must not take
 * it. A carrier lives for ever; c->handle is its own.
 */
struct lg_conn;
struct lg_tls;

enum lg_carrier_role {
	LG_ROLE_CLIENT,
	LG_ROLE_SERVER,	 /* or nothing that carries HTTP over a stream */
	LG_ROLE_UNKNOWN, /* asked again at the next call */
};

/* What the core has to tell the program in the library's words. */
enum lg_carrier_word {
	LG_SAY_CLOSED,	   /* a read: the peer has closed cleanly */
	LG_SAY_BROKEN,	   /* a write: the connection is gone; EPIPE */
	LG_SAY_WAIT_READ,  /* another thread is at it: try again; EAGAIN */
	LG_SAY_WAIT_WRITE, /* the same for a write */
};

#define LG_CARRIER_RANDOM_LEN 32

struct lg_carrier {
	int (*write)(struct lg_conn *c, const void *p, size_t n);
	int (*read)(struct lg_conn *c, void *p, size_t n);
	/* NULL: bytes cannot be seen without being read; then we keep them. */
	int (*peek)(struct lg_conn *c, void *p, size_t n);
	/*
	 * Says nothing final (would block) about this result <= 0 of the call
	 * just made. Locked: that call's errno is c->saved_errno.
	 */
	bool (*is_transient)(struct lg_conn *c, int result);
	/*
	 * Returns what the program's call returns for this word, a result
	 * <= 0, with errno and all else that the library would have set.
	 */
	int (*say)(struct lg_conn *c, enum lg_carrier_word word);

	/* client: the call itself says that it is one. */
	enum lg_carrier_role (*role)(struct lg_conn *c, bool client);
	/* Server name that the program asked for, or empty; borrowed. */
	struct lg_slice (*host)(struct lg_conn *c);
	/* May bytes be written (the handshake is over, if there is one)? */
	bool (*is_open)(struct lg_conn *c);
	/* Do the handshake, or go on with it; more than 0: it is over. */
	int (*handshake)(struct lg_conn *c);
	/* Before the first handshake with a guarded host; or NULL. */
	void (*before_hello)(struct lg_conn *c);

	/* The descriptor that it reads from, -1 when it does not know. */
	int (*fd)(struct lg_conn *c);
	/* Does a call wait for the peer? NULL: as its descriptor says. */
	bool (*is_blocking)(struct lg_conn *c);
	/* The one that it writes to; NULL: the same. */
	int (*write_fd)(struct lg_conn *c);
	/* Of the ClientHello; false where there is none. NULL: never. */
	bool (*random)(struct lg_conn *c, unsigned char *out);
	/* Writes may end early and say how far they came. */
	bool (*is_partial)(struct lg_conn *c);
	/*
	 * What arrives on the descriptor, past the library: more than 0 bytes
	 * of it, 0 its end, less: nothing now. With n 0 it only says whether
	 * it can (less than 0). Called without the lock. NULL: the library's
	 * way to its bytes is its own.
	 */
	int (*below)(struct lg_conn *c, void *p, size_t n);
	/* Forget what a read just left to be asked about. NULL: nothing. */
	void (*hush)(struct lg_conn *c);
	/*
	 * Bytes of the connection that the program has taken from its
	 * descriptor and the library has not seen yet. NULL: 0.
	 */
	size_t (*waiting)(struct lg_conn *c);
	/* The copy of libssl that carries it. NULL: another library does. */
	struct lg_tls *(*tls)(struct lg_conn *c);
	/* Is a request with this Host field to be guarded? NULL: each one. */
	bool (*is_named)(struct lg_conn *c, struct lg_slice host);
	/* A write of our own: its result must leave no trace. */
	void (*ask)(struct lg_conn *c, const void *p, size_t n);
};

#endif
