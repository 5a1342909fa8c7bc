#ifndef LG_TOOLS_CHAR_CLASS_H
#define LG_TOOLS_CHAR_CLASS_H

#include <stddef.h>
#include <stdint.h>

/*
 * What a character is to the published patterns by which text is cut before
 * it becomes tokens: general categories of Unicode and White_Space. The data
 * is char_class.def (char_class.mjs writes it).
 */
enum char_class {
	CHAR_OTHER,
	CHAR_UPPER,  /* Lu Lt */
	CHAR_LOWER,  /* Ll */
	CHAR_LETTER, /* Lm Lo */
	CHAR_MARK,   /* M */
	CHAR_NUMBER, /* N */
	CHAR_SPACE,  /* White_Space */
};

/* Any thread. c beyond U+10FFFF is CHAR_OTHER. */
enum char_class char_class_of(uint32_t c);

/*
 * The character at p[0..n), n > 0: *len bytes. What is not UTF-8 is U+FFFD,
 * byte by byte.
 */
uint32_t char_decode(const char *p, size_t n, size_t *len);

#endif
