#ifndef LG_BUDGET_ZONE_H
#define LG_BUDGET_ZONE_H

#include <stddef.h>
#include <stdint.h>

/*
 * A time zone read from TZif (RFC 8536, 64-bit data and footer TZ string)
 * into plain memory: libc's tz code and the program's TZ are never touched.
 */
struct lg_zone;

/*
 * name: IANA ("Europe/Berlin"), or NULL for /etc/localtime (UTC when that is
 * missing). 0; -ENOENT unknown name; -EPROTO damaged file; -ENOMEM.
 * Memory from base/mem.h. Any thread.
 */
int lg_zone_open(const char *name, struct lg_zone **out);
void lg_zone_close(struct lg_zone *z);
/* Canonical name, part of a cell's identity ("Europe/Berlin", "UTC"). */
const char *lg_zone_name(const struct lg_zone *z);
/* Seconds east of UTC at an instant. */
int32_t lg_zone_offset(const struct lg_zone *z, int64_t unix_s);

#endif
