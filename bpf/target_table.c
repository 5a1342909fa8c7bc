#include "bpf/target_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/claim.h"

static struct target **bucket_of(struct targets *ts, uint32_t pid)
{
	return &ts->bucket[pid % TARGET_BUCKETS];
}

struct target *target_find(struct targets *ts, uint32_t pid)
{
	struct target *t = *bucket_of(ts, pid);

	while (t && t->pid != pid)
		t = t->next;
	return t;
}

void target_refuse(struct targets *ts, uint32_t pid, bool on)
{
	uint64_t bit = UINT64_C(1) << pid % 64;

	if (!ts->refused || pid >= TARGET_PIDS)
		return;
	if (on)
		ts->refused[pid / 64] |= bit;
	else
		ts->refused[pid / 64] &= ~bit;
}

bool targets_refused(const struct targets *ts, uint32_t pid)
{
	return ts->refused && pid < TARGET_PIDS &&
	       ts->refused[pid / 64] >> pid % 64 & 1;
}

struct target *target_add(struct targets *ts, const struct proc *p)
{
	struct target *t = calloc(1, sizeof(*t)), **at = bucket_of(ts, p->pid);

	if (!t)
		return NULL;
	target_refuse(ts, p->pid, false);
	t->pid = p->pid;
	t->uid = p->uid;
	t->start = p->start;
	t->sandboxed = p->seccomp;
	t->solo = !ts->wide;
	t->next = *at;
	*at = t;
	return t;
}

void target_forget(struct targets *ts, struct target *t)
{
	struct target **at = bucket_of(ts, t->pid);

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	if (t->state == TARGET_TRACED)
		ts->ntraced--;
	if (t->solo)
		attach_take_pid(ts->attach, t->pid);
	if (t->told_on && ts->o.on_target)
		ts->o.on_target(ts->o.arg, t->pid, false, NULL);
	if (t->claimed)
		claim_drop(t->pid);
	free(t);
}

void target_each(struct targets *ts,
		 void (*fn)(struct targets *ts, struct target *t))
{
	struct target *t, *next;

	for (unsigned i = 0; i < TARGET_BUCKETS; i++)
		for (t = ts->bucket[i]; t; t = next) {
			next = t->next;
			fn(ts, t);
		}
}

void target_tell(struct targets *ts, struct target *t, bool on,
		 const char *reason)
{
	const char *text = reason ? reason : "";

	if (t->is_told && t->told_on == on &&
	    !strncmp(t->reason, text, sizeof(t->reason) - 1))
		return;
	t->is_told = true;
	t->told_on = on;
	snprintf(t->reason, sizeof(t->reason), "%s", text);
	if (ts->o.on_target)
		ts->o.on_target(ts->o.arg, t->pid, on, reason);
}
