#ifndef LG_BPF_EXEC_BPF_H
#define LG_BPF_EXEC_BPF_H

/*
 * What a program is called at its exec, for the tracer to judge: it may have
 * ended before /proc could be asked.
 */
#include "bpf/emit.bpf.h"

#define NAMES_MAX 256
#define NAME_SIZE 256

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct probe_exec);
} program SEC(".maps");

struct names {
	struct probe_exec *x;
	struct dentry *at, *root;
	struct mount *in;
	__u32 len, is_whole;
};

/* Upwards; through a mount's root to where it is mounted. */
static long next_name(__u32 i, struct names *w)
{
	struct dentry *at = w->at, *up;
	struct mount *in = w->in;
	__u32 len = w->len;
	const __u8 *name;
	long n;

	if (at == w->root) {
		w->in = BPF_CORE_READ(in, mnt_parent);
		w->is_whole = in == w->in;
		w->at = BPF_CORE_READ(in, mnt_mountpoint);
		in = w->in;
		w->root = BPF_CORE_READ(in, mnt.mnt_root);
		return w->is_whole ? 1 : 0;
	}
	asm volatile("" : "+r"(len));
	if (len > PROBE_PATH - NAME_SIZE)
		return 1;
	name = BPF_CORE_READ(at, d_name.name);
	n = bpf_probe_read_kernel_str(w->x->path + len, NAME_SIZE, name);
	if (n <= 0)
		return 1;
	w->len = len + n;
	up = BPF_CORE_READ(at, d_parent);
	w->is_whole = up == at;
	w->at = up;
	return w->is_whole ? 1 : 0;
}

static __always_inline void read_names(struct task_struct *t,
				       struct probe_exec *x)
{
	struct file *exe = BPF_CORE_READ(t, mm, exe_file);
	struct vfsmount *mnt = BPF_CORE_READ(exe, f_path.mnt);
	struct names w = {.x = x};

	w.at = BPF_CORE_READ(exe, f_path.dentry);
	w.root = BPF_CORE_READ(mnt, mnt_root);
	w.in = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
	bpf_loop(NAMES_MAX, next_name, &w, 0);
	x->npath = w.is_whole ? w.len : 0;
}

/* -1: no room. */
static __noinline int put_exec(struct emit *e, struct task_struct *t)
{
	__u32 zero = 0;
	struct probe_exec *x = bpf_map_lookup_elem(&program, &zero);
	struct probe_event *ev;

	if (!e || !x)
		return -1;
	bpf_get_current_comm(x->comm, sizeof(x->comm));
	read_names(t, x);
	ev = bpf_ringbuf_reserve(&ring, sizeof(*ev) + sizeof(*x), 0);
	if (!ev) {
		lost(PROBE_LOSS_RING, 0, 0);
		return -1;
	}
	fill(ev, e);
	ev->cap = sizeof(*x);
	bpf_probe_read_kernel(ev + 1, sizeof(*x), x);
	bpf_ringbuf_submit(ev, wake(e));
	return 0;
}

#endif
