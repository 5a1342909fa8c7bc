#ifndef LG_GUARD_H2_H
#define LG_GUARD_H2_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"
#include "guard/flow.h"

/*
 * One HTTP/2 connection under guard, behind the functions of flow.h, which
 * hand it each call once the program's first bytes were HTTP/2's preface. Its
 * program's bytes are all taken; frames of ours go to the server by `out`, to
 * the program by `synth`. One thread per object.
 */
struct lg_h2conn;

/* flow: whose connection it is; outlives it. NULL without memory. */
struct lg_h2conn *lg_h2conn_new(struct lg_flow *flow);
/* The program's preface is complete; nothing goes out before it. */
void lg_h2conn_begin(struct lg_h2conn *c);
/* Settles what is under way. NULL is accepted. */
void lg_h2conn_del(struct lg_h2conn *c);

size_t lg_h2conn_offer(struct lg_h2conn *c, const char *p, size_t len,
		       enum lg_flow_gate *gate);
bool lg_h2conn_out(struct lg_h2conn *c, struct lg_slice *out);
void lg_h2conn_sent(struct lg_h2conn *c, size_t n);
void lg_h2conn_write_failed(struct lg_h2conn *c);
/* A request is held, and no answer can come that would wake the program. */
bool lg_h2conn_is_holding(const struct lg_h2conn *c);
void lg_h2conn_release(struct lg_h2conn *c);
size_t lg_h2conn_arrived(struct lg_h2conn *c, char *p, size_t n);
void lg_h2conn_eof(struct lg_h2conn *c);
bool lg_h2conn_synth(const struct lg_h2conn *c, struct lg_slice *out);
void lg_h2conn_synth_taken(struct lg_h2conn *c, size_t n);
bool lg_h2conn_is_passing(const struct lg_h2conn *c);

#endif
