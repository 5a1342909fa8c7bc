#ifndef LG_WIRE_H2_H
#define LG_WIRE_H2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/*
 * HTTP/2 frames (RFC 9113 4 and 6), one direction of a connection. Pull
 * style: each call consumes some bytes and says one thing about them. Feeds
 * may be cut anywhere. What a frame means beyond its layout is the caller's
 * business. No allocation; one thread per object.
 */
#define LG_H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define LG_H2_PREFACE_LEN 24
#define LG_H2_HEAD_LEN 9
#define LG_H2_FRAME_MAX 16384 /* each peer takes frames of this size */
#define LG_H2_WINDOW 65535    /* each window's size at first */
#define LG_H2_WINDOW_MAX INT32_MAX

enum lg_h2_type {
	LG_H2_DATA,
	LG_H2_HEADERS,
	LG_H2_PRIORITY,
	LG_H2_RST_STREAM,
	LG_H2_SETTINGS,
	LG_H2_PUSH_PROMISE,
	LG_H2_PING,
	LG_H2_GOAWAY,
	LG_H2_WINDOW_UPDATE,
	LG_H2_CONTINUATION,
	LG_H2_PRIORITY_UPDATE = 0x10, /* RFC 9218 7.1 */
};

enum lg_h2_flag {
	LG_H2_END_STREAM = 0x1,
	LG_H2_ACK = 0x1,
	LG_H2_END_HEADERS = 0x4,
	LG_H2_PADDED = 0x8,
	LG_H2_PRIO = 0x20,
};

enum lg_h2_error {
	LG_H2_NO_ERROR = 0,
	LG_H2_PROTOCOL_ERROR = 1,
	LG_H2_INTERNAL_ERROR = 2,
	LG_H2_REFUSED_STREAM = 7,
	LG_H2_CANCEL = 8,
};

enum lg_h2_setting {
	LG_H2_SET_TABLE = 1,
	LG_H2_SET_STREAMS = 3,
	LG_H2_SET_WINDOW = 4,
	LG_H2_SET_FRAME = 5,
};

struct lg_h2_frame {
	uint32_t len;
	uint8_t type, flags;
	uint32_t stream; /* the reserved bit is not in it */
};

enum lg_h2_event {
	LG_H2_MORE,    /* all consumed, nothing to say */
	LG_H2_FRAME,   /* a frame's head is complete: f */
	LG_H2_PAYLOAD, /* a run of its content, padding not in it */
	LG_H2_PAD,     /* a run of what pads it, its length byte included */
	LG_H2_END,     /* the frame ended */
	LG_H2_BAD,     /* not HTTP/2: no frame boundary is known any more */
};

struct lg_h2 {
	struct lg_h2_frame f;
	uint32_t left;	/* of the frame */
	uint32_t pad;	/* of it, padding behind the content */
	uint32_t block; /* the stream whose header block is open, 0 none */
	uint8_t state;
	uint8_t have; /* of head */
	uint8_t head[LG_H2_HEAD_LEN];
};

void lg_h2_init(struct lg_h2 *h);
/*
 * Consume from p. Returns bytes consumed (0 only with an event that is not
 * MORE). PAYLOAD and PAD: *run is inside p. BAD: lengths that cannot be, a
 * header block that another frame interrupts; the frame's head is in h->head
 * and was consumed, its content was not.
 */
size_t lg_h2_feed(struct lg_h2 *h, const char *p, size_t len,
		  enum lg_h2_event *ev, struct lg_slice *run);
/*
 * Where frames begin in bytes from the midst of a connection: an offset at
 * which a head stands that can be one, with another behind its content or at
 * the end of the bytes; len: nowhere.
 */
size_t lg_h2_find(const char *p, size_t len);
/* So many bytes are missing: true when they are of the content at hand. */
bool lg_h2_skip(struct lg_h2 *h, uint64_t missing);
/* Between two frames, no header block open. */
bool lg_h2_at_edge(const struct lg_h2 *h);

/* A frame's head as bytes. */
void lg_h2_head(const struct lg_h2_frame *f, uint8_t out[LG_H2_HEAD_LEN]);
/* Whole frames, appended; a failure shows in out->overflow. */
void lg_h2_put(struct lg_buf *out, const struct lg_h2_frame *f, const void *p);
void lg_h2_put_u32(struct lg_buf *out, enum lg_h2_type type, uint32_t stream,
		   uint32_t value); /* RST_STREAM, WINDOW_UPDATE */
/*
 * A header block in HEADERS and CONTINUATION frames of at most
 * LG_H2_FRAME_MAX. prio: 5 bytes, or NULL.
 */
void lg_h2_put_block(struct lg_buf *out, uint32_t stream, bool end_stream,
		     const uint8_t *prio, struct lg_slice block);

static inline uint32_t lg_h2_u32(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	       (uint32_t)b[2] << 8 | b[3];
}

/* One setting of a SETTINGS frame's content; false at the end. */
bool lg_h2_next_setting(struct lg_slice *content, unsigned *id,
			uint32_t *value);

#endif
