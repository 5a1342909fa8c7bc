#ifndef LG_TOOLS_WHEN_H
#define LG_TOOLS_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct lg_zone;

/* Days and instants of options and of files. No allocation. */

/* Days since 1970-01-01 by this zone's calendar; NULL: UTC. */
int64_t when_day(const struct lg_zone *z, int64_t unix_ms);
/* Its first instant, and the first after it. */
void when_day_span(const struct lg_zone *z, int64_t day, int64_t *start_ms,
		   int64_t *end_ms);
/* "2026-11-22". out has 16 bytes. */
void when_day_text(int64_t day, char out[16]);
/* "2026-11-22" alone. 0, -EINVAL. */
int when_parse_day(struct lg_slice s, int64_t *day);
/*
 * A day of this zone, or an RFC 3339 instant: a blank for the T and a fraction
 * of any length are accepted; where no offset is named it is this zone's time
 * (of an hour that comes twice the first; in one that is left out as if the
 * clocks had not been put forward). end: the first instant after what is named
 * (--to is inclusive): after its day, minute, second or millisecond. 0,
 * -EINVAL.
 */
int when_parse(struct lg_slice s, const struct lg_zone *z, bool end,
	       int64_t *unix_ms);

#endif
