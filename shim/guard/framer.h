#ifndef LG_GUARD_FRAMER_H
#define LG_GUARD_FRAMER_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/http1.h"

/* HTTP/1 framing with a head storage that grows as the head does. */
struct lg_framer {
	struct lg_http1 m;
	bool in_body; /* the head is complete */
};

void lg_framer_init(struct lg_framer *f, enum lg_http1_kind kind);
void lg_framer_fini(struct lg_framer *f);
/* As lg_http1_feed; TOO_LARGE also when there is no memory. */
size_t lg_framer_feed(struct lg_framer *f, const char *p, size_t len,
		      enum lg_http1_event *ev, struct lg_slice *body);
/* After END: ready for the next message. */
void lg_framer_next(struct lg_framer *f);

static inline struct lg_slice lg_framer_head(const struct lg_framer *f)
{
	return (struct lg_slice){f->m.head, f->m.head_len};
}

#endif
