#ifndef LG_BPF_EMIT_BPF_H
#define LG_BPF_EMIT_BPF_H

/* Records into the ring: one size class of payload each, pieces of calls. */
#include "bpf/conn.bpf.h"
#include "bpf/reader.h"

/* Data leaves so much to the records that must not get lost. */
#define RING_SPARE (64 << 10)
#define TAKEN(x) (((x) + 7) & ~7)

/* A record in the making. No pointers: it is handed to functions that the
 * verifier looks at by themselves, once. */
struct emit {
	struct who w;
	__u64 ssl, buf, len, at;
	__s64 result;
	__u64 conn;
	__u32 begun, seq;
	__u32 call;
	__u32 begins; /* requests that begin in this call */
	__u32 lost;   /* a piece of this call did not go up */
	__u8 kind, fn, flags, pad;
};

/* What a program runs and maps is looked at before its first call. */
static __always_inline bool is_urgent(const struct emit *e)
{
	return e->w.near || e->kind == PROBE_EV_EXEC ||
	       e->kind == PROBE_EV_FORK || e->kind == PROBE_EV_LOADED;
}

/* Where the reader waits he is woken: by the near, or by the first record. */
static __always_inline __u64 wake(struct emit *e)
{
	__u32 was;

	was = __sync_val_compare_and_swap(&reader, READER_IDLE, READER_AWAKE);
	if (was == READER_IDLE)
		return BPF_RB_FORCE_WAKEUP;
	if (was != READER_NAPS)
		return BPF_RB_NO_WAKEUP;
	if (is_urgent(e) ||
	    bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > ring_bytes / 4) {
		reader = READER_AWAKE;
		return BPF_RB_FORCE_WAKEUP;
	}
	return BPF_RB_NO_WAKEUP;
}

static __always_inline void fill(struct probe_event *ev, struct emit *e)
{
	ev->kind = e->kind;
	ev->fn = e->fn;
	ev->flags = e->flags;
	ev->pad = 0;
	ev->tgid = e->w.tgid;
	ev->tid = e->w.tid;
	ev->uid = bpf_get_current_uid_gid();
	ev->ts_ns = bpf_ktime_get_boot_ns();
	ev->ssl = e->ssl;
	ev->conn = e->conn;
	ev->seq = e->seq;
	ev->begun = e->begun;
	ev->call = e->call;
	ev->cap = 0;
	ev->len = e->len;
	ev->at = e->at;
	ev->result = e->result;
	ev->buf = e->buf;
}

/* -1: no room, -2: the bytes cannot be read. */
static __always_inline int put_class(struct emit *e, __u32 n, const __u32 size)
{
	struct probe_event *ev;

	ev = bpf_ringbuf_reserve(&ring, sizeof(*ev) + size, 0);
	if (!ev)
		return -1;
	fill(ev, e);
	asm volatile("" : "+r"(n));
	if (n > size)
		n = size;
	if (bpf_probe_read_user(ev + 1, n, (void *)(e->buf + e->at))) {
		bpf_ringbuf_discard(ev, BPF_RB_NO_WAKEUP);
		return -2;
	}
	ev->cap = n;
	bpf_ringbuf_submit(ev, wake(e));
	return 0;
}

static __noinline int put_sized(struct emit *e, __u32 n)
{
	if (n <= 256)
		return put_class(e, n, 256);
	if (n <= 512)
		return put_class(e, n, 512);
	if (n <= 1024)
		return put_class(e, n, 1024);
	if (n <= 2048)
		return put_class(e, n, 2048);
	if (n <= 4096)
		return put_class(e, n, 4096);
	if (n <= 8192)
		return put_class(e, n, 8192);
	return put_class(e, n, PROBE_PIECE);
}

/* Pages that are not there now are brought in, as the program itself would
 * the moment after. */
