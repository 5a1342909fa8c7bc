#ifndef LG_GUARD_REFRAME_H
#define LG_GUARD_REFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "guard/framer.h"

/*
 * A held HTTP/1.1 request whose JSON body is changed in some places and put
 * together again: line, length and chunks say what is true then. One thread.
 */
#define LG_EDITS_MAX 8
#define LG_EDIT_TEXT_MAX 512

/* What changes in a body. A list that has gone wrong says so at the end. */
struct lg_edits {
	struct lg_slice body; /* borrowed */
	unsigned n;
	struct {
		size_t at, cut;	    /* cut bytes at `at` give way ... */
		uint16_t from, len; /* ... to this of text */
	} e[LG_EDITS_MAX];
	size_t used;
	bool bad; /* too many, too long */
	char text[LG_EDIT_TEXT_MAX];
};

void lg_edits_init(struct lg_edits *e, struct lg_slice body);
/* cut bytes at p (within the body) become text, followed by more. */
void lg_edits_add(struct lg_edits *e, const char *p, size_t cut,
		  struct lg_slice text, const char *more);

struct lg_reframe {
	struct lg_framer framer;
	struct lg_slice head; /* of what was given */
	struct lg_slice body; /* its bytes together */
	struct lg_buf joined; /* of a chunked one */
	struct lg_buf plain;  /* of a coded one */
	bool decoded;	      /* body has no coding (any more) */
};

/*
 * held: one whole message and nothing behind it, which has to stay. 0; -EPROTO
 * it is not; -ENOMEM. To be closed in any case.
 */
int lg_reframe_open(struct lg_reframe *q, struct lg_slice held);
void lg_reframe_close(struct lg_reframe *q);
/*
 * The body without its Content-Encoding, which lg_reframe_put then leaves out:
 * whoever reads a coding reads none as well. 0, also where there is none;
 * -ENOTSUP, -EPROTO, -EMSGSIZE (16 MiB), -ENOMEM: nothing has changed.
 */
int lg_reframe_decode(struct lg_reframe *q);

/*
 * The message with these edits into the empty buffer out. target: what is
 * asked for instead, p NULL: as it was. plain: no coded answer is accepted.
 * False: the head says something that would not be true any more (a
 * signature, a digest, a coding that was not decoded, trailers), or no memory.
 */
bool lg_reframe_put(const struct lg_reframe *q, struct lg_edits *e,
		    struct lg_slice target, bool plain, struct lg_buf *out);

#endif
