#ifndef LG_BASE_VALUE_H
#define LG_BASE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * The vocabulary in which a JSON scanner tells a provider's adapter what it
 * saw. It stands in base so that wire/ (who scans) and llm/ (who understands)
 * need not know each other.
 */

/* How much of a string's decoded text an event shows. */
#define LG_VALUE_TEXT_MAX 512
/* How much raw JSON a LG_FIELD_RAW capture keeps. */
#define LG_VALUE_RAW_MAX 1024

enum lg_value_type {
	LG_VALUE_NULL,
	LG_VALUE_BOOL,
	LG_VALUE_NUMBER, /* text: the literal as it stands */
	LG_VALUE_STRING, /* text: decoded, at most LG_VALUE_TEXT_MAX */
	LG_VALUE_OBJECT, /* at its '{' */
	LG_VALUE_ARRAY,	 /* at its '[' */
	LG_VALUE_END,	 /* the matching '}' or ']' of a watched one */
	LG_VALUE_RAW,	 /* text: a LG_FIELD_RAW value's JSON without its white
			    space, at its end */
};

struct lg_value {
	enum lg_value_type type;
	bool boolean;	      /* of LG_VALUE_BOOL */
	bool truncated;	      /* text is not the whole */
	uint64_t len;	      /* STRING: decoded bytes in all (UTF-8) */
	uint64_t chars;	      /* likewise its characters, of LG_FIELD_CHARS */
	struct lg_slice text; /* valid during the callback */
};

/*
 * One watched place. path: keys joined by '.', "[]" for any element of an
 * array: "usage.prompt_tokens", "choices[].delta.content", "[].type";
 * "" is the root. "**" as the LAST component watches every string below that
 * place (tool arguments of any shape): "messages[].content.**".
 */
struct lg_field {
	const char *path;
	int id;		/* >= 0, told back in the event */
	unsigned flags; /* LG_FIELD_* */
};

#define LG_FIELD_RAW 1u /* also deliver the value's raw JSON at its end */
/* Count a string's characters, too: in whole bodies, not in stream events. */
#define LG_FIELD_CHARS 2u

/* An event: the field's id and what stands there. Must not allocate. */
typedef void lg_field_fn(void *ctx, int id, const struct lg_value *v);

/*
 * A NUMBER (or a STRING of digits) as an unsigned integer; a fraction or an
 * exponent that yields a whole number ("1e3", "12.0") is accepted. 0,
 * -EINVAL (another type, negative, not whole), -ERANGE. Any thread.
 */
int lg_value_u64(const struct lg_value *v, uint64_t *out);

#endif
