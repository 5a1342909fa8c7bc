#ifndef LG_TOOLS_PRICE_BILL_H
#define LG_TOOLS_PRICE_BILL_H

#include "json.h"
#include "price/price.h"

/* What a usage costs at a price, bucket by bucket. */
void price_bill_print(const struct lg_price *p, const struct lg_usage *u);
/* Into the open object: usage, lines, long_context_above, factor, *_usd. */
void price_bill_json(const struct lg_price *p, const struct lg_usage *u,
		     struct json *j);

#endif
