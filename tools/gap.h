#ifndef LG_TOOLS_GAP_H
#define LG_TOOLS_GAP_H

#include <stdbool.h>
#include <stdint.h>

#include "bill.h"
#include "ledger/row.h"
#include "price/price.h"
#include "strmap.h"

struct lg_zone;

/*
 * A provider's bill beside the ledger: a line for each day and model, models
 * by their canonical names in the catalog. First the bill, then gap_settle,
 * then the rows of the ledger.
 */
struct gap_side {
	int64_t cost_pusd;
	uint64_t calls, input, cached, output; /* tokens: input with cached */
};

struct gap_line {
	struct gap_side ours, theirs;
	bool billed;		   /* theirs says anything of it */
	bool has_cost, has_tokens; /* ... about money; about tokens */
	bool has_calls;
	int64_t day;
	char model[BILL_MODEL_MAX + 4];
};

struct gaps {
	const struct lg_catalog *catalog;
	struct lg_slice version; /* pinned price version, "" none */
	const struct lg_zone *zone;
	char provider[64];
	int64_t from_day, to_day; /* inclusive */
	struct strmap days;	  /* of the bill: "2026-11-22" to flags */
	struct strmap lines;	  /* "2026-11-22\tmodel" to gap_line */
	struct strmap buckets;	  /* of time, that came */
	struct strmap names;	  /* "model" to its canonical name */
	bool has_cost, has_tokens, has_calls; /* in the bill */
	uint32_t fees; /* buckets that the bill lists apart from models */
};

void gap_init(struct gaps *g, const struct lg_catalog *catalog,
	      const struct lg_zone *zone);
void gap_fini(struct gaps *g);
/* For bill_open: ctx is the gaps. */
extern const struct bill_sink gap_sink;
/*
 * The bill is whole and its provider known: models get their canonical names,
 * days some of whose items name no model become one line each. 0, -ENOMEM.
 */
int gap_settle(struct gaps *g);
/* A row of the ledger, call or correction. 0, -ENOMEM. */
int gap_add_row(struct gaps *g, const struct lg_row *r);
/* Lines in order of day and model. */
void gap_sort(struct gaps *g);
struct gap_line *gap_nth(const struct gaps *g, size_t i);
/* Does the bill tell the money of that line, also by not naming it? */
bool gap_has_money(const struct gaps *g, const struct gap_line *l);
/* How far ours is from theirs: by money where the bill has it, else tokens. */
int64_t gap_ppm(const struct gap_line *l);
/* Adds what line has to sum. */
void gap_sum(struct gap_line *sum, const struct gap_line *line);

#endif
