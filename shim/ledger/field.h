#ifndef LG_LEDGER_FIELD_H
#define LG_LEDGER_FIELD_H

#include <stdint.h>

#include "ledger/row.h"

/*
 * The keys of a row in the order in which they are written: one table for
 * writing, reading and checking (docs/ledger.md has the same order).
 */
enum lg_field_type {
	LG_F_V,	   /* always the number 1 */
	LG_F_ID,   /* text, never null */
	LG_F_TEXT, /* NUL-terminated; "" is null */
	LG_F_LIST, /* joined by '\x1f'; an array */
	LG_F_RAW,  /* a JSON object as it stands; "" is null */
	LG_F_TIME, /* int64 ms; 0 is null */
	LG_F_MS,   /* int64; negative is null */
	LG_F_I32,
	LG_F_U32,
	LG_F_STATUS, /* int32; 0 is null */
	LG_F_BOOL,
	LG_F_COUNT, /* uint64; LG_ROW_ABSENT is null; adjust: lg_row_delta */
	LG_F_MONEY, /* int64 picodollars; INT64_MIN is null */
	LG_F_RATIO, /* uint32 millionths; UINT32_MAX is null */
	LG_F_ENUM,  /* uint8 index into names */
	LG_F_UNITS,
	LG_F_FLAGS,
	LG_F_HASH, /* 7 bytes, 14 hex digits; left out when 0, as the next */
	LG_F_CAP,  /* uint32 */
};

struct lg_row_field {
	const char *key;
	char open[32]; /* how it stands in a row: ,"key": */
	uint8_t key_len;
	uint8_t type; /* enum lg_field_type */
	uint16_t off; /* in struct lg_row */
	uint16_t cap; /* of text, with its NUL; count of names */
	const char *const *names;
};

extern const struct lg_row_field lg_row_fields[];
extern const unsigned lg_row_nfields;

/* lg_row_parse of a line that lg_row_check has passed. */
int lg_row_read(struct lg_slice line, struct lg_row *out);

/* The suffix of each line: ,"crc":"xxxxxxxx"} */
#define LG_ROW_CRC_LEN 18
/* How each line begins: what a reader looks for after a torn row. */
#define LG_ROW_START "{\"v\":1,"

#endif
