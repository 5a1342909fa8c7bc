#ifndef LG_BPF_PROCESS_BPF_H
#define LG_BPF_PROCESS_BPF_H

/* Processes that come and go; children of targets are targets at once. */
#include "bpf/exec.bpf.h"
#include "bpf/preload.bpf.h"
#include "bpf/verdict.bpf.h"

static __always_inline void event_init(struct emit *e, __u8 kind, __u32 tgid,
				       __s64 result)
{
	e->kind = kind;
	e->w.tgid = tgid;
	e->w.tid = tgid;
	e->w.near = 1;
	e->result = result;
}

static __always_inline void process_event(__u8 kind, __u32 tgid, __s64 result)
{
	struct emit e = {};

	event_init(&e, kind, tgid, result);
	put_bare(&e);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_forked, struct task_struct *parent,
	     struct task_struct *child)
{
	__u32 from = tgid_here(parent), to = tgid_here(child);
	struct probe_target *t = bpf_map_lookup_elem(&targets, &from);
	__u32 *v = bpf_map_lookup_elem(&verdicts, &from), verdict = PROBE_GO;
	struct probe_target copy;
	struct emit e = {};

	if (!t || !to || from == to || !(t->flags & PROBE_TARGET_FOLLOW))
		return 0;
	copy = *t;
	copy.flags &= ~PROBE_TARGET_SOLO;
	/* A short program is over before user space could judge it. */
	if (v)
		verdict = *v;
	if (verdict != PROBE_GO)
		bpf_map_update_elem(&verdicts, &to, &verdict, BPF_ANY);
	if (bpf_map_update_elem(&targets, &to, &copy, BPF_ANY)) {
		lost(PROBE_LOSS_CONNS, 0, 0);
		return 0;
	}
	event_init(&e, PROBE_EV_FORK, to, from);
	e.call = copy.exec;
	if (copy.flags & PROBE_TARGET_MAYBE)
		e.flags = PROBE_FLAG_MAYBE;
	/* nobody would ever judge it */
	if (put_bare(&e) && e.flags)
		bpf_map_delete_elem(&targets, &to);
	return 0;
}

static __always_inline bool in_cgroup(__u64 id)
{
	__u64 at;
	int i;

	for (i = 0; i < CGROUP_DEEP; i++) {
		at = bpf_get_current_ancestor_cgroup_id(i);
		if (!at)
			return false;
		if (at == id)
			return true;
	}
	return false;
}

static __always_inline bool same_comm(const char *want)
{
	char comm[16] = "";
	int i;

	bpf_get_current_comm(comm, sizeof(comm));
	for (i = 0; i < 16; i++) {
		if (comm[i] != want[i])
			return false;
		if (!comm[i])
			break;
	}
	return true;
}

/* All that was asked for has to hold. */
static __noinline bool selected(struct probe_select *s)
{
	__u32 f = s->flags;

	if (!(f & (PROBE_SELECT_ALL | PROBE_SELECT_UID | PROBE_SELECT_CGROUP |
		   PROBE_SELECT_COMM)))
		return false;
	if (f & PROBE_SELECT_UID && (__u32)bpf_get_current_uid_gid() != s->uid)
		return false;
	if (f & PROBE_SELECT_CGROUP && !in_cgroup(s->cgroup))
		return false;
	return !(f & PROBE_SELECT_COMM) || same_comm(s->comm);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_execed, struct task_struct *task, int old_pid)
{
	__u32 tgid = tgid_here(task), zero = 0;
	struct probe_select *s = bpf_map_lookup_elem(&select, &zero);
	struct probe_target t = {}, *old;
	struct emit e = {};

	if (!tgid || !s || tgid == s->self)
		return 0;
	bpf_map_delete_elem(&owned, &tgid);
	old = bpf_map_lookup_elem(&targets, &tgid);
	event_init(&e, PROBE_EV_EXEC, tgid, old_pid);
	e.call = task->self_exec_id;
	if (old) {
		old->flags &= ~PROBE_TARGET_AWAITS;
		old->flags |= awaits();
		old->exec = e.call;
		if (old->flags & PROBE_TARGET_MAYBE)
			e.flags = PROBE_FLAG_MAYBE | PROBE_FLAG_STILL;
		exits++;
	} else if (selected(s)) {
		t.uid = bpf_get_current_uid_gid();
		t.flags = s->target | awaits();
		t.exec = e.call;
		if (s->flags & PROBE_SELECT_MAYBE) {
			t.flags |= PROBE_TARGET_MAYBE;
			e.flags = PROBE_FLAG_MAYBE;
		}
		if (bpf_map_update_elem(&targets, &tgid, &t, BPF_NOEXIST))
			lost(PROBE_LOSS_CONNS, 0, 0);
	} else if (!(s->flags & PROBE_SELECT_EXECS)) {
		return 0;
	}
	if (!(s->flags & PROBE_SELECT_MAYBE))
		put_bare(&e);
	else if (put_exec(&e, task) && e.flags)
		bpf_map_delete_elem(&targets, &tgid);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exited, struct task_struct *task)
{
	struct calls_key key = {};

	bool is_last = BPF_CORE_READ(task, signal, live.counter) <= 0;

	key.tgid = tgid_here(task);
	if (key.tgid && is_last)
		bpf_map_delete_elem(&owned, &key.tgid);
	if (!key.tgid || !bpf_map_lookup_elem(&targets, &key.tgid))
		return 0;
	key.who = pid_here(task);
	bpf_map_delete_elem(&calls, &key);
	if (!is_last)
		return 0;
	bpf_map_delete_elem(&targets, &key.tgid);
	bpf_map_delete_elem(&verdicts, &key.tgid);
	bpf_map_delete_elem(&stops, &key.tgid);
	exits++;
	process_event(PROBE_EV_EXIT, key.tgid, 0);
	return 0;
}

#endif
