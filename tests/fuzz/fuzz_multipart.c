#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/multipart.h"

/* The first line is the Content-Type; whole and in pieces the same is told. */
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct told {
	uint64_t hash, parts, bytes;
	bool open, whole, good;
};

static void mix(struct told *t, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		t->hash = (t->hash ^ (unsigned char)p[i]) *
			  UINT64_C(0x100000001b3);
}

static void part(void *ctx, struct lg_slice name, bool is_file)
{
	struct told *t = ctx;

	if (t->open || name.len > LG_MULTIPART_NAME_MAX)
		abort();
	t->open = true;
	t->parts++;
	mix(t, name.p, name.len);
	t->hash += is_file;
}

static void data(void *ctx, struct lg_slice piece)
{
	struct told *t = ctx;

	if (!t->open || !piece.len)
		abort();
	t->bytes += piece.len;
	mix(t, piece.p, piece.len);
}

static void end(void *ctx)
{
	struct told *t = ctx;

	if (!t->open)
		abort();
	t->open = false;
	t->hash = t->hash * 31 + 7;
}

static void run(struct told *t, struct lg_slice type, const uint8_t *p,
		size_t n, size_t piece)
{
	static const struct lg_multipart_sink sink = {part, data, end};
	struct lg_multipart m;

	memset(t, 0, sizeof(*t));
	t->good = lg_multipart_init(&m, type, &sink, t);
	for (size_t at = 0, k; at < n; at += k) {
		char *block;

		k = n - at < piece ? n - at : piece;
		block = malloc(k);
		memcpy(block, p + at, k);
		t->good = lg_multipart_feed(&m, block, k);
		free(block);
	}
	t->whole = lg_multipart_is_whole(&m);
	if (t->bytes > n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const uint8_t *nl = n ? memchr(p, '\n', n) : NULL;
	struct lg_slice type;
	struct told a, b;
	size_t at;

	if (!nl)
		return 0;
	at = (size_t)(nl - p) + 1;
	type = (struct lg_slice){(const char *)p, at - 1};
	run(&a, type, p + at, n - at, n);
	run(&b, type, p + at, n - at, 1 + n % 7);
	if (memcmp(&a, &b, sizeof(a)))
		abort();
	return 0;
}
