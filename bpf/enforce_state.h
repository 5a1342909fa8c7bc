#ifndef LG_BPF_ENFORCE_STATE_H
#define LG_BPF_ENFORCE_STATE_H

#include "bpf/become.h"
#include "bpf/enforce.h"
#include "bpf/rung.h"
#include "guard/control.h"
#include "guard/exhaust.h"

/* Private to enforce*.c. */
#define ENFORCE_SLOTS 1024
#define ENFORCE_PAST 8	 /* kinds of calls a process is known for */
#define ENFORCE_WAITS 64 /* writes of a process that may wait at once */
#define ENFORCE_TRUST 32 /* calls that say what a hold turns out to cost */
#define ENFORCE_ORDERS 64

struct lg_world;
struct resolver;

/* An engine, as enforcement needs it: one for all processes that share it. */
struct owner {
	struct owner *next;
	unsigned refs; /* targets */
	struct lg_engine *engine;
	struct become_user user;
	uint32_t uid;
	uint64_t stamp; /* of the orders */
	struct order {
		int32_t pid;
		uint64_t start;
		enum lg_control_kind kind;
	} orders[ENFORCE_ORDERS];
	unsigned norders;
	uint32_t trust[ENFORCE_TRUST]; /* ppm of the hold that was charged */
	unsigned ntrust;
	int64_t usual_pusd;
};

/* A write that the kernel has told of; it may be waiting at its entry. */
struct wait {
	uint64_t ssl; /* 0: blind */
	uint32_t call, tid;
	bool used, whole, begins;
	int64_t place;	     /* of its thread: PROBE_PLACE */
	bool stopped;	     /* waits */
	bool marked;	     /* the meter knows that it waits */
	bool blind;	     /* that it waits is all that is known */
	struct lg_row *row;  /* of the request that ended with it, or NULL */
	struct lg_row *head; /* as far as its head tells, or NULL */
};

/* A connection to an LLM peer. */
struct dial {
	struct dial *next;
	struct probe_conn_key key;
	int fd;	     /* -1: not known */
	bool is_llm; /* judged by the meter */
	bool has_peer;
	struct connect_peer peer;
	uint32_t granted; /* this one was let go by hand */
	uint32_t begun;	  /* requests, as the kernel counts them */
	char call[27];	  /* row's id of the call under way, "" none */
};

/* A process under trace. */
struct ward {
	struct ward *next;
	struct rung_whom whom;
	struct owner *owner; /* NULL: no engine, let alone */
	struct lg_row *who;  /* without a request */
	struct lg_row *sure; /* what of it no request of its says anew */
	struct lg_row *past[ENFORCE_PAST];
	unsigned npast;
	struct dial *dials;
	struct wait waits[ENFORCE_WAITS];
	unsigned nwaits; /* ever */
	int64_t usual_pusd;
	unsigned nsettled;
	bool has_terminal; /* a shell may wait for its stops */
	bool ignores;	   /* its environment says so */
	bool is_kin;	   /* we would not outlive its stop */
	bool beyond;	   /* could never be continued */
	bool told_beyond;

	enum lg_foresight is; /* exhausted for its next call? */
	struct lg_exhaust why;
	bool dirty;	    /* a call of its was told and not looked at */
	bool near, verdict; /* as the kernel has them */
	bool denied;
	uint64_t ndenied; /* told */

	bool stopped;	   /* by us, it is not known to go on */
	bool seen_stopped; /* obeyed: /proc says so */
	bool stays;	   /* judged: it waits for money */
	bool noted;	   /* the orders say that it is stopped */
	bool killed;
	int64_t stopped_ms;
	uint32_t nstops;	/* records of stops that came */
	bool lags;		/* there were more stops than that */
	struct lg_hash128 told; /* budget and window of the last row denied */
	uint32_t told_window;
	bool has_told;
};

struct enforce {
	struct loader *loader;
	struct enforce_options o;
	struct enforce_rung_state rungs[ENFORCE_RUNGS];
	struct rung_deny *deny; /* NULL: not loaded */
	struct resolver *resolver;
	struct owner *owners;
	struct ward *wards[ENFORCE_SLOTS];
	struct lg_row *fresh; /* admitted by the record at hand */
	bool has_fresh;
	bool dirty; /* there are targets that are */
	bool cgroup_verdict, cgroup_denied;
	uint64_t ncgroup_denied;
	int64_t next_all_ms;
	struct enforce_totals totals;
};

/* -- enforce_owner.c ---------------------------------------------------------
 */

/* NULL: the process has no engine. Takes a reference. */
struct owner *owner_of(struct enforce *e, uint32_t tgid, uint32_t uid);
/* NULL is accepted. */
void owner_drop(struct enforce *e, struct owner *o);
/*
 * The world in force. It may be made anew, cells seeded from the ledger, rows
 * written: all that as the user. Until owner_leave.
 */
