#ifndef LG_CONFIG_CONFIG_H
#define LG_CONFIG_CONFIG_H

#include <stdint.h>

#include "base/buf.h"
#include "base/image.h"
#include "base/slice.h"

/*
 * YAML to a compiled image. libyaml stops here. In a host process this runs
 * only when a source is newer than the image. libyaml allocates on libc's
 * heap and frees its own; nothing of it outlives the call. One thread per
 * call; may block on files.
 */
struct lg_config_error {
	char text[512]; /* "file:line: key: value: what was allowed" */
	char file[300]; /* the file that it is about, "" unknown */
	/* On success too: lines of budgets.jsonl that could not be used. */
	unsigned skipped;
	char warning[512]; /* what was wrong with the first */
};

struct lg_config_paths {
	const char *config;	 /* llmguard.yaml, or NULL: none */
	const char *live;	 /* budgets.jsonl of the state dir, or NULL */
	const char *pricing_dir; /* extra catalog directory, or NULL */
};

/*
 * Compile settings, budgets (config and live, the newer wins), hosts, rules
 * and the user's price files into one image in *out (max grows as needed).
 * 0; -EINVAL with err filled; -errno of a file that cannot be read.
 */
int lg_config_compile(const struct lg_config_paths *paths, struct lg_buf *out,
		      struct lg_config_error *err);

/* Compile one or more catalog YAML files only (the shipped catalog). */
int lg_config_compile_catalog(const char *const *files, unsigned n,
			      struct lg_buf *out, struct lg_config_error *err);

/*
 * Does the image still stand for its sources (same path, mtime, size, inode),
 * and has no live budget's `until` passed? One stat each. Any thread.
 */
bool lg_config_is_fresh(const struct lg_image *img,
			const struct lg_config_paths *paths);

/*
 * A budget from text, for environment and command line: scope "project:x &
 * model:y", limit as decimal USD. Writes a one-budget image (same format).
 */
struct lg_budget_text {
	const char *name, *scope, *period, *limit_usd, *mode;
	int hard;	     /* -1 default */
	int each;	     /* 0/1 */
	const char *warn_at; /* "0.75,0.9,1.0" or NULL */
	enum lg_budget_source source;
	const char *until; /* date or RFC 3339, or NULL: no end */
	unsigned max_keys; /* 0 default */
	/* Models tried in order at the limit, "a,b", then block; or NULL. */
	const char *fallback;
};
int lg_config_compile_budgets(const struct lg_budget_text *b, unsigned n,
			      struct lg_buf *out, struct lg_config_error *err);

/*
 * budgets.jsonl in the state directory holds the live changes, one JSON object
 * a line, appended, folded in order:
 *   {"op":"set","ts":"2026-11-22T14:30:52.123Z","name":"month",
 *    "limit_usd":"20.5","by":"llmguard budget set", ...}
 * op (set, rm or raise), ts (RFC 3339) and name are needed; scope period
 * limit_usd hard warn_at mode each max_keys until on_soft on_hard mean what
 * they mean in llmguard.yaml, and what is not given stays as the config or an
 * earlier line has it. `set` of a budget that is nowhere else needs period and
 * limit_usd. `rm` takes the live change back. A line that is not newer than the
 * config file does not touch a budget of the config. Past `until` a change is
 * gone. `raise` adds limit_usd to whatever limit is in force, until then; it is
 * not undone by a newer config, but by `rm` and by a `set` with a limit. A torn
 * or wrong line is skipped and counted (lg_config_error.skipped).
 *
 * This formats such a line with its newline; fields of b that are NULL, 0 or
 * -1 (hard, each) are left out. 0; -EINVAL with err filled (nothing appended
 * then); -ENOMEM.
 */
enum lg_config_op { LG_CONFIG_SET, LG_CONFIG_RM, LG_CONFIG_RAISE };
int lg_config_budget_line(const struct lg_budget_text *b, enum lg_config_op op,
			  int64_t ts_ms, const char *by, struct lg_buf *out,
			  struct lg_config_error *err);

/*
 * The image into path: a temporary file beside it, mode 0600, fsync, rename.
 * 0 or -errno; the old file stays on failure.
 */
int lg_config_write_image(const char *path, const struct lg_buf *img);

/* $LLMGUARD_CONFIG, XDG, /etc; "" when none exists. cap >= 1. */
void lg_config_find(char *out, size_t cap);
/*
 * $LLMGUARD_STATE_DIR, $XDG_STATE_HOME/llmguard, ~/.local/state/llmguard; root:
 * /var/lib/llmguard. 0, -ENAMETOOLONG, -ENOENT (no home).
 */
int lg_config_state_dir(char *out, size_t cap);

/* The same of somebody else, by what stands in his environment; NULL: unset. */
struct lg_config_home {
	const char *named; /* LLMGUARD_CONFIG or LLMGUARD_STATE_DIR */
	const char *xdg;   /* XDG_CONFIG_HOME or XDG_STATE_HOME */
	const char *home;
};
void lg_config_find_in(const struct lg_config_home *h, char *out, size_t cap);
int lg_config_state_dir_in(const struct lg_config_home *h, char *out,
			   size_t cap);

#endif
