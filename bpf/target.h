#ifndef LG_BPF_TARGET_H
#define LG_BPF_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/loader.h"

/*
 * Which processes are traced and which of their files are probed. One thread.
 */
struct targets;

struct target_options {
	const uint32_t *pids;
	unsigned npids;
	const char *comm, *exe; /* globs, NULL: not asked */
	int64_t uid;		/* -1: not asked */
	uint64_t cgroup;	/* 0: not asked */
	bool all;
	bool no_children;
	const char *offsets; /* file, NULL */
	/* A process came under trace, or left; why it cannot be: reason. */
	void (*on_target)(void *arg, uint32_t tgid, bool on,
			  const char *reason);
	/* A file was probed: what it is, what a hit costs. */
	void (*on_object)(void *arg, const char *path, const char *what,
			  unsigned nprobes);
	void *arg;
};

int targets_new(struct loader *l, const struct target_options *o,
		struct targets **out);
void targets_del(struct targets *t);
/* Look at /proc once more. */
int targets_scan(struct targets *t);
/* EXEC, FORK, EXIT, LOADED. */
void targets_event(struct targets *t, const struct probe_event *ev,
		   const void *payload);
/* It was looked at, and is not meant. */
bool targets_refused(const struct targets *t, uint32_t pid);
/* Is it guarded by the preload already? Then it is not traced. */
bool target_has_preload(uint32_t tgid);
/* Are its records ours? Not of whom its preload or another tracer counts. */
bool targets_meter(struct targets *t, uint32_t pid);
unsigned targets_count(const struct targets *t);
/* Probes that no longer fire are put again. Returns how many. */
int targets_canary(struct targets *t);

#endif
