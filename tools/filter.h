#ifndef LG_TOOLS_FILTER_H
#define LG_TOOLS_FILTER_H

#include <stdbool.h>

#include "base/slice.h"

struct lg_catalog;
struct lg_row;

/*
 * What the filters of reports and exports let through: patterns (* ?) with
 * commas between them, any of which may fit; "-" and "" mean: none.
 */
bool filter_fits(struct lg_slice text, const char *patterns);
/* Of a list joined by '\x1f': does any of it fit? */
bool filter_list_fits(struct lg_slice list, const char *patterns);

struct filter_model {
	struct lg_slice provider, host, answered, asked;
};
/*
 * Asked for, answered, or the catalog's name of either (design 10.10).
 * catalog may be NULL.
 */
bool filter_model_fits(const struct lg_catalog *catalog,
		       const struct filter_model *m, const char *patterns);
/* filter: by dims[i], NULL: not asked; those of time and of sums count not. */
bool filter_row_fits(const struct lg_row *row, const char *const *filter,
		     const struct lg_catalog *catalog);

#endif
