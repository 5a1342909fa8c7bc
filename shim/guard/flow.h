#ifndef LG_GUARD_FLOW_H
#define LG_GUARD_FLOW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"
#include "guard/engine.h"
#include "guard/local.h"

/*
 * One connection under guard, HTTP/1.1 or (known by its preface) HTTP/2, from
 * its first byte to its last: what the program writes, what the server answers,
 * what is held, let go, refused and settled. No I/O: the hook (or the tracer)
 * moves the bytes. One thread per object. Never blocks but for the ledger row's
 * write.
 *
 * Writing (hook):
 *   while bytes are left:
 *     n = lg_flow_offer(flow, p, len, &gate)
 *     PASS : real write of p[0..n); lg_flow_passed(what it accepted)
 *     TAKEN: the flow keeps or swallows them; then flush lg_flow_out()
 * Whatever lg_flow_out() has is flushed before the next offer and before PASS
 * bytes are written, also when this very offer made it.
 * The program's call returns only when lg_flow_out() is empty.
 */
struct lg_flow;
struct lg_memo;
struct lg_row;
struct lg_who;

struct lg_flow_peer {
	struct lg_slice host; /* SNI, or "" (then the Host field decides) */
	bool guarded;	      /* lg_engine_guards(host) */
	bool observe_only;    /* tracer: never hold, never block */
	bool late;	      /* with it: it was there before we were */
	/*
	 * May the program's write wait a little (a blocking descriptor)? Asked
	 * during an offer, when a budget slows calls down. NULL: it may not.
	 */
	bool (*may_sleep)(void *arg);
	/* Is a request with this Host field ours to guard? NULL: any is. */
	bool (*is_named)(void *arg, struct lg_slice host);
	/*
	 * Send a request elsewhere and answer the program from there: asked
	 * during an offer, when a budget prefers a local server. From a true
	 * on the connection belongs to lg_flow_local. NULL: it cannot.
	 */
	lg_local_send_fn *local;
	void *arg;
	struct lg_who *who;   /* NULL: this process */
	struct lg_memo *memo; /* of the connection that this is a stream of,
				 borrowed; NULL: it has its own */
};

/* NULL out of memory (the connection then passes unguarded, counted). */
struct lg_flow *lg_flow_new(struct lg_engine *e,
			    const struct lg_flow_peer *peer);
/*
 * The connection is over (freed, cleared, exec): what is under way is settled
 * by the rules of design 6. NULL is accepted.
 */
void lg_flow_del(struct lg_flow *f);

enum lg_flow_gate {
	LG_FLOW_PASS,  /* write these yourself, now */
	LG_FLOW_TAKEN, /* the flow has them */
};

/*
 * The program wants to write p[0..len), len > 0. Returns n in 1..len: how
 * many leading bytes *gate speaks of. PASS is idempotent (ask again after
 * WANT_WRITE); TAKEN bytes are consumed by this call. When lg_flow_out() has
 * bytes, they must be flushed before the next offer.
 */
size_t lg_flow_offer(struct lg_flow *f, const char *p, size_t len,
		     enum lg_flow_gate *gate);
/* PASS bytes that the real write accepted. */
void lg_flow_passed(struct lg_flow *f, const char *p, size_t n);

/*
 * Bytes to write for real; false when none. The same slice (address, length)
 * until lg_flow_sent. The first call for a request stores `dispatched`.
 */
bool lg_flow_out(struct lg_flow *f, struct lg_slice *out);
void lg_flow_sent(struct lg_flow *f, size_t n);
/* The real write failed for good (not WANT_*). */
void lg_flow_write_failed(struct lg_flow *f);

/*
 * How long the program has to wait before what is in lg_flow_out is written
 * (throttle), once; 0: not at all.
 */
int64_t lg_flow_take_nap(struct lg_flow *f);

/* True while a request is held incomplete: a blocking read would never end. */
bool lg_flow_is_holding(const struct lg_flow *f);
/* The same of a head, which may never become one. */
bool lg_flow_is_cut(const struct lg_flow *f);
/*
 * Decide on what is known and let it go (into lg_flow_out). A head that is not
 * whole goes unread, and what follows it passes until a request begins.
 */
void lg_flow_release(struct lg_flow *f);

/*
 * Bytes that the real read delivered. Returns how many of them (from p on,
 * moved together in place) the program may see.
 */
size_t lg_flow_arrived(struct lg_flow *f, char *p, size_t n);
/* Does the flow want to see bytes before the program may (peek must not)? */
bool lg_flow_edits(const struct lg_flow *f);
/* The peer closed (close_notify, EOF, reset). */
void lg_flow_eof(struct lg_flow *f);

/*
 * Does a local server answer the request at hand? Then what it sends is told
 * by lg_flow_local_arrived and its end by lg_flow_local_eof; the program reads
 * the synthetic bytes. False again once the answer is over.
 */
bool lg_flow_is_local(const struct lg_flow *f);
void lg_flow_local_arrived(struct lg_flow *f, const char *p, size_t n);
void lg_flow_local_eof(struct lg_flow *f);
/* Bytes of the local server that were told. */
uint64_t lg_flow_local_got(const struct lg_flow *f);

/* Bytes of our own that the program reads before the server's. */
bool lg_flow_synth(const struct lg_flow *f, struct lg_slice *out);
void lg_flow_synth_taken(struct lg_flow *f, size_t n);
/* A refused request's answer waits: wake the program's event loop. */
bool lg_flow_wants_wakeup(struct lg_flow *f);
/* A stream was cut: the server need not go on. Close the socket both ways. */
bool lg_flow_wants_close(struct lg_flow *f);
/* After the synthetic answer is used up the connection looks closed. */
bool lg_flow_is_shut(const struct lg_flow *f);

/*
 * HTTP/2: what the server got is not what the program wrote, so that the flow
 * cannot be left before the connection ends.
 */
bool lg_flow_is_bound(const struct lg_flow *f);

/* -- observing (observe_only) -------------------------------------------- */

/*
 * Is what the program writes looked at as an LLM's requests? false: nothing
 * of this connection was one yet.
 */
bool lg_flow_is_guarding(const struct lg_flow *f);
/*
 * What is known of the newest request by its head, its body being written:
 * NULL when there is none. Until the next call on this flow.
 */
const struct lg_row *lg_flow_head(const struct lg_flow *f);
/* Requests that were seen to begin. */
uint32_t lg_flow_begun(const struct lg_flow *f);
/*
 * Bytes of the program (up) or of the server are missing here; 0: nobody knows
 * how many. The call that they belong to is flagged `lost`, and what can still
 * be read of it is.
 */
void lg_flow_gap(struct lg_flow *f, bool up, uint64_t missing);
/*
 * The newest request was not written whole, and waits (unsent), or was after
 * all: should it end without an answer, the server never had it.
 */
void lg_flow_unsent(struct lg_flow *f, bool unsent);

/*
 * What became of the calls under way, for their rows; newest: of the last one
 * alone. reason: a word, NULL none.
 */
void lg_flow_mark(struct lg_flow *f, int verdict, const char *reason,
		  bool newest);

/*
 * Nobody looks any more while the connection lives on: what is under way, or
 * may be any moment, is settled by lg_flow_del at its estimate, flagged
 * `abandoned`. like: a call of the same program, which says what model a
 * request is probably of whose body was not seen; NULL none.
 */
void lg_flow_forsake(struct lg_flow *f, const struct lg_row *like);

/* Forget all and pass everything from here on (HTTP upgrade, our own fault). */
bool lg_flow_is_passing(const struct lg_flow *f);

#endif
