/*
 * The probes of the TLS functions. Which of them stands where is the cookie's
 * to say; registers are those of x86-64's C ABI, and Go's own. The programs
 * may sleep: a page of the program's that is not there now is brought in.
 *
 * The kernel gives most of the helpers here to programs under the GPL only.
 */
#include "bpf/call.bpf.h"
#include "bpf/look.bpf.h"
#include "bpf/verdict.bpf.h"
#include "bpf/process.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define COOKIE_FN(c) ((__u8)(c))
#define COOKIE_END(c) ((__u8)((c) >> 8))
#define COOKIE_ARG(c) ((__u16)((c) >> 16))

/* Read at once: the verifier wants no address of one or another register. */
#define REG(ctx, name)                                                         \
	({                                                                     \
		__u64 reg_ = (ctx)->name;                                      \
		asm volatile("" : "+r"(reg_));                                 \
		reg_;                                                          \
	})

#define SET_HOSTNAME 55 /* SSL_CTRL_SET_TLSEXT_HOSTNAME */

static __always_inline bool is_go(__u8 fn)
{
	return fn == PROBE_GO_WRITE || fn == PROBE_GO_READ ||
	       fn == PROBE_GO_FREE;
}

/* False: nothing to read or write. */
static __always_inline bool frame_args(struct pt_regs *ctx, __u8 fn,
				       struct frame *f)
{
	__u64 di = REG(ctx, di), si = REG(ctx, si), dx = REG(ctx, dx);
	__u64 cx = REG(ctx, cx), r8 = REG(ctx, r8);
	__u64 ax = REG(ctx, ax), bx = REG(ctx, bx);

	f->ssl = di;
	f->buf = si;
	f->len = dx;
	f->done = 0;
	if (is_go(fn)) {
		f->ssl = ax;
		f->buf = bx;
		f->len = cx;
	} else if (fn == PROBE_WRITE_EX || fn == PROBE_READ_EX) {
		f->done = cx;
	} else if (fn == PROBE_WRITE_EX2) {
		f->done = r8;
	}
	if (fn == PROBE_WRITE || fn == PROBE_READ)
		f->len = (__s32)f->len > 0 ? (__u32)f->len : 0;
	f->sp = ctx->sp;
	f->pad = 0;
	return f->ssl && (__s64)f->len > 0;
}

static __always_inline void write_begins(struct emit *e, struct probe_conn *c,
					 struct frame *f)
{
	bool again = c->op == CONN_FAILED && c->last_len == f->len;
	struct head h;
	enum look k;

	head_read(&h, f->buf, f->len);
	k = look_at(&h);
	if (!judge(c, k, true))
		return;
	e->call = __sync_fetch_and_add(&c->calls, 1) + 1;
	if (!again) {
		e->begins = begins(c, k, f->buf, f->len);
		c->begun += e->begins;
		emit_call(e, c);
	} else {
		e->flags |= PROBE_FLAG_REPEAT;
		emit_bare(e, c);
	}
	/* What was not delivered whole is delivered when it comes again. */
	c->last_len = e->lost ? 0 : f->len;
	c->op = CONN_WROTE;
	/* A new one's as well: the tracer lets go what is no LLM's. */
	carry_out(e, c);
}

SEC("uprobe.s")
int write_entry(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	struct emit e = {};
	struct probe_conn *c;
	struct frame f;

	if (!who_is(ctx, cookie, &e.w))
		return 0;
	e.kind = PROBE_EV_WRITE;
	e.fn = COOKIE_FN(cookie);
	e.result = PROBE_PLACE(REG(ctx, sp), REG(ctx, ip));
	if (!frame_args(ctx, e.fn, &f))
		return 0;
	f.kind = PROBE_EV_WRITE;
	e.ssl = f.ssl;
	c = conn_get(&e.w, e.ssl, true);
	/* How it ends is nobody's concern, but it is a call of its kind. */
	if (!c || c->state == PROBE_CONN_DROP)
		f.ssl = 0;
	if (COOKIE_ARG(cookie) & PROBE_ARG_ENDS)
		call_push(ctx, &e.w, is_go(e.fn), &f);
	if (!f.ssl) {
		if (!c)
			lost(PROBE_LOSS_CONNS, f.len, 0);
		return 0;
	}
	e.buf = f.buf;
	e.len = f.len;
	write_begins(&e, c, &f);
	return 0;
}

SEC("uprobe.s")
int read_entry(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u8 fn = COOKIE_FN(cookie);
	struct frame f;
	struct who w;

	if (!who_is(ctx, cookie, &w) || !frame_args(ctx, fn, &f))
		return 0;
	f.kind = PROBE_EV_READ;
	call_push(ctx, &w, is_go(fn), &f);
	return 0;
}

