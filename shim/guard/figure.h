#ifndef LG_GUARD_FIGURE_H
#define LG_GUARD_FIGURE_H

#include "base/usage.h"
#include "guard/exchange.h"
#include "price/price.h"

/*
 * What a cost that stands in an answer is worth. A few providers bill what they
 * say there; elsewhere such a member is a relay's decoration, often 0, and
 * counts only where the model has no price that could be taken instead.
 */
enum lg_figure {
	LG_FIGURE_NONE, /* the catalog's price counts */
	LG_FIGURE_FEE,	/* comes on top of the catalog's price */
	LG_FIGURE_BILL, /* is what is paid */
};

/* p: the price that was found for the model. */
enum lg_figure lg_figure_of(const struct lg_exchange *x,
			    const struct lg_usage *u, const struct lg_price *p);

#endif
