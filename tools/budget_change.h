#ifndef LG_TOOLS_BUDGET_CHANGE_H
#define LG_TOOLS_BUDGET_CHANGE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/image.h"
#include "base/money.h"
#include "config/config.h"

struct lg_engine;
struct lg_rule;
struct lg_world;

/*
 * Live changes of budgets: lines for budgets.jsonl, tried on a copy, appended,
 * seen by running programs at their next request, each with its audit row.
 */
struct change {
	struct lg_engine *e;
	char path[512];
	struct lg_buf line; /* one line or several */
};

/* -1: go on, and change_end is due; else the exit code, said why. */
int change_begin(struct change *ch);
void change_end(struct change *ch);
/*
 * Would the lines be taken? Tried on a copy of the file, so that nothing that
 * a reader would pass over gets into it. -1: yes; else the exit code.
 */
int change_rehearse(struct change *ch);
/* -1: done, and in force here; else the exit code. */
int change_apply(struct change *ch);

/*
 * The same for who does not print. change_init borrows the engine: 0,
 * -ENAMETOOLONG; lg_buf_fini(&ch->line) is due. change_try: 0, -EINVAL with
 * text. change_write: 0, -errno.
 */
#define CHANGE_WHY 600
int change_init(struct change *ch, struct lg_engine *e);
int change_try(struct change *ch, char text[CHANGE_WHY]);
int change_write(struct change *ch);

/* A budget as it is in force. */
struct before {
	bool there;
	struct lg_img_budget b; /* its numbers; its texts are gone */
	char scope[128];
};

void change_look(struct change *ch, const char *name, struct before *out);
/* The audit row: old and new values. Warns when it cannot be written. */
int change_audit(struct change *ch, const char *what, const char *name,
		 const struct before *was);

/* Says nothing: 0, -errno. */
int change_note(struct change *ch, const char *what, const char *name,
		const struct before *was);

const struct lg_rule *change_find(const struct lg_world *w, const char *name);
const char *change_source(const struct lg_rule *r); /* config live env */

#endif
