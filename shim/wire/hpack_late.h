#ifndef LG_WIRE_HPACK_LATE_H
#define LG_WIRE_HPACK_LATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * Header compression of HTTP/2 (RFC 7541) for whoever came late, or missed
 * something: what the table held before is not known, and a field that refers
 * to it is told as unknown. What was put into the table since is known, its
 * index counts from the newest. Never a guess: an entry of which it is not
 * sure that the table took it is not known either. One direction of a
 * connection; each block, whole and in order. One thread per object.
 */
#define LG_HPACK_LATE_MAX 256 /* entries that are remembered */

struct lg_hpack_late;

/* A slice with p NULL: not known. */
struct lg_hpack_late_field {
	struct lg_slice name, value;
};
/* The slices live until the function returns. */
typedef void lg_hpack_late_fn(void *ctx, const struct lg_hpack_late_field *f);

/* whole: the connection is new, its table empty. NULL without memory. */
struct lg_hpack_late *lg_hpack_late_new(bool whole);
/* NULL is accepted. */
void lg_hpack_late_del(struct lg_hpack_late *r);
/* Blocks were missed: nothing is known of the table any more. */
void lg_hpack_late_forget(struct lg_hpack_late *r);
/*
 * A whole block. 0; -EPROTO it is none: nothing is known of the table any
 * more; -ENOMEM likewise.
 */
int lg_hpack_late_read(struct lg_hpack_late *r, struct lg_slice block,
		       lg_hpack_late_fn *fn, void *ctx);

#endif
