#ifndef LG_TOOLS_RUN_H
#define LG_TOOLS_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ledger/ledger.h"
#include "opt.h"

/* What the files of `llmguard run` share: one run, from options to report. */

enum run_option {
	RO_MAX,
	RO_WARN,
	RO_MAX_TRAIN,
	RO_MAX_INFER,
	RO_WARN_TRAIN,
	RO_WARN_INFER,
	RO_ON_BREACH,
	RO_GRACE,
	RO_IGNORE,
	RO_EXPERIMENT,
	RO_EXPERIMENT_MAX,
	RO_HALT,
	RO_RESTART,
	RO_RESUME,
	RO_ADD,
	RO_CALLS,
	RO_CALLS_PER_EXAMPLE,
	RO_EXAMPLES,
	RO_TRAIN_CALLS,
	RO_ESTIMATE,
	RO_DETAIL,
	RO_NO_ESTIMATE,
	RO_INPUT,
	RO_CACHED,
	RO_OUTPUT,
	RO_YES,
	RO_ARTIFACTS,
	RO_PROJECT,
	RO_TAGS,
	RO_USER,
	RO_CONVERSATION,
	RO_PHASE,
	RO_MODEL,
	RO_CONFIG,
	RO_PRICE_VERSION,
	RO_QUIET,
	RO_JSON,
};

enum run_phase { RUN_INFER, RUN_TRAIN, RUN_PHASES };
enum run_breach { BREACH_BLOCK, BREACH_STOP, BREACH_CONTINUE };
enum run_end { RUN_COMPLETED, RUN_CANCELLED, RUN_FAILED };

#define RUN_NO_LIMIT INT64_MIN

/* In picodollars; RUN_NO_LIMIT: none. */
struct run_limits {
	int64_t max, warn, train, infer, warn_train, warn_infer, experiment;
};

/* What calls of one model in one phase came to, or are expected to. */
struct run_line {
	char provider[64], model[128];
	enum run_phase phase;
	bool fine_tuned, unknown; /* unknown: at a ceiling, or at nothing */
	uint64_t calls;		  /* over the wire */
	uint64_t local;		  /* out of the program's own cache */
	uint64_t refused;
	uint64_t provider_hits, gateway_hits;
	uint64_t input_tokens, cached_tokens, output_tokens;
	int64_t cost_pusd, economic_pusd;
};

struct run_estimate {
	bool known;
	const char *source;	    /* "file", "options", "history" */
	uint64_t calls[RUN_PHASES]; /* expected; 0: nobody said */
	int64_t actual[RUN_PHASES], economic[RUN_PHASES];
	struct run_line *line; /* heap: the profile, as it was given */
	unsigned nlines;
};

struct run_tally {
	struct run_line *line; /* heap; by phase, then cost */
	unsigned nlines;
	struct run_line sum[RUN_PHASES]; /* names empty */
	uint64_t rows, refused, cut, unknown, estimated, ignored;
	int64_t refused_pusd, tuned_train_pusd, tuned_infer_pusd;
	char reason[64]; /* of the last refusal */
};

/* One budget of the run, as its cell stands. */
struct run_cell {
	char name[64], scope[128];
	int64_t limit_pusd, spent_pusd, held_pusd;
	uint64_t blocked;
	bool hard, refusing;
};
#define RUN_CELLS_MAX 8

/* What the rows that came since the start say, for the one that looks on. */
struct run_watch {
	struct lg_ledger_pos pos;
	uint64_t calls, refused, cut;
	/*
	 * Of the rows of one look, in their order: what they cost, and the
	 * most that one before a refusal and the refused one come to; -1: none
	 * was refused. [RUN_PHASES] is all of them.
	 */
	int64_t cost[RUN_PHASES + 1], peak[RUN_PHASES + 1];
	int64_t wanted[RUN_PHASES + 1]; /* dearest refusal that stands */
	unsigned quiet;			/* looks at a refusal without a row */
	uint32_t warned;		/* bit of each phase, and of the run */
	struct run_cell cell[RUN_CELLS_MAX];
	unsigned ncells;
};

struct run {
	struct call *c;
	struct lg_engine *e;
	char id[64], experiment[64], project[64];
	bool nested, resumed, ignored;
	struct run_limits limits;
	enum run_breach on_breach;
	struct run_estimate estimate;
	struct run_watch watch;
	struct run_tally tally;
	struct lg_ledger_pos pos; /* of this start */
	int64_t begun_ms;	  /* of the first start */
	int64_t started_ms, ended_ms;
	pid_t child;
	int status;	  /* as wait has it */
	int signalled;	  /* INT, TERM or HUP that came to us; 0 */
	bool over;	  /* the child has ended */
	bool halted;	  /* it has halted its experiment */
	bool breached;	  /* a limit of the run was reached */
	char breach[200]; /* which, in words */
	enum run_end end;
	char reason[256];    /* why cancelled, else "" */
	char artifacts[512]; /* folder; "" none */
	char program[4096];  /* whose crashes are counted; "" unknown */
	char *preload_was;   /* LD_PRELOAD as it was; heap, NULL unset */
	bool passive;	     /* it crashed too often: it runs bare */
};

