#ifndef LG_BPF_PROC_H
#define LG_BPF_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What /proc says of other processes, which may end, or become others, at any
 * instant. Any thread.
 */
struct proc {
	uint32_t pid, ppid;
	uint64_t start; /* clock ticks after boot: tells a pid from its reuse */
	char state;	/* R S T Z X ... */
	unsigned threads;
	uint32_t uid; /* real */
	unsigned seccomp;
	char comm[16];
};

/* 0; -ESRCH it is gone, a thread or no process at all; -errno. */
int proc_get(uint32_t pid, struct proc *out);
/* Where its program stands, " (deleted)" cut off. 0, -errno. */
int proc_exe(uint32_t pid, char *out, size_t cap);
/* Is it in the cgroup (version 2) of this id, or below? */
bool proc_in_cgroup(uint32_t pid, uint64_t id);
/* "/proc/PID/root" where it has a root of its own, else "". */
void proc_root(uint32_t pid, char out[32]);
/*
 * Did it get more rights than its caller has (AT_SECURE, getauxval(3))? Then
 * its environment is the caller's and says nothing. True also if not known.
 */
bool proc_is_secure(uint32_t pid);
/* The value of a variable that it started with, cut to cap; none if secure. */
bool proc_env(uint32_t pid, const char *name, char *out, size_t cap);
/* Every process; fn returns whether to go on. 0, -errno. */
int proc_each(bool (*fn)(void *arg, uint32_t pid), void *arg);
/* Any thread of it that is no zombie: its tid, 0 none. */
uint32_t proc_live_thread(uint32_t pid);

struct proc_map {
	uint64_t start, end, offset;
	uint64_t dev, ino; /* as maps prints them; ino 0: of no file */
	bool is_exec;
	bool is_deleted;
	const char *path; /* "" none; as the process names it */
	char range[40];	  /* its name in map_files */
};
/* Its mappings in order, of executable files or all. 0, -errno, -ESRCH. */
int proc_maps(uint32_t pid, bool all,
	      bool (*fn)(void *arg, const struct proc_map *m), void *arg);

/* Bytes of its memory. True: all n. */
bool proc_peek(uint32_t pid, uint64_t addr, void *out, size_t n);

#endif
