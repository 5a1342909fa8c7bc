#ifndef LG_GUARD_ENGINE_H
#define LG_GUARD_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/image.h"
#include "base/slice.h"

/*
 * The guard of one process (or, in the tracer, of one target uid): settings,
 * prices, region, ledger and who we are. Built at the first TLS context of a
 * program, refreshed at most once a second. Any thread after init.
 */
struct lg_engine;

/* Environment as read by the constructor; all borrowed for ever. NULL: unset. */
struct lg_env {
	const char *config, *state_dir, *region;
	const char *project, *user, *tags, *conversation, *phase;
	const char *run_id, *experiment;
	const char *max_usd, *warn_usd, *max_train_usd, *max_infer_usd;
	const char *monthly_usd;
	const char *ignore_budget, *fail, *pricing_dir;
	bool under_run;		/* started by `llmguard run` */
};

/* Fill from the process environment (getenv). */
void lg_env_read(struct lg_env *env);

/*
 * The process's engine, built on first use; NULL while another thread builds
 * it, or when it cannot be built at all (the program then runs unguarded
 * under fail: open). Never blocks for long; may open files.
 */
struct lg_engine *lg_engine_get(void);
/* Tools and tests: an engine of their own. 0, -errno. */
int lg_engine_open(const struct lg_env *env, struct lg_engine **out);
void lg_engine_close(struct lg_engine *e);

/* Is this TLS peer a host we guard from the first byte (table + config)? */
bool lg_engine_guards(struct lg_engine *e, struct lg_slice host);
/* Kill switch, region's disabled word. */
bool lg_engine_is_off(struct lg_engine *e);
/* How ALPN is handled for guarded hosts. */
enum lg_http2 lg_engine_http2(struct lg_engine *e);
/* In a forked child, before anything else. */
void lg_engine_after_fork(void);

#endif
