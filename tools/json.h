#ifndef LG_TOOLS_JSON_H
#define LG_TOOLS_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * JSON output with exact money (a double would round it). Every writer takes
 * the key first, NULL in arrays. Errors stick in the buffer (overflow).
 */
struct json {
	struct lg_buf b;
	uint64_t more; /* bit per level: a comma is due */
	unsigned depth;
};

void json_init(struct json *j);
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
void json_text(struct json *j, const char *key, const char *text);
void json_slice(struct json *j, const char *key, struct lg_slice text);
void json_u64(struct json *j, const char *key, uint64_t v);
void json_i64(struct json *j, const char *key, int64_t v);
void json_bool(struct json *j, const char *key, bool v);
void json_null(struct json *j, const char *key);
/* Exact decimal; INT64_MIN and INT64_MAX are null. */
void json_usd(struct json *j, const char *key, int64_t pusd);
/* A number that is text already. */
void json_number(struct json *j, const char *key, const char *literal);
/* Millionths as a decimal. */
void json_ppm(struct json *j, const char *key, int64_t ppm);
/* RFC 3339; INT64_MIN, INT64_MAX and 0 are null. */
void json_time(struct json *j, const char *key, int64_t unix_ms);
/* End the record's line, for one record a line. */
void json_line(struct json *j);

#endif
