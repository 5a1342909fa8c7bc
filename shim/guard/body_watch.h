#ifndef LG_GUARD_BODY_WATCH_H
#define LG_GUARD_BODY_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lg_body;

/* Where the elements of a JSON array end: a stream of another kind. */
struct lg_body_array {
	uint32_t depth;
	bool seen;	/* its first byte */
	bool is_array;	/* it is one */
	bool in_string; /* of an element */
	bool escaped;
	bool ended; /* the last piece ended an element */
};

/*
 * Private to body.c, for an answer that may be cut: how many of these bytes
 * to read before the next place where a value of its stream may end; 1..len.
 * An event's, line's or frame's last byte is a piece's last byte.
 */
size_t lg_body_piece(struct lg_body *b, const char *p, size_t len);

#endif