static __noinline int touch(struct emit *e, __u32 n)
{
	__u64 p = e->buf + e->at, end = p + n;
	char c;
	int i;

	for (i = 0; i < 6 && p < end; i++, p = (p | 4095) + 1)
		if (bpf_copy_from_user(&c, 1, (void *)p))
			return -1;
	return 0;
}

/* A piece of n bytes. -1: no room, -2: the bytes cannot be read. */
__noinline int put(struct emit *e, __u32 n)
{
	int err;

	if (!e)
		return -1;
	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) + n + RING_SPARE >
	    ring_bytes)
		return -1;
	err = put_sized(e, n);
	if (err == -2 && !touch(e, n))
		err = put_sized(e, n);
	return err;
}

/* A record without payload. -1: no room, not even for this. */
__noinline int put_bare(struct emit *e)
{
	struct probe_event *ev;

	if (!e)
		return -1;
	ev = bpf_ringbuf_reserve(&ring, sizeof(*ev), 0);
	if (!ev) {
		lost(PROBE_LOSS_RING, 0, 0);
		return -1;
	}
	fill(ev, e);
	bpf_ringbuf_submit(ev, wake(e));
	return 0;
}

/* The connection's own words of the next record. */
static __always_inline void next_record(struct emit *e, struct probe_conn *c)
{
	e->conn = c->id;
	e->begun = c->begun;
	e->seq = __sync_fetch_and_add(&c->seq, 1) + 1;
	if (c->late)
		e->flags |= PROBE_FLAG_LATE;
}

static __always_inline bool emit_bare(struct emit *e, struct probe_conn *c)
{
	next_record(e, c);
	if (!put_bare(e))
		return true;
	__sync_fetch_and_add(&c->lost, 1);
	return false;
}

static __always_inline void piece_lost(struct emit *e, struct probe_conn *c,
				       __u32 why, __u64 n)
{
	lost(why, n, e->at ? 0 : e->begins);
	e->lost = 1;
	__sync_fetch_and_add(&c->lost, 1);
	__sync_fetch_and_add(&c->lost_len, n);
}

static __noinline int piece(struct emit *e, struct probe_conn *c)
{
	__u64 n = e->len - e->at;
	int err;

	if (n > PROBE_PIECE)
		n = PROBE_PIECE;
	next_record(e, c);
	err = put(e, n);
	if (!err)
		return 0;
	if (err == -1) {
		piece_lost(e, c, PROBE_LOSS_RING, n);
		return 0;
	}
	piece_lost(e, c, PROBE_LOSS_FAULT, n);
	e->flags |= PROBE_FLAG_FAULT;
	put_bare(e);
	e->flags &= ~PROBE_FLAG_FAULT;
	return 0;
}

struct pieces {
	struct emit *e;
	struct probe_conn *c;
};

/* Only of its last piece: those before it are followed by more. */
static __always_inline void say_cut(struct emit *e)
{
	if (e->len > call_max && e->at + PROBE_PIECE >= call_max)
		e->flags |= PROBE_FLAG_CUT;
}

static long next_piece(__u32 i, struct pieces *p)
{
	__u64 at = ((__u64)i + 1) * PROBE_PIECE;

	if (at >= p->e->len || at >= call_max)
		return 1;
	p->e->at = at;
	say_cut(p->e);
	piece(p->e, p->c);
	return 0;
}

/* A call's bytes, whole up to the limit (which is a multiple of a piece). */
static __always_inline void emit_call(struct emit *e, struct probe_conn *c)
{
	struct pieces p = {.e = e, .c = c};
	__u64 over = e->len > call_max ? e->len - call_max : 0;

	e->at = 0;
	say_cut(e);
	piece(e, c);
	if (e->len > PROBE_PIECE)
		bpf_loop(1 << 20, next_piece, &p, 0);
	if (over) {
		lost(PROBE_LOSS_LIMIT, over, 0);
		__sync_fetch_and_add(&c->lost_len, over);
	}
}

#endif
