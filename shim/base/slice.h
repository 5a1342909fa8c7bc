#ifndef LG_BASE_SLICE_H
#define LG_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * A borrowed run of bytes, not NUL-terminated. p may be NULL when len is 0.
 * All functions here: any thread, async-signal-safe, no allocation.
 */
struct lg_slice {
	const char *p;
	size_t len;
};

#define LG_SLICE(lit) ((struct lg_slice){(lit), sizeof(lit) - 1})

/* The slice over a NUL-terminated string; NULL gives the empty slice. */
static inline struct lg_slice lg_slice_str(const char *s)
{
	return (struct lg_slice){s, s ? strlen(s) : 0};
}

/* Equality by bytes (eq), or ASCII case-insensitively (ieq). */
bool lg_slice_eq(struct lg_slice a, struct lg_slice b);
bool lg_slice_ieq(struct lg_slice a, struct lg_slice b);

/* Prefix, suffix and substring tests; the i-forms fold ASCII case. */
bool lg_slice_starts(struct lg_slice s, struct lg_slice prefix);
bool lg_slice_istarts(struct lg_slice s, struct lg_slice prefix);
bool lg_slice_iends(struct lg_slice s, struct lg_slice suffix);
bool lg_slice_icontains(struct lg_slice s, struct lg_slice part);

/*
 * Glob match of the whole text, ASCII case-insensitive: '*' any run (also
 * empty), '?' one byte, all else itself. Linear in text * stars.
 */
bool lg_slice_glob(struct lg_slice text, struct lg_slice pattern);

/* Without leading and trailing SP, HT, CR, LF. */
struct lg_slice lg_slice_trim(struct lg_slice s);

/*
 * Cut s at the first c: *head gets what stands before it, the rest (after c)
 * is returned. Without c, *head is all of s and the rest is empty.
 */
struct lg_slice lg_slice_cut(struct lg_slice s, char c, struct lg_slice *head);

/* Decimal digits only. 0, -EINVAL (empty or not a digit), -ERANGE. */
int lg_slice_u64(struct lg_slice s, uint64_t *out);

/*
 * Copy into a NUL-terminated array of cap bytes (cap >= 1), cut where it does
 * not fit; control characters (< 0x20, 0x7f) and bytes that are not UTF-8
 * become '?', so that the text reads back from JSON as it stands. Returns
 * false when it was cut or changed.
 */
bool lg_slice_copy(struct lg_slice s, char *dst, size_t cap);
/* Length of the well-formed multibyte UTF-8 sequence at p[0..n); 0 none. */
size_t lg_utf8_len(const unsigned char *p, size_t n);

#endif
