#ifndef LG_TOOLS_BILL_H
#define LG_TOOLS_BILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct lg_zone;

/*
 * What providers export about use and cost (docs/reconcile.md has the shapes
 * and their sources), read in pieces of any size: memory is bounded by one
 * time bucket or one line.
 */
enum bill_format {
	BILL_ANY, /* by shape */
	BILL_OPENAI,
	BILL_ANTHROPIC,
	BILL_OPENROUTER,
};

#define BILL_MODEL_MAX 192

/* One line of it. */
struct bill_item {
	int64_t day;		    /* since 1970-01-01, in the bill's zone */
	char model[BILL_MODEL_MAX]; /* as they name it; "" not told */
	char label[BILL_MODEL_MAX]; /* what it was for, where that is no model:
				       "web search tool calls" */
	bool has_cost, has_tokens, has_requests;
	int64_t cost_pusd;
	uint64_t requests, input, cached, output; /* input with cached */
};

struct bill_sink {
	/* -ENOMEM or other errors end the reading. */
	int (*item)(void *ctx, const struct bill_item *i);
	/* This day is in the file, with or without items. */
	int (*day)(void *ctx, int64_t day);
	/*
	 * A time bucket of this kind ("costs", "organization.usage..."):
	 * -EEXIST when it came before.
	 */
	int (*bucket)(void *ctx, int64_t start_ms, const char *kind);
	void *ctx;
};

struct bill;

/*
 * name: for messages. zone: whose days; NULL: UTC. *out by malloc. -ENOMEM.
 * What is borrowed must live as long.
 */
int bill_open(const char *name, enum bill_format want,
	      const struct lg_zone *zone, const struct bill_sink *sink,
	      struct bill **out);
/* 0, or negative: bill_error() says what is wrong. Errors stay. */
int bill_feed(struct bill *b, const char *p, size_t n);
int bill_end(struct bill *b);
void bill_close(struct bill *b);
/* "costs.json: data[3].results[0].amount.value: "abc": not an amount" */
const char *bill_error(const struct bill *b);
/* What it turned out to be. */
enum bill_format bill_format(const struct bill *b);
/* The last page said that more pages follow. */
bool bill_has_more(const struct bill *b);

const char *bill_format_name(enum bill_format f);
/* By name; BILL_ANY when there is none. */
enum bill_format bill_format_by_name(const char *name);

#endif
