#ifndef LG_WIRE_JSON_MEMBER_H
#define LG_WIRE_JSON_MEMBER_H

#include "base/slice.h"

/*
 * Where a member of a JSON object stands in its text: for the few bodies that
 * are edited. The text need not be valid; nothing is read outside of it. Any
 * thread, no allocation, no recursion.
 */
struct lg_json_member {
	const char *object; /* behind the '{' */
	const char *key;    /* its opening quote */
	struct lg_slice value;
	const char *before; /* the comma before it, NULL: it is the first */
	const char *after;  /* the comma behind it, NULL: it is the last */
};

/*
 * 0: the object has this member once; -ENOENT: it has none (out->object is
 * told); -EEXIST: more than one; -EPROTO: not one whole object, or a key with
 * an escape in it.
 */
int lg_json_member_find(struct lg_slice json, struct lg_slice key,
			struct lg_json_member *out);

#endif
