/* Server-sent events: the same events and boundary whatever the cuts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void mix(uint64_t *h, struct lg_slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		*h = (*h ^ (uint8_t)s.p[i]) * 0x100000001b3;
}

static void on_data(void *ctx, struct lg_slice piece)
{
	mix(ctx, piece);
}

static void on_dispatch(void *ctx, struct lg_slice name)
{
	mix(ctx, LG_SLICE("\0name"));
	mix(ctx, name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct lg_sse_sink sink = {on_data, on_dispatch};
	const char *p = (const char *)data;
	uint64_t whole = 0, cut = 0;
	struct lg_sse a, b;
	size_t i, n;

	lg_sse_init(&a, &sink, &whole);
	lg_sse_feed(&a, p, size);
	lg_sse_init(&b, &sink, &cut);
	for (i = 0; i < size; i += n) {
		n = 1 + data[i] % 5;
		n = n < size - i ? n : size - i;
		lg_sse_feed(&b, p + i, n);
	}
	if (whole != cut || a.events != b.events || a.boundary != b.boundary ||
	    a.offset != size || a.boundary > size)
		abort();
	return 0;
}
