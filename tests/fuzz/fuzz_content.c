#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "wire/content.h"

/*
 * The first byte chooses coding and piece size. Whole and in pieces must give
 * the same bytes, and one gzip member what zlib itself gives.
 */
struct sum {
	uint64_t hash, len;
};

static void take(void *ctx, const char *p, size_t len)
{
	struct sum *s = ctx;

	for (size_t i = 0; i < len; i++)
		s->hash = (s->hash ^ (unsigned char)p[i]) *
			  UINT64_C(0x100000001b3);
	s->len += len;
}

static int run(struct lg_slice coding, const uint8_t *p, size_t n, size_t piece,
	       struct sum *s)
{
	struct lg_content *c;
	char *block = NULL;
	size_t at = 0, k = 0;
	int err = 0;

	*s = (struct sum){0, 0};
	if (lg_content_new(coding, take, s, &c))
		abort();
	for (; at < n && !err; at += k) {
		if (!block || n - at < k) {
			free(block);
			k = n - at < piece ? n - at : piece;
			block = malloc(k);
		}
		memcpy(block, p + at, k);
		err = lg_content_feed(c, block, k);
	}
	free(block);
	if (!err)
		err = lg_content_end(c);
	lg_content_del(c);
	return err;
}

static void against_zlib(const uint8_t *p, size_t n, int ours,
			 const struct sum *got)
{
	static unsigned char out[1 << 16];
	struct sum want = {0, 0};
	z_stream z = {0};
	int r;

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		abort();
	z.next_in = (unsigned char *)(uintptr_t)p;
	z.avail_in = (unsigned)n;
	do {
		z.next_out = out;
		z.avail_out = sizeof(out);
		r = inflate(&z, Z_NO_FLUSH);
		take(&want, (char *)out, sizeof(out) - z.avail_out);
	} while (r == Z_OK && want.len < (1u << 20));
	if (r == Z_STREAM_END && !z.avail_in &&
	    (ours || want.hash != got->hash || want.len != got->len))
		abort();
	inflateEnd(&z);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const names[] = {
		"gzip", "deflate",  "br",	  "zstd",
		"gzip", "gzip, br", "zstd, gzip", "deflate, zstd, br",
	};
	struct lg_slice coding;
	struct sum whole, pieces;
	size_t piece;
	int a, b;

	if (n < 2)
		return 0;
	coding = lg_slice_str(names[*p & 7]);
	piece = 1 + (*p >> 3);
	p++;
	n--;
	a = run(coding, p, n, n, &whole);
	b = run(coding, p, n, piece, &pieces);
	if (a == 0 &&
	    (b || whole.hash != pieces.hash || whole.len != pieces.len))
		abort();
	if (coding.p[0] == 'g' && coding.len == 4)
		against_zlib(p, n, a, &whole);
	return 0;
}