extern const struct opt run_opts[];
const char *run_end_name(enum run_end end);

/* -- run_limits.c: options to the environment of the command -------------- */

/* The run's id, its limits and whose it is. -1, or an exit code. */
int run_limits_set(struct run *r);

/* -- run_record.c: $STATE/runs/ID.json ------------------------------------ */

struct run_record {
	char id[64], experiment[64], project[64], status[16], on_breach[12];
	struct run_limits limits;
	int64_t begun_ms;
	uint64_t pid, pid_start;
};
/* 0, -ENOENT, -EPROTO, -errno. */
int run_record_read(const char *state_dir, const char *id,
		    struct run_record *out);
/* status NULL: it goes on. Said where it cannot be written. */
void run_record_write(const struct run *r, const char *status);
/* Does the one who wrote it still look on? */
bool run_record_is_live(const struct run_record *rec);
/* Removes files of runs that nobody has touched for 180 days; halts stay. */
void run_record_clean(const char *state_dir);

/* -- run_halt.c: an experiment that was halted ----------------------------- */

/* -1: may start; else the exit code, said why (r->reason). */
int run_halt_check(struct run *r);
/* Once a run. */
void run_halt_write(struct run *r);
/* Was it halted by another run? Then who and why, into text. */
bool run_halt_is(const struct run *r, char text[256]);

/* -- run_estimate.c, run_profile.c ----------------------------------------- */

/* Lines of --estimate FILE, of options, of the ledger. 0, or an exit code. */
int run_profile_file(struct run *r, const char *file);
int run_profile_options(struct run *r);
int run_profile_history(struct run *r);
/* One more line; NULL without memory (said). */
struct run_line *run_profile_add(struct run *r);
/* -1: start; else the exit code (r->reason says why it is cancelled). */
int run_estimate(struct run *r);
int64_t run_scale(int64_t pusd, uint64_t times, uint64_t by);

/* -- run_crash.c: the crash-loop breaker (guard/crash.h) ------------------- */

/* Take the guard out of the command's environment, where it crashed often. */
void run_crash_before(struct run *r);
/* Note it if it has crashed. */
void run_crash_after(struct run *r);

/* -- run_child.c: start, look on, end ---------------------------------------
 */

int run_child_start(struct run *r);
/* Returns when it has ended, r->status set. */
void run_child_wait(struct run *r);

/* -- run_watch.c --------------------------------------------------------------
 */

void run_watch_begin(struct run *r);
/* Look at the rows and cells. True when a limit is breached. */
bool run_watch_look(struct run *r);
/* The cells of the run's budgets, into r->watch. */
void run_watch_cells(struct run *r);

/* -- run_tally.c ---------------------------------------------------------- */

/* Each call of the run as it stands after its corrections. */
typedef int run_row_fn(void *ctx, const struct lg_row *row);
int run_rows(const struct run *r, run_row_fn *fn, void *ctx);
/* Count them all, into r->tally. 0, -errno. */
int run_tally(struct run *r);
/* fn NULL or called for each row too. */
int run_tally_with(struct run *r, run_row_fn *fn, void *ctx);
void run_tally_fini(struct run_tally *t);

/* Inference, in billionths of a dollar of a million; false: no call. */
bool run_per_million_calls(const struct run *r, int64_t *nano);
bool run_per_million_runs(const struct run *r, int64_t *nano);
/* As a JSON number; out has 32 bytes. */
void run_nano_text(int64_t nano, char *out);
/* Calls that were made, over the wire or out of a local cache. */
uint64_t run_calls_made(const struct run *r);
/* Expected calls that did not come; 0: none, or not known. */
uint64_t run_skew(const struct run *r);

/* -- run_report.c, run_manifest.c, run_artifacts.c ---------------------------
 */

void run_report(const struct run *r);
struct json;
void run_manifest(const struct run *r, struct json *j);
void run_summary(const struct run *r, struct json *j);
/* Makes the folder. -1 or an exit code. */
int run_artifacts_begin(struct run *r);
/* All three files anew; late: the run is not over yet. */
void run_artifacts_write(struct run *r, bool late);

#endif
