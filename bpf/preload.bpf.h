#ifndef LG_BPF_PRELOAD_BPF_H
#define LG_BPF_PRELOAD_BPF_H

/*
 * A program that is executed with our preload in its environment may be over
 * before user space could look at it.
 */
#include "bpf/maps.bpf.h"

#define VARS_MAX 4096
#define VAR_MAX 512
#define NAME_LEN 11 /* LD_PRELOAD= */
#define OFF_LEN 17  /* LLMGUARD_DISABLE= */

struct var {
	char text[VAR_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct var);
} var SEC(".maps");

struct vars {
	__u64 at, end;
	struct var *v;
	__u32 found, off;
};

static __always_inline bool is_same_text(const char *p, const char *want, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (p[i] != want[i])
			return false;
	return true;
}

struct find {
	struct var *v;
	__u32 found, pad;
};

static long look_here(__u32 i, struct find *f)
{
	if (i >= VAR_MAX - NAME_LEN || !f->v->text[i])
		return 1;
	f->found = is_same_text(f->v->text + i, "libllmguard", NAME_LEN);
	return f->found;
}

static __noinline bool names_preload(struct var *v)
{
	struct find f = {.v = v};

	if (!v || !is_same_text(v->text, "LD_PRELOAD=", NAME_LEN))
		return false;
	bpf_loop(VAR_MAX, look_here, &f, 0);
	return f.found;
}

static __always_inline bool is_off(const char *p)
{
	return is_same_text(p, "LLMGUARD_DISABLE=", OFF_LEN) && p[OFF_LEN] &&
	       (p[OFF_LEN] != '0' || p[OFF_LEN + 1]);
}

/* A longer one is looked at in pieces; only its first can be the name. */
static long next_var(__u32 i, struct vars *w)
{
	long n;

	if (w->at >= w->end)
		return 1;
	n = bpf_probe_read_user_str(w->v->text, VAR_MAX, (void *)w->at);
	if (n <= 0)
		return 1;
	w->found |= names_preload(w->v);
	w->off |= is_off(w->v->text);
	w->at += n < VAR_MAX ? n : VAR_MAX - 1;
	return 0;
}

/* At an exec: flags of the target. */
static __noinline __u32 awaits(void)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct vars w = {};
	__u32 zero = 0;

	w.v = bpf_map_lookup_elem(&var, &zero);
	if (!w.v)
		return 0;
	w.at = t->mm->env_start;
	w.end = t->mm->env_end;
	bpf_loop(VARS_MAX, next_var, &w, 0);
	return w.found && !w.off ? PROBE_TARGET_AWAITS : 0;
}

#endif
