#ifndef LG_BASE_TREE_H
#define LG_BASE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/*
 * A JSON text (RFC 8259) as a flat list of its values in their order, for the
 * few bodies that are said anew in another form: nothing is copied, a node is
 * where in the text its value stands. No recursion. One thread per object;
 * memory from base/mem.h.
 */
#define LG_TREE_DEPTH_MAX 512
#define LG_TREE_NODES_MAX (UINT32_C(1) << 20)
#define LG_TREE_TEXT_MAX ((size_t)64 << 20)

enum lg_tree_type {
	LG_TREE_NONE, /* of a place that is not there */
	LG_TREE_NULL,
	LG_TREE_FALSE,
	LG_TREE_TRUE,
	LG_TREE_NUMBER,
	LG_TREE_STRING,
	LG_TREE_OBJECT, /* below it: key, value, key, value ... */
	LG_TREE_ARRAY,
};

struct lg_tree_node {
	uint32_t off, len; /* in the text; a string's with its quotes */
	uint32_t next;	   /* index behind all that stands below */
	uint8_t type;
	bool key;     /* of a member */
	bool escaped; /* the string has a backslash */
};

/* All zero is empty. */
struct lg_tree {
	const char *text; /* borrowed: as long as the tree is read */
	struct lg_tree_node *node;
	uint32_t n, cap;
};

/*
 * Read a text; an earlier one is forgotten, its memory used again. 0; -EPROTO
 * no JSON value, or nested too deep; -EMSGSIZE too many values or bytes;
 * -ENOMEM. A byte that is not UTF-8 within a string is let stand.
 */
int lg_tree_parse(struct lg_tree *t, struct lg_slice text);
void lg_tree_fini(struct lg_tree *t);

/*
 * A place in a tree; one that is not there is fit for all functions below. Any
 * thread while nobody changes the tree.
 */
struct lg_at {
	const struct lg_tree *tree;
	uint32_t n;
};

struct lg_at lg_tree_root(const struct lg_tree *t);
enum lg_tree_type lg_at_type(struct lg_at a);
static inline bool lg_at_is(struct lg_at a)
{
	return lg_at_type(a) != LG_TREE_NONE;
}
/* There, and not null. */
static inline bool lg_at_says(struct lg_at a)
{
	return lg_at_type(a) > LG_TREE_NULL;
}
/* An object's last member of that name; "a|b": of any of these names. */
struct lg_at lg_at_get(struct lg_at a, const char *key);
/* What stands first below, and what stands behind a within `in`. */
struct lg_at lg_at_first(struct lg_at in);
struct lg_at lg_at_next(struct lg_at in, struct lg_at a);
/* The value's text; of a string's between the quotes, else empty. */
struct lg_slice lg_at_raw(struct lg_at a);
struct lg_slice lg_at_str(struct lg_at a);
/* Is it a string of this text, or of one of "a|b"? Escapes are read. */
bool lg_at_text_is(struct lg_at a, const char *text);
bool lg_at_is_true(struct lg_at a);
/* A whole number; 0 for anything else. */
uint64_t lg_at_u64(struct lg_at a);
/* A string decoded, cut at cap - 1 bytes, with a NUL. */
void lg_at_copy(struct lg_at a, char *dst, size_t cap);

/* The text between a string's quotes, decoded. 0, -EMSGSIZE, -ENOMEM. */
int lg_tree_put_decoded(struct lg_buf *out, struct lg_slice raw);
/*
 * The same as it stands, but what is not UTF-8 and surrogates that are alone
 * become U+FFFD: fit for every reader. 0, -EMSGSIZE, -ENOMEM.
 */
int lg_tree_put_clean(struct lg_buf *out, struct lg_slice raw);
/* Bytes as the text between a string's quotes. 0, -EMSGSIZE, -ENOMEM. */
int lg_tree_put_escaped(struct lg_buf *out, struct lg_slice bytes);

#endif
