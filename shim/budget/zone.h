#ifndef LG_BUDGET_ZONE_H
#define LG_BUDGET_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * A time zone read from TZif (RFC 8536, 64-bit data and footer TZ string)
 * into plain memory: libc's tz code and the program's TZ are never touched.
 */
struct lg_zone;

/* Longest zone name with its NUL. */
#define LG_ZONE_NAME_MAX 96

/*
 * name: IANA ("Europe/Berlin"), or NULL for /etc/localtime (UTC when that is
 * missing). 0; -ENOENT unknown name; -EPROTO damaged file; -ENOMEM.
 * Memory from base/mem.h. Any thread. Reads a file.
 */
int lg_zone_open(const char *name, struct lg_zone **out);
/* The same from bytes of a TZif file. 0, -EPROTO, -ENOMEM. */
int lg_zone_parse(struct lg_slice tzif, const char *name, struct lg_zone **out);
/* NULL is accepted. */
void lg_zone_close(struct lg_zone *z);
/*
 * Canonical name, part of a cell's identity ("Europe/Berlin", "UTC"). Where
 * /etc/localtime is a plain copy, its TZ string ("CET-1CEST,M3.5.0,...").
 */
const char *lg_zone_name(const struct lg_zone *z);
/* Seconds east of UTC at an instant. Any thread, no allocation. */
int32_t lg_zone_offset(const struct lg_zone *z, int64_t unix_s);

/* A stretch of time with one offset. */
struct lg_zone_span {
	int64_t start_s; /* INT64_MIN: always before */
	int64_t end_s;	 /* first second after; INT64_MAX: for ever */
	int32_t offset_s;
};

/*
 * The stretch around an instant. Neighbouring stretches may have the same
 * offset; where the footer rules, a stretch ends at the year's end at the
 * latest.
 */
void lg_zone_span(const struct lg_zone *z, int64_t unix_s,
		  struct lg_zone_span *out);

#endif
