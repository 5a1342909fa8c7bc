#ifndef LG_BPF_METER_STATE_H
#define LG_BPF_METER_STATE_H

#include "bpf/engines.h"
#include "bpf/meter.h"
#include "bpf/person.h"
#include "bpf/stream.h"
#include "guard/who.h"

/* Private to meter*.c. */
#define METER_PROCS 1024
#define METER_CONNS 8192
#define METER_LOOK_MS 2000
#define METER_MEMORY ((size_t)1 << 30)
#define METER_DROPPED_NS UINT64_C(30000000000)
#define METER_IDLE_NS UINT64_C(21600000000000) /* six hours */

struct conn {
	struct conn *next; /* of its slot */
	struct conn *of_proc, **prev_of;
	struct meter *meter;
	struct proc *proc;
	struct probe_conn_key key;
	uint64_t id, ts_ns;
	uint32_t begun; /* requests, as the kernel counts them */
	uint32_t seen;	/* of those, by flows that have ended */
	enum probe_conn_state state;
	unsigned looks; /* requests that were none of ours */
	bool is_late, guarded, wrote;
	bool has_lost; /* records */
	bool is_final; /* the kernel counts here no more */
	char host[256];
	struct stream stream;
	struct lg_flow *flow;
	struct lg_who who;
};

struct proc {
	struct proc *next;
	struct conn *conns;
	struct engines_one *one; /* NULL: no engine can be had */
	bool let_alone;		 /* not metered at all */
	bool forsaken;		 /* it lives on, and we end */
	struct lg_row *like;	 /* its last call that was decided, or NULL */
	bool has_ended;		 /* and nothing of it comes behind: */
	uint64_t last_at;	 /* in the ring */
	struct person person;
};

struct meter {
	struct meter_options o;
	struct meter_totals totals;
	struct engines engines;
	int64_t next_look_ms;
	struct proc *procs[METER_PROCS];
	struct conn *conns[METER_CONNS];
};

/* Borrowed; NULL: there is none. */
struct proc *meter_find_proc(struct meter *m, uint32_t tgid);
struct conn *meter_find_conn(struct meter *m, uint32_t tgid, uint64_t ssl);
/* The same, made if need be; NULL: no memory. */
struct proc *meter_get_proc(struct meter *m, uint32_t tgid, uint32_t uid);
/* Settles what is under way on it. */
void conn_del(struct conn *c);

#endif
