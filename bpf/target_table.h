#ifndef LG_BPF_TARGET_TABLE_H
#define LG_BPF_TARGET_TABLE_H

#include "bpf/attach.h"
#include "bpf/proc.h"
#include "bpf/target.h"

/* Between the files of target: the processes that are known. */

#define TARGET_FILES 32
#define TARGET_BUCKETS 1024
#define TARGET_PIDS (1u << 22) /* PID_MAX_LIMIT */

enum target_state {
	TARGET_NEW,
	TARGET_TRACED,
	TARGET_GUARDED, /* by its preload, by another tracer: left alone */
};

struct target {
	struct target *next;
	uint32_t pid, uid;
	uint64_t start; /* with pid: this very process */
	enum target_state state;
	bool solo;    /* probed by its pid */
	bool chosen;  /* it fits what was asked for; else it is a child */
	bool seen;    /* in this look at /proc */
	bool is_told; /* on, or why not */
	bool told_on;
	bool claimed; /* no other tracer has it */
	bool taken;   /* another one has */
	bool checked; /* its preload was judged, for this program */
	bool sandboxed;
	/* Looks at /proc until the preload that its environment names is
	 * taken for one that does not come; 0: none is waited for. */
	unsigned awaits;
	bool changed;	  /* what the kernel is to know of it */
	char reason[200]; /* that was told */
	unsigned nfiles;
	struct attach_file *file[TARGET_FILES];
};

struct targets {
	struct loader *loader;
	struct attach *attach;
	struct offsets *offsets;
	struct target_options o;
	uint32_t self;
	bool is_scanned;
	bool wide; /* whoever comes from now on is not probed by its pid */
	unsigned ntraced;
	/* A bit for each number that is not meant, where the kernel cannot
	 * tell; NULL elsewhere. */
	uint64_t *refused;
	struct target *bucket[TARGET_BUCKETS];
};

struct target *target_find(struct targets *ts, uint32_t pid);
void target_refuse(struct targets *ts, uint32_t pid, bool on);
/* NULL: no memory. */
struct target *target_add(struct targets *ts, const struct proc *p);
/* It is gone, or nobody's business any more; links by its pid go too. */
void target_forget(struct targets *ts, struct target *t);
void target_each(struct targets *ts,
		 void (*fn)(struct targets *ts, struct target *t));

/* Says it, where it is not what was said last. reason NULL: none. */
void target_tell(struct targets *ts, struct target *t, bool on,
		 const char *reason);

/*
 * Its mappings: what is to be probed in them is probed, and the kernel told
 * of it. may_explain: say why where nothing can be. Forgets it when it ended.
 */
void target_look(struct targets *ts, struct target *t, bool may_explain);
/* The files that it will map, by its program's needs and its system's. */
void target_foresee(struct targets *ts, struct target *t);
/* A file by its name, for all processes. */
void target_foresee_file(void *ts, const char *path);
/* From here on nothing is probed by pid: a process that was has forked. */
void target_widen(struct targets *ts);

#endif
