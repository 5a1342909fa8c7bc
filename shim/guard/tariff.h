#ifndef LG_GUARD_TARIFF_H
#define LG_GUARD_TARIFF_H

#include <stdbool.h>
#include <stdint.h>

#include "guard/exchange.h"
#include "price/price.h"

/* What a call may cost before it is made, and what prices it afterwards. */

/*
 * The price of a model as this exchange would be billed, where it ran and for
 * the picture's class that were told so far; fills *out always.
 */
void lg_tariff_lookup(const struct lg_exchange *x, const char *model,
		      const char *tier, struct lg_price *out);
/*
 * The price before the answer is known, into x->price: of the URL's model, or
 * of the body's where that one says nothing to the catalog.
 */
void lg_tariff_requested(struct lg_exchange *x);
/* Whose price that is. */
const char *lg_tariff_name(const struct lg_exchange *x);
/*
 * Whose price a row was given: the answer's name, or the request's where a
 * dialect's path says more; with other, the one to ask next. May be "".
 */
const char *lg_tariff_row_name(const struct lg_row *row, bool other);
/* What a row's price is asked by: that name, and all but the version. */
struct lg_price_query lg_tariff_row_query(const struct lg_row *row);
/* Is this model's price known (an entry, a rule, or free)? */
bool lg_tariff_is_known(const struct lg_price *p);
/* It is not, and unknown_model: allow lets it pass uncharged. */
bool lg_tariff_is_waived(const struct lg_exchange *x, const struct lg_price *p);

/*
 * What training a model costs stands with it or with its fine-tuned kin: *p,
 * the price that q gave, becomes that one's where it has no such rate. False:
 * none is known.
 */
bool lg_tariff_training(const struct lg_catalog *c,
			const struct lg_price_query *q, struct lg_price *p);
/* The same of the job that this exchange's row names. */
bool lg_tariff_lookup_training(const struct lg_exchange *x, struct lg_price *p);
/*
 * What a row says of its price. by_its_name: it was found by the name of what
 * served the call; missing: no rate for something that was used.
 */
enum lg_price_state lg_tariff_state(const struct lg_price *p, bool by_its_name,
				    bool missing);

struct lg_estimate {
	uint64_t input_tokens, output_tokens;
	int64_t expected_pusd; /* adaptive: what the call will likely cost */
	int64_t worst_pusd;    /* strict: what it cannot exceed */
	bool bounded;	       /* worst_pusd is proven */
	uint64_t worst_output; /* tokens, all choices */
};

/*
 * expected: the prompt's estimated tokens and the output, at the standard
 * rates; 0 where the price is waived. The output is, for each choice, the
 * declared maximum or what 99 of 100 answers of this model stay below, if that
 * is less (guard/learn.h; not below 64); as long as too little was seen, the
 * declared maximum; without one, the model's, at most 4,096. The prompt's
 * tokens: its bytes, 4 to a token or as many as were seen, and 15 % more.
 * worst: design 10.13, nothing learned in it; of a waived price it is the
 * ceiling's all the same, strict budgets let nothing pass that could not be
 * counted.
 */
void lg_tariff_estimate(const struct lg_exchange *x, struct lg_estimate *out);

#endif
