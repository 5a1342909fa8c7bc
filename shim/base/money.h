#ifndef LG_BASE_MONEY_H
#define LG_BASE_MONEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * Money is int64_t picodollars (1e-12 USD). A limit above LG_MONEY_LIMIT_MAX
 * is refused; sums saturate at INT64_MAX/INT64_MIN. Any thread, no allocation.
 */
#define LG_PUSD_PER_USD INT64_C(1000000000000)
#define LG_MONEY_LIMIT_MAX (INT64_C(9000000) * LG_PUSD_PER_USD)

/* Longest text of lg_money_print with its NUL: sign, 7, '.', 12. */
#define LG_MONEY_TEXT 24

/*
 * A decimal USD literal ("5", "0.002", "1e-3", "-0.5"), exact. 0; -EINVAL not
 * a number; -ERANGE more than 12 decimals that are not zero, or beyond int64.
 */
int lg_money_parse(struct lg_slice text, int64_t *pusd);
/* The same times 10^decimals. */
int lg_money_parse_scaled(struct lg_slice text, unsigned decimals,
			  int64_t *out);

/*
 * The exact shortest decimal, a valid JSON number ("12.87", "0", "-0.000001").
 * buf has LG_MONEY_TEXT bytes. Returns the length without the NUL.
 */
size_t lg_money_print(int64_t pusd, char *buf);

/* For people: "$12.87", at least 2 decimals, at most `decimals` (2..12). */
size_t lg_money_pretty(int64_t pusd, unsigned decimals, char *buf, size_t cap);

/* Saturating sum and difference. */
int64_t lg_money_add(int64_t a, int64_t b);
int64_t lg_money_sub(int64_t a, int64_t b);

#endif
