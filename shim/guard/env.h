#ifndef LG_GUARD_ENV_H
#define LG_GUARD_ENV_H

#include <stdbool.h>

#include "base/buf.h"

/* Environment as read by the constructor; borrowed for ever. NULL: unset. */
struct lg_env {
	const char *config, *state_dir, *region;
	const char *project, *user, *tags, *conversation, *phase;
	const char *run_id, *experiment;
	const char *max_usd, *warn_usd, *max_train_usd, *max_infer_usd;
	const char *warn_train_usd, *warn_infer_usd;
	const char *monthly_usd, *experiment_max_usd, *on_breach;
	const char *ignore_budget, *fail, *pricing_dir, *price_version;
	const char *log_level, *log_format;
	/* Of another process: getenv is not asked for what stands here. */
	const char *home, *xdg_config, *xdg_state;
	bool foreign;
	bool readonly;	/* looks, and makes or writes nothing */
	bool in_host;	/* the engine of a guarded program, not of a tool */
	bool under_run; /* started by `llmguard run` (LLMGUARD_UNDER_RUN) */
};

/* Fill from the process environment (getenv). One thread, at start. */
void lg_env_read(struct lg_env *env);
/* The same from elsewhere; get: the value of a name, or NULL. */
void lg_env_read_from(struct lg_env *env,
		      const char *(*get)(void *arg, const char *name),
		      void *arg);

/*
 * The budgets that stand in the environment, compiled into an image in *out;
 * nothing is appended when there are none. all: every budget that the
 * environment could define, with a limit of 0, for folding the ledger. An
 * amount that cannot be read counts as 0 under `llmguard run` or fail:
 * closed, and is left out elsewhere. 0, -errno. May allocate.
 */
int lg_env_budgets(const struct lg_env *env, bool all, struct lg_buf *out);

/* A variable that says nothing which could be meant. */
struct lg_env_bad {
	const char *variable, *value, *allowed;
};
#define LG_ENV_BAD_MAX 24
/* All of them, at most LG_ENV_BAD_MAX; their number. */
unsigned lg_env_check(const struct lg_env *env, struct lg_env_bad *out);
/* The same into the log. */
void lg_env_log_bad(const struct lg_env *env);

/*
 * May this name stand in a scope? Letters, digits and . _ - + @ / = , at most
 * 63 bytes. The budget of an experiment whose name is another counts each run
 * by itself.
 */
bool lg_env_is_experiment(const char *name);

/* Does the environment ask to observe only? */
bool lg_env_ignores(const struct lg_env *env);

#endif
