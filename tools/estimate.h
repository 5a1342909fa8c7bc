#ifndef LG_TOOLS_ESTIMATE_H
#define LG_TOOLS_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

#include "doc.h"
#include "guard/memo.h"
#include "guard/rule.h"
#include "guard/windows.h"
#include "tokenizer.h"

struct lg_engine;
struct lg_exchange;

/*
 * What requests will cost before they are made: one, or the sum of a batch.
 * Nothing is held and no row is written.
 */
#define ESTIMATE_MODELS_MAX 64u
#define ESTIMATE_BUDGETS_MAX 256u
#define ESTIMATE_COMPARE_MAX 16u

/* Where a count comes from, the least certain last. */
enum estimate_by {
	ESTIMATE_GIVEN,	   /* by the user */
	ESTIMATE_EXACT,	   /* by the model's own encoding */
	ESTIMATE_NEARLY,   /* the same, but for what no one publishes */
	ESTIMATE_LEARNED,  /* by what this machine's calls had */
	ESTIMATE_DECLARED, /* output: the declared maximum */
	ESTIMATE_ASSUMED,  /* nothing is known */
	ESTIMATE_BY
};
extern const char *const estimate_by_names[ESTIMATE_BY];

/* One request's figures, or sums of them. Money saturates. */
struct estimate_sum {
	uint64_t requests, free, unknown; /* of these: cost nothing; no price */
	uint64_t unread; /* of these, counted as nothing: nothing here reads
			    them, so nobody knows what they cost */
	uint64_t input, input_low, input_high;
	uint64_t output, worst_output;
	int64_t expected_pusd, worst_pusd, low_pusd, high_pusd;
	bool bounded;			/* worst_pusd is */
	bool ranged;			/* low and high say something */
	enum estimate_by in_by, out_by; /* the least certain */
};

/* What is told of a single request, or of the first of a model. */
struct estimate_note {
	char url[300], price[160];
	const char *encoding; /* NULL: none */
	const char *tokens;   /* what of an exact count is a guess; NULL */
	uint32_t ratio, ratio_low, ratio_high; /* as struct lg_learned */
	uint32_t prompts, answers;	       /* samples behind them */
	uint32_t mean, p99;
	bool price_estimate;
};

struct estimate_model {
	char name[200]; /* "openai/gpt-4o", tier appended */
	struct estimate_sum sum;
	struct estimate_note note;
};

/* A counter of a budget that these requests would be charged to. */
struct estimate_budget {
	unsigned rule;
	struct lg_rule_hit hit;
	char name[128], scope[200];
	const char *period;
	bool hard, strict, counted; /* counted: used is known */
	int64_t used_pusd, held_pusd, limit_pusd;
	uint64_t requests;
	int64_t expected_pusd, worst_pusd;
	int64_t hold_pusd; /* the most that one of them holds */
};

struct estimate_options {
	const char *provider, *url, *tier, *model;
	uint64_t output_tokens;
	uint64_t max_tokens; /* where a request declares none */
	bool has_output, has_max;
	uint32_t buffer_ppm;
};

struct estimate {
	struct lg_engine *e;
	struct lg_world *w; /* pinned */
	struct lg_memo memo, other_memo;
	struct estimate_options o;
	struct tokenizer tokens;
	struct lg_windows wins;
	struct estimate_sum total;
	struct estimate_model model[ESTIMATE_MODELS_MAX];
	unsigned nmodels;
	struct estimate_budget budget[ESTIMATE_BUDGETS_MAX];
	unsigned nbudgets;
	uint64_t untagged;  /* refused for want of a tag */
	uint64_t expensive; /* above expensive_threshold */
	char unread[300];   /* the first such URL */
	uint64_t uncounted; /* hits of budgets beyond the table */
	const char *compare[ESTIMATE_COMPARE_MAX];
	struct estimate_model other[ESTIMATE_COMPARE_MAX];
	unsigned ncompare;
	const char *form; /* "OpenAI batch"; NULL: plain requests */
	uint64_t bytes;
	char why[600];
};

/* The engine is borrowed. */
void estimate_init(struct estimate *s, struct lg_engine *e);
void estimate_fini(struct estimate *s);

/* What a reader knows of one request besides its text. */
struct estimate_request {
	const char *name;     /* "batch.jsonl:12" */
	const char *url;      /* NULL: as the options, else guessed */
	const char *tier;     /* likewise */
	struct lg_slice text; /* stands in a */
	struct doc_arena *a;
};
/* Add one request. 0, -EINVAL with s->why. */
int estimate_add(struct estimate *s, const struct estimate_request *r);

/* -- estimate_budget.c ---------------------------------------------------- */

/* Note what a request adds to each budget that counts it. hold: of one. */
void estimate_charge(struct estimate *s, const struct lg_exchange *x,
		     const struct estimate_sum *one, int64_t adaptive_pusd,
		     int64_t strict_pusd);
int64_t estimate_buffered(const struct estimate *s, int64_t pusd);
/* What the budget would have spent (holds of others included). */
int64_t estimate_after(const struct estimate *s,
		       const struct estimate_budget *b);
/* Is it over its limit then, or would the guard refuse a request? */
bool estimate_is_over(const struct estimate *s,
		      const struct estimate_budget *b);
bool estimate_is_refused(const struct estimate_budget *b);
bool estimate_any_over(const struct estimate *s);

/* -- estimate_read.c ------------------------------------------------------ */

struct estimate_source {
	const char *file;   /* "-": stdin */
	const char *column; /* of a CSV file; NULL: found by its name */
	const char *system; /* file with a system prompt, NULL none */
	const char *prompt; /* file with a prompt (instead of file) */
	uint64_t max_tokens;
	bool has_max;
};
/* Read all requests of the source. 0, -EINVAL with s->why. */
int estimate_read(struct estimate *s, const struct estimate_source *from);
/* The same of a curl command line. */
int estimate_read_curl(struct estimate *s, int argc, char **argv);

/* -- estimate_show.c ------------------------------------------------------ */

void estimate_print(const struct estimate *s, struct lg_buf *out);
void estimate_json(const struct estimate *s, struct lg_buf *out);

#endif
