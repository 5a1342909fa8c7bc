#ifndef LG_LEDGER_ROW_H
#define LG_LEDGER_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/usage.h"

/*
 * One ledger row as plain data: no pointers, so that it can lie in a hold's
 * slot of the shared region and be written by whoever finds it there. Text is
 * NUL-terminated, cut to fit. Keys and meaning: docs/ledger.md.
 */
#define LG_ROW_ABSENT UINT64_MAX /* a count that was not reported: null */

enum lg_row_kind { LG_ROW_CALL, LG_ROW_ADJUST, LG_ROW_AUDIT };

enum lg_verdict {
	LG_VERDICT_ALLOW,
	LG_VERDICT_WARN,
	LG_VERDICT_THROTTLE,
	LG_VERDICT_FALLBACK,
	LG_VERDICT_CLAMP,
	LG_VERDICT_LOCAL,
	LG_VERDICT_BLOCK,
	LG_VERDICT_CUT,
	LG_VERDICT_STOP,
	LG_VERDICT_DENY,
	LG_VERDICT_RESET,
	LG_VERDICT_KILL,
};
enum lg_usage_state { LG_USAGE_EXACT, LG_USAGE_ESTIMATED, LG_USAGE_MISSING };
enum lg_price_state {
	LG_PRICED_EXACT,
	LG_PRICED_ESTIMATED,
	LG_PRICED_PROVIDER,
	LG_PRICED_UNKNOWN
};
enum lg_cache_hit {
	LG_CACHE_NONE,
	LG_CACHE_PROVIDER,
	LG_CACHE_GATEWAY,
	LG_CACHE_LOCAL /* the program's own: nothing crossed the wire */
};

#define LG_ROW_ABANDONED (1u << 0)
#define LG_ROW_IGNORED_BUDGET (1u << 1)
#define LG_ROW_LOST (1u << 2)
#define LG_ROW_JOINED_LATE (1u << 3)
#define LG_ROW_UNBOUNDED (1u << 4)
#define LG_ROW_RETRY (1u << 5)
#define LG_ROW_DUPLICATE (1u << 6)
#define LG_ROW_WAKEUP (1u << 7)
#define LG_ROW_RECOVERED (1u << 8) /* written from a slot by another */
#define LG_ROW_CUT_SHORT (1u << 9) /* answer ended early */
#define LG_ROW_BAD_JSON (1u << 10)
#define LG_ROW_BAD_HTTP (1u << 11)
#define LG_ROW_OVERSIZE (1u << 12)  /* beyond hold_max_bytes */
#define LG_ROW_UNGUARDED (1u << 13) /* no region: nothing was held */
#define LG_ROW_CONTENTION (1u << 14)
#define LG_ROW_UNDECODABLE (1u << 15) /* content coding not known */
#define LG_ROW_MISMATCH (1u << 16)    /* buckets vs provider's total */
#define LG_ROW_OVERSHOOT (1u << 17)   /* actual above the hold */
#define LG_ROW_PENDING (1u << 18)     /* its usage comes with a later answer */
#define LG_ROW_PARTS (1u << 19)	      /* several calls under their own prices */
#define LG_ROW_FALLBACK (1u << 20)    /* another model than was asked for */
#define LG_ROW_REPEAT (1u << 21)      /* the index's: answered before */
#define LG_ROW_FLAGS 22

/*
 * Counters of `units`: the units of base/usage.h, then those token buckets
 * that have no key of their own, as "image_input_tokens" and so on.
 */
#define LG_ROW_TOKEN_UNITS 8
#define LG_ROW_UNITS (LG_BUCKETS - LG_BUCKET_UNITS + LG_ROW_TOKEN_UNITS)

struct lg_row {
	uint16_t size; /* sizeof(struct lg_row), ABI check */
	uint8_t v;     /* 1 */
	uint8_t kind;
	uint8_t verdict;
	uint8_t usage_state;
	uint8_t price_state;
	uint8_t cache_hit;
	uint32_t flags;
	int32_t pid, ppid;
	uint32_t uid;
	int32_t status; /* HTTP status, 0: none */
	uint8_t stream;
	uint8_t request_hash[7]; /* of the body, see base/hash.h; 0: null */
	int64_t ts_ms, end_ms;	 /* end 0: null */
	int64_t ttft_ms, duration_ms; /* -1: null */
	uint64_t request_bytes, response_bytes;
	int64_t estimate_pusd, cost_pusd, economic_pusd;
	int64_t input_cost_pusd, output_cost_pusd;
	int64_t provider_cost_pusd; /* INT64_MIN: null */
	/* Of a call under way, not in the ledger: what it can cost at most;
	   INT64_MAX: nothing bounds it. */
	int64_t worst_pusd;
	uint32_t budget_ratio_ppm;  /* at admission, UINT32_MAX: null */
	uint32_t max_output_tokens; /* asked for, at most; 0: null */
	/* Totals as the row shows them: see design 6 "Ledger row". */
	uint64_t input_tokens, cache_read_tokens;
	uint64_t cache_write_5m_tokens, cache_write_1h_tokens;
	uint64_t output_tokens, reasoning_tokens;
	uint64_t audio_input_tokens, audio_output_tokens;
	uint64_t units[LG_ROW_UNITS]; /* 0: not in `units` */
	char id[27];		      /* 26 chars, see lg_row_new_id */
	char key[13];		      /* 12 hex of SHA-256, or "" */
	char phase[8];		      /* infer | train */
	char tier[24];
	char geo[24];	  /* where it ran, as far as prices ask */
	char variant[32]; /* picture's class */
	char request_type[12];
	char provider[64], dialect[32];
	char exe[128], comm[16];
	char run_id[64], experiment[64];
	char project[64], user[96];
	char tags[160]; /* joined by '\x1f' */
	char conversation[96], label[64];
	char host[96], endpoint[160];
	char model_requested[128], model[128];
	char price_version[40];
	char reason[64];
	char budgets[320]; /* names joined by '\x1f' */
	char response_id[96];
	char usage_raw[512]; /* JSON object, or "" for null */
	char ref[27];	     /* of adjust rows */
	char note[101];	     /* of audit and adjust rows */
};
_Static_assert(sizeof(struct lg_row) <= 3072, "fits a slot's draft");