/* What the call moved; 0 and less: what it said instead. */
static __always_inline __s64 result_of(struct pt_regs *ctx, __u64 cookie,
				       const struct frame *f)
{
	__u8 fn = COOKIE_FN(cookie);
	__u64 rax = REG(ctx, ax), rbx = REG(ctx, bx), sp = REG(ctx, sp), n = 0;
	__s32 ax = rax;

	if (COOKIE_END(cookie) == PROBE_END_STACK) {
		if (ax <= 0)
			return ax;
		bpf_probe_read_user(&n, sizeof(n),
				    (void *)(sp + COOKIE_ARG(cookie)));
		return n;
	}
	if (f->done) {
		if (ax <= 0)
			return COOKIE_ARG(cookie) & PROBE_ARG_INNER ? ax : -1;
		bpf_probe_read_user(&n, sizeof(n), (void *)f->done);
		return n;
	}
	if (is_go(fn))
		return rax || !rbx ? (__s64)rax : -1;
	return fn == PROBE_GNUTLS_SEND || fn == PROBE_GNUTLS_RECV ? (__s64)rax
								  : ax;
}

static __always_inline void read_ends(struct emit *e, struct probe_conn *c,
				      __s64 n)
{
	struct head h;

	if (n < 0) {
		/* SSL_get_error speaks of this read now, not of that write. */
		if (c->op == CONN_WROTE)
			c->op = CONN_READ;
		return;
	}
	if (n == 0) {
		if (c->op == CONN_NONE)
			return;
		c->op = CONN_NONE;
		e->kind = PROBE_EV_CLOSED;
		e->result = n;
		emit_bare(e, c);
		return;
	}
	if (c->proto == CONN_UNKNOWN) {
		head_read(&h, e->buf, n);
		if (!judge(c, look_at(&h), false))
			return;
	}
	c->op = CONN_READ;
	e->call = __sync_fetch_and_add(&c->calls, 1) + 1;
	e->result = n;
	e->len = n;
	emit_call(e, c);
}

static __always_inline void write_ends(struct emit *e, struct probe_conn *c,
				       __s64 n)
{
	if (n == e->len || c->op != CONN_WROTE)
		return;
	c->op = n > 0 ? CONN_NONE : CONN_FAILED;
	e->kind = PROBE_EV_WROTE;
	e->call = c->calls;
	e->result = n;
	emit_bare(e, c);
}

/*
 * Go's transport always has a read under way, so also when we came: what
 * that call was given is read where it ends.
 */
static __always_inline bool frame_spilled(struct pt_regs *ctx, __u64 cookie,
					  struct frame *f)
{
	__u64 arg[3];

	if (COOKIE_END(cookie) != PROBE_END_RAX || !is_go(COOKIE_FN(cookie)) ||
	    !(COOKIE_ARG(cookie) & PROBE_ARG_SPILLED) ||
	    bpf_probe_read_user(arg, sizeof(arg), (void *)(ctx->sp + 8)))
		return false;
	__builtin_memset(f, 0, sizeof(*f));
	f->ssl = arg[0];
	f->buf = arg[1];
	f->len = arg[2];
	return f->ssl && (__s64)f->len > 0;
}

/* Where a call ends: at a RET, at a jump after the inner call, or returned. */
SEC("uprobe.s")
int call_end(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	struct emit e = {};
	struct probe_conn *c;
	struct frame f;
	__s64 n;
	bool writes;

	if (!who_is(ctx, cookie, &e.w))
		return 0;
	e.fn = COOKIE_FN(cookie);
	writes = e.fn == PROBE_WRITE || e.fn == PROBE_WRITE_EX ||
		 e.fn == PROBE_WRITE_EX2 || e.fn == PROBE_GNUTLS_SEND ||
		 e.fn == PROBE_GO_WRITE;
	if (call_pop(ctx, &e.w, is_go(e.fn),
		     writes ? PROBE_EV_WRITE : PROBE_EV_READ, &f) &&
	    !frame_spilled(ctx, cookie, &f))
		return 0;
	if (!f.ssl)
		return 0;
	c = writes ? conn_find(&e.w, f.ssl) : conn_get(&e.w, f.ssl, true);
	if (c && c->state == PROBE_CONN_DROP)
		return 0;
	n = result_of(ctx, cookie, &f);
	if (!c) {
		if (!writes && n > 0)
			lost(PROBE_LOSS_CONNS, n, 0);
		return 0;
	}
	/* No more than the buffer has, whatever stands in rax. */
	if (n > (__s64)f.len)
		n = f.len;
	e.ssl = f.ssl;
	e.buf = f.buf;
	e.len = f.len;
	e.kind = writes ? PROBE_EV_WRITE : PROBE_EV_READ;
	if (writes)
		write_ends(&e, c, n);
	else
		read_ends(&e, c, n);
	return 0;
}

