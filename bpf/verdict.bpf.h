#ifndef LG_BPF_VERDICT_BPF_H
#define LG_BPF_VERDICT_BPF_H

/*
 * What the tracer has decided for a process or a cgroup is done where the
 * next write begins. A probe's program runs before the probed instruction
 * does, so the signal is taken before the function's first byte is sent.
 */
#include "bpf/emit.bpf.h"

#define SIGKILL 9
#define SIGSTOP 19
#define CGROUP_DEEP 8

__noinline int cgroup_verdict(void)
{
	__u32 *v, worst = PROBE_GO;
	__u64 id;
	int i;

	for (i = 0; i < CGROUP_DEEP; i++) {
		id = bpf_get_current_ancestor_cgroup_id(i);
		if (!id)
			break;
		v = bpf_map_lookup_elem(&cgroup_verdicts, &id);
		if (v && *v > worst)
			worst = *v;
	}
	return worst;
}

static __noinline int count_stop(__u32 tgid)
{
	__u32 one = 1, *n = bpf_map_lookup_elem(&stops, &tgid);

	if (n)
		__sync_fetch_and_add(n, 1);
	else
		bpf_map_update_elem(&stops, &tgid, &one, BPF_NOEXIST);
	return 0;
}

static __always_inline void carry_out(struct emit *e, struct probe_conn *c)
{
	__u32 *v = bpf_map_lookup_elem(&verdicts, &e->w.tgid);
	__u32 what = v ? *v : PROBE_GO, of_cgroup;
	struct probe_target *t;
	long err;

	if (ncgroup_verdicts) {
		of_cgroup = cgroup_verdict();
		if (of_cgroup > what)
			what = of_cgroup;
	}
	/* The first process is nobody's to stop, whoever's group it is in. */
	if (what == PROBE_GO || e->w.tgid == 1)
		return;
	t = bpf_map_lookup_elem(&targets, &e->w.tgid);
	if (!t || t->flags & PROBE_TARGET_MAYBE)
		return;
	/* Whose connection it is, is not known: that can be taken back. */
	if (c->state != PROBE_CONN_LLM)
		what = PROBE_STOP;
	err = bpf_send_signal(what == PROBE_KILL ? SIGKILL : SIGSTOP);
	if (!err)
		count_stop(e->w.tgid);
	e->kind = PROBE_EV_STOPPED;
	e->result = err ? err : what;
	e->at = 0;
	e->w.near = 1;
	emit_bare(e, c);
}

#endif
