#ifndef LG_TOOLS_TRACER_NOTE_H
#define LG_TOOLS_TRACER_NOTE_H

#include <stdbool.h>
#include <stdint.h>

/* One tracer, as its file has it. Text is NUL-terminated. */
struct tracer_note {
	int32_t pid;
	uint64_t start;	   /* of the process: tells a reused pid */
	int64_t since_ms;  /* when it began */
	int64_t at_ms;	   /* when this was written */
	bool ended;	   /* it said goodbye */
	bool observe;	   /* it never interferes */
	char on_hard[8];   /* rung of hard budgets */
	uint64_t programs; /* of all users, under trace now */
	uint64_t calls;	   /* of this user, settled */
	int64_t cost_pusd; /* of them */
	/* Of all users: what did not come up from the kernel. */
	uint64_t lost_calls, lost_bytes;
};

/* The user may have written anything into it. False: it is no note. */
bool tracer_note_parse(const char *text, struct tracer_note *n);

#endif
