#ifndef LG_BPF_CALL_BPF_H
#define LG_BPF_CALL_BPF_H

/* Calls under way, a few deep a thread: TLS in TLS reads within a read. */
#include "bpf/conn.bpf.h"

static __always_inline void calls_key(struct pt_regs *ctx, struct who *w,
				      bool is_go, struct calls_key *key)
{
	__u64 g = ctx->r14;

	asm volatile("" : "+r"(g));
	key->who = is_go ? g : w->tid;
	key->tgid = w->tgid;
	key->is_go = is_go;
}

static __noinline struct calls *calls_new(struct calls_key *key)
{
	struct calls c = {};

	bpf_map_update_elem(&calls, key, &c, BPF_NOEXIST);
	return bpf_map_lookup_elem(&calls, key);
}

static __always_inline int call_push(struct pt_regs *ctx, struct who *w,
				     bool is_go, const struct frame *f)
{
	struct calls_key key;
	struct calls *c;
	int i;

	calls_key(ctx, w, is_go, &key);
	c = bpf_map_lookup_elem(&calls, &key);
	if (!c)
		c = calls_new(&key);
	if (!c) {
		lost(PROBE_LOSS_CALLS, 0, 0);
		return -1;
	}
	/* What lies deeper on the stack than we do has been left. */
	for (i = 0; i < CALLS_DEEP; i++)
		if (c->n && c->n <= CALLS_DEEP &&
		    (is_go || c->f[c->n - 1].sp <= f->sp))
			c->n--;
	if (c->n >= CALLS_DEEP) {
		lost(PROBE_LOSS_CALLS, 0, 0);
		return -1;
	}
	c->f[c->n] = *f;
	c->n++;
	return 0;
}

/* The frame of the call that ends here: the innermost of its kind. */
static __always_inline int call_pop(struct pt_regs *ctx, struct who *w,
				    bool is_go, __u32 kind, struct frame *f)
{
	struct calls_key key;
	struct calls *c;
	__u32 n;
	int i;

	calls_key(ctx, w, is_go, &key);
	c = bpf_map_lookup_elem(&calls, &key);
	if (!c)
		return -1;
	for (i = 0; i < CALLS_DEEP; i++) {
		n = c->n - 1;
		if (n >= CALLS_DEEP)
			return -1;
		c->n = n;
		*f = c->f[n];
		if (f->kind == kind)
			return 0;
	}
	return -1;
}

#endif
