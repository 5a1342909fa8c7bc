#ifndef LG_WIRE_HTTP1_HEAD_H
#define LG_WIRE_HTTP1_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/*
 * Reading an HTTP/1.1 message head (RFC 9112 2-5) that stands complete in
 * memory, from its start line to its empty line. Nothing is allocated and
 * nothing is trusted. Any thread.
 */

/* A token character of RFC 9110 5.6.2. */
extern const bool lg_http1_token[256];
static inline bool lg_http1_is_token(char c)
{
	return lg_http1_token[(unsigned char)c];
}

/* Request line parts; false when malformed. */
bool lg_http1_request_line(struct lg_slice head, struct lg_slice *method,
			   struct lg_slice *target);
/*
 * Field value by name (case-insensitive), trimmed; repeated fields: the
 * nth (0 first). Empty slice with p NULL when absent.
 */
struct lg_slice lg_http1_field(struct lg_slice head, struct lg_slice name,
			       unsigned nth);
/*
 * Walk: *pos starts at 0; false at the end. A line that is no field is
 * skipped. A folded value (obs-fold) comes with its line breaks inside.
 */
bool lg_http1_next_field(struct lg_slice head, size_t *pos,
			 struct lg_slice *name, struct lg_slice *value);
/* The line at *pos without its CRLF or LF; *pos moves behind it. */
struct lg_slice lg_http1_take_line(struct lg_slice head, size_t *pos);
/*
 * Could these first bytes of a connection be the beginning of an HTTP/1
 * request head? 1 yes and complete, 0 not yet decided, -1 no.
 */
int lg_http1_sniff(const char *p, size_t len);
/*
 * Is this surely no request, of however lenient a server: control bytes in its
 * first line, or a first line that says nothing of HTTP?
 */
bool lg_http1_is_other(const char *p, size_t len);

#endif
