#ifndef LG_TOOLS_TRACER_ASK_H
#define LG_TOOLS_TRACER_ASK_H

#include <stdbool.h>

/*
 * What `llmguard-trace --check --json --pid PID` says: could the tracer see
 * this process, and what could a hard budget do to it. It puts its probes for
 * a moment and takes them away again.
 */
#define TRACER_RUNGS_MAX 8
#define TRACER_FILES_MAX 16

struct tracer_answer {
	bool installed;	   /* llmguard-trace was found */
	bool works;	   /* tracing is possible here, by this user */
	bool traced;	   /* this process could be traced */
	char why_not[400]; /* the first of these that is not so; "" */
	unsigned nrungs, nfiles;
	struct {
		char name[12];
		bool works;
		char why_not[100];
	} rung[TRACER_RUNGS_MAX];
	struct {
		char what[80], path[300];
		unsigned probes;
	} file[TRACER_FILES_MAX];
};

/* Never fails: the answer says why there is none. Takes up to ten seconds. */
void tracer_ask(int pid, struct tracer_answer *out);

#endif
