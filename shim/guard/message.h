#ifndef LG_GUARD_MESSAGE_H
#define LG_GUARD_MESSAGE_H

#include <stdint.h>

#include "base/buf.h"
#include "budget/region.h"

struct lg_rule;
struct lg_zone;

/* One sentence for people, cut at LG_MESSAGE_MAX bytes; always terminated. */
#define LG_MESSAGE_MAX 200

struct lg_message {
	struct lg_buf b;
	char text[LG_MESSAGE_MAX + 1];
};

void lg_message_init(struct lg_message *m);
void lg_message_usd(struct lg_message *m, int64_t pusd);
/* By the budgets' calendar, to the minute; z NULL: UTC. */
void lg_message_when(struct lg_message *m, const struct lg_zone *z, int64_t ms);
/* "month: ", with the counter's value where v has one; v NULL: none. */
void lg_message_name(struct lg_message *m, const struct lg_rule *r,
		     const struct lg_cell_view *v);

#endif
