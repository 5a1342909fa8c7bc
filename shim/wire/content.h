#ifndef LG_WIRE_CONTENT_H
#define LG_WIRE_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/*
 * Content codings of a body (RFC 9110 8.4), push-fed, bounded expansion: gzip,
 * deflate, br, zstd, and lists of up to three of them. What a decoder needs
 * lives on base/mem.h, taken by new (45 KB for gzip, 100 KB for zstd) and
 * while it reads (a window of up to 16 MiB for br and zstd), given back by
 * del. One thread per object.
 */
struct lg_content;

/* Decoded bytes go here, in pieces. */
typedef void lg_content_fn(void *ctx, const char *p, size_t len);

/*
 * coding: the Content-Encoding value ("", "identity", "gzip", "x-gzip",
 * "deflate" (zlib or raw), "br", "zstd", "gzip, br"). 0 with *out (NULL for
 * identity: nothing to decode), -ENOTSUP (another coding, more than three
 * layers), -ENOMEM.
 */
int lg_content_new(struct lg_slice coding, lg_content_fn *fn, void *ctx,
		   struct lg_content **out);
/*
 * 0; -EPROTO malformed; -EMSGSIZE beyond 256 MiB or 1000:1 after 1 MiB;
 * -ENOMEM. An error is final: what was decoded before it has been delivered.
 */
int lg_content_feed(struct lg_content *c, const char *p, size_t len);
/* 0 each coding's end was seen (or no byte at all); -EPROTO it was cut short.
 */
int lg_content_end(struct lg_content *c);
void lg_content_del(struct lg_content *c);

#endif
