#ifndef LG_TOOLS_PACE_H
#define LG_TOOLS_PACE_H

#include "json.h"
#include "view.h"

/* How fast a budget's window is being used up, and where that leads. */
struct pace {
	bool has_end;	      /* run and total budgets have none */
	int64_t left_ms;      /* until the window ends */
	int64_t per_day_pusd; /* so far; of a younger window: spent; INT64_MIN:
			       no window */
	bool known;	      /* enough of the window is gone to tell */
	int64_t projected_pusd; /* at its end, if it goes on like that */
	bool on_track;		/* that is within the limit */
};

void pace_of(const struct view *v, int64_t now_ms, struct pace *out);
/* Members of a budget's object. */
void pace_json(struct json *j, const struct pace *p);
/* "budget status": one line a budget. */
void pace_table(const struct views *vs, struct lg_buf *out);
/*
 * Keep the budgets whose scope has this project or model (NULL: any) and
 * count again whether a hard one is exceeded.
 */
void pace_filter(struct views *vs, const char *project, const char *model);

#endif
