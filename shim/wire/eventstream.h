#ifndef LG_WIRE_EVENTSTREAM_H
#define LG_WIRE_EVENTSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/*
 * Frames of application/vnd.amazon.eventstream, push-fed, cut anywhere:
 *
 *   total length (4) | headers' length (4) | CRC of these 8 (4)
 *   headers | payload | CRC of all before it (4)
 *
 * big-endian, CRC-32 of RFC 1952. A payload is passed on in pieces, never
 * collected. Of the headers the names of event and exception are kept. One
 * thread per object.
 */
#define LG_EVENTSTREAM_MAX ((uint32_t)32 << 20)		 /* a frame */
#define LG_EVENTSTREAM_HEADERS_MAX ((uint32_t)128 << 10) /* its headers */

struct lg_eventstream;

struct lg_eventstream_sink {
	/*
	 * The headers are complete, lg_eventstream_name() says which. checked:
	 * all of the frame is known to be right already; otherwise only end
	 * tells, and what its payload said has to be taken back.
	 */
	void (*begin)(void *ctx, bool checked);
	void (*payload)(void *ctx, struct lg_slice piece);
	/* good: its CRC is right. Not good is also the last call. */
	void (*end)(void *ctx, bool good);
};

struct lg_eventstream {
	const struct lg_eventstream_sink *sink;
	void *ctx;
	uint64_t frames;  /* that were good */
	uint32_t headers; /* bytes of it, of the frame at hand */
	uint32_t left;	  /* of the section at hand */
	uint32_t payload; /* bytes of it */
	uint32_t crc;	  /* of what was fed of the frame */
	uint8_t state;
	uint8_t nfixed; /* bytes in fixed */
	unsigned char fixed[12];
	/* one header */
	uint8_t at;   /* what of it comes next */
	uint8_t keep; /* whose value it is */
	uint8_t hname_len, hname_left;
	uint32_t value_left;
	char hname[16];
	/* what they said */
	bool is_exception;
	uint8_t type_len, event_len;
	char type[12], event[64];
};

void lg_eventstream_init(struct lg_eventstream *s,
			 const struct lg_eventstream_sink *sink, void *ctx);
/* False from the first byte on that cannot be: no more is read. */
bool lg_eventstream_feed(struct lg_eventstream *s, const char *p, size_t len);
/* No more bytes. A frame that was begun ends, not good. True: none was. */
bool lg_eventstream_end(struct lg_eventstream *s);
/*
 * How many of these next bytes, not yet fed, surely belong to the frame at
 * hand: at least 1, all of it once its length is known.
 */
size_t lg_eventstream_rest(const struct lg_eventstream *s, const char *p,
			   size_t len);
/*
 * Append the frame of an exception: name is its :exception-type, the payload
 * JSON. 0, -EMSGSIZE, -ENOMEM.
 */
int lg_eventstream_put_exception(struct lg_buf *out, struct lg_slice name,
				 struct lg_slice payload);
/* The same of an event: name is its :event-type. */
int lg_eventstream_put_event(struct lg_buf *out, struct lg_slice name,
			     struct lg_slice payload);
/* Bytes of an exception's frame besides its payload. */
size_t lg_eventstream_exception_overhead(struct lg_slice name);
/* Of the frame at hand: its :event-type, "exception" for one that is. */
struct lg_slice lg_eventstream_name(const struct lg_eventstream *s);

#endif
