/*
 * Providers' exports: any bytes, and in any pieces they say the same. The
 * first byte chooses the pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "tools/amount.h"
#include "tools/bill.h"

struct sum {
	uint64_t hash;
	unsigned items, days;
};

static int on_day(void *ctx, int64_t day)
{
	struct sum *s = ctx;

	s->days++;
	s->hash = lg_hash128(&day, sizeof(day), s->hash).a;
	return 0;
}

static int on_bucket(void *ctx, int64_t start_ms, const char *kind)
{
	struct sum *s = ctx;

	s->hash =
		lg_hash128(kind, strlen(kind), s->hash ^ (uint64_t)start_ms).a;
	return 0;
}

static int on_item(void *ctx, const struct bill_item *i)
{
	struct sum *s = ctx;
	uint64_t n[] = {(uint64_t)i->day, (uint64_t)i->cost_pusd,
			i->requests,	  i->input,
			i->cached,	  i->output};

	s->items++;
	s->hash = lg_hash128(n, sizeof(n), s->hash).a;
	s->hash = lg_hash128(i->model, strlen(i->model), s->hash).a;
	s->hash = lg_hash128(i->label, strlen(i->label), s->hash).a;
	return 0;
}

static int read_bill(const char *p, size_t len, size_t step, struct sum *s,
		     char *error)
{
	struct bill_sink sink = {on_item, on_day, on_bucket, s};
	struct bill *b;
	int err = 0;

	*s = (struct sum){0};
	if (bill_open("f", BILL_ANY, NULL, &sink, &b))
		abort();
	for (size_t at = 0, n; at < len && !err; at += n) {
		n = step < len - at ? step : len - at;
		err = bill_feed(b, p + at, n);
	}
	if (!err)
		err = bill_end(b);
	strcpy(error, bill_error(b));
	if (!err != !error[0])
		abort();
	bill_close(b);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data + 1;
	char whole[1024], pieces[1024];
	struct sum a, b;
	int64_t pusd;

	if (!size)
		return 0;
	amount_parse((struct lg_slice){p, size - 1}, -2, &pusd);
	amount_parse_loose((struct lg_slice){p, size - 1}, &pusd);
	if (read_bill(p, size - 1, size, &a, whole) !=
	    read_bill(p, size - 1, (data[0] & 31u) + 1, &b, pieces))
		abort();
	if (strcmp(whole, pieces) || memcmp(&a, &b, sizeof(a)))
		abort();
	return 0;
}
