#ifndef LG_BPF_PERSON_H
#define LG_BPF_PERSON_H

#include <stdbool.h>
#include <stdint.h>

#include "guard/env.h"
#include "guard/self.h"

/*
 * Who a process is: its ids, its program, and what LLMGUARD_* of its
 * environment says, as far as /proc still tells; nothing of the environment
 * where a set-uid program has it of its caller. One thread.
 */
#define PERSON_TEXT 8192

struct person {
	uint32_t tgid, uid;
	int32_t ppid;
	uint64_t start; /* clock ticks after boot, 0 unknown */
	struct lg_self self;
	struct lg_env env; /* points into text */
	char run_id[64];   /* of a run budget without a LLMGUARD_RUN_ID */
	uint32_t ntext;
	char text[PERSON_TEXT]; /* NAME=value, each with its NUL */
};

/*
 * Reads it. uid: as the kernel told it. What cannot be read is empty: *p is
 * good in any case. False: the process is gone.
 */
bool person_read(struct person *p, uint32_t tgid, uint32_t uid);
/* The same for whoever belongs to that uid. */
void person_of_uid(struct person *p, uint32_t uid);
/* The value of a variable that we keep, or NULL. */
const char *person_var(const struct person *p, const char *name);
/* Its real uid, (uint32_t)-1 when it is gone. */
uint32_t person_uid(uint32_t tgid);
/* Clock ticks after boot at which the process started; 0: it is gone. */
uint64_t person_start(uint32_t tgid, int32_t *ppid);

#endif
