#include "wire/h2.h"

#include <string.h>

enum state { HEAD, PADLEN, CONTENT, PADDING, BROKEN };

void lg_h2_init(struct lg_h2 *h)
{
	memset(h, 0, sizeof(*h));
}

bool lg_h2_at_edge(const struct lg_h2 *h)
{
	return h->state == HEAD && !h->have && !h->block;
}

static void read_head(struct lg_h2 *h)
{
	const uint8_t *b = h->head;

	h->f.len = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];
	h->f.type = b[3];
	h->f.flags = b[4];
	h->f.stream = lg_h2_u32(b + 5) & 0x7fffffff;
}

/*
 * RFC 9113 6: lengths that are given, and frames that need a stream or none. A
 * wrong length of PRIORITY is its stream's fault alone (6.3).
 */
static bool is_length_right(const struct lg_h2_frame *f)
{
	switch (f->type) {
	case LG_H2_RST_STREAM:
	case LG_H2_WINDOW_UPDATE:
		return f->len == 4;
	case LG_H2_SETTINGS:
		return f->flags & LG_H2_ACK ? !f->len : f->len % 6 == 0;
	case LG_H2_PING:
		return f->len == 8;
	case LG_H2_GOAWAY:
		return f->len >= 8;
	default:
		return true;
	}
}

static bool is_stream_right(const struct lg_h2_frame *f)
{
	switch (f->type) {
	case LG_H2_DATA:
	case LG_H2_HEADERS:
	case LG_H2_PRIORITY:
	case LG_H2_RST_STREAM:
	case LG_H2_PUSH_PROMISE:
	case LG_H2_CONTINUATION:
		return f->stream != 0;
	case LG_H2_SETTINGS:
	case LG_H2_PING:
	case LG_H2_GOAWAY:
		return f->stream == 0;
	default:
		return true;
	}
}

static bool may_be_padded(uint8_t type)
{
	return type == LG_H2_DATA || type == LG_H2_HEADERS ||
	       type == LG_H2_PUSH_PROMISE;
}

/* RFC 9113 4.3, 6.10: nothing stands between the frames of a header block. */
static bool fits_block(struct lg_h2 *h)
{
	const struct lg_h2_frame *f = &h->f;

	if (h->block ? f->type != LG_H2_CONTINUATION || f->stream != h->block
		     : f->type == LG_H2_CONTINUATION)
		return false;
	if (f->type == LG_H2_HEADERS || f->type == LG_H2_PUSH_PROMISE ||
	    f->type == LG_H2_CONTINUATION)
		h->block = f->flags & LG_H2_END_HEADERS ? 0 : f->stream;
	return true;
}

static size_t take_head(struct lg_h2 *h, const char *p, size_t len,
			enum lg_h2_event *ev)
{
	size_t n = LG_H2_HEAD_LEN - h->have;
	bool padded;

	n = n < len ? n : len;
	if (n)
		memcpy(h->head + h->have, p, n);
	h->have += (uint8_t)n;
	if (h->have < LG_H2_HEAD_LEN) {
		*ev = LG_H2_MORE;
		return n;
	}
	h->have = 0;
	read_head(h);
	h->left = h->f.len;
	h->pad = 0;
	padded = may_be_padded(h->f.type) && h->f.flags & LG_H2_PADDED;
	h->state = padded ? PADLEN : CONTENT;
	*ev = LG_H2_FRAME;
	if (!is_length_right(&h->f) || !is_stream_right(&h->f) ||
	    (padded && !h->left) || !fits_block(h)) {
		h->state = BROKEN;
		*ev = LG_H2_BAD;
	}
	return n;
}

static size_t take_padlen(struct lg_h2 *h, const char *p, size_t len,
			  enum lg_h2_event *ev, struct lg_slice *run)
{
	*ev = LG_H2_MORE;
	if (!len)
		return 0;
	h->pad = (uint8_t)*p;
	h->left--;
	h->state = CONTENT;
	*run = (struct lg_slice){p, 1};
	*ev = LG_H2_PAD;
	if (h->pad > h->left) {
		h->state = BROKEN;
		*ev = LG_H2_BAD;
	}
	return 1;
}

static size_t take_run(struct lg_h2 *h, const char *p, size_t len,
		       enum lg_h2_event *ev, struct lg_slice *run)
{
	bool content = h->state == CONTENT;
	size_t n = content ? h->left - h->pad : h->left;

	if (!n) {
		h->state = content && h->left ? PADDING : HEAD;
		if (h->state == PADDING)
			return take_run(h, p, len, ev, run);
		*ev = LG_H2_END;
		return 0;
	}
	n = n < len ? n : len;
	*run = (struct lg_slice){p, n};
	*ev = !n ? LG_H2_MORE : content ? LG_H2_PAYLOAD : LG_H2_PAD;
	h->left -= (uint32_t)n;
	return n;
}

size_t lg_h2_feed(struct lg_h2 *h, const char *p, size_t len,
		  enum lg_h2_event *ev, struct lg_slice *run)
{
	*run = (struct lg_slice){NULL, 0};
	switch (h->state) {
	case HEAD:
		return take_head(h, p, len, ev);
	case PADLEN:
		return take_padlen(h, p, len, ev, run);
	case CONTENT:
	case PADDING:
		return take_run(h, p, len, ev, run);
	default:
		*ev = LG_H2_BAD;
		return 0;
	}
}

