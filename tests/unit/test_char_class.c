#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <setjmp.h>
#include <cmocka.h>

#include "tools/char_class.h"

static void test_class(void **state)
{
	static const struct {
		uint32_t c;
		enum char_class want;
	} t[] = {
		{'a', CHAR_LOWER},	  {'Z', CHAR_UPPER},
		{'5', CHAR_NUMBER},	  {' ', CHAR_SPACE},
		{'\n', CHAR_SPACE},	  {0x85, CHAR_SPACE},
		{0xa0, CHAR_SPACE},	  {0xfeff, CHAR_OTHER},
		{0x200b, CHAR_OTHER},	  {0x3000, CHAR_SPACE},
		{0, CHAR_OTHER},	  {0x7f, CHAR_OTHER},
		{0xe9, CHAR_LOWER},	  {0xc9, CHAR_UPPER},
		{0x1c5, CHAR_UPPER},	  {0x100, CHAR_UPPER},
		{0x101, CHAR_LOWER},	  {0x17f, CHAR_LOWER},
		{0x2b0, CHAR_LETTER},	  {0xaa, CHAR_LETTER},
		{0x301, CHAR_MARK},	  {0x93e, CHAR_MARK},
		{0xfe0f, CHAR_MARK},	  {0x4e00, CHAR_LETTER},
		{0x9fff, CHAR_LETTER},	  {0xac00, CHAR_LETTER},
		{0xb2, CHAR_NUMBER},	  {0x2167, CHAR_NUMBER},
		{0x1f600, CHAR_OTHER},	  {0x10400, CHAR_UPPER},
		{0x10428, CHAR_LOWER},	  {0x1d49c, CHAR_UPPER},
		{0x2ebf0, CHAR_LETTER},	  {0xd800, CHAR_OTHER},
		{0x10ffff, CHAR_OTHER},	  {0x110000, CHAR_OTHER},
		{UINT32_MAX, CHAR_OTHER},
	};

	(void)state;
	for (unsigned k = 0; k < 2; k++) /* the second time from the cache */
		for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
			if (char_class_of(t[i].c) != t[i].want)
				fail_msg("U+%04x: %d", t[i].c,
					 char_class_of(t[i].c));
}

/* ASCII and Latin-1 by what everybody knows. */
static void test_counts(void **state)
{
	unsigned n[CHAR_SPACE + 1] = {0};

	(void)state;
	for (uint32_t c = 0; c < 0x110000; c++)
		n[char_class_of(c)]++;
	/* Unicode 16.0: DerivedGeneralCategory.txt's totals */
	assert_int_equal(n[CHAR_UPPER], 1858 + 31);
	assert_int_equal(n[CHAR_LOWER], 2258);
	assert_int_equal(n[CHAR_LETTER], 404 + 136477);
	assert_int_equal(n[CHAR_MARK], 2020 + 468 + 13);
	assert_int_equal(n[CHAR_NUMBER], 760 + 236 + 915);
	assert_int_equal(n[CHAR_SPACE], 25);
}

static void test_decode(void **state)
{
	static const struct {
		const char *p;
		size_t n, len;
		uint32_t want;
	} t[] = {
		{"a", 1, 1, 'a'},
		{"\xc3\xa9x", 3, 2, 0xe9},
		{"\xe3\x81\x8b", 3, 3, 0x304b},
		{"\xf0\x9f\x98\x80", 4, 4, 0x1f600},
		{"\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff},
		{"\xc3", 1, 1, 0xfffd},
		{"\xe3\x81", 2, 1, 0xfffd},
		{"\xed\xa0\x80", 3, 1, 0xfffd}, /* a surrogate */
		{"\xc0\x80", 2, 1, 0xfffd},
		{"\xff", 1, 1, 0xfffd},
		{"\0", 1, 1, 0},
	};
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t len;

	(void)state;
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(mprotect(page + 4096, 4096, PROT_NONE), 0);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char *at = page + 4096 - t[i].n;

		memcpy(at, t[i].p, t[i].n);
		assert_int_equal(char_decode(at, t[i].n, &len), t[i].want);
		assert_int_equal(len, t[i].len);
	}
	munmap(page, 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_class),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_decode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
