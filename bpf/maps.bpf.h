#ifndef LG_BPF_MAPS_BPF_H
#define LG_BPF_MAPS_BPF_H

/* What the kernel side keeps, and what the loader sets before it loads it. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "bpf/probe.h"

const volatile __u64 call_max = 16 << 20;
const volatile __u32 ring_bytes = 16 << 20;

/* What the reader does, see reader.h. */
__u32 reader;
/* 0 while nobody has a verdict by cgroup: the usual case costs nothing. */
__u32 ncgroup_verdicts;
__u64 conn_ids;
/* Exits of targets: the loader sweeps when it has moved. */
__u32 exits;
/* Connections that ended without a word, and those the loader has taken. */
__u32 unheard, heard;

#define CALLS_DEEP 3

/* A call that has begun and whose end is probed. */
struct frame {
	__u64 ssl; /* 0: a write of which nothing goes up */
	__u64 buf, len;
	__u64 done; /* where the callee puts the count, 0: in rax */
	__u64 sp;
	__u32 kind, pad;
};
struct calls {
	__u32 n, pad;
	struct frame f[CALLS_DEEP];
};
struct calls_key {
	__u64 who; /* the thread, or Go's goroutine */
	__u32 tgid;
	__u32 is_go;
};
struct host_key {
	char name[64];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct probe_target);
} targets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct probe_select);
} select SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct probe_conn_key);
	__type(value, struct probe_conn);
} conns SEC(".maps");

/* How many of them a process has: it cannot take the others' room. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} owned SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct calls_key);
	__type(value, struct calls);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} verdicts SEC(".maps");

/* SIGSTOPs that were sent to a process: their records may be lost. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} stops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u32);
} cgroup_verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct host_key);
	__type(value, __u32);
} hosts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROBE_LOSSES);
	__type(key, __u32);
	__type(value, struct probe_lost);
} losses SEC(".maps");

#endif
