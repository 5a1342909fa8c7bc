#ifndef LLMGUARD_H
#define LLMGUARD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * libllmguard-client: the guard's budgets, prices and ledger from a program.
 * It sees the same state as guarded programs and the llmguard command.
 *
 * Money is int64_t picodollars (1e-12 USD). Times are milliseconds since 1970,
 * UTC. Text is UTF-8.
 *
 * Threads: a handle, and what was read from it, belongs to one thread at a
 * time; different handles may be used at once. After fork a child opens its
 * own. Nothing here is async-signal-safe. Calls may block on files.
 *
 * Functions that can fail return 0 or one of enum llmguard_error (negative);
 * llmguard_message tells what was wrong in words. Structures that are filled
 * are given with their size as it was compiled; a newer library leaves alone
 * what an older program does not know, and the reverse reads as zero.
 * Structures that are read begin with their size: set it to sizeof.
 */
#define LLMGUARD_API_VERSION 1

#if defined(__GNUC__)
#define LLMGUARD_API __attribute__((visibility("default")))
#else
#define LLMGUARD_API
#endif

enum llmguard_error {
	LLMGUARD_OK = 0,
	LLMGUARD_OVER = 1, /* an answer, not an error: it does not fit */
	LLMGUARD_EMEMORY = -1,
	LLMGUARD_ESTATE = -2,	 /* the state folder cannot be used */
	LLMGUARD_EREGION = -3,	 /* no shared region can be had */
	LLMGUARD_EREADONLY = -4, /* the handle was not opened for writing */
	LLMGUARD_EARGUMENT = -5, /* an argument says nothing that is meant */
	LLMGUARD_ENOTFOUND = -6, /* no such budget, price, call */
	LLMGUARD_ECONFIG = -7,	 /* the configuration refuses it */
	LLMGUARD_EIO = -8,	 /* files cannot be read or written */
};

#define LLMGUARD_PUSD INT64_C(1000000000000)
#define LLMGUARD_NO_BOUND INT64_MIN /* of amounts: nothing bounds it */
#define LLMGUARD_NEVER INT64_MAX    /* of times: there is no end */

typedef struct llmguard llmguard;
typedef struct llmguard_budgets llmguard_budgets;

/* -- opening --------------------------------------------------------------- */

#define LLMGUARD_WRITE 1u /* else nothing is made or changed */

/* NULL: as the environment says (LLMGUARD_CONFIG and so on). */
struct llmguard_options {
	size_t size;
	uint32_t flags;
	uint32_t reserved;
	const char *config, *state_dir, *region;
	const char *project, *user, *tags, *conversation, *run_id;
	const char *experiment, *phase;
};

/*
 * options may be NULL. On failure *out is NULL. LLMGUARD_ESTATE: the state
 * folder is not to be had; with LLMGUARD_WRITE, not to be written.
 */
LLMGUARD_API int llmguard_open(const struct llmguard_options *options,
			       llmguard **out);
/* NULL is accepted. Lists that were read from it must be freed before. */
LLMGUARD_API void llmguard_close(llmguard *g);
/* Of the last call that failed on this handle; valid until the next one. */
LLMGUARD_API const char *llmguard_message(const llmguard *g);
/* What a code means in general. Static. */
LLMGUARD_API const char *llmguard_strerror(int code);
/* "0.1.0"; static. */
LLMGUARD_API const char *llmguard_version(void);

/*
 * Look at files again, and with LLMGUARD_WRITE finish what dead programs left
 * and give every budget its counter. Calls look by themselves once a second.
 */
LLMGUARD_API int llmguard_refresh(llmguard *g);

struct llmguard_info {
	const char *region; /* NULL: there is none */
	const char *state_dir, *config;
	const char *trouble; /* why the config is not in force; "" */
	char region_uuid[40];
	uint64_t generation;
	uint64_t lost_rows;	    /* calls that nobody could record */
	uint32_t holds, dead_holds; /* calls under way; of dead programs */
	uint32_t staged_rows;	    /* rows that wait to be written */
	uint32_t flags;		    /* LLMGUARD_INFO_* */
};
#define LLMGUARD_INFO_READONLY 1u /* the region is, for this handle */
#define LLMGUARD_INFO_DISABLED 2u /* llmguard disable */
#define LLMGUARD_INFO_CLOSED 4u	  /* fail: closed */
/* Text lives until the next call with this handle. */
LLMGUARD_API int llmguard_info(llmguard *g, struct llmguard_info *out,
			       size_t size);

