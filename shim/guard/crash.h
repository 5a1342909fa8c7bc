#ifndef LG_GUARD_CRASH_H
#define LG_GUARD_CRASH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * The crash-loop breaker. `llmguard run` notes in $STATE/crashes each program
 * that died by SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS or SIGABRT
 * within ten seconds of its start, one a line:
 *   TIME_MS SIGNAL guarded|bare PATH
 * Three such deaths within ten minutes under the guard, and the program is let
 * alone for an hour. If it dies without the guard too, the guard was not why:
 * it is guarded again, and not let alone for a day.
 */
#define LG_CRASH_FILE "/crashes"
#define LG_CRASH_MAX ((size_t)64 << 10)
#define LG_CRASH_TIMES 3u
#define LG_CRASH_WITHIN_MS (10 * 60 * 1000)
#define LG_CRASH_PASSIVE_MS (60 * 60 * 1000)
#define LG_CRASH_INNOCENT_MS (24 * 60 * 60 * 1000)
#define LG_CRASH_START_MS 10000

struct lg_crash {
	unsigned count;	  /* under the guard, within ten minutes of the last */
	int signal;	  /* of the last */
	int64_t last_ms;  /* 0: none */
	int64_t until_ms; /* let alone until then; 0: not */
	bool innocent;	  /* it died without the guard as well */
};

/* What the file's text says of a program at this time. No I/O. */
void lg_crash_judge(struct lg_slice text, struct lg_slice path, int64_t now_ms,
		    struct lg_crash *out);
/* The same of the file. Blocks on it. */
void lg_crash_look(const char *state_dir, const char *path,
		   struct lg_crash *out);
/* Is it let alone now? */
bool lg_crash_is_passive(const char *state_dir, const char *path);
/* Does this signal speak of a crash? */
bool lg_crash_is_signal(int sig);

#endif
