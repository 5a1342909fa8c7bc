#ifndef LG_BPF_LOOK_BPF_H
#define LG_BPF_LOOK_BPF_H

/*
 * What a connection's first bytes are: no LLM's protocol is dropped here, the
 * rest is for the tracer to judge.
 */
#include "bpf/emit.bpf.h"

enum look {
	LOOK_NONE,   /* something else */
	LOOK_SHORT,  /* too few bytes to say */
	LOOK_HEAD,   /* HTTP/1 request */
	LOOK_ANSWER, /* HTTP/1 answer */
	LOOK_PREFACE,
	LOOK_FRAME, /* h2 */
};
/*
 * Calls of a late joined connection that do not fit: the rest of a body, or
 * none of ours. After so many, nothing goes up until a request does.
 */
#define LOOK_MISSES 16

#define W4(a, b, c, d)                                                         \
	((__u32)(a) | (__u32)(b) << 8 | (__u32)(c) << 16 | (__u32)(d) << 24)

struct head {
	__u8 b[16];
	__u32 n;
};

static __always_inline bool target_char(__u8 c)
{
	return c == '/' || c == 'h' || c == '*';
}

static __always_inline bool is_head(const __u8 *b)
{
	__u32 w = W4(b[0], b[1], b[2], b[3]);

	if (w == W4('P', 'O', 'S', 'T'))
		return b[4] == ' ' && target_char(b[5]);
	if (w == W4('G', 'E', 'T', ' ') || w == W4('P', 'U', 'T', ' '))
		return target_char(b[4]);
	if (w == W4('H', 'E', 'A', 'D'))
		return b[4] == ' ' && target_char(b[5]);
	if (w == W4('P', 'A', 'T', 'C'))
		return b[4] == 'H' && b[5] == ' ';
	if (w == W4('D', 'E', 'L', 'E'))
		return b[4] == 'T' && b[5] == 'E' && b[6] == ' ';
	if (w == W4('O', 'P', 'T', 'I'))
		return b[4] == 'O' && b[5] == 'N' && b[6] == 'S';
	return false;
}

/* RFC 9113 4.1 and 6: the nine bytes of a frame that could be. */
static __always_inline bool is_frame(const __u8 *b)
{
	__u32 len = b[0] << 16 | b[1] << 8 | b[2];
	__u32 id = (__u32)b[5] << 24 | b[6] << 16 | b[7] << 8 | b[8];

	if (b[5] & 0x80)
		return false;
	switch (b[3]) {
	case 0: /* DATA, HEADERS, CONTINUATION */
	case 1:
	case 9:
		return id && len <= 1 << 20;
	case 2: /* PRIORITY */
		return id && len == 5;
	case 3: /* RST_STREAM */
		return id && len == 4;
	case 4: /* SETTINGS */
		return !id && len % 6 == 0 && len <= 600;
	case 6: /* PING */
		return !id && len == 8;
	case 7: /* GOAWAY */
		return !id && len >= 8 && len < 4096;
	case 8: /* WINDOW_UPDATE */
		return len == 4;
	default:
		return false;
	}
}

__noinline int look_at(struct head *h)
{
	__u32 w;

	if (!h || h->n < 4)
		return LOOK_SHORT;
	w = W4(h->b[0], h->b[1], h->b[2], h->b[3]);
	if (w == W4('P', 'R', 'I', ' '))
		return LOOK_PREFACE;
	if (w == W4('H', 'T', 'T', 'P'))
		return LOOK_ANSWER;
	if (h->n < 9)
		return LOOK_SHORT;
	if (is_head(h->b))
		return LOOK_HEAD;
	return is_frame(h->b) ? LOOK_FRAME : LOOK_NONE;
}

static __always_inline void head_read(struct head *h, __u64 buf, __u64 len)
{
	__u32 n = len < sizeof(h->b) ? len : sizeof(h->b);

	__builtin_memset(h, 0, sizeof(*h));
	asm volatile("" : "+r"(n));
	if (n > sizeof(h->b))
		n = sizeof(h->b);
	if (!bpf_probe_read_user(h->b, n, (void *)buf) ||
	    !bpf_copy_from_user(h->b, n, (void *)buf))
		h->n = n;
}

static __always_inline bool is_quiet(const struct probe_conn *c)
{
	return c->state == PROBE_CONN_NEW && c->misses > LOOK_MISSES;
}

/*
 * A new connection that shows itself to be none of ours is dropped. False:
 * this call is not to go up.
 */
static __always_inline bool judge(struct probe_conn *c, enum look k,
				  bool is_write)
{
	bool begins = k == LOOK_HEAD || k == LOOK_PREFACE || k == LOOK_FRAME;
	bool fits = begins || k == LOOK_SHORT;

	if (c->proto != CONN_UNKNOWN)
		return true;
	if (is_write && k == LOOK_HEAD)
		c->proto = CONN_HTTP1;
	else if (k == LOOK_PREFACE || (k == LOOK_FRAME && c->late))
		c->proto = CONN_H2;
	if (!is_write && k == LOOK_ANSWER && c->late)
		begins = fits = true;
	if (c->state != PROBE_CONN_NEW)
		return true;
	/* Who writes answers or reads requests is a server. */
	if ((is_write ? k == LOOK_ANSWER
		      : k == LOOK_HEAD || k == LOOK_PREFACE) ||
	    (!fits && !c->late)) {
		c->state = PROBE_CONN_DROP;
		return false;
	}
	if (!fits && !is_quiet(c))
		c->misses++;
	return begins || !is_quiet(c);
}

struct walk {
	__u64 buf, at, len;
	__u32 begins, pad;
};

static long next_frame(__u32 i, struct walk *w)
{
	__u8 b[9];

	if (w->at + 9 > w->len ||
	    bpf_probe_read_user(b, sizeof(b), (void *)(w->buf + w->at)))
		return 1;
	if (b[3] == 1)
		w->begins++;
	w->at += 9 + (b[0] << 16 | b[1] << 8 | b[2]);
	return 0;
}

/* HEADERS frames of a client's write: requests. The position is carried from
 * write to write; a header cut in two is given up until the next write. */
__noinline int h2_begins(struct probe_conn *c, __u64 buf, __u64 len,
			 bool preface)
{
	struct walk w = {.buf = buf, .len = len};

	if (!c)
		return 0;
	if (preface)
		w.at = 24;
	else if (c->h2_left < len)
		w.at = c->h2_left;
	else {
		c->h2_left -= len;
		return 0;
	}
	bpf_loop(4096, next_frame, &w, 0);
	c->h2_left = w.at > len ? w.at - len : 0;
	return w.begins;
}

static __always_inline __u32 begins(struct probe_conn *c, enum look k,
				    __u64 buf, __u64 len)
{
	if (c->proto == CONN_H2)
		return h2_begins(c, buf, len, k == LOOK_PREFACE);
	return k == LOOK_HEAD;
}

#endif
