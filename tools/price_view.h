#ifndef LG_TOOLS_PRICE_VIEW_H
#define LG_TOOLS_PRICE_VIEW_H

#include "json.h"
#include "price/price.h"
#include "table.h"

/* How `pricing` commands print entries and rates. */

/* Tokens of which a rate is shown: a million, a thousand, one. */
struct price_unit {
	const char *name; /* "1m" */
	const char *text; /* "per 1M" */
	const char *key;  /* "rates_per_1m" */
	int64_t per;
};
extern const struct price_unit price_units[3];
/* By name, NULL: 1m. */
const struct price_unit *price_unit(const char *name);
#define PRICE_UNIT_OPT                                                         \
	{                                                                      \
		"per", 0, OPT_TEXT, "1m|1k|token", "unit of token prices"      \
	}

/* What a rate says in this unit, exactly ("0.0000025"); units are one piece. */
#define PRICE_RATE_TEXT 48
const char *price_rate_text(enum lg_bucket b, int64_t rate,
			    const struct price_unit *u,
			    char out[PRICE_RATE_TEXT]);
/* "rates_per_1m": {...} and "fees": {...} of one piece. */
void price_rates_json(struct json *j, const int64_t *rate,
		      const struct price_unit *u);
void price_entry_json(struct json *j, const struct lg_image *img,
		      const struct lg_img_price *e);
/* The open object's "long_context": [...]. */
void price_steps_json(struct json *j, const struct lg_img_tier *t, unsigned n,
		      const struct price_unit *u);
/* "00:30-16:30", or "" for the whole day. */
const char *price_hours(const struct lg_img_price *e, char out[16]);
void price_cell(struct table *t, struct lg_slice s);
/* `"gpt-4o*"`, `starts_with "a" and contains "b"`, appended. */
void price_clause_text(const struct lg_image *img,
		       const struct lg_img_clause *c, struct lg_buf *b);
/* n * rate / 1e6 picodollars as US dollars, exact to the last digit. */
void price_put_amount(struct lg_buf *b, uint64_t n, int64_t rate);

#endif
