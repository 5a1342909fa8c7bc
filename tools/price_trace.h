#ifndef LG_TOOLS_PRICE_TRACE_H
#define LG_TOOLS_PRICE_TRACE_H

#include "json.h"
#include "price/price.h"

/* The way of one look-up, step by step. */
#define PRICE_STEPS_MAX 256

struct price_trace {
	struct lg_price_trace t; /* first: it is what the look-up knows */
	const struct lg_catalog *cat;
	unsigned n;
	uint64_t lost; /* steps beyond the table */
	struct price_step {
		enum lg_price_step_kind kind;
		char provider[64], name[200];
		const struct lg_image *img;
		const struct lg_img_price *entry;
		enum lg_price_how how;
		bool no_tier;
	} step[PRICE_STEPS_MAX];
};

void price_trace_init(struct price_trace *t, const struct lg_catalog *cat);
/* "  1. openai/gpt-4o: yours no, shipped exact name" ... */
void price_trace_print(const struct price_trace *t);
/* The open object's "steps": [...]. */
void price_trace_json(const struct price_trace *t, struct json *j);

#endif