/* SSL_get_error: it tells of a write that failed where that was the last. */
SEC("uprobe.s")
int error_entry(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	struct emit e = {};
	struct probe_conn *c;
	__s32 ret = ctx->si;

	if (ret > 0 || !who_is(ctx, cookie, &e.w))
		return 0;
	c = conn_find(&e.w, ctx->di);
	if (!c || c->state == PROBE_CONN_DROP || c->op != CONN_WROTE)
		return 0;
	c->op = CONN_FAILED;
	e.kind = PROBE_EV_WROTE;
	e.fn = PROBE_ERROR;
	e.ssl = ctx->di;
	e.call = c->calls;
	e.result = ret;
	emit_bare(&e, c);
	return 0;
}

static __noinline void host_known(struct probe_conn *c)
{
	struct host_key key = {};
	int at;

	bpf_probe_read_kernel_str(key.name, sizeof(key.name), c->host);
	if (bpf_map_lookup_elem(&hosts, &key)) {
		c->state = PROBE_CONN_LLM;
		return;
	}
	for (at = 1; at < 64; at++) {
		if (c->host[at] != '.')
			continue;
		__builtin_memset(&key, 0, sizeof(key));
		key.name[0] = '*';
		bpf_probe_read_kernel_str(key.name + 1, sizeof(key.name) - 1,
					  c->host + at);
		if (bpf_map_lookup_elem(&hosts, &key)) {
			c->state = PROBE_CONN_LLM;
			return;
		}
	}
}

static __always_inline void name_given(struct emit *e, struct probe_conn *c,
				       __u64 name, __u64 len)
{
	long n;
	int i;

	if (len >= sizeof(c->host))
		len = sizeof(c->host) - 1;
	n = bpf_probe_read_user_str(c->host, (__u32)len + 1, (void *)name);
	if (n <= 1)
		return;
	for (i = 0; i < (int)sizeof(c->host); i++) {
		if (!c->host[i])
			break;
		if (c->host[i] >= 'A' && c->host[i] <= 'Z')
			c->host[i] |= 0x20;
	}
	if (c->state == PROBE_CONN_NEW)
		host_known(c);
	e->kind = PROBE_EV_NAME;
	e->buf = name;
	e->len = n - 1;
	piece(e, c);
}

/* What says whose connection it is: its name, its descriptor. */
SEC("uprobe.s")
int name_entry(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u8 fn = COOKIE_FN(cookie);
	__u64 si = REG(ctx, si), dx = REG(ctx, dx), cx = REG(ctx, cx);
	__u64 name = si, len = ~0ull;
	struct emit e = {};
	struct probe_conn *c;

	if (fn == PROBE_CTRL) {
		if ((__s32)si != SET_HOSTNAME)
			return 0;
		name = cx;
	} else if (fn == PROBE_GNUTLS_NAME) {
		name = dx;
		len = cx;
	}
	if (!who_is(ctx, cookie, &e.w))
		return 0;
	if (fn != PROBE_SET_FD && !name)
		return 0;
	c = conn_get(&e.w, ctx->di, false);
	if (!c) {
		lost(PROBE_LOSS_CONNS, 0, 0);
		return 0;
	}
	e.fn = fn;
	e.ssl = ctx->di;
	if (fn != PROBE_SET_FD) {
		name_given(&e, c, name, len);
		return 0;
	}
	c->fd = (__u32)si + 1;
	e.kind = PROBE_EV_FD;
	e.result = (__s32)si;
	emit_bare(&e, c);
	return 0;
}

SEC("uprobe.s")
int free_entry(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u64 di = REG(ctx, di), ax = REG(ctx, ax);
	struct emit e = {};
	struct probe_conn *c;
	bool is_told;

	if (!who_is(ctx, cookie, &e.w))
		return 0;
	e.fn = COOKIE_FN(cookie);
	e.ssl = is_go(e.fn) ? ax : di;
	e.kind = PROBE_EV_FREE;
	c = conn_find(&e.w, e.ssl);
	/* A handshake begins with it: the name that was set stays. */
	if (!c || (e.fn == PROBE_CLEAR && c->op != CONN_READ))
		return 0;
	is_told = c->state == PROBE_CONN_DROP || emit_bare(&e, c);
	conn_forget(&e.w, e.ssl, c, is_told);
	return 0;
}

/* The dynamic linker has mapped something. */
SEC("uprobe.s")
int loaded_entry(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	struct emit e = {};

	if (!who_is(ctx, cookie, &e.w))
		return 0;
	e.kind = PROBE_EV_LOADED;
	e.fn = PROBE_LOADED;
	e.w.near = 1;
	put_bare(&e);
	return 0;
}

/* Called by the loader: the counters beside the state stay the kernel's. */
SEC("syscall")
int set_state(struct reader_state_args *a)
{
	struct probe_conn_key key = {.ssl = a->ssl, .tgid = a->tgid};
	struct probe_conn *c = bpf_map_lookup_elem(&conns, &key);

	if (!c || (a->id && (__u32)c->id != a->id))
		return 0;
	c->state = a->state;
	a->result = 1;
	return 0;
}
