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
struct meter;

struct meter_options {
	const char *config, *state_dir, *region; /* NULL: the target uid's */
	bool ignore_budget;
	/* A call was settled, or its request was decided (row->end_ms 0). */
	void (*on_call)(void *arg, const struct lg_row *row, bool settled);
	/* A connection was judged: guarded or none of ours. */
	void (*on_conn)(void *arg, const struct probe_conn_key *key,
			enum probe_conn_state state);
	void *arg;
};

struct meter_totals {
	uint64_t calls, in_flight, lost_calls, lost_bytes, conns;
	int64_t cost_pusd;
};

/* 0 with *out, -ENOMEM. */
int meter_new(const struct meter_options *o, struct meter **out);
/* Settles what is under way as if every connection had ended. */
void meter_del(struct meter *m);
/* One record and its payload (ev->cap bytes, at most PROBE_PIECE). */
void meter_feed(struct meter *m, const struct probe_event *ev,
		const void *payload);
/* The process is gone (also by kill -9), or runs another program. */
void meter_process_gone(struct meter *m, uint32_t tgid);
/* Housekeeping: refresh engines, sweep, close what has been idle. */
void meter_tick(struct meter *m, int64_t now_ms);
void meter_totals(const struct meter *m, struct meter_totals *out);

#endif
