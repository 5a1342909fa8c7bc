#ifndef LG_GUARD_H2_FIELDS_H
#define LG_GUARD_H2_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"
#include "wire/hpack.h"

/*
 * A list of header fields that outlives its block, and its likeness as an
 * HTTP/1.1 head: requests are held, changed and decided in that form alone.
 * Pseudo-header fields stand first. One thread per object.
 */
struct lg_h2_fields {
	struct lg_buf b; /* records, see h2_fields.c */
	unsigned n;
	bool odd; /* something that HTTP/1.1 could not say (RFC 9113 8.2.1) */
};

void lg_h2_fields_init(struct lg_h2_fields *l);
void lg_h2_fields_fini(struct lg_h2_fields *l);
/* 0, -ENOMEM, -EMSGSIZE. */
int lg_h2_fields_add(struct lg_h2_fields *l, struct lg_slice name,
		     struct lg_slice value, bool secret);
/* Walk: *pos starts at 0. The slices are good until the next add. */
bool lg_h2_fields_next(const struct lg_h2_fields *l, size_t *pos,
		       struct lg_hpack_field *f);
/* Its first value; p NULL when it is not there. */
struct lg_slice lg_h2_fields_get(const struct lg_h2_fields *l,
				 struct lg_slice name);

struct nghttp2_hd_inflater;
struct nghttp2_hd_deflater;

/* Appends what a block says. As lg_hpack_read, and -ENOMEM. */
int lg_h2_fields_read(struct lg_h2_fields *l, struct nghttp2_hd_inflater *r,
		      struct lg_slice block);
/* As one block, by the coder, or (w NULL) as plain literals. */
int lg_h2_fields_write(const struct lg_h2_fields *l,
		       struct nghttp2_hd_deflater *w, struct lg_buf *out);

/*
 * The head of a request as HTTP/1.1 has it, without what is odd. ended: no
 * body follows. False: it has no such form (CONNECT, a missing pseudo-header
 * field, blanks in the path), or no memory.
 */
bool lg_h2_fields_request(const struct lg_h2_fields *l, bool ended,
			  struct lg_buf *out);
/* Its way back: head's line and fields, l's order, scheme and secrets. */
bool lg_h2_fields_changed(const struct lg_h2_fields *l, struct lg_slice head,
			  struct lg_h2_fields *out);
/*
 * The head of an answer as HTTP/1.1 has it, for reading. False: no status, or
 * one that HTTP/2 does not have.
 */
bool lg_h2_fields_answer(const struct lg_h2_fields *l, struct lg_buf *out);
/* An answer of ours, from HTTP/1.1. */
int lg_h2_fields_of_answer(struct lg_h2_fields *l, struct lg_slice head,
			   unsigned status);

#endif
