#ifndef LG_GUARD_LEARN_H
#define LG_GUARD_LEARN_H

#include "budget/stats.h"
#include "guard/exchange.h"

/*
 * What earlier calls of a model say about the next one: kept in the region by
 * provider and canonical model (budget/stats.h), used by adaptive budgets and
 * by estimates, never for a strict bound.
 */

/* All 0 where nothing is known, or the call is of a kind that does not learn
 * (batches, embeddings, pictures, ...). No store. */
void lg_learn_get(const struct lg_exchange *x, struct lg_learned *out);
/* All that was seen of such calls, for estimates; false: nothing. */
bool lg_learn_look(const struct lg_exchange *x, struct lg_stats_view *out);
/*
 * A settled call: its row is filled. Only exact counts of one whole answer
 * that the provider made; of the prompt only where it was nothing but text. A
 * stream that the guard cut says that answers are longer.
 */
void lg_learn_settled(const struct lg_exchange *x, struct lg_region *r);

#endif
