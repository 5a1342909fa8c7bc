#ifndef LG_TOOLS_INDEX_SIDE_H
#define LG_TOOLS_INDEX_SIDE_H

struct index;
struct lg_engine;

/*
 * What stands beside the calls: budgets as they are now, alerts that were
 * told, prices in force; each only when it has changed. SQLITE_OK or an error.
 */
int index_side_refresh(struct index *x, struct lg_engine *e);

#endif
