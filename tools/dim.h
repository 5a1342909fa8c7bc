#ifndef LG_TOOLS_DIM_H
#define LG_TOOLS_DIM_H

#include <stdbool.h>

#include "base/slice.h"
#include "index_schema.h"

/* What calls can be grouped and filtered by. */
enum dim_kind {
	DIM_OF_WHO,	 /* column: enum index_who */
	DIM_OF_WHAT,	 /* column: enum index_what */
	DIM_OF_FACT,	 /* column: FACT_CONVERSATION or FACT_RUN */
	DIM_OF_TIME,	 /* column: enum dim_time */
	DIM_OF_ESTIMATE, /* how a call's cost stands to its estimate */
};
enum dim_time {
	TIME_HOUR,
	TIME_DAY,
	TIME_WEEK,
	TIME_MONTH,
	TIME_YEAR,
	TIME_WEEKDAY,
	TIME_HOUR_OF_DAY,
};

struct dim {
	const char *name; /* as --by and JSON have it */
	const char *title;
	enum dim_kind kind;
	unsigned column;
};

extern const struct dim dims[];
extern const unsigned ndims;

/* By name, '-' and '_' are the same; NULL: there is none. */
const struct dim *dim_by_name(struct lg_slice name);
/* "model, project, ..." for messages. */
const char *dim_names(void);
/* Is it the model (answered, else requested)? */
bool dim_is_model(const struct dim *d);
/* One of several names in a call: tags, flags. */
bool dim_is_list(const struct dim *d);

#endif
