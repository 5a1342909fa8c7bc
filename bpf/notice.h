#ifndef LG_BPF_NOTICE_H
#define LG_BPF_NOTICE_H

#include <stdint.h>

#include "bpf/become.h"

#include "tools/tracer_note.h"

/*
 * The tracer's word in the state folders of the users whose programs it
 * watches (tools/tracers.h): written with the user's own rights, so that it
 * belongs to the user and leads nowhere else. One thread.
 */
#define NOTICES_MAX 64

struct notice {
	struct become_user user;
	char dir[512];
	struct tracer_note note;
	struct tracer_note written; /* as it stands there */
	uint64_t calls;
	int64_t cost_pusd;
};

struct notices {
	unsigned n;
	struct notice of[NOTICES_MAX];
};

/*
 * The one of this folder, made when it is new: notes of dead tracers in it go.
 * NULL: no room.
 */
struct notice *notice_of(struct notices *all, uint32_t uid, const char *dir);
/* Write those that changed; common: what they all say. */
void notices_write(struct notices *all, const struct tracer_note *common);

#endif
