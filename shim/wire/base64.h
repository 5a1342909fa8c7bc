#ifndef LG_WIRE_BASE64_H
#define LG_WIRE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Base64 (RFC 4648 4, and the alphabet of 5), push-fed, cut anywhere. Line
 * breaks and blanks are skipped, padding may be missing. All zero is a fresh
 * one. One thread per object.
 */
struct lg_base64 {
	uint32_t acc;
	uint8_t n;   /* characters in acc */
	bool padded; /* nothing but padding may follow */
	bool bad;    /* sticky: it was not base64 */
};

/* Room for what n characters give, those of the last call included. */
#define LG_BASE64_ROOM(n) (((n) + 3) / 4 * 3)

/*
 * Decodes n characters to dst (LG_BASE64_ROOM(n) bytes) and returns how many
 * bytes there are. Whole groups of four come out; end gives the rest.
 */
size_t lg_base64_feed(struct lg_base64 *b, const char *p, size_t n, char *dst);
/* The last bytes, at most 2. A single character over is bad. */
size_t lg_base64_end(struct lg_base64 *b, char *dst);

#endif
