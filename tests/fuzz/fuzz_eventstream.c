#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "wire/eventstream.h"
#include "wire/wrapped.h"

/*
 * Whole and in pieces the same frames are told. The first byte chooses the
 * pieces and whether the checksums are made right first, without which hardly
 * any input would get past them; half of the payloads are unwrapped.
 */
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct told {
	struct lg_eventstream stream;
	struct lg_wrapped wrapped;
	uint64_t hash, good, names, open_hash;
	bool open;
};

static uint64_t mix(uint64_t h, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void unwrapped(void *ctx, struct lg_slice piece)
{
	struct told *t = ctx;

	if (!piece.len)
		abort();
	t->open_hash = mix(t->open_hash, piece.p, piece.len);
}

static void begin(void *ctx, bool checked)
{
	struct told *t = ctx;

	(void)checked;
	if (t->open)
		abort();
	t->open = true;
	t->open_hash = 0;
	lg_wrapped_init(&t->wrapped, unwrapped, t);
}

static void payload(void *ctx, struct lg_slice piece)
{
	struct told *t = ctx;

	if (!t->open || !piece.len)
		abort();
	if (t->good & 1)
		lg_wrapped_feed(&t->wrapped, piece.p, piece.len);
	else
		t->open_hash = mix(t->open_hash, piece.p, piece.len);
}

static void end(void *ctx, bool good)
{
	struct told *t = ctx;
	struct lg_slice name = lg_eventstream_name(&t->stream);

	if (!t->open)
		abort();
	t->open = false;
	if (!good)
		return;
	t->hash = t->hash * 31 + t->open_hash;
	t->names = mix(t->names, name.p, name.len);
	t->good++;
}

static const struct lg_eventstream_sink sink = {begin, payload, end};

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* Two bytes of lengths for each frame, then its bytes. */
static size_t make_right(uint8_t *p, size_t n)
{
	size_t at = 0;

	while (n - at >= 16) {
		size_t total = 16 + p[at + 3] % 128u;

		if (total > n - at)
			total = n - at;
		put32(p + at, (uint32_t)total);
		put32(p + at + 4, (uint32_t)(p[at + 7] % (total - 15)));
		put32(p + at + 8, (uint32_t)crc32(0, p + at, 8));
		put32(p + at + total - 4,
		      (uint32_t)crc32(0, p + at, (unsigned)total - 4));
		at += total;
	}
	return at;
}

static void run(struct told *t, const uint8_t *p, size_t n, size_t piece)
{
	memset(t, 0, sizeof(*t));
	lg_eventstream_init(&t->stream, &sink, t);
	for (size_t at = 0, k; at < n; at += k) {
		char *block;

		k = n - at < piece ? n - at : piece;
		block = malloc(k);
		memcpy(block, p + at, k);
		lg_eventstream_feed(&t->stream, block, k);
		free(block);
	}
	lg_eventstream_end(&t->stream);
	if (t->open || t->good != t->stream.frames)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uint8_t copy[1 << 16];
	static struct told whole, pieces;
	uint8_t how;

	if (n < 2 || n > sizeof(copy))
		return 0;
	how = *p++;
	n--;
	memcpy(copy, p, n);
	if (how & 1)
		make_right(copy, n);
	run(&whole, copy, n, n);
	run(&pieces, copy, n, 1 + (how >> 1) % 40);
	if (whole.good != pieces.good || whole.hash != pieces.hash ||
	    whole.names != pieces.names)
		abort();
	return 0;
}
