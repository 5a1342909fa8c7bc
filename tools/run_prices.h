#ifndef LG_TOOLS_RUN_PRICES_H
#define LG_TOOLS_RUN_PRICES_H

#include <stdbool.h>

struct lg_engine;

/*
 * Before a program starts: has every model that is named somewhere a price?
 * Named are they in `given` (NULL or "a,b"), the usual variables of the
 * environment (OPENAI_MODEL ...; `llmguard run --help`), the config's models:
 * rules, and its budgets' scopes and fallbacks, patterns aside. "provider/name"
 * tells the provider. On a terminal the price of one that has none is asked
 * for and written to the user's price file; elsewhere stderr says what
 * unknown_model will do with its calls, and how to give it a price.
 * training: for a run that trains.
 */
void run_prices(struct lg_engine *e, const char *given, bool training);

#endif
