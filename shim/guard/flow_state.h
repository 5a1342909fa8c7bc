#ifndef LG_GUARD_FLOW_STATE_H
#define LG_GUARD_FLOW_STATE_H

#include "base/buf.h"
#include "guard/exchange.h"
#include "guard/flow.h"
#include "guard/framer.h"
#include "guard/head.h"
#include "guard/who.h"
#include "guard/windows.h"

/* Private to flow.c, request.c, response.c and h2*.c. */

struct lg_h2conn;
struct lg_h2watch;
struct lg_watch;

#define LG_FLOW_NOT_H2 255

/* More requests than this without an answer: no pipelining goes so far. */
#define LG_FLOW_DEPTH_MAX 256

enum lg_flow_in {
	LG_IN_LOOK,    /* not guarded by name: is this write a request? */
	LG_IN_SKIP,    /* it was not; look again once an answer began */
	LG_IN_HEAD,    /* taking a head */
	LG_IN_HOLD,    /* taking a body until it can be decided */
	LG_IN_BODY,    /* a body passes */
	LG_IN_SWALLOW, /* refused: what follows is dropped */
	LG_IN_PASSING, /* not HTTP any more, or our own fault */
};

struct lg_flow {
	struct lg_engine *engine;
	char host[256]; /* SNI, "" none */
	enum lg_flow_in in;
	bool observe;
	bool out_ready; /* held may go out */
	bool wake;	/* a refusal waits to be told */
	bool close;	/* a stream was cut: the server has to be told */
	bool ending;	/* it was the last answer */
	bool shut;
	bool deaf;	 /* answers cannot be read any more */
	bool named;	 /* guarded by its name */
	bool late;	 /* an answer may come whose request was not seen */
	bool astray;	 /* where an answer begins is not known */
	bool stream;	 /* one of several in an HTTP/2 connection */
	uint8_t preface; /* bytes of HTTP/2's that are taken */
	uint32_t forks;	 /* lg_self_forks() of the owner */
	bool (*may_sleep)(void *arg);			   /* NULL: never */
	bool (*is_named)(void *arg, struct lg_slice host); /* NULL: always */
	lg_local_send_fn *local;			   /* NULL: never */
	void *sleeper;					   /* the arg of both */
	int64_t nap_ns; /* due before the next real write */
	struct lg_framer req, resp;
	struct lg_buf held;  /* taken from the program */
	size_t sent;	     /* of it, already written */
	struct lg_buf synth; /* ours, for the program */
	size_t told;	     /* of it, already read */
	struct lg_buf stash; /* of the answer, not yet shown */
	struct lg_exchange *first, *last;
	struct lg_exchange *writing; /* whose request is not complete */
	unsigned depth;
	uint32_t begun;	    /* requests, of which rows may come */
	struct lg_who *who; /* NULL: this process */
	struct lg_windows wins;
	struct lg_memo *memo;
	bool borrows; /* it is the memo of the connection of this stream */
	struct lg_watch *watch;	   /* of an unsure exchange, NULL none */
	uint32_t late_flags;	   /* LG_ROW_* of such */
	struct lg_slice late_body; /* its request's, as far as it was seen */
	struct lg_h2watch *h2w;	   /* observed HTTP/2; NULL: HTTP/1 */
	struct lg_h2conn *h2;	   /* then all goes there; NULL: HTTP/1 */
};

/* A fork came between: take over what is ours now. */
void lg_flow_own(struct lg_flow *f);
/* Its first byte may leave any moment now. NULL is accepted. */
void lg_flow_dispatch(struct lg_exchange *x);
/* Take x out of the queue and free it once its request is over too. */
void lg_flow_retire(struct lg_flow *f, struct lg_exchange *x);
/* Whatever of ours is due to the program now that `first` changed. */
void lg_flow_turn(struct lg_flow *f);

/* request.c */
size_t lg_request_offer(struct lg_flow *f, const char *p, size_t len,
			enum lg_flow_gate *gate);
void lg_request_passed(struct lg_flow *f, const char *p, size_t n);
/*
 * Decide the request that is being held on what is known of it; its model, if
 * it is not, is that of a row like it (NULL none).
 */
void lg_request_guess(struct lg_flow *f, const struct lg_row *like);

static inline void lg_request_release(struct lg_flow *f)
{
	lg_request_guess(f, NULL);
}

/* A head that is not whole goes as it is. */
void lg_request_give_up(struct lg_flow *f);

/*
 * flow_local.c: may x be answered by another server (nobody waits for the
 * provider's answer to an earlier request)? And it is: the provider gets
 * nothing of it.
 */
bool lg_flow_may_leave(const struct lg_flow *f, const struct lg_exchange *x);
void lg_flow_leave(struct lg_flow *f, struct lg_exchange *x);

/* flow_row.c: what a request's row says before it is decided. */
const struct lg_self *lg_row_self(const struct lg_flow *f);
/* To whom it belongs, by its process and head. */
void lg_row_attribute(struct lg_flow *f, struct lg_exchange *x,
		      const struct lg_head *fields, struct lg_slice target);
void lg_row_read_tier(struct lg_exchange *x, struct lg_slice head);
void lg_row_name_model(struct lg_exchange *x);

/* A request of which nothing was seen: NULL without memory. */
struct lg_exchange *lg_request_unseen(struct lg_flow *f);
/* It is known whose it is: attributed, priced, held. */
void lg_request_settle_on(struct lg_flow *f, struct lg_exchange *x);
/* Does a request of an LLM begin at p? Then it is read. */
bool lg_request_finds(struct lg_flow *f, const char *p, size_t len);
/* f->req is at an end without knowing it. */
void lg_request_drain(struct lg_flow *f);

/* flow_watch.c: observing what was not seen from its begin. */
void lg_watch_del(struct lg_watch *w);
/* lg_flow_offer and lg_flow_arrived of a flow that only observes. */
size_t lg_watch_offer(struct lg_flow *f, const char *p, size_t len,
		      enum lg_flow_gate *gate);
size_t lg_watch_arrived(struct lg_flow *f, char *p, size_t n);
/* An answer's head came, and nobody had asked: its exchange, or NULL. */
struct lg_exchange *lg_watch_head(struct lg_flow *f);
/* Where it went is not known: whose dialect it speaks prices it. */
void lg_watch_own(struct lg_exchange *x);
/* Bytes of the answer of x, which is unsure. */
void lg_watch_body(struct lg_flow *f, struct lg_exchange *x,
		   struct lg_slice body);
/* It is over: if nothing said whose it is, that is said. */
void lg_watch_end(struct lg_flow *f, struct lg_exchange *x);
/* f->astray: does an answer begin, or go on, at p? */
bool lg_watch_finds(struct lg_flow *f, const char *p, size_t len);

/* response.c */
/* The answers of all requests so far are over, as far as they were seen. */
void lg_response_forget(struct lg_flow *f);
/* Tells what f->resp has to say without more bytes. */
void lg_response_drain(struct lg_flow *f);
size_t lg_response_arrived(struct lg_flow *f, char *p, size_t n);
void lg_response_eof(struct lg_flow *f);

#endif
