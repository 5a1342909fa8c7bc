#ifndef LG_CONFIG_BUILD_H
#define LG_CONFIG_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/image.h"
#include "base/slice.h"

/*
 * Lays an image out in a buffer: the header, then texts and arrays in the
 * order in which they come. Each text is stored once. An error sticks; ask
 * for it at the end. One thread per object.
 */
#define LG_BUILD_IMAGE_MAX ((size_t)64 << 20)

struct lg_build {
	struct lg_buf *out;
	struct lg_img_ref *seen; /* hash set of texts */
	uint32_t slots;
	uint32_t used;
	int err;
};

/* Empties *out and puts a blank header there. 0, -ENOMEM. */
int lg_build_init(struct lg_build *b, struct lg_buf *out);
/* Releases all but *out. */
void lg_build_fini(struct lg_build *b);

/* Stores a text; the empty one is the absent ref. */
struct lg_img_ref lg_build_text(struct lg_build *b, struct lg_slice s);
/* Stores n elements of `size` bytes, aligned to 8; n 0: the empty span. */
struct lg_img_span lg_build_array(struct lg_build *b, const void *p, size_t n,
				  size_t size);
/* The header; valid until the next text or array. */
struct lg_image *lg_build_header(struct lg_build *b);
/* What a ref of this image says; valid until the next text or array. */
struct lg_slice lg_build_get(const struct lg_build *b, struct lg_img_ref r);

/* Size, CRC, checked. 0, -ENOMEM, -EMSGSIZE. */
int lg_build_finish(struct lg_build *b);

#endif
