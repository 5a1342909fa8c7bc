#ifndef LG_WIRE_JSON_EVENT_H
#define LG_WIRE_JSON_EVENT_H

#include <stdbool.h>
#include <string.h>

#include "wire/json.h"

/*
 * What the scanner tells: texts of scalars, raw captures, events. Only for
 * wire/json*.c. One thread per object.
 */
#define NONE UINT16_MAX	  /* a value that no path knows */
#define NO_RAW UINT64_MAX /* a value that is not captured */

/* What is expected next. */
enum lg_json_state {
	S_VALUE,
	S_VALUE_OR_END, /* after '[' */
	S_KEY_OR_END,	/* after '{' */
	S_KEY,
	S_COLON,
	S_COMMA_OR_END,
	S_STRING,
	S_ESCAPE,
	S_HEX,
	S_NUMBER,
	S_LITERAL,
	S_DONE,
	S_BAD,
};

static inline const struct lg_json_node *lg_json_node_of(
	const struct lg_json *j, uint16_t n)
{
	return &j->paths->node[n];
}

/* Bytes of raw JSON, for the captures that run. */
static inline void lg_json_raw_put(struct lg_json *j, const char *p, size_t n)
{
	if (!j->raws)
		return;
	if (j->raw_len < sizeof(j->raw)) {
		size_t room = sizeof(j->raw) - (size_t)j->raw_len;

		memcpy(j->raw + j->raw_len, p, n < room ? n : room);
	}
	j->raw_len += n;
}

/* UTF-8 continuation bytes: all but the first of a character. */
static inline uint64_t lg_json_tails(const char *p, size_t n)
{
	uint64_t tails = 0;
	size_t i;

	for (i = 0; i < n; i++)
		tails += ((unsigned char)p[i] & 0xc0) == 0x80;
	return tails;
}

/* Decoded bytes of the string or key, or a number's, when they are wanted. */
static inline void lg_json_text_put(struct lg_json *j, const char *p, size_t n)
{
	if (!j->keep)
		return;
	if (j->len < sizeof(j->text)) {
		size_t room = sizeof(j->text) - (size_t)j->len;

		memcpy(j->text + j->len, p, n < room ? n : room);
	}
	j->len += n;
	if (j->count)
		j->tails += lg_json_tails(p, n);
}

/* A value begins: where its capture begins, NO_RAW without one. */
uint64_t lg_json_raw_begin(struct lg_json *j);
/* The capture that began at off is whole. off may be NO_RAW. */
void lg_json_raw_end(struct lg_json *j, int id, uint64_t off);

/* A scalar begins at j->cur: what of it is wanted? */
void lg_json_scalar_begin(struct lg_json *j, bool is_string);
/* It is whole: tell all who watch it, and expect what follows a value. */
void lg_json_scalar_done(struct lg_json *j, const struct lg_value *v);
/* It is a string that stands whole at p[0..n). */
void lg_json_text_whole(struct lg_json *j, const char *p, size_t n);
/* The same for one whose text was gathered by lg_json_text_put(). */
void lg_json_text_event(struct lg_json *j, enum lg_value_type type);

#endif
