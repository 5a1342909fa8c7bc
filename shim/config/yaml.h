#ifndef LG_CONFIG_YAML_H
#define LG_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * YAML text as a tree. libyaml is called here and nowhere else. Anchors,
 * aliases and tags are refused (an alias can expand a small file without
 * bound), as are two documents in one file, a key that is not plain text, a
 * key given twice, and text with a NUL in it.
 */
#define LG_YAML_DEPTH_MAX 32
#define LG_YAML_NODES_MAX 262144u
#define LG_YAML_KEYS_MAX 4096u /* of one map */

enum lg_yaml_kind { LG_YAML_SCALAR, LG_YAML_LIST, LG_YAML_MAP };

struct lg_yaml {
	enum lg_yaml_kind kind;
	bool plain;	       /* of a scalar: written without quotes */
	uint32_t line;	       /* from 1 */
	uint32_t n;	       /* children */
	struct lg_slice text;  /* of a scalar, NUL-terminated */
	struct lg_slice key;   /* a list's items repeat the list's key */
	struct lg_yaml *child; /* the first */
	struct lg_yaml *next;  /* the next of the same parent */
};

/* Memory for trees, released all at once. Zeroed: empty. */
struct lg_yaml_arena {
	struct lg_yaml_chunk *chunks;
};

struct lg_yaml_error {
	uint32_t line;
	const char *what;    /* static */
	struct lg_slice key; /* the key in question, or empty; arena */
};

/*
 * The tree of text in *root, NULL for an empty document; it lives as long as
 * the arena. 0; -EPROTO with err filled; -ENOMEM. One thread per arena.
 */
int lg_yaml_parse(struct lg_slice text, struct lg_yaml_arena *arena,
		  struct lg_yaml **root, struct lg_yaml_error *err);

/* size bytes, zeroed, aligned to 8; NULL when memory is short. */
void *lg_yaml_alloc(struct lg_yaml_arena *arena, size_t size);
void lg_yaml_arena_fini(struct lg_yaml_arena *arena);

/* Nothing was written: empty, ~ or null, without quotes. */
bool lg_yaml_is_null(const struct lg_yaml *v);

#endif
