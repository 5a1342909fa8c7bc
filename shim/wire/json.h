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

/* Watched fields compiled into a trie; build once, share freely after. */
struct lg_json_paths {
	uint16_t nnodes;
	struct lg_json_node {
		const char *key;	/* "[]" for elements */
		uint16_t key_len;
		uint16_t first_child, next_sibling; /* 0: none */
		int16_t id;		/* -1: only a way through */
		uint8_t flags;
		uint8_t deep;		/* a "**" below */
	} node[LG_JSON_NODES_MAX];
};

/* 0, -E2BIG too many nodes, -EINVAL a malformed path. */
int lg_json_paths_init(struct lg_json_paths *p, const struct lg_field *fields,
		       unsigned n);

enum lg_json_status {
	LG_JSON_MORE,		/* not complete yet */
	LG_JSON_DONE,		/* one whole value; rest must be white space */
	LG_JSON_BAD,		/* malformed, or nested too deep */
};

/* Private, but of known size so that callers can embed it. At most 3 KB. */
struct lg_json {
	const struct lg_json_paths *paths;
	lg_field_fn *fn;
	void *ctx;
	uint64_t state[340];
};

void lg_json_init(struct lg_json *j, const struct lg_json_paths *paths,
		  lg_field_fn *fn, void *ctx);
/*
 * Feed bytes; callbacks run inside. After BAD all input is ignored. A number
 * at top level is complete only at lg_json_end(). Returns the status.
 */
enum lg_json_status lg_json_feed(struct lg_json *j, const char *p, size_t len);
/* No more bytes: DONE or BAD. */
enum lg_json_status lg_json_end(struct lg_json *j);

#endif
