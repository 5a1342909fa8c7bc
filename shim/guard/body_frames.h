#ifndef LG_GUARD_BODY_FRAMES_H
#define LG_GUARD_BODY_FRAMES_H

#include "guard/body.h"

/*
 * Private to body.c: an answer of AWS event-stream frames. What a frame said
 * counts when its CRC was right; of one that was not, only the bytes that it
 * delivered.
 */

/* Allocates b->frames; false without memory. */
bool lg_body_frames_new(struct lg_body *b);
/* NULL is accepted. */
void lg_body_frames_del(struct lg_body_frames *f);
/* False: the rest cannot be read. */
bool lg_body_frames_feed(struct lg_body_frames *f, const char *p, size_t n);
/* lg_eventstream_rest of it. */
size_t lg_body_frames_rest(const struct lg_body_frames *f, const char *p,
			   size_t n);
/* False: the last frame was not whole. */
bool lg_body_frames_end(struct lg_body_frames *f);

/* body.c: a piece of a stream's value, and its end. */
void lg_body_value(struct lg_body *b, struct lg_slice piece);
void lg_body_value_end(struct lg_body *b, struct lg_slice name, bool done);

#endif
