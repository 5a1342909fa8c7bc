#ifndef LG_WIRE_HPACK_H
#define LG_WIRE_HPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/*
 * Header compression of HTTP/2 (RFC 7541) by nghttp2's coder on memory of
 * base/mem.h. One coder is one direction of a connection: each block, whole
 * and in order, has to go through it. One thread per object.
 */
#define LG_HPACK_LIST_MAX 131072 /* names and values of one block, 32 each */

struct lg_hpack_field {
	struct lg_slice name, value;
	bool secret; /* never indexed */
};

struct nghttp2_hd_inflater;
struct nghttp2_hd_deflater;

/* NULL without memory. del accepts NULL. */
struct nghttp2_hd_inflater *lg_hpack_reader_new(void);
void lg_hpack_reader_del(struct nghttp2_hd_inflater *r);
/* The largest table that the writer may use from now on; never less. */
void lg_hpack_reader_allow(struct nghttp2_hd_inflater *r, uint32_t size);

/* The slices live until the function returns. False: not interested. */
typedef bool lg_hpack_field_fn(void *ctx, const struct lg_hpack_field *f);
/*
 * A whole block. 0; -EPROTO it cannot be decoded (nothing behind it can);
 * -EMSGSIZE the list is longer than LG_HPACK_LIST_MAX: what came before was
 * told, the table is right.
 */
int lg_hpack_read(struct nghttp2_hd_inflater *r, struct lg_slice block,
		  lg_hpack_field_fn *fn, void *ctx);

struct nghttp2_hd_deflater *lg_hpack_writer_new(void);
void lg_hpack_writer_del(struct nghttp2_hd_deflater *w);
/* The reader allows a table of this size; the next block says so. */
void lg_hpack_writer_resize(struct nghttp2_hd_deflater *w, uint32_t size);
/* A block of these fields. 0, -ENOMEM, -EMSGSIZE. */
int lg_hpack_write(struct nghttp2_hd_deflater *w,
		   const struct lg_hpack_field *f, size_t n,
		   struct lg_buf *out);

/*
 * One field as literal text that neither uses nor changes a table; a block of
 * such fields may stand anywhere.
 */
void lg_hpack_put_plain(struct lg_buf *out, struct lg_slice name,
			struct lg_slice value);
/* At the begin of a block: the table has this size now. */
void lg_hpack_put_size(struct lg_buf *out, uint32_t size);

#endif
