#ifndef LG_GUARD_INJECT_ANSWER_H
#define LG_GUARD_INJECT_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "wire/http1.h"

/*
 * An answer to a request that was asked for its usage by us: events in, events
 * out, without the last chunk that has no choices and without "usage": null in
 * the others. An event is shown when it is whole. One thread per object; from
 * base/mem.h.
 */
struct lg_inject_answer {
	struct lg_buf buf; /* what may be shown, then the event at hand */
	size_t ready;	   /* bytes of it that may be shown */
	size_t line;	   /* bytes in the line at hand */
	bool skip_lf;	   /* the last byte was a CR */
	bool at_event_end; /* ... of a blank line */
	bool dropped;	   /* the last event was: so is what ends it */
	bool passing;	   /* the event at hand is too long: it passes */
	bool chunked;	   /* the program expects chunks */
};

/*
 * m, head: the final head. NULL: it is not edited (an error, no stream of
 * events, coded, of a given length, or no memory).
 */
struct lg_inject_answer *lg_inject_answer_new(const struct lg_http1 *m,
					      struct lg_slice head);
/* NULL is accepted. */
void lg_inject_answer_del(struct lg_inject_answer *a);
/* Memory for n more bytes, also in out where show() and end() put them. */
bool lg_inject_answer_reserve(struct lg_inject_answer *a, size_t n,
			      struct lg_buf *out);
/* Body bytes (transfer-decoded), reserved before. */
void lg_inject_answer_feed(struct lg_inject_answer *a, const char *p, size_t n);
/* What may be shown goes to out, framed. */
void lg_inject_answer_show(struct lg_inject_answer *a, struct lg_buf *out);
/* The answer is over: the rest; complete: with the end of its framing. */
void lg_inject_answer_end(struct lg_inject_answer *a, bool complete,
			  struct lg_buf *out);

#endif
