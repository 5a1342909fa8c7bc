#ifndef LG_TOOLS_TOP_TALLY_H
#define LG_TOOLS_TOP_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/ledger.h"
#include "strmap.h"

/*
 * What `top` knows of the ledger: sums of today by process and model, what was
 * spent in the last minutes, the last calls. Read once from the ledger's end,
 * from there on only what is new.
 */

/* Spent in the last five minutes, by quarters of a minute. */
#define TOP_BUCKETS 20u
#define TOP_BUCKET_MS INT64_C(15000)
struct top_rate {
	int64_t at[TOP_BUCKETS]; /* number of the bucket since the epoch */
	int64_t pusd[TOP_BUCKETS];
};
void top_rate_add(struct top_rate *r, int64_t ts_ms, int64_t pusd);
/*
 * USD an hour: over the time since the first spending within the five minutes,
 * at least one minute.
 */
int64_t top_rate_hour(const struct top_rate *r, int64_t now_ms);

struct top_process {
	int32_t pid;
	char comm[16], exe[128];
	uint64_t calls, blocked;
	int64_t cost_pusd, last_ms;
	struct top_rate rate;
	/* as it was found in /proc; start 0: not looked yet */
	uint64_t start;
	uint8_t via; /* enum top_via */
	bool gone, paused, stopped;
};

struct top_model_sum {
	char model[128], provider[64];
	uint64_t calls, blocked, input_tokens, output_tokens;
	int64_t cost_pusd, last_ms;
	struct top_rate rate;
};

/* A row of the ledger, short. */
struct top_call {
	char id[27];
	int64_t ts_ms, duration_ms, cost_pusd, estimate_pusd;
	uint64_t input_tokens, output_tokens; /* LG_ROW_ABSENT */
	int32_t pid, status;
	uint8_t verdict, usage_state, price_state;
	uint32_t flags;
	char comm[16], model[128], reason[64], budgets[128];
};

#define TOP_CALLS_KEPT 512u
#define TOP_BLOCKED_KEPT 256u
struct top_ring {
	struct top_call *call; /* heap */
	unsigned size;
	uint64_t n; /* seen; the last `size` are kept */
};
/* The i-th newest, NULL: no more. */
const struct top_call *top_ring_nth(const struct top_ring *r, unsigned i);

struct top_tally {
	char dir[256];
	int64_t since_ms; /* begin of the day */
	bool partial;	  /* the day is longer than what was read */
	struct lg_ledger_pos pos;
	uint64_t calls, blocked, unguarded, unknown;
	int64_t cost_pusd, now_ms;
	struct top_rate rate;
	struct strmap processes, models,
		budgets; /* top_rate by name[\x1fvalue] */
	struct top_ring recent, refused;
};

int top_tally_init(struct top_tally *t, const char *dir);
void top_tally_fini(struct top_tally *t);
/* What is new, or all of the day that begins at since_ms. 0, -errno. */
int top_tally_read(struct top_tally *t, int64_t since_ms, int64_t now_ms);
/* One row, as the walk gives it. 0, -ENOMEM. */
int top_tally_add(struct top_tally *t, const struct lg_row *r);
/* Of a budget's counter; NULL: nothing in the last minutes. */
const struct top_rate *top_tally_budget(const struct top_tally *t,
					const char *name, const char *value);

#endif
