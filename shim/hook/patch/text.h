#ifndef LG_HOOK_PATCH_TEXT_H
#define LG_HOOK_PATCH_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Memory of programs' text. Nothing is ever writable and executable at once.
 * All return 0 or -errno, leave things as they were on failure and keep to
 * plain system calls. One thread only.
 */

/*
 * Writable memory that near jumps reach from both ends of [lo, hi), or
 * anywhere when there is none (*is_far); len is rounded up to pages.
 */
int lg_text_alloc(uintptr_t lo, uintptr_t hi, size_t len, uint8_t **out,
		  bool *is_far);
/* Executable and no longer writable. */
int lg_text_seal(uint8_t *p, size_t len);
void lg_text_free(uint8_t *p, size_t len);

/* Write n bytes over executable text (readable, not writable). */
int lg_text_write(uint8_t *at, const uint8_t *bytes, size_t n);

/* Has the process exactly one thread? -errno: it cannot be told. */
int lg_text_is_alone(void);

#endif
