#ifndef LG_BASE_JSON_SCAN_H
#define LG_BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The lexical half of the JSON scanner: where a string's plain run ends, and
 * the grammar of numbers. Any thread, no state but the caller's.
 */

/* The first quote, backslash or control character; end without one. */
const char *lg_json_scan_string(const char *p, const char *end);

/*
 * Take what continues a number. *part: 0 before its first byte, then where
 * in the grammar (RFC 8259 6) it stands. Returns the first byte that is not
 * the number's.
 */
const char *lg_json_scan_number(const char *p, const char *end, uint8_t *part);
/* May a number end here? */
bool lg_json_number_is_whole(uint8_t part);

#endif
