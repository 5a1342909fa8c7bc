#ifndef LG_BUDGET_CELL_H
#define LG_BUDGET_CELL_H

#include "budget/region.h"
#include "budget/swap.h"

/* Inside of the cell table. Internal to budget/. */

/* Index of the ready cell with this identity, or -ENOENT. No store. */
int lg_cell_probe(struct lg_map *m, struct lg_hash128 id);
/* What live holds have in this window of the cell. Looks at every slot. */
int64_t lg_cell_held(struct lg_map *m, uint32_t cell, uint32_t window);
/*
 * Make a cell of this identity, or find the one that somebody made meanwhile.
 * Under the region's insertion lock, which a dead holder loses. Its index;
 * -EDQUOT the budget has max_keys live keys; -ENOSPC; -EBUSY.
 */
int lg_cell_insert(struct lg_map *m, const struct lg_cell_spec *s);
/* Identity of an each: true budget's shared cell. */
struct lg_hash128 lg_cell_other_id(const struct lg_cell_spec *s);

#endif
