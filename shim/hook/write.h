#ifndef LG_HOOK_WRITE_H
#define LG_HOOK_WRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "hook/conn.h"

/*
 * Write what the flow wants written. 1 when nothing is left, else what the
 * real SSL_write returned (<= 0). Called and returns locked.
 */
int lg_write_flush(struct lg_conn *c, SSL *s);

/*
 * Decide a request that is held incomplete on what is known of it and let it
 * go. As lg_write_flush. Locked.
 */
int lg_write_release(struct lg_conn *c, SSL *s);

/* Wake the program's event loop when the flow asks for it. Locked. */
void lg_write_wake(struct lg_conn *c, SSL *s);

/* No answer of ours is left and the connection counts as closed. Locked. */
bool lg_conn_is_shut(const struct lg_conn *c);

#endif
