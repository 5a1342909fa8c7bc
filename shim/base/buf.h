#ifndef LG_BASE_BUF_H
#define LG_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

/*
 * A growable byte buffer with a cap, on memory from base/mem.h (never libc's
 * heap), or on fixed storage of the caller. One thread per object.
 */
struct lg_buf {
	char *p;
	size_t len;
	size_t cap;
	size_t max;    /* never grows past this */
	bool fixed;    /* storage is the caller's */
	bool overflow; /* an append did not fit; sticky */
};

/* Empty, may grow up to max bytes. Allocates nothing yet. */
void lg_buf_init(struct lg_buf *b, size_t max);
/* On the caller's array, never grows. */
void lg_buf_init_fixed(struct lg_buf *b, char *storage, size_t cap);
/* Release the memory; b is empty and usable again. */
void lg_buf_fini(struct lg_buf *b);

/*
 * Room for n more bytes. 0, -EMSGSIZE past max, -ENOMEM. Contents are kept;
 * b->p may move.
 */
int lg_buf_reserve(struct lg_buf *b, size_t n);
/* The slow half of the three below: makes room first. */
int lg_buf_put_grow(struct lg_buf *b, const void *p, size_t n);

/* Append; all or nothing. 0, -EMSGSIZE, -ENOMEM (also sets overflow). */
static inline int lg_buf_put(struct lg_buf *b, const void *p, size_t n)
{
	if (n > b->cap - b->len)
		return lg_buf_put_grow(b, p, n);
	if (n)
		memcpy(b->p + b->len, p, n);
	b->len += n;
	return 0;
}

static inline int lg_buf_puts(struct lg_buf *b, const char *s)
{
	return lg_buf_put(b, s, strlen(s));
}

static inline int lg_buf_putc(struct lg_buf *b, char c)
{
	return lg_buf_put(b, &c, 1);
}

int lg_buf_put_u64(struct lg_buf *b, uint64_t v);
/* Lower case, no leading zeros. */
int lg_buf_put_hex(struct lg_buf *b, uint64_t v);
int lg_buf_put_i64(struct lg_buf *b, int64_t v);
/* Picodollars as an exact decimal literal. */
int lg_buf_put_money(struct lg_buf *b, int64_t pusd);
/*
 * A JSON string with its quotes: escapes ", \ and controls; a byte sequence
 * that is not UTF-8 becomes U+FFFD.
 */
int lg_buf_put_json(struct lg_buf *b, struct lg_slice s);
/* RFC 3339 UTC with milliseconds: 2026-11-22T14:30:52.123Z */
int lg_buf_put_time(struct lg_buf *b, int64_t unix_ms);
/* Drop the first n bytes (n <= len). */
void lg_buf_drop(struct lg_buf *b, size_t n);
/* Give memory above `keep` bytes of capacity back when empty. */
void lg_buf_shrink(struct lg_buf *b, size_t keep);

static inline struct lg_slice lg_buf_slice(const struct lg_buf *b)
{
	return (struct lg_slice){b->p, b->len};
}

#endif
