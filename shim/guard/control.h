#ifndef LG_GUARD_CONTROL_H
#define LG_GUARD_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/image.h"
#include "guard/rule.h"

/*
 * What somebody switched by hand: $STATE/control, one order a line, replaced as
 * a whole by `llmguard pause|resume|enable|disable`; programs see it at their
 * next request.
 *   pause all
 *   pause scope project:x & model:y*
 *   pause pid PID START       new calls are refused, reason `paused`
 *   off pid PID START         its calls pass and are recorded
 *   stopped pid PID START     SIGSTOP was sent; for `resume`
 *   stopped pid PID START budget   by the tracer: its call does not fit
 * START is the process's start time (clock ticks after boot): a pid that is
 * used again is another process.
 */
#define LG_CONTROL_FILE "/control"
#define LG_CONTROL_MAX ((size_t)64 << 10)
#define LG_CONTROL_SCOPES_MAX 64u

enum lg_control_kind { LG_CONTROL_PAUSE, LG_CONTROL_OFF, LG_CONTROL_STOPPED };

struct lg_control {
	enum lg_control_kind kind;
	int32_t pid; /* 0: not of a process */
	uint64_t start;
	bool by_budget;	       /* of stopped */
	struct lg_slice scope; /* empty: of all */
};

/* The next order of *rest, which moves on. Lines that are none are skipped. */
bool lg_control_next(struct lg_slice *rest, struct lg_control *out);
/* A process's start time; 0: no such process. */
uint64_t lg_control_start(int32_t pid);

/* The orders as they concern this process. */
struct lg_controls {
	uint64_t stamp; /* of the file */
	bool paused;	/* all of them */
	int32_t paused_pid, off_pid;
	struct lg_image *img; /* scopes, NULL none */
	struct lg_rule *rules;
	unsigned nrules;
};

/* Changes when the file does. One stat. */
uint64_t lg_control_stamp(const char *state_dir);
/* A file that cannot be read says nothing. Blocks on files. */
void lg_control_read(const char *state_dir, struct lg_controls *out);
void lg_control_fini(struct lg_controls *c);

/* May this call not be made now? Any thread, no files. */
bool lg_control_is_paused(const struct lg_controls *c, const struct lg_row *row,
			  struct lg_slice canonical);
/* Is this process let alone? */
bool lg_control_is_off(const struct lg_controls *c);

#endif
