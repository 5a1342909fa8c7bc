#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <cmocka.h>

#include "tools/bpe.h"

static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
			  "wxyz0123456789+/";

static size_t put(char *out, const char *p, size_t n, unsigned rank)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i += 3) {
		unsigned w = (unsigned)(unsigned char)p[i] << 16, k;

		if (i + 1 < n)
			w |= (unsigned)(unsigned char)p[i + 1] << 8;
		if (i + 2 < n)
			w |= (unsigned char)p[i + 2];
		for (k = 0; k < 4; k++)
			out[at++] =
				i + k > n ? '=' : b64[w >> (18 - 6 * k) & 63];
	}
	return at + (size_t)sprintf(out + at, " %u\n", rank);
}

#define MERGES 300
static struct {
	char text[16];
	size_t n;
} merged[MERGES];
static unsigned nmerged;

/* All single bytes and merges of what is there, over the letters a to d. */
static char *make_file(unsigned seed, size_t *len)
{
	char *out = malloc(64 << 10), c[33];
	size_t at = 0;

	srand(seed);
	for (unsigned i = 0; i < 256; i++) {
		c[0] = (char)i;
		at += put(out + at, c, 1, i);
	}
	nmerged = 0;
	while (nmerged < MERGES) {
		size_t n = 0;
		unsigned i;

		for (unsigned half = 0; half < 2; half++) {
			unsigned pick = (unsigned)rand() % (nmerged + 4);

			if (pick < 4) {
				c[n++] = (char)('a' + pick);
			} else {
				size_t m = merged[pick - 4].n;

				if (n + m > 16)
					m = 0;
				memcpy(c + n, merged[pick - 4].text, m);
				n += m;
			}
		}
		for (i = 0; i < nmerged; i++)
			if (merged[i].n == n && !memcmp(merged[i].text, c, n))
				break;
		if (n < 2 || n > 16 || i < nmerged)
			continue;
		memcpy(merged[nmerged].text, c, n);
		merged[nmerged].n = n;
		at += put(out + at, c, n, 256 + nmerged);
		nmerged++;
	}
	*len = at;
	return out;
}

/* By the definition: the lowest rank first, leftmost first. */
static unsigned naive(const struct bpe_vocab *v, const char *p, unsigned n,
		      uint32_t *out)
{
	unsigned *end = malloc((n + 1) * sizeof(*end)), k = n;
	uint32_t whole = bpe_vocab_rank(v, p, n);

	if (whole != BPE_NONE) {
		free(end);
		out[0] = whole;
		return 1;
	}
	for (unsigned i = 0; i < n; i++)
		end[i] = i + 1;
	for (;;) {
		uint32_t best = BPE_NONE;
		unsigned at = 0;

		for (unsigned i = 0; i + 1 < k; i++) {
			unsigned from = i ? end[i - 1] : 0;
			uint32_t r =
				bpe_vocab_rank(v, p + from, end[i + 1] - from);

			if (r < best) {
				best = r;
				at = i;
			}
		}
		if (best == BPE_NONE)
			break;
		memmove(end + at, end + at + 1, (k - at - 1) * sizeof(*end));
		k--;
	}
	for (unsigned i = 0; i < k; i++) {
		unsigned from = i ? end[i - 1] : 0;

		out[i] = bpe_vocab_rank(v, p + from, end[i] - from);
	}
	free(end);
	return k;
}

static struct bpe_vocab *parse(const char *p, size_t n)
{
	struct bpe_vocab *v;
	char why[256];

	if (bpe_vocab_parse("x", (struct lg_slice){p, n}, &v, why))
		fail_msg("%s", why);
	return v;
}

static void test_merge(void **state)
{
	static uint32_t want[4096], got[4096];
	char text[2048];

	(void)state;
	for (unsigned seed = 1; seed < 9; seed++) {
		size_t len;
		char *file = make_file(seed, &len);
		struct bpe_vocab *v = parse(file, len);
		struct bpe *b = bpe_new(v, BPE_CL100K);

		for (unsigned round = 0; round < 400; round++) {
			unsigned n = 1 +
				     (unsigned)rand() % (round % 8 ? 60 : 700),
				 k;
			unsigned letters = 1 + (unsigned)rand() % 4;

			for (unsigned i = 0; i < n; i++)
				text[i] = (char)('a' +
						 (unsigned)rand() % letters);
			k = naive(v, text, n, want);
			assert_int_equal(bpe_encode(b, text, n, got, 4096), k);
			assert_memory_equal(got, want, k * sizeof(*got));
			assert_int_equal(bpe_count(b, text, n), k);
			assert_int_equal(bpe_count(b, text, n), k);
			got[0] = 0xdeadbeef; /* no room: counted all the same */
			assert_int_equal(bpe_encode(b, text, n, got, 0), k);
			assert_int_equal(got[0], 0xdeadbeef);
		}
		assert_int_equal(bpe_count(b, "", 0), 0);
		bpe_del(b);
		bpe_vocab_del(v);
		free(file);
	}
}

static void wrong(const char *p, size_t n, const char *what)
{
	struct bpe_vocab *v = NULL;
	char why[256] = "";

	assert_true(bpe_vocab_parse("voc", (struct lg_slice){p, n}, &v, why) <
		    0);
	assert_null(v);
	if (strncmp(why, "voc:", 4) || !strstr(why, what))
		fail_msg("\"%s\", not \"%s\"", why, what);
}

static void test_errors(void **state)
{
	size_t len, line;
	char *file = make_file(3, &len), *copy = malloc(len + 64);
	struct bpe_vocab *v;

	(void)state;
	v = parse(file, len);
	assert_int_equal(bpe_vocab_count(v), 256 + MERGES);
	assert_int_equal(bpe_vocab_rank(v, "\0", 1), 0);
	assert_int_equal(bpe_vocab_rank(v, "", 0), BPE_NONE);
	assert_int_equal(bpe_vocab_rank(v, "zzzzzzzzzzzzzzzzzzzzz", 21),
			 BPE_NONE);
	bpe_vocab_del(v);
	wrong("", 0, "single byte");
	wrong("x", 1, "middle of a line");
	wrong("\n", 1, "no base64");
	wrong("IQ== x\n", 7, "no rank");
	wrong("IQ==\n", 5, "no rank");
	wrong("IQ== 1\n", 7, "count up");
	wrong("IQ== 0\nIQ== 1\n", 14, "there before");
	wrong("IR== 0\n", 7, "no base64");
	wrong("I=== 0\n", 7, "no base64");
	wrong("==== 0\n", 7, "no base64");
	wrong("<html>\n", 7, "no base64");
	wrong("\xff\xfe\0\0\n", 5, "no base64");
	/* cut at every offset: an error, or fewer tokens, never more */
	for (size_t n = 0; n < len; n++) {
		char why[256];

		memcpy(copy, file, n);
		if (!bpe_vocab_parse("voc", (struct lg_slice){copy, n}, &v,
				     why)) {
			assert_true(bpe_vocab_count(v) < 256 + MERGES);
			assert_true(bpe_vocab_count(v) >= 256);
			bpe_vocab_del(v);
		}
	}
	/* a token that is too long */
	memset(copy, 'A', 8);
	line = 0;
	free(copy);
	copy = malloc(8200);
	memset(copy, 'A', 8192);
	line = 8192 + (size_t)sprintf(copy + 8192, " 0\n");
	wrong(copy, line, "3,072");
	free(copy);
	free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
