#ifndef LG_WIRE_JSON_SHAPE_H
#define LG_WIRE_JSON_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/json.h"

/*
 * The values of a stream repeat each other: the same keys in the same order
 * around other scalars. What one told is remembered with its text, and the
 * next one is compared with that text instead of being scanned; where only
 * scalars differ it tells the same events with its own scalars. Whatever does
 * not compare takes the long way, so a shape never changes what is told.
 */
#define LG_JSON_SHAPES 2
#define LG_JSON_SHAPE_TEXT 1024
#define LG_JSON_SHAPE_SCALARS 32
#define LG_JSON_SHAPE_CALLS 32

struct lg_json_shape {
	uint16_t len; /* of text; 0: none */
	uint8_t nscalars, ncalls;
	char text[LG_JSON_SHAPE_TEXT];
	struct lg_json_scalar { /* in order; a string's without its quotes */
		uint16_t off, len;
	} scalar[LG_JSON_SHAPE_SCALARS];
	struct lg_json_call { /* in the order in which they were told */
		int id;
		uint16_t off;	/* of a string or number */
		uint8_t scalar; /* its index */
		uint8_t type;	/* enum lg_value_type */
		bool boolean;
	} call[LG_JSON_SHAPE_CALLS];
};

/* All zero is empty. One thread per object. */
struct lg_json_shapes {
	struct lg_json_shape one[LG_JSON_SHAPES];
	unsigned last;	  /* the one that fitted last */
	uint64_t scanned; /* values that took the long way */
	/* while one is learnt */
	struct lg_json_shape *learns;
	const char *text;
	size_t len;
	bool odd; /* it cannot be learnt */
	lg_field_fn *fn;
	void *ctx;
};

/*
 * lg_json_init and the first lg_json_feed of a value in one. j stands
 * afterwards as if these two had been called; more may be fed to it.
 */
enum lg_json_status lg_json_shapes_feed(struct lg_json_shapes *s,
					struct lg_json *j,
					const struct lg_json_paths *paths,
					lg_field_fn *fn, void *ctx,
					const char *p, size_t len);

#endif
