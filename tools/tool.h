#ifndef LG_TOOLS_TOOL_H
#define LG_TOOLS_TOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "ledger/row.h"
#include "opt.h"

struct lg_engine;
struct lg_env;
struct lg_ledger_pos;

/* What the commands share. Messages go to stderr, data to stdout. */

extern const struct cmd *const tool_cmds[];
extern const unsigned tool_ncmds;
extern const char tool_version[];
/* The program's name where it is a single command; NULL: llmguard. */
extern const char *tool_program;

/*
 * First thing in main. A descriptor from 0 to 2 that is closed would be the
 * next file that is opened, and take what is printed; writing to it fails.
 */
void tool_stdio(void);
/* "llmguard: ..." with a line's end. */
void tool_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same; returns EXIT_FAILED. */
int tool_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "llmguard CMD: ..." and where help is; returns EXIT_USAGE. */
int tool_usage(const struct cmd *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Why a region cannot be used: err of lg_region_open. Static storage. */
const char *tool_region_reason(int err, const char *state_dir);

/*
 * The engine of this user's environment. Rows that waited are written and
 * holds of dead owners finished first (design: every command that reads the
 * ledger does so). -1: go on with *out; else the exit code, said why.
 */
int tool_open(struct lg_engine **out);
/* Where the engine that was opened last lies; NULL: none was. */
struct tool_paths {
	char state[512], config[512];
	bool refused; /* what the config says is not in force */
};
const struct tool_paths *tool_opened(void);
/* Say on stderr what is wrong with LLMGUARD_* and the state folder. */
void tool_tell_environment(const struct lg_env *env, const char *state_dir);
/* All of b to stdout; EXIT_OK or EXIT_FAILED. b is released. */
int tool_print(struct lg_buf *b);

/* Append an audit row: who changed what. 0, -errno. */
int tool_audit(struct lg_engine *e, const char *note);

/*
 * The place `back` bytes before the end of this month's file, for readers who
 * need no more. false: the file is shorter, or there is none.
 */
bool tool_ledger_end(struct lg_engine *e, uint64_t back,
		     struct lg_ledger_pos *pos);

/* "$12.87"; "-" for INT64_MIN. Two static buffers of its own per call x 8. */
const char *tool_usd(int64_t pusd);
/* A difference: "+$1.23". Four static buffers of its own. */
const char *tool_signed_usd(int64_t pusd);
/* Local time by the engine's zone: "2026-11-22 15:30"; "-" for none. */
const char *tool_time(struct lg_engine *e, int64_t unix_ms);

#endif
