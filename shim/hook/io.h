#ifndef LG_HOOK_IO_H
#define LG_HOOK_IO_H

#include <stdbool.h>
#include <stddef.h>

#include "hook/conn.h"

/*
 * What a guarded connection does with the program's writes and reads, over
 * any carrier. All keep errno but where a result says something in it.
 */

/* Must this write, read go through the flow? False: straight to the real one.
 */
bool lg_io_guards_write(struct lg_conn *c, const void *buf, size_t len);
bool lg_io_guards_read(struct lg_conn *c, const void *buf, size_t len);

/*
 * 1 and how many of the program's bytes are dealt with (in *written, 1..len),
 * else what the program's call returns: a result of the carrier, <= 0. After
 * a transient one the same bytes are offered again.
 */
int lg_io_write(struct lg_conn *c, const void *buf, size_t len,
		size_t *written);
/* 1 and *got of 1..len, else a result of the carrier. peek: leave them. */
int lg_io_read(struct lg_conn *c, void *buf, size_t len, bool peek,
	       size_t *got);

/*
 * Bytes that we have for the program (at most INT_MAX). *shut: nothing that
 * the library still holds is for the program.
 */
size_t lg_io_ready(struct lg_conn *c, bool *shut);

/*
 * The program ends the connection: what is held incomplete would have left
 * long ago and goes first. True when the program was told that the peer has
 * closed. Locked.
 */
bool lg_io_end(struct lg_conn *c);

/*
 * Write what the flow wants written. 1 when nothing is left, else a result of
 * the carrier. Called and returns locked.
 */
int lg_io_flush(struct lg_conn *c);

/*
 * Decide a request that is held incomplete on what is known of it and let it
 * go. As lg_io_flush. Locked.
 */
int lg_io_release(struct lg_conn *c);

/* No answer of ours is left and the connection counts as closed. Locked. */
bool lg_io_is_shut(const struct lg_conn *c);

#endif
