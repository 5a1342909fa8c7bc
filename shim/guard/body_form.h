#ifndef LG_GUARD_BODY_FORM_H
#define LG_GUARD_BODY_FORM_H

#include "guard/body.h"

/* Private to body.c: a request that is a form (multipart/form-data). */

/* Allocates b->form; false without memory or without a boundary. */
bool lg_body_form_new(struct lg_body *b, struct lg_slice type);
/* NULL is accepted. */
void lg_body_form_del(struct lg_body_form *f);
void lg_body_form_feed(struct lg_body_form *f, const char *p, size_t n);
/* rest: bytes that will not be seen; the part at hand may be as long. */
void lg_body_form_rest(struct lg_body_form *f, uint64_t rest);
/* No more comes: the part at hand is told as it is. True: it was whole. */
bool lg_body_form_end(struct lg_body_form *f);

#endif