/* -- writing -------------------------------------------------------------- */

void lg_h2_head(const struct lg_h2_frame *f, uint8_t out[LG_H2_HEAD_LEN])
{
	out[0] = (uint8_t)(f->len >> 16);
	out[1] = (uint8_t)(f->len >> 8);
	out[2] = (uint8_t)f->len;
	out[3] = f->type;
	out[4] = f->flags;
	out[5] = (uint8_t)(f->stream >> 24);
	out[6] = (uint8_t)(f->stream >> 16);
	out[7] = (uint8_t)(f->stream >> 8);
	out[8] = (uint8_t)f->stream;
}

void lg_h2_put(struct lg_buf *out, const struct lg_h2_frame *f, const void *p)
{
	uint8_t head[LG_H2_HEAD_LEN];

	lg_h2_head(f, head);
	if (lg_buf_reserve(out, sizeof(head) + f->len)) {
		out->overflow = true;
		return;
	}
	lg_buf_put(out, head, sizeof(head));
	lg_buf_put(out, p, f->len);
}

void lg_h2_put_u32(struct lg_buf *out, enum lg_h2_type type, uint32_t stream,
		   uint32_t value)
{
	struct lg_h2_frame f = {4, (uint8_t)type, 0, stream};
	uint8_t b[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16),
			(uint8_t)(value >> 8), (uint8_t)value};

	lg_h2_put(out, &f, b);
}

void lg_h2_put_block(struct lg_buf *out, uint32_t stream, bool end_stream,
		     const uint8_t *prio, struct lg_slice block)
{
	struct lg_h2_frame f = {0, LG_H2_HEADERS, 0, stream};
	uint8_t head[LG_H2_HEAD_LEN];
	size_t room = LG_H2_FRAME_MAX - (prio ? 5 : 0);

	f.flags = (end_stream ? LG_H2_END_STREAM : 0) | (prio ? LG_H2_PRIO : 0);
	if (lg_buf_reserve(out, block.len + 64 + block.len / 1024)) {
		out->overflow = true;
		return;
	}
	do {
		size_t n = block.len < room ? block.len : room;

		f.len = (uint32_t)n + (prio ? 5 : 0);
		if (n == block.len)
			f.flags |= LG_H2_END_HEADERS;
		lg_h2_head(&f, head);
		lg_buf_put(out, head, sizeof(head));
		lg_buf_put(out, prio, prio ? 5 : 0);
		lg_buf_put(out, block.p, n);
		if (n)
			block.p += n;
		block.len -= n;
		f.type = LG_H2_CONTINUATION;
		f.flags = 0;
		prio = NULL;
		room = LG_H2_FRAME_MAX;
	} while (block.len);
}

bool lg_h2_next_setting(struct lg_slice *content, unsigned *id, uint32_t *value)
{
	const uint8_t *b = (const uint8_t *)content->p;

	if (content->len < 6)
		return false;
	*id = (unsigned)b[0] << 8 | b[1];
	*value = lg_h2_u32(b + 2);
	content->p += 6;
	content->len -= 6;
	return true;
}

/* Flags that each type has (RFC 9113 6). */
static const uint8_t known_flags[] = {
	[LG_H2_DATA] = LG_H2_END_STREAM | LG_H2_PADDED,
	[LG_H2_HEADERS] = LG_H2_END_STREAM | LG_H2_END_HEADERS | LG_H2_PADDED |
			  LG_H2_PRIO,
	[LG_H2_SETTINGS] = LG_H2_ACK,
	[LG_H2_PUSH_PROMISE] = LG_H2_END_HEADERS | LG_H2_PADDED,
	[LG_H2_PING] = LG_H2_ACK,
	[LG_H2_CONTINUATION] = LG_H2_END_HEADERS,
};

/* A head that can be one; the frame's length, 0: it cannot. */
static size_t frame_at(const char *p, size_t len)
{
	struct lg_h2 h;

	if (len < LG_H2_HEAD_LEN || *p)
		return 0;
	memcpy(h.head, p, LG_H2_HEAD_LEN);
	read_head(&h);
	if (h.f.len > LG_H2_FRAME_MAX || p[5] & 0x80 ||
	    !is_length_right(&h.f) || !is_stream_right(&h.f))
		return 0;
	if (h.f.type == LG_H2_PRIORITY_UPDATE)
		return LG_H2_HEAD_LEN + h.f.len;
	if (h.f.type >= sizeof(known_flags) ||
	    h.f.flags & ~known_flags[h.f.type])
		return 0;
	return LG_H2_HEAD_LEN + h.f.len;
}

size_t lg_h2_find(const char *p, size_t len)
{
	for (size_t at = 0; at < len; at++) {
		size_t n = frame_at(p + at, len - at);

		if (!n)
			continue;
		if (n == len - at ||
		    (n < len - at && frame_at(p + at + n, len - at - n)))
			return at;
		/* at the begin of a write or a read it may be longer */
		if (!at && n > len && p[3] == LG_H2_DATA)
			return at;
	}
	return len;
}

bool lg_h2_skip(struct lg_h2 *h, uint64_t missing)
{
	if (h->state != CONTENT || h->left < h->pad ||
	    h->left - h->pad < missing)
		return false;
	h->left -= (uint32_t)missing;
	return true;
}
