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
	char text[512];	/* "file:line: key: value: what was allowed" */
};

struct lg_config_paths {
	const char *config;	/* llmguard.yaml, or NULL: none */
	const char *live;	/* budgets.jsonl of the state dir, or NULL */
	const char *pricing_dir;/* extra catalog directory, or NULL */
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
 * Does the image still stand for its sources (same path, mtime, size, inode)?
 * One stat each. Any thread.
 */
bool lg_config_is_fresh(const struct lg_image *img,
			const struct lg_config_paths *paths);

/*
 * A budget from text, for environment and command line: scope "project:x &
 * model:y", limit as decimal USD. Writes a one-budget image (same format).
 */
struct lg_budget_text {
	const char *name, *scope, *period, *limit_usd, *mode;
	int hard;		/* -1 default */
	int each;		/* 0/1 */
	const char *warn_at;	/* "0.75,0.9,1.0" or NULL */
	enum lg_budget_source source;
};
int lg_config_compile_budgets(const struct lg_budget_text *b, unsigned n,
			      struct lg_buf *out, struct lg_config_error *err);

/* $LLMGUARD_CONFIG, XDG, /etc; "" when none exists. cap >= 1. */
void lg_config_find(char *out, size_t cap);
/* $LLMGUARD_STATE_DIR, XDG, ~/.local/state/llmguard, /var/lib/llmguard. 0 or -ENAMETOOLONG/-ENOENT. */
int lg_config_state_dir(char *out, size_t cap);

#endif
