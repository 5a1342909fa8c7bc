#ifndef LG_TESTS_FRAMES_H
#define LG_TESTS_FRAMES_H

#include <stdint.h>
#include <string.h>
#include <zlib.h>

/* AWS event-stream frames for tests. */

static inline void frame_put32(char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (char)(v >> (24 - 8 * i));
}

/* Name and value of a string header at p; its length. */
static inline size_t frame_header(char *p, const char *name, const char *value)
{
	size_t n = strlen(name), v = strlen(value), at = 0;

	p[at++] = (char)n;
	memcpy(p + at, name, n);
	at += n;
	p[at++] = 7;
	p[at++] = (char)(v >> 8);
	p[at++] = (char)v;
	memcpy(p + at, value, v);
	return at + v;
}

/* A whole frame at dst around these headers and payload; its length. */
static inline size_t frame_raw(char *dst, const char *headers, size_t h,
			       const char *payload, size_t n)
{
	size_t total = 16 + h + n;

	frame_put32(dst, (uint32_t)total);
	frame_put32(dst + 4, (uint32_t)h);
	frame_put32(dst + 8, (uint32_t)crc32(0, (const unsigned char *)dst, 8));
	memcpy(dst + 12, headers, h);
	memcpy(dst + 12 + h, payload, n);
	frame_put32(dst + total - 4,
		    (uint32_t)crc32(0, (const unsigned char *)dst,
				    (unsigned)total - 4));
	return total;
}

/* type: "event" or "exception"; name: its :event-type or :exception-type. */
static inline size_t frame_put(char *dst, const char *type, const char *name,
			       const char *payload)
{
	char head[600], key[32];
	size_t h = 0;

	strcpy(key, ":");
	strcat(key, type);
	strcat(key, "-type");
	h += frame_header(head + h, key, name);
	h += frame_header(head + h, ":content-type", "application/json");
	h += frame_header(head + h, ":message-type", type);
	return frame_raw(dst, head, h, payload, strlen(payload));
}

#endif
