#ifndef LG_BPF_WHO_BPF_H
#define LG_BPF_WHO_BPF_H

/* Who calls: the process as the tracer's pid namespace numbers it. */
#include "bpf/maps.bpf.h"
#include "bpf/pid.bpf.h"

struct who {
	__u32 tgid, tid;
	__u32 near; /* PROBE_TARGET_* */
	__u32 pad;
	__u64 gen;
};

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
