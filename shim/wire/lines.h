#ifndef LG_WIRE_LINES_H
#define LG_WIRE_LINES_H

#include "base/slice.h"

/*
 * Lines of any length (JSONL, NDJSON), push-fed, never collected: the parts of
 * a line go to `data`, its line feed is told by `end`. A line without one at
 * the end of all is the caller's to end. No state: cut anywhere.
 */
struct lg_lines_sink {
	void (*data)(void *ctx, struct lg_slice piece);
	void (*end)(void *ctx);
};

void lg_lines_feed(const struct lg_lines_sink *sink, void *ctx, const char *p,
		   size_t len);

#endif