struct lg_world *owner_enter(struct owner *o);
void owner_leave(struct owner *o, struct lg_world *w);
/* Reads the orders again where they changed. */
void owner_refresh(struct owner *o);
/* Is it let alone (`disable PID`) or paused by its number? */
bool owner_lets_alone(const struct owner *o, const struct rung_whom *w);
bool owner_pauses(const struct owner *o, const struct rung_whom *w);
/* Did a tracer before us leave it stopped? */
bool owner_has_stopped(const struct owner *o, const struct rung_whom *w);
/* What a call turned out to cost of what was held for it. */
void owner_learn(struct owner *o, const struct lg_row *row);
uint32_t owner_held_ppm(const struct owner *o);
/*
 * `stopped pid`: for `status` and `llmguard resume`, also after our end. 0;
 * -EWOULDBLOCK another has the lock of the folder now; -errno, which was told.
 */
int owner_note_stopped(struct owner *o, const struct rung_whom *w, bool on);
/* Does the config say fail: closed? */
bool owner_is_closed(struct owner *o);

/* -- enforce_judge.c: who may go on, no side effects
 * ---------------------------
 */

/* t->is, t->why and whether it comes near; from the world in force. */
void judge_ward(struct ward *t, bool *near);
/* May this very call be made? False: *why not. */
bool judge_call(struct ward *t, const struct lg_row *row,
		struct lg_exhaust *why);
/* Do all writes that wait may go on? False: *why not, *first is one of them. */
bool judge_waits(struct ward *t, struct lg_exhaust *why, struct wait **first);
/* A call of this kind was made. */
void judge_learn(struct ward *t, const struct lg_row *row, bool settled);

/* -- enforce_act.c: the rungs
 * --------------------------------------------------
 */

/* The kernel's maps follow t->is; force: whatever they have now. */
void act_verdict(struct enforce *e, struct ward *t, bool near, bool force);
/*
 * This write must not go on: whatever the rung says. True: the process stays
 * as it is (stopped or dying).
 */
bool act_refuse(struct enforce *e, struct ward *t, const struct lg_exhaust *why,
		struct wait *w);
/* Whoever was stopped goes on. */
void act_continue(struct enforce *e, struct ward *t);
/* The orders say whether it stays; what could not be said is said later. */
void act_note(struct ward *t);
/* Somebody else has continued it: what waited may go, this once. */
void act_was_continued(struct enforce *e, struct ward *t);
/* New connections: from now on, or no more. */
void act_deny(struct enforce *e, struct ward *t, bool on);
/* What the kernel has denied since. */
void act_count_denied(struct enforce *e, struct ward *t);
/* Calls under way end now. */
void act_reset_calls(struct enforce *e, struct ward *t);

/* -- enforce_note.c: rows and events
 * -------------------------------------------
 */

/* An event, once for each process, budget and window. */
void note_event(struct ward *t, const struct lg_exhaust *why,
		const struct lg_row *row, enum lg_verdict v);
/* A row of what no request is known of. */
void note_row(struct ward *t, const struct lg_exhaust *why, enum lg_verdict v);

/* -- enforce_peer.c: whom LLM connections lead to
 * ------------------------------
 */

struct dial *dial_get(struct ward *t, const struct probe_conn_key *key,
		      bool create);
void dial_drop(struct ward *t, uint64_t ssl);
void dials_free(struct ward *t);
/* Find its peer and deny it to whoever is denied. */
void dial_learn_peer(struct enforce *e, struct ward *t, struct dial *c);
/*
 * 0, -ENOTCONN it cannot be found. others_too: where its descriptor is not
 * known, all connections to its peer may go; else only if they are idle.
 */
int dial_reset(struct ward *t, struct dial *c, bool others_too);

struct resolver *resolver_new(void);
void resolver_del(struct resolver *r);
/* Ask for a host's addresses, once an hour; answers come to resolver_poll. */
void resolver_ask(struct resolver *r, const char *host);
void resolver_poll(struct resolver *r,
		   void (*fn)(void *arg, const struct connect_peer *peer),
		   void *arg);

/* -- enforce_ward.c
 * ------------------------------------------------------------
 */

/*
 * Threads that another's stop has caught at the entry of their write wait as
 * well. True: there are such that were not known.
 */
bool ward_find_caught(struct ward *t);
struct ward *ward_find(struct enforce *e, uint32_t tgid);
/* NULL: it is gone. Judged at once. */
struct ward *ward_add(struct enforce *e, uint32_t tgid);
void ward_drop(struct enforce *e, uint32_t tgid);
/* Who it is may change with a program, and so may its budgets. */
void ward_identify(struct enforce *e, struct ward *t);
void ward_forget_calls(struct ward *t);
/* Judge it and act on that; force: whatever the kernel has now. */
void ward_judge(struct enforce *e, struct ward *t, bool force);
/* It is stopped by a tracer, and before what is not known. */
void ward_waits_blindly(struct ward *t);
void wards_each(struct enforce *e,
		void (*fn)(struct enforce *e, struct ward *t, int64_t now_ms),
		int64_t now_ms);

#endif
