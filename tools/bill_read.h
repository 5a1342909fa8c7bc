#ifndef LG_TOOLS_BILL_READ_H
#define LG_TOOLS_BILL_READ_H

#include "base/value.h"
#include "bill.h"
#include "csv.h"
#include "wire/json.h"

/* Private to bill.c, bill_json.c and bill_csv.c. */

#define BILL_ITEMS_MAX 1000000 /* of one bucket */

/* The result or the bucket that is being read. */
struct bill_cost {
	struct bill_item i;
	bool cents; /* Anthropic's amount */
	bool odd;   /* an object where a scalar belongs */
	bool seen;  /* anything at all */
};

struct bill_json {
	struct lg_json scan;
	bool running; /* within a top-level value */
	uint64_t pages, buckets, results;
	struct bill_cost cur, own; /* the result; the bucket's own figures */
	bool in_result;
	int64_t start_ms, end_ms; /* INT64_MIN: not told */
	char kind[64];
	struct bill_item *items; /* heap: of this bucket */
	size_t nitems, cap;
};

/* Column of each meaning; -1: none. */
enum bill_column {
	COL_DAY,
	COL_MODEL,
	COL_LABEL,
	COL_COST,
	COL_CURRENCY,
	COL_REQUESTS,
	COL_INPUT,
	COL_CACHED,
	COL_OUTPUT,
	COL_UNCACHED, /* input without what was cached */
	COL_WRITE_5M,
	COL_WRITE_1H,
	COL_ID, /* each line is one request */
	BILL_COLUMNS,
};

struct bill_csv {
	struct csv csv;
	bool headed;
	int column[BILL_COLUMNS];
};

struct bill {
	const char *name;
	enum bill_format want, format;
	const struct lg_zone *zone;
	struct bill_sink sink;
	enum { BILL_UNSEEN, BILL_JSON, BILL_CSV } shape;
	bool more;
	uint64_t items, days;
	char error[512];
	struct lg_json_paths paths;
	struct bill_json json;
	struct bill_csv csv;
};

/* Remember the first error; always -EPROTO. where may be "". */
int bill_fail(struct bill *b, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* This is that format's; an error where another was wanted or came first. */
int bill_is(struct bill *b, const char *where, enum bill_format f);
/* Untrusted text for a message: shortened, nothing that steers a terminal. */
const char *bill_clean(struct lg_slice s, char *out, size_t cap);
/* An error of the sink's own. */
int bill_sink_failed(struct bill *b, int err);

int bill_json_init(struct bill *b);
int bill_json_feed(struct bill *b, const char *p, size_t n);
int bill_json_end(struct bill *b);
void bill_json_fini(struct bill *b);

void bill_csv_init(struct bill *b);
int bill_csv_feed(struct bill *b, const char *p, size_t n);
int bill_csv_end(struct bill *b);

/*
 * OpenAI's line item ("gpt-4o-2024-08-06, cached input", "gpt-image-1 image,
 * output", "web search tool calls") into model or label.
 */
void bill_line_item(struct bill_item *i, struct lg_slice text);

#endif
