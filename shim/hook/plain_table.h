#ifndef LG_HOOK_PLAIN_TABLE_H
#define LG_HOOK_PLAIN_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "hook/conn.h"

/*
 * Plain connections by their descriptors. A descriptor is a number that others
 * may close and use again behind our back (closefrom, fclose, another thread):
 * so each look-up asks the kernel which socket stands there now. Lock-free;
 * entries are never given back to the allocator, so a stale pointer is at
 * worst somebody else's entry, which the look-up notices.
 */
struct lg_plain {
	struct lg_conn conn;   /* its fd_cookie is the socket's identity */
	struct lg_plain *next; /* of all that were ever made */
	unsigned refs;	       /* numbers and calls under way; 0: free */
	unsigned numbers;      /* descriptors that lead here */
	int fd;		       /* the one of the last call */
	uint16_t port;	       /* of the peer */
	bool asks_host;	       /* the Host field decides */
	bool was_told;	       /* its address was told for a configured name */
	bool begun;	       /* something was written */
	unsigned left; /* 1: bytes of ours wait, counted in lg_plain_left */
	bool told;     /* and an edge of them was reported */
};

/* How many descriptors lead to such connections. */
extern unsigned lg_plain_tracked;

/* Which socket this is; 0: none. Keeps errno. */
uint64_t lg_plain_identity(int fd);

/*
 * In a child by vfork none: the memory is its parent's, the numbers are not.
 * The connection at this number, with a reference for the caller; NULL: none.
 * A number that has become another socket's is forgotten.
 */
struct lg_plain *lg_plain_get(int fd);
void lg_plain_put(struct lg_plain *p);

/* All that were ever made, free ones among them, by ->next. */
struct lg_plain *lg_plain_first(void);

/* A new entry, with a reference for the caller; NULL: no memory. */
struct lg_plain *lg_plain_new(void);
/* From now on fd leads to p. False: too large a number, no memory. */
bool lg_plain_enter(int fd, struct lg_plain *p);
/* And no longer; after the last number all that is under way is settled. */
void lg_plain_leave(int fd);

#endif
