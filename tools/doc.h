#ifndef LG_TOOLS_DOC_H
#define LG_TOOLS_DOC_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/*
 * JSON and YAML as one kind of tree, in which each value knows its line and a
 * number is the literal that was written (a double would round money). Price
 * lists of all forms are read into it, turned into one another and written
 * out of it. Strings are NUL-terminated; all memory belongs to the arena.
 */
#define DOC_DEPTH_MAX 64u
#define DOC_NODES_MAX 4000000u
#define DOC_FILE_MAX ((size_t)64 << 20)

enum doc_kind {
	DOC_NULL,
	DOC_BOOL,
	DOC_NUMBER,
	DOC_STRING,
	DOC_LIST,
	DOC_MAP,
};

struct doc {
	enum doc_kind kind;
	uint32_t line;	      /* from 1; 0: not from a file */
	uint32_t n;	      /* children */
	struct lg_slice key;  /* in a map */
	struct lg_slice text; /* BOOL, NUMBER, STRING */
	struct doc *child, *last, *next;
};

struct doc_arena {
	struct doc_chunk *chunks;
	uint32_t nodes;
};
/*
 * Where this thread goes when there is no memory, NULL: the program ends.
 * Arenas stay to be released.
 */
extern __thread jmp_buf *doc_no_memory;

struct doc_error {
	char text[512]; /* "file:line: key: value "x": what is allowed" */
};

void doc_arena_fini(struct doc_arena *a);
void *doc_alloc(struct doc_arena *a, size_t size);
struct lg_slice doc_copy(struct doc_arena *a, struct lg_slice s);

/*
 * file only names the text in messages. 0; -EPROTO with err filled (also for
 * a key given twice, and nesting deeper than DOC_DEPTH_MAX).
 */
int doc_parse_json(struct doc_arena *a, const char *file, struct lg_slice text,
		   struct doc **out, struct doc_error *err);
int doc_parse_yaml(struct doc_arena *a, const char *file, struct lg_slice text,
		   struct doc **out, struct doc_error *err);
/*
 * A whole file, "-" is stdin; *text lives in the arena. 0, or -errno with err
 * filled.
 */
int doc_read(struct doc_arena *a, const char *file, struct lg_slice *text,
	     struct doc_error *err);

/* NULL where there is none. */
struct doc *doc_get(const struct doc *map, const char *key);
/* The text of a string, number or bool; else empty. */
struct lg_slice doc_text(const struct doc *v);
bool doc_is(const struct doc *v, const char *text);

struct doc *doc_new(struct doc_arena *a, enum doc_kind kind, const char *text);
struct doc *doc_new_slice(struct doc_arena *a, enum doc_kind kind,
			  struct lg_slice text);
/* v becomes the last child; key NULL in lists. v must be nowhere else. */
void doc_add(struct doc_arena *a, struct doc *parent, const char *key,
	     struct doc *v);
/* A copy of all below v. */
struct doc *doc_clone(struct doc_arena *a, const struct doc *v);
/* Same kind of values, numbers by value, maps in any order. */
bool doc_equal(const struct doc *a, const struct doc *b);

/* "file:line: key: value "x": what"; -EINVAL. v may be NULL. */
int doc_fail(struct doc_error *err, const char *file, const struct doc *v,
	     const char *what);

/* Compact, or with indent > 0 one value a line. */
void doc_put_json(struct lg_buf *b, const struct doc *v, unsigned indent);

#endif