/* -- budgets --------------------------------------------------------------- */

#define LLMGUARD_BUDGET_HARD 1u	  /* refuses what does not fit */
#define LLMGUARD_BUDGET_STRICT 2u /* holds the worst case */
#define LLMGUARD_BUDGET_EACH 4u	  /* one counter a value */
#define LLMGUARD_BUDGET_REFUSING                                               \
	8u /* the last matching request was refused                            \
	    */

/* One counter of a budget in its current window. Text lives in the list. */
struct llmguard_budget {
	const char *name, *scope, *period;
	const char *value;  /* of a budget of each value or run; "" */
	const char *state;  /* ok warn exceeded */
	const char *source; /* config live env other */
	const char *note;   /* NULL: none */
	int64_t limit, spent, held, remaining;
	int64_t overshoot; /* what calls under way could pass it by */
	int64_t raised;	   /* part of the limit, until then; 0: none */
	int64_t raised_until_ms;
	int64_t window_start_ms, window_end_ms;
	int64_t ratio_ppm; /* spent / limit in millionths; -1: limit 0 */
	uint64_t calls, blocked;
	uint32_t flags; /* LLMGUARD_BUDGET_* */
	uint32_t reserved;
};

#define LLMGUARD_ALL_RUNS 1u /* budgets of all past runs, too */
/* In order of their names. */
LLMGUARD_API int llmguard_budgets_read(llmguard *g, uint32_t flags,
				       llmguard_budgets **out);
LLMGUARD_API void llmguard_budgets_free(llmguard_budgets *list);
LLMGUARD_API size_t llmguard_budgets_count(const llmguard_budgets *list);
/* Those of other runs that were left out. */
LLMGUARD_API size_t llmguard_budgets_hidden(const llmguard_budgets *list);
LLMGUARD_API int llmguard_budgets_get(const llmguard_budgets *list, size_t i,
				      struct llmguard_budget *out, size_t size);
/*
 * Would `amount` fit into the budget now? LLMGUARD_OVER: what is spent and
 * held leaves too little. value: of a budget of each value, else NULL. *left
 * (may be NULL) gets what is left before that amount.
 */
LLMGUARD_API int llmguard_budget_check(llmguard *g, const char *name,
				       const char *value, int64_t amount,
				       int64_t *left);

/*
 * As `llmguard budget set`; NULL, -1: as it is, or the default. Anything else
 * than what stands here is LLMGUARD_EARGUMENT.
 */
struct llmguard_budget_spec {
	size_t size;
	const char *name;
	const char *scope;  /* "project:x & model:gpt-4o*" */
	const char *period; /* run hourly daily weekly monthly yearly total */
	const char *limit_usd; /* decimal: "12.50" */
	const char *mode;      /* adaptive strict */
	const char *warn_at;   /* "0.75,0.9" */
	const char *until;     /* the change ends here */
	int32_t hard;	       /* 1, 0, -1 */
	int32_t each;	       /* 1, 0 */
};
LLMGUARD_API int llmguard_budget_set(llmguard *g,
				     const struct llmguard_budget_spec *spec);
/* Take live changes of a budget back. LLMGUARD_ENOTFOUND: it has none. */
LLMGUARD_API int llmguard_budget_remove(llmguard *g, const char *name);

/* -- money that was spent -------------------------------------------------- */

enum {
	LLMGUARD_ABANDONED,
	LLMGUARD_UNKNOWN,
	LLMGUARD_ESTIMATED,
	LLMGUARD_EXACT,
	LLMGUARD_CLASSES
};

struct llmguard_totals {
	int64_t since_ms;
	int64_t cost, economic, refused;
	uint64_t calls, blocked, cut, unguarded, torn_rows;
	uint64_t input_tokens, output_tokens;
	/* each call under the first that applies */
	uint64_t class_calls[LLMGUARD_CLASSES];
	int64_t class_cost[LLMGUARD_CLASSES];
};
#define LLMGUARD_THIS_MONTH INT64_C(-1)
/*
 * Of the ledger's rows since then (0: all of them), of one run if run_id is
 * not NULL. Asked again for the same, it reads only what came since.
 */
LLMGUARD_API int llmguard_totals_read(llmguard *g, int64_t since_ms,
				      const char *run_id,
				      struct llmguard_totals *out, size_t size);

