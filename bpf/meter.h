#ifndef LG_BPF_METER_H
#define LG_BPF_METER_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/probe.h"
#include "ledger/row.h"

/*
 * The records of the ring made calls again: one engine a target uid, one flow
 * a (process, SSL*), the rows in the ledger of the uid. One thread.
 */
struct lg_engine;
struct lg_env;
struct meter;

struct meter_options {
	const char *config, *state_dir, *region; /* NULL: the target uid's */
	bool ignore_budget;
	/* A call was settled, or its request was decided (row->end_ms 0). */
	void (*on_call)(void *arg, const struct lg_row *row, bool settled);
	/* A connection was judged: guarded or none of ours. */
	void (*on_conn)(void *arg, const struct probe_conn_key *key,
			enum probe_conn_state state);
	/*
	 * What the kernel counted on a connection (key->id as for the loader),
	 * which it forgets with that: 0. Whoever takes it tells of what was
	 * lost there, nobody else. NULL: what the records say is all.
	 */
	int (*take)(void *arg, const struct probe_conn_key *key,
		    struct probe_conn *out);
	/* How far the ring is written, and handed out. NULL: to its end. */
	void (*ring_at)(void *arg, uint64_t *written, uint64_t *taken);
	void *arg;
};

struct meter_totals {
	uint64_t calls, in_flight, lost_calls, lost_bytes, conns;
	int64_t cost_pusd;
};

/* 0 with *out, -ENOMEM. */
int meter_new(const struct meter_options *o, struct meter **out);
/*
 * From now on nobody looks at whoever lives on: what is under way, or may be
 * any moment, will be settled by estimate (flag `abandoned`).
 */
void meter_closes(struct meter *m);
/* Settles what is under way; the totals are final then. meter_del does both,
 * too. */
void meter_end(struct meter *m);
void meter_del(struct meter *m);
/* One record and its payload (ev->cap bytes, at most PROBE_PIECE). */
void meter_feed(struct meter *m, const struct probe_event *ev,
		const void *payload);
/* The process is gone, and so is its last record: settles its calls. */
void meter_process_gone(struct meter *m, uint32_t tgid);
/* The process is gone, its last records may wait in the ring (or its EXIT may
 * have been lost): as above, by meter_tick, once they were fed. */
void meter_process_ended(struct meter *m, uint32_t tgid);
/* Housekeeping: refresh engines, sweep, close what has been idle. */
void meter_tick(struct meter *m, int64_t now_ms);
/*
 * What the kernel counted on a connection that it has forgotten, once all its
 * records were fed: once for each. Requests that never came up are lost calls.
 */
void meter_conn(struct meter *m, const struct probe_conn_key *key,
		const struct probe_conn *conn);
void meter_totals(const struct meter *m, struct meter_totals *out);

/*
 * For enforcement. A write's bytes are fed at its entry: a process that was
 * stopped there is judged by the request that waits, so on_call comes from
 * meter_feed of the record that ends it.
 */
/* What decides for a process, opened if need be; NULL: none, or let alone. */
struct lg_engine *meter_engine(struct meter *m, uint32_t tgid);
/* Its variables, as person.h reads them; NULL: nothing is known. Borrowed. */
const struct lg_env *meter_env(struct meter *m, uint32_t tgid);
/* It stays open though its processes end, until it is let go. */
void meter_keep(struct meter *m, const struct lg_engine *e);
void meter_let_go(struct meter *m, const struct lg_engine *e);
/* The same for whoever belongs to that uid, without variables of his own. */
struct lg_engine *meter_engine_of(struct meter *m, uint32_t uid);
/*
 * Where a process's rows go, and whose folder that is; NULL: nothing was
 * metered of it. Borrowed.
 */
const char *meter_state_dir(struct meter *m, uint32_t tgid, uint32_t *uid);
/*
 * Work with that engine (pins refresh, files are opened and made) is done
 * between these two, as the engine's user; on_call and on_conn are called as
 * root. meter_enter: false, there is none.
 */
bool meter_enter(struct meter *m, uint32_t tgid);
void meter_leave(struct meter *m);
/*
 * All that a process's rows say before any request is known: uid, pid, ppid,
 * exe, comm, and what LLMGUARD_* of its environment says. by_login: it says no
 * user, so who runs it is one only where no request names another. 0, -ESRCH.
 */
int meter_identity(struct meter *m, uint32_t tgid, struct lg_row *out,
		   bool *by_login);
/*
 * Whose the request is whose head was written and whose body is to come, as
 * its row will say. False: there is none, or its head is not whole.
 */
bool meter_head(struct meter *m, const struct probe_conn_key *key,
		struct lg_row *out);
/*
 * The verdict of the calls under way on a connection, for their rows. unsent:
 * only of the newest request, which waits at its write: should the connection
 * or the process end now, it has cost nothing. LG_VERDICT_ALLOW with unsent
 * takes that back: it was let go after all (the row still says `stop`).
 */
void meter_mark(struct meter *m, const struct probe_conn_key *key,
		enum lg_verdict v, const char *reason, bool unsent);

#endif
