#ifndef LG_WIRE_JSON_H
#define LG_WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/value.h"

/*
 * An iterative, push-fed JSON scanner (RFC 8259) that reports watched places
 * only. Feeds may be cut anywhere. No allocation, bounded memory, any nesting
 * up to LG_JSON_DEPTH_MAX. One thread per object.
 */
#define LG_JSON_DEPTH_MAX 1024
#define LG_JSON_NODES_MAX 256

#define LG_JSON_STEPS_MAX 31 /* components of one path */

/*
 * Watched fields compiled into a trie; build once, share freely after. Keys
 * point into the fields' paths, which must live as long. Node 0 is the root.
 */
struct lg_json_paths {
	uint16_t nnodes;
	struct lg_json_node {
		const char *key;
		uint64_t marks; /* a bit for each child's mark */
		uint16_t key_len;
		uint16_t first_child, next_sibling; /* by key; 0: none */
		uint16_t elem; /* the "[]" below; 0: none */
		uint16_t deep; /* the "**" below; 0: none */
		int16_t id;    /* -1: only a way through */
		uint8_t mark;  /* 0..63, of the key's length and ends */
		uint8_t flags;
	} node[LG_JSON_NODES_MAX];
};

/*
 * 0, -E2BIG too many nodes, -EINVAL a malformed path or one that is watched
 * twice. A "**" is strictly below its place: a string that stands at
 * "content" itself is reported to "content", not to "content.**". A string
 * under several watchers is reported to each.
 */
int lg_json_paths_init(struct lg_json_paths *p, const struct lg_field *fields,
		       unsigned n);

/* Most keys are nobody's: a cheap mark tells before any comparison. */
static inline uint8_t lg_json_mark(const char *key, size_t len)
{
	if (len == 0)
		return 0;
	return ((unsigned char)key[0] * 5 + (unsigned char)key[len - 1] * 3 +
		(unsigned)len) %
	       64;
}

enum lg_json_status {
	LG_JSON_MORE, /* not complete yet */
	LG_JSON_DONE, /* one whole value; rest must be white space */
	LG_JSON_BAD,  /* malformed, or nested too deep */
};

/* All fields are private; the type is whole so that callers can embed it. */
struct lg_json {
	const struct lg_json_paths *paths;
	lg_field_fn *fn;
	void *ctx;
	uint64_t len;	    /* decoded bytes of the string, key or number */
	uint64_t tails;	    /* of these, UTF-8 continuation bytes */
	uint64_t raw_len;   /* bytes of the outermost capture, kept or not */
	uint16_t depth;	    /* open containers */
	uint16_t tracked;   /* of these, the outer ones that paths know */
	uint16_t deeps;	    /* tracked ones with a "**" below */
	uint16_t raws;	    /* captures running */
	uint16_t cur;	    /* trie node of the value at hand */
	uint16_t hex, high; /* of \uXXXX: digits so far, high surrogate */
	uint8_t state;
	uint8_t sub; /* within a number, literal or \uXXXX */
	bool is_key;
	bool keep;			      /* the token's text is wanted */
	bool count;			      /* and its characters */
	uint16_t node[LG_JSON_STEPS_MAX + 2]; /* of each tracked level */
	uint64_t raw_off[LG_JSON_STEPS_MAX + 2];
	uint64_t is_array[LG_JSON_DEPTH_MAX / 64]; /* a bit a level */
	char text[LG_VALUE_TEXT_MAX];
	char raw[LG_VALUE_RAW_MAX];
};
_Static_assert(sizeof(struct lg_json) <= 3072, "at most 3 KB");

void lg_json_init(struct lg_json *j, const struct lg_json_paths *paths,
		  lg_field_fn *fn, void *ctx);
/*
 * Feed bytes; callbacks run inside. After BAD all input is ignored. A number
 * at top level is complete only at lg_json_end(). A byte that is not UTF-8
 * inside a string is taken as it stands, a lone surrogate as U+FFFD. END comes
 * before RAW, and a scalar's event before its RAW. Returns the status.
 */
enum lg_json_status lg_json_feed(struct lg_json *j, const char *p, size_t len);
/* No more bytes: DONE or BAD. */
enum lg_json_status lg_json_end(struct lg_json *j);

/* Is an object or an array open that may still become whole? */
static inline bool lg_json_is_open(struct lg_json *j)
{
	return j->depth > 0 && lg_json_feed(j, "", 0) == LG_JSON_MORE;
}

#endif