struct llmguard_call {
	char id[40], provider[64], model[136], tier[24];
	char project[104], user[104], conversation[104], run_id[104];
	char verdict[16], usage_state[16], price_state[16];
	int64_t ts_ms, duration_ms;
	int64_t cost, economic;
	uint64_t input_tokens, output_tokens, cache_read_tokens;
	int32_t pid, status;
};
/*
 * The newest call of the ledger: of this process (pid), of a run, or of all
 * (0, NULL), as it was recorded. LLMGUARD_ENOTFOUND: none in its last 256 MB.
 */
LLMGUARD_API int llmguard_last_call(llmguard *g, int32_t pid,
				    const char *run_id,
				    struct llmguard_call *out, size_t size);

/* A call that did not cross the wire (`llmguard record`). */
struct llmguard_record {
	size_t size;
	const char *provider; /* NULL: the first that has the model */
	const char *model, *tier;
	const char *cache_hit; /* none: it is paid; local, gateway: it is not */
	/* generate embed image audio rerank batch train other; NULL: generate;
	   train: input_tokens were trained */
	const char *type;
	/* NULL: as the handle's options, or the environment; read as those are:
	   tags "a, b", conversation "id label", phase infer or train */
	const char *project, *user, *tags, *conversation, *run_id;
	const char *experiment, *phase;
	uint64_t input_tokens, cached_tokens, output_tokens;
};
/*
 * What it cost stands in out (may be NULL). A model without a price counts as
 * the config's unknown_model says; price_state is "unknown" then.
 */
LLMGUARD_API int llmguard_record_call(llmguard *g,
				      const struct llmguard_record *r,
				      struct llmguard_call *out, size_t size);

/* -- prices and estimates -------------------------------------------------- */

/*
 * Append a price to the user's price file. rates: "input_per_1m=2.5,
 * output_per_1m=10", any of docs/pricing.md. effective: a date, RFC 3339,
 * "now" or "always"; NULL: now where the model has a price, else always.
 */
LLMGUARD_API int llmguard_price_add(llmguard *g, const char *provider,
				    const char *model, const char *rates,
				    const char *effective);

struct llmguard_price {
	char pricing_id[136], version[32], found_by[64];
	uint64_t context_window, max_output_tokens; /* 0: unknown */
	/* of a million tokens; LLMGUARD_NO_BOUND: there is no such rate */
	int64_t input, cached_input, output;
	int32_t known, estimate;
};
/* provider, tier: NULL: any, the standard one. */
LLMGUARD_API int llmguard_price_get(llmguard *g, const char *provider,
				    const char *model, const char *tier,
				    struct llmguard_price *out, size_t size);

/* A request that would be made: a body, or a model and a prompt. */
struct llmguard_request {
	size_t size;
	const char *body; /* JSON or a whole HTTP request; NULL: a prompt */
	size_t body_len;
	const char *url; /* of a body; NULL: the model's provider's */
	const char *tier, *provider, *model;
	const char *prompt;
	size_t prompt_len;
	uint64_t max_tokens;	       /* 0: none */
	uint64_t output_tokens;	       /* expected; 0: as learned */
	const char *const *tokenizers; /* .tiktoken files, up to a NULL */
};

struct llmguard_estimate {
	char provider[64], model[136];
	char input_state[16], output_state[16]; /* docs/estimate.md */
	uint64_t input_tokens, input_low, input_high;
	uint64_t output_tokens, worst_output_tokens;
	int64_t expected, low, high;
	int64_t worst;	 /* LLMGUARD_NO_BOUND: nothing bounds it */
	int32_t ranged;	 /* low and high say something */
	int32_t over;	 /* it would exceed a budget */
	int32_t refused; /* the guard would refuse it */
	int32_t price_known;
};
/* Nothing is held or recorded. */
LLMGUARD_API int llmguard_estimate(llmguard *g,
				   const struct llmguard_request *r,
				   struct llmguard_estimate *out, size_t size);

/* -- phase ----------------------------------------------------------------- */

/* infer, train, or auto; run_id NULL: the handle's run. */
LLMGUARD_API int llmguard_phase_set(llmguard *g, const char *run_id,
				    const char *phase);
/* phase: "infer", "train", or "auto". */
LLMGUARD_API int llmguard_phase_get(llmguard *g, const char *run_id,
				    char phase[8]);

/* -- amounts as text ------------------------------------------------------- */

/* The exact decimal, "12.87"; buf has 24 bytes. The length. */
LLMGUARD_API size_t llmguard_usd_print(int64_t pusd, char buf[24]);
LLMGUARD_API int llmguard_usd_parse(const char *text, int64_t *pusd);

#ifdef __cplusplus
}
#endif

#endif
