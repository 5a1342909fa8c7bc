#include "guard/figure.h"

#include <string.h>

#include "guard/tariff.h"

static const char *const billers[] = {
	"openrouter",
	"perplexity",
	"together",
	"x-ai",
};

static bool is_biller(const char *provider)
{
	for (size_t i = 0; i < sizeof(billers) / sizeof(billers[0]); i++)
		if (!strcmp(provider, billers[i]))
			return true;
	return false;
}

enum lg_figure lg_figure_of(const struct lg_exchange *x,
			    const struct lg_usage *u, const struct lg_price *p)
{
	if (!(u->flags & LG_USAGE_PROVIDER_COST) || u->provider_cost_pusd < 0)
		return LG_FIGURE_NONE;
	if (!is_biller(x->row.provider) &&
	    (lg_tariff_is_known(p) || !u->provider_cost_pusd))
		return LG_FIGURE_NONE;
	return u->flags & LG_USAGE_FEE ? LG_FIGURE_FEE : LG_FIGURE_BILL;
}
