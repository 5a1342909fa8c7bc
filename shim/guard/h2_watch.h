#ifndef LG_GUARD_H2_WATCH_H
#define LG_GUARD_H2_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guard/flow.h"

/*
 * One HTTP/2 connection that is only observed: frames are read in both
 * directions, nothing is written. Each stream is an HTTP/1.1 flow of its own.
 * What was not seen, of header tables, of requests, of bytes, is not guessed:
 * fields that are not known are left out, a stream whose path is not known is
 * recognised by its answer. One thread per object.
 */
struct lg_h2watch;
struct lg_row;

/* flow: whose connection it is; outlives it. late: not from its first byte. */
struct lg_h2watch *lg_h2watch_new(struct lg_flow *flow, bool late);
/* Settles what is under way. NULL is accepted. */
void lg_h2watch_del(struct lg_h2watch *w);
void lg_h2watch_up(struct lg_h2watch *w, const char *p, size_t n);
void lg_h2watch_down(struct lg_h2watch *w, const char *p, size_t n);
void lg_h2watch_gap(struct lg_h2watch *w, bool up, uint64_t missing);
/* As the functions of the same names of flow.h. */
const struct lg_row *lg_h2watch_head(const struct lg_h2watch *w);
void lg_h2watch_unsent(struct lg_h2watch *w, bool unsent);
void lg_h2watch_mark(struct lg_h2watch *w, int verdict, const char *reason,
		     bool newest);
void lg_h2watch_forsake(struct lg_h2watch *w, const struct lg_row *like);

#endif