/* Longest line lg_row_format makes. */
#define LG_ROW_LINE_MAX 8192

/*
 * In adjust rows counts (units too) are differences: these two carry a signed
 * number in the same field without meeting LG_ROW_ABSENT. Beyond 63 bits they
 * saturate.
 */
static inline uint64_t lg_row_delta(int64_t d)
{
	if (d == INT64_MIN)
		d++;
	return (uint64_t)(d < 0 ? d - 1 : d);
}

static inline int64_t lg_row_delta_of(uint64_t v)
{
	int64_t d = (int64_t)v;

	if (v == LG_ROW_ABSENT)
		return 0;
	return d < 0 ? d + 1 : d;
}

#define LG_ROW_HASH_LEN 7u

/* The 56 bits of request_hash; 0: none. */
static inline uint64_t lg_row_hash(const struct lg_row *r)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < LG_ROW_HASH_LEN; i++)
		v = v << 8 | r->request_hash[i];
	return v;
}

/* The upper 56 bits of h. */
static inline void lg_row_set_hash(struct lg_row *r, uint64_t h)
{
	for (unsigned i = 0; i < LG_ROW_HASH_LEN; i++)
		r->request_hash[i] = (uint8_t)(h >> (56 - 8 * i));
}

/* One more name to budgets; false, and nothing done, when it does not fit. */
bool lg_row_add_budget(struct lg_row *r, struct lg_slice name);

/* All fields zero/absent/null, size and v set. */
void lg_row_init(struct lg_row *r);
/*
 * A fresh id: 26 characters of Crockford base32, sorted by time (48 bits of
 * milliseconds, then 80 bits from process nonce, counter and getrandom).
 * Any thread, also after fork without a collision.
 */
void lg_row_new_id(int64_t unix_ms, char out[27]);
/*
 * One JSON line with its crc and '\n'. 0, -EMSGSIZE. Text that is not UTF-8
 * is replaced; money exact. No allocation when out is fixed storage.
 */
int lg_row_format(const struct lg_row *r, struct lg_buf *out);

/*
 * The last row's text where rows of one connection are mostly alike: who asked
 * whom for what. It is used again for a row whose bytes there are the same, and
 * for no other, so it cannot be out of date. Zeroed: empty. One thread.
 */
#define LG_ROW_MEMO_FROM offsetof(struct lg_row, key)
#define LG_ROW_MEMO_TO offsetof(struct lg_row, response_id)
#define LG_ROW_MEMO_RUNS 8

struct lg_row_memo {
	bool valid;
	uint8_t nruns;
	uint16_t len;
	struct {
		uint16_t next, len; /* first field behind it; of its text */
	} run[LG_ROW_MEMO_RUNS];
	char head[offsetof(struct lg_row, request_hash)];
	char body[LG_ROW_MEMO_TO - LG_ROW_MEMO_FROM];
	char text[1536];
};
/* lg_row_format, with what is known from the row before (NULL: nothing). */
int lg_row_format_like(const struct lg_row *r, struct lg_row_memo *m,
		       struct lg_buf *out);
/*
 * Parse a line (without '\n'). 0; -EPROTO not a row or crc wrong; unknown
 * keys are ignored, missing keys are absent. Fast enough for 300,000 rows/s.
 */
int lg_row_parse(struct lg_slice line, struct lg_row *out);
/* Does the line begin and end like a row, and is its crc right? */
bool lg_row_check(struct lg_slice line);
/* Is this POD from a slot sound (size, terminated text, enums in range)? */
bool lg_row_is_sound(const void *p, size_t len);

/*
 * What was used, into the row's counts: totals as design 6 has them, the rest
 * in units. Sets cache_hit and the mismatch flag.
 */
void lg_row_set_usage(struct lg_row *r, const struct lg_usage *u);
/*
 * The disjoint buckets again, exactly as lg_row_set_usage was given them (one
 * that was reported as 0 may come back as not reported where its key is in
 * `units`). False, with *u empty: the row has no counts, or they contradict
 * each other. Of a call; what several calls used (LG_ROW_PARTS) cannot be
 * priced as one.
 */
bool lg_row_usage(const struct lg_row *r, struct lg_usage *u);
/* Name of units[i] in `units`, "" when there is none. */
const char *lg_row_unit_name(unsigned i);
/* By name; LG_ROW_UNITS when there is none. */
unsigned lg_row_unit_by_name(struct lg_slice name);

const char *lg_verdict_name(enum lg_verdict v);
const char *lg_usage_state_name(enum lg_usage_state s);
const char *lg_price_state_name(enum lg_price_state s);
const char *lg_row_flag_name(unsigned bit);

/* The model that was admitted: what was asked for, or its fallback. */
static inline const char *lg_row_asked(const struct lg_row *r)
{
	return r->flags & LG_ROW_FALLBACK && r->model[0] ? r->model
							 : r->model_requested;
}

#endif
