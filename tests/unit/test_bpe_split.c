#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <setjmp.h>
#include <cmocka.h>

#include "tools/bpe_split.h"

/* The pieces with bars between them. */
static void split(enum bpe_pattern k, const char *text, const char *want)
{
	size_t n = strlen(text), i = 0, at = 0;
	char out[512];

	while (i < n) {
		size_t len = bpe_split(k, text + i, n - i);

		assert_true(len > 0 && len <= n - i);
		if (i)
			out[at++] = '|';
		memcpy(out + at, text + i, len);
		at += len;
		i += len;
	}
	out[at] = '\0';
	if (strcmp(out, want))
		fail_msg("%d \"%s\": \"%s\", not \"%s\"", k, text, out, want);
}

static void both(const char *text, const char *want)
{
	split(BPE_CL100K, text, want);
	split(BPE_O200K, text, want);
}

static void test_both(void **state)
{
	(void)state;
	both("Hello world", "Hello| world");
	both("1234567", "123|456|7");
	both(" 12", " |12");
	both("a  b", "a| | b");
	both("a   ", "a|   ");
	both("a \n b", "a| \n| b");
	both("a\n\n  b", "a|\n\n| | b");
	both("\r\n\r\n", "\r\n\r\n");
	both("x=1;\n\ny", "x|=|1|;\n\n|y");
	both(" ...\n\n", " ...\n\n");
	both("(foo)", "(foo|)");
	both("\tif", "\tif");
	both("  \tif", "  |\tif");
	both("'s", "'s");
	both("\xe3\x81\x8b\xe6\xbc\xa2", "\xe3\x81\x8b\xe6\xbc\xa2");
	both("\xf0\x9f\x98\x80 a", "\xf0\x9f\x98\x80| a");
	both("\xff\xfe", "\xff\xfe");
	both("", "");
}

static void test_cl100k(void **state)
{
	(void)state;
	split(BPE_CL100K, "I'll don't WE'VE o'r",
	      "I|'ll| don|'t| WE|'VE| o|'r");
	split(BPE_CL100K, "x'\xc5\xbf", "x|'\xc5\xbf");
	split(BPE_CL100K, "HTTPServer", "HTTPServer");
	/* a mark is no letter here: it ends the word and begins another */
	split(BPE_CL100K, "e\xcc\x81t", "e|\xcc\x81t");
	split(BPE_CL100K, "a//\n/", "a|//\n|/");
}

static void test_o200k(void **state)
{
	(void)state;
	split(BPE_O200K, "I'll don't WE'VE o'r", "I'll| don't| WE'VE| o|'r");
	split(BPE_O200K, "x'\xc5\xbf", "x'\xc5\xbf");
	split(BPE_O200K, "HTTPServer fooBarBAZ", "HTTPServer| foo|Bar|BAZ");
	split(BPE_O200K, "e\xcc\x81t", "e\xcc\x81t");
	split(BPE_O200K, "a//\n/", "a|//\n/");
	/* the run goes back to the last letter without case */
	split(BPE_O200K,
	      "\xe3\x81\x8b"
	      "A"
	      "\xe3\x81\x8b"
	      "BC",
	      "\xe3\x81\x8b"
	      "A"
	      "\xe3\x81\x8b|BC");
	/* a mark before upper case stands alone */
	split(BPE_O200K,
	      "\xcc\x81"
	      "AB",
	      "\xcc\x81|AB");
	split(BPE_O200K,
	      "\xcc\x81"
	      "Ab",
	      "\xcc\x81"
	      "Ab");
	split(BPE_O200K, "\xc7\x85x", "\xc7\x85x");
}

static double seconds(enum bpe_pattern k, const char *p, size_t n)
{
	struct timespec a, b;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	while (n) {
		size_t len = bpe_split(k, p, n);

		p += len;
		n -= len;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	return (double)(b.tv_sec - a.tv_sec) +
	       (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

/* Texts that a backtracking engine takes the square of their length for. */
static void test_linear(void **state)
{
	static const char *const unit[] = {
		"a",
		"A",
		" ",
		"\n",
		" \n",
		"\xe3\x81\x8b"
		"A",
		"\xcc\x81"
		"A",
		"'",
		"1",
		"!",
		"\xe3\x81\x8b",
		"\xff",
		"A'",
		" A",
	};
	size_t n = 1000000;
	char *p = malloc(n);

	(void)state;
	for (size_t u = 0; u < sizeof(unit) / sizeof(unit[0]); u++) {
		size_t len = strlen(unit[u]);

		for (size_t i = 0; i < n; i++)
			p[i] = unit[u][i % len];
		assert_true(seconds(BPE_CL100K, p, n) < 3);
		assert_true(seconds(BPE_O200K, p, n) < 3);
	}
	/* one letter without case, then a long run in upper case, often */
	for (size_t i = 0; i < n; i++)
		p[i] = i % 1000 < 3 ? "\xe3\x81\x8b"[i % 1000] : 'A';
	assert_true(seconds(BPE_O200K, p, n) < 3);
	free(p);
}

/* Flush against a page that may not be read, cut anywhere. */
static void test_bounds(void **state)
{
	static const char text[] = "I'll \xe3\x81\x8b\xcc\x81 12 don't\r\n  "
				   "'ve \xf0\x9f\x98\x80!/\n";
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(mprotect(page + 4096, 4096, PROT_NONE), 0);
	for (size_t n = 1; n < sizeof(text); n++) {
		char *p = page + 4096 - n;

		memcpy(p, text, n);
		for (unsigned k = 0; k < 2; k++)
			for (size_t i = 0; i < n;)
				i += bpe_split((enum bpe_pattern)k, p + i,
					       n - i);
	}
	munmap(page, 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both),   cmocka_unit_test(test_cl100k),
		cmocka_unit_test(test_o200k),  cmocka_unit_test(test_linear),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
