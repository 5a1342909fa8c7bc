#ifndef LG_BPF_LOADER_H
#define LG_BPF_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/probe.h"

/*
 * The kernel side, loaded: programs, maps, the ring. One thread. All that it
 * holds are descriptors: the kernel lets go of everything when the process
 * ends, however it ends.
 */
struct loader;
struct loader_link;

typedef void loader_conn_fn(void *arg, const struct probe_conn_key *key,
			    const struct probe_conn *conn);

struct loader_options {
	uint32_t ring_bytes; /* power of two; 0: 16 MiB */
	uint64_t call_max;   /* bytes taken of one call; 0: 16 MiB */
	bool follow;	     /* fork, exec, exit: events and `targets` */
	bool verbose;	     /* libbpf's words on stderr */
	/* A connection is forgotten whose process is no target (any more), or
	 * whose FREE was lost: what was counted on it, after its last record
	 * was handed out. Those that were taken do not come. NULL: nobody
	 * wants to know. */
	loader_conn_fn *on_end;
	void *arg;
};

/* 0 with *out; -errno, and text says what the kernel refused. */
int loader_open(const struct loader_options *o, struct loader **out, char *text,
		size_t ntext);
void loader_close(struct loader *l);

/*
 * A probe at a file offset. path leads to the file now (/proc/PID/map_files/
 * or any other); pid 0: in every process that maps it. is_return: a return
 * probe. 0 with *out, -errno.
 */
int loader_attach(struct loader *l, const char *path, uint64_t file_at,
		  uint32_t pid, bool is_return, uint64_t cookie,
		  struct loader_link **out);
/* Returns at once: the probe is gone some 0.1 s later, when loader_close
 * returns at the latest. Before loader_close. */
void loader_detach(struct loader_link *link);
/* Waits until all that was detached is gone. */
void loader_detached(struct loader *l);

/* Our pid namespace; 0: the machine's own. */
uint32_t loader_pidns(void);

typedef void loader_event_fn(void *arg, const struct probe_event *ev,
			     const void *payload);
/*
 * Hands out what the ring has, waits at most timeout_ms for something.
 * Count, -errno. Who waits on loader_poll_fd() himself calls it with 0 when
 * that is readable and every 10 ms while it returns records: bulk wakes
 * nobody, the first record after a silence does.
 */
int loader_poll(struct loader *l, int timeout_ms, loader_event_fn *fn,
		void *arg);
int loader_poll_fd(const struct loader *l);
/* Bytes put into the ring since it was made, and handed out of them. */
void loader_ring_at(const struct loader *l, uint64_t *written, uint64_t *taken);

/* One that is near stays so. */
int loader_target_set(struct loader *l, uint32_t tgid,
		      const struct probe_target *t);
/* Programs that become targets at their exec, before user space knows. */
int loader_select(struct loader *l, const struct probe_select *s);
/* PROBE_TARGET_NEAR alone, of a target that is set. */
int loader_target_near(struct loader *l, uint32_t tgid, bool near);
/* One that is PROBE_TARGET_MAYBE, and has executed nothing since. */
int loader_target_refuse(struct loader *l, uint32_t tgid, uint32_t exec);
int loader_target_drop(struct loader *l, uint32_t tgid);
int loader_verdict_set(struct loader *l, uint32_t tgid, enum probe_verdict v);
/* How often a process was stopped by its verdict, records lost or not. */
uint32_t loader_stops(struct loader *l, uint32_t tgid);
int loader_cgroup_verdict_set(struct loader *l, uint64_t cgroup,
			      enum probe_verdict v);
int loader_conn_state(struct loader *l, const struct probe_conn_key *key,
		      enum probe_conn_state state);
/* All connections, for what was lost on them. */
int loader_conns(struct loader *l, loader_conn_fn *fn, void *arg);
/* What was counted on it, which is forgotten with that: who has it tells of
 * it, nobody else. key->id as above. 0, -ENOENT. */
int loader_conn_take(struct loader *l, const struct probe_conn_key *key,
		     struct probe_conn *out);
/* on_end of all that are left, the ring read and the probes gone. */
void loader_conns_end(struct loader *l);
/*
 * A host of an LLM: its connections are guarded from the SNI on. A name, or
 * "*.rest". At most 63 bytes, else -EINVAL.
 */
int loader_host_add(struct loader *l, const char *pattern);
void loader_losses(struct loader *l, struct probe_lost out[PROBE_LOSSES]);

#endif
