#ifndef LG_BPF_WHO_BPF_H
#define LG_BPF_WHO_BPF_H

/* Who calls: the process as the tracer's pid namespace numbers it. */
#include "bpf/maps.bpf.h"

struct who {
	__u32 tgid, tid;
	__u32 near; /* PROBE_TARGET_* */
	__u32 pad;
	__u64 gen;
};

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

/* Another one after exec, and for another process of the same number. */
static __always_inline __u64 gen_of(struct task_struct *t)
{
	return t->group_leader->start_boottime ^ t->self_exec_id << 52;
}

/*
 * False: no target, attached otherwise than this probe is, or a 32-bit
 * program (its arguments stand elsewhere).
 */
static __always_inline bool who_is(struct pt_regs *ctx, __u64 cookie,
				   struct who *w)
{
	bool is_wide = cookie >> 32 & PROBE_OBJECT_WIDE;
	struct probe_target *target;
	struct task_struct *t;
	__u64 id;

	if (ctx->cs != 0x33)
		return false;
	if (!ns_inum) {
		id = bpf_get_current_pid_tgid();
		w->tgid = id >> 32;
		w->tid = id;
	} else {
		t = (void *)bpf_get_current_task();
		w->tgid = tgid_here(t);
		w->tid = pid_here(t);
	}
	target = bpf_map_lookup_elem(&targets, &w->tgid);
	if (!target || is_wide == !!(target->flags & PROBE_TARGET_SOLO))
		return false;
	if (target->flags & PROBE_TARGET_AWAITS && (__u8)cookie != PROBE_LOADED)
		return false;
	t = bpf_get_current_task_btf();
	w->near = target->flags & PROBE_TARGET_NEAR;
	w->gen = gen_of(t);
	return true;
}

#endif
