#ifndef LG_WIRE_SSE_H
#define LG_WIRE_SSE_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * Server-sent events (WHATWG HTML 9.2.6), push-fed, cut anywhere, any line
 * length: data is passed on in pieces, never collected. One thread per object.
 */
struct lg_sse_sink {
	/*
	 * A piece of the current event's data: part of one data line, or the
	 * single "\n" that stands between two data lines.
	 */
	void (*data)(void *ctx, struct lg_slice piece);
	/* The event ends (blank line). name: event: field, cut at 63 bytes. */
	void (*dispatch)(void *ctx, struct lg_slice name);
};

struct lg_sse {
	const struct lg_sse_sink *sink;
	void *ctx;
	uint64_t events;   /* dispatched so far */
	uint64_t offset;   /* bytes fed so far */
	uint64_t boundary; /* offset after the last blank line */
	uint8_t state, field, flags, pad;
	uint8_t match; /* bytes of a field's name or the BOM matched */
	char name[64];
	uint8_t name_len;
};

void lg_sse_init(struct lg_sse *s, const struct lg_sse_sink *sink, void *ctx);
/* The sink is called inside. An event without data is not dispatched. */
void lg_sse_feed(struct lg_sse *s, const char *p, size_t len);

#endif
