#ifndef LG_BPF_PID_BPF_H
#define LG_BPF_PID_BPF_H

/* Processes as the tracer's pid namespace numbers them. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* The tracer's pid namespace: 0 is the machine's own. */
const volatile __u32 ns_inum;

/* 0: not to be seen from the tracer's namespace. */
static __noinline __u32 pid_in_ns(struct task_struct *t)
{
	struct pid *p = BPF_CORE_READ(t, thread_pid);
	__u32 i, level = BPF_CORE_READ(p, level);
	struct upid u;

	for (i = 1; i < 32 && i <= level; i++)
		if (!bpf_core_read(&u, sizeof(u), &p->numbers[i]) &&
		    BPF_CORE_READ(u.ns, ns.inum) == ns_inum)
			return u.nr;
	return 0;
}

static __always_inline __u32 pid_here(struct task_struct *t)
{
	return ns_inum ? pid_in_ns(t) : BPF_CORE_READ(t, pid);
}

static __always_inline __u32 tgid_here(struct task_struct *t)
{
	if (!ns_inum)
		return BPF_CORE_READ(t, tgid);
	return pid_here(BPF_CORE_READ(t, group_leader));
}

#endif
