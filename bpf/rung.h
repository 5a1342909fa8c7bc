#ifndef LG_BPF_RUNG_H
#define LG_BPF_RUNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/connect.h"

/*
 * The rungs of the ladder, one file each. Every *_probe tries the real thing on
 * a socket or child of its own: 0, -errno, and why_not (96 bytes) tells what
 * the kernel refused.
 */
#define RUNG_WHY 96

int rung_stop_probe(char *why_not);
int rung_kill_probe(char *why_not);
int rung_reset_probe(char *why_not);
int rung_deny_probe(char *why_not);

/*
 * SIGSTOP is sent by the kernel at the write's entry; these are for the rest.
 * pidfd -1: by number, if the process still has this start time. 0, -errno
 * (-ESRCH gone).
 */
struct rung_whom {
	uint32_t tgid;
	int pidfd;
	uint64_t start;
};
/* 0 and *out; -ESRCH. */
int rung_whom_open(uint32_t tgid, struct rung_whom *out);
void rung_whom_close(struct rung_whom *w);
bool rung_is_gone(const struct rung_whom *w);
/* Is all of it stopped by a signal? */
bool rung_is_stopped(const struct rung_whom *w);
/*
 * Does a thread of a stopped process stand where it was at a write's entry
 * (PROBE_PLACE), so that nothing of it has left? False also: nobody knows.
 */
bool rung_waits_at(const struct rung_whom *w, uint32_t tid, int64_t place);
/* A controlling terminal, so perhaps a shell that looks after its jobs. */
bool rung_has_terminal(const struct rung_whom *w);
int rung_signal(const struct rung_whom *w, int sig);
/* May it be sent SIGCONT: it is ours, or CAP_KILL is there? */
bool rung_may_continue(const struct rung_whom *w);
/* The machine's first process, we, or whoever waits for us to end. */
bool rung_is_kin(const struct rung_whom *w);

/*
 * End a connection of another process both ways: by its descriptor, or all its
 * TCP sockets that are connected to peer. How many were ended, -errno.
 */
int rung_reset_fd(const struct rung_whom *w, int fd);
int rung_reset_peer(const struct rung_whom *w, const struct connect_peer *peer);
/* Whom that descriptor is connected to. 0, -ENOTCONN, -errno. */
int rung_peer_of(const struct rung_whom *w, int fd, struct connect_peer *out);
/*
 * The one peer of all connected TCP sockets of a process, of those for which
 * test (NULL: any) says yes. 0; -ENOTCONN none; -EEXIST several.
 */
int rung_only_peer(const struct rung_whom *w,
		   bool (*test)(void *arg, const struct connect_peer *peer),
		   void *arg, struct connect_peer *out);

/* New connections to LLM peers are refused (EPERM). */
struct rung_deny;
/* 0 with *out; -errno and why_not. */
int rung_deny_open(struct rung_deny **out, char *why_not);
void rung_deny_close(struct rung_deny *d);
int rung_deny_peer(struct rung_deny *d, const struct connect_peer *peer);
int rung_deny_set(struct rung_deny *d, uint32_t tgid, bool on);
int rung_deny_cgroup(struct rung_deny *d, uint64_t cgroup, bool on);
/* How many connections of this process (cgroup) were refused so far. */
uint64_t rung_deny_count(struct rung_deny *d, uint32_t tgid);
uint64_t rung_deny_cgroup_count(struct rung_deny *d, uint64_t cgroup);

#endif
