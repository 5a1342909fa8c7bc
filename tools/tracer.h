#ifndef LG_TOOLS_TRACER_H
#define LG_TOOLS_TRACER_H

#include <stddef.h>

#include "opt.h"

/* What `llmguard trace` and llmguard-trace have in common: the options. */
enum tracer_opt {
	TRACER_PID,
	TRACER_COMM,
	TRACER_EXE,
	TRACER_UID,
	TRACER_CGROUP,
	TRACER_ALL,
	TRACER_NO_CHILDREN,
	TRACER_OFFSETS,
	TRACER_CONFIG,
	TRACER_STATE_DIR,
	TRACER_REGION,
	TRACER_ON_HARD,
	TRACER_OBSERVE,
	TRACER_RING_MB,
	TRACER_CALL_MAX,
	TRACER_DURATION,
	TRACER_PRINT,
	TRACER_SUMMARY,
	TRACER_CHECK,
	TRACER_VERBOSE,
	TRACER_JSON,
};

/*
 * Where llmguard-trace lies: beside this program, else by PATH. 0, -ENOENT,
 * -ENAMETOOLONG.
 */
int tracer_find(char *out, size_t cap);

#endif
