#ifndef LG_GUARD_ENGINE_H
#define LG_GUARD_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/image.h"
#include "base/slice.h"
#include "guard/env.h"

struct lg_catalog;
struct lg_ledger;
struct lg_region;
struct lg_self;
struct lg_world;

/*
 * The guard of one process (or, in the tracer, of one target uid): settings,
 * prices, region, ledger and who we are. Built at the first TLS context of a
 * program, refreshed at most once a second. Any thread after init.
 */
struct lg_engine;

/*
 * The process's engine, built on first use. NULL only when it cannot be built
 * at all (no memory; the program then runs unguarded). While another thread
 * builds it this waits, at most 2 s. May open files; keeps errno.
 */
struct lg_engine *lg_engine_get(void);
/* The same without building it: NULL when nobody did yet. */
struct lg_engine *lg_engine_peek(void);
/* Tools and tests: an engine of their own. 0, -errno. */
int lg_engine_open(const struct lg_env *env, struct lg_engine **out);
void lg_engine_close(struct lg_engine *e);

/* Is this TLS peer a host we guard from the first byte (table + config)? */
bool lg_engine_guards(struct lg_engine *e, struct lg_slice host);
/* Kill switch, region's disabled word. */
bool lg_engine_is_off(struct lg_engine *e);
/* How ALPN is handled for guarded hosts. */
enum lg_http2 lg_engine_http2(struct lg_engine *e);
/*
 * May entries of functions be patched? Never in a program that is let alone
 * (lists, crashes), else as the setting says; is_asked: whatever it says.
 */
bool lg_engine_may_patch(struct lg_engine *e, bool is_asked);
/* In a forked child, before anything else; forked: for one's own engine. */
void lg_engine_after_fork(void);
void lg_engine_forked(struct lg_engine *e);
/*
 * From here on a sandbox (seccomp, chroot) may forbid opening files: only
 * memory is used and rows are staged in the region. Any thread.
 */
void lg_engine_enter_sandbox(void);

/* -- what a call is decided from ---------------------------------------- */

/*
 * The world in force, refreshed when it is due (at most once a second, or
 * when `budget set` bumped the region); pinned until lg_engine_unpin. Never
 * NULL. May look at files.
 */
struct lg_world *lg_engine_pin(struct lg_engine *e);
/*
 * The same, and sure that its region is the one that the path leads to now:
 * money settled in a region that others have left is missing in theirs.
 */
struct lg_world *lg_engine_pin_region(struct lg_engine *e);
void lg_engine_unpin(struct lg_engine *e, struct lg_world *w);
/* One more pin of a world that the caller has pinned. */
void lg_engine_repin(struct lg_engine *e, struct lg_world *w);
const struct lg_env *lg_engine_env(const struct lg_engine *e);
const struct lg_self *lg_engine_self(const struct lg_engine *e);
/* LLMGUARD_IGNORE_BUDGET. */
bool lg_engine_ignores(const struct lg_engine *e);
bool lg_engine_is_sandboxed(const struct lg_engine *e);
/* What that said last: for whoever has just asked, or pinned the region. */
bool lg_engine_was_sandboxed(void);
/* A row of ours was staged: somebody should write it when it can be. */
void lg_engine_note_staged(struct lg_engine *e, bool staged);
bool lg_engine_has_staged(const struct lg_engine *e);
/* True at most once in 50 ms: the caller sweeps dead owners now. */
bool lg_engine_sweep_is_due(struct lg_engine *e);

/* -- for tools ---------------------------------------------------------- */

/* What these return belongs to the world in force: until the next call that
 * pins or refreshes. NULL: there is none. */
struct lg_region *lg_engine_region(struct lg_engine *e);
const struct lg_catalog *lg_engine_catalog(struct lg_engine *e);
const struct lg_image *lg_engine_image(struct lg_engine *e);
/* Is the region mapped read-only (another user's, or no permission)? */
bool lg_engine_is_readonly(struct lg_engine *e);
struct lg_ledger *lg_engine_ledger(struct lg_engine *e);
const char *lg_engine_state_dir(const struct lg_engine *e);
const char *lg_engine_region_path(const struct lg_engine *e);
/* Why there is none: as lg_region_open, 0 there is one. */
int lg_engine_region_error(const struct lg_engine *e);
/* "" when there is no config file. */
const char *lg_engine_config_path(const struct lg_engine *e);
/* The directory whose *.yaml are price files; it need not be there. */
const char *lg_engine_pricing_dir(const struct lg_engine *e);
/* Why the config is not in force, "" when all is well. */
const char *lg_engine_trouble(const struct lg_engine *e);
/* Look at sources and region now. */
void lg_engine_refresh(struct lg_engine *e);
/*
 * Finish the holds of dead owners and write staged rows. Returns how many
 * slots were freed. Blocks on the ledger.
 */
int lg_engine_sweep(struct lg_engine *e);
/*
 * Fold the ledger's rows that the checkpoint does not know into a new one;
 * not always: only where they are so many that it is worth its write.
 * Returns how many rows were folded, or -errno. Blocks on files.
 */
int64_t lg_engine_checkpoint(struct lg_engine *e, bool always);
/*
 * Give every budget that needs no value its cell of the current window,
 * seeded from the ledger, so that status shows it before the first call.
 */
void lg_engine_touch(struct lg_engine *e);

#endif
