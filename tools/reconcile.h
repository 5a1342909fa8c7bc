#ifndef LG_TOOLS_RECONCILE_H
#define LG_TOOLS_RECONCILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bill.h"
#include "gap.h"
#include "opt.h"

struct lg_engine;
struct lg_world;
struct lg_zone;

/* What cmd_reconcile.c finds and reconcile_show.c shows. */
struct reconcile {
	struct call *c;
	bool gaps_only; /* show no other lines */
	struct lg_engine *e;
	struct lg_world *w;
	struct lg_zone *zone;
	struct gaps g;
	enum bill_format format;
	int64_t tolerance_ppm;
	struct gap_line total;
	int64_t now_ms;
	size_t beyond;	/* lines that differ by more than the tolerance */
	size_t wrong;	/* of these, those that --adjust corrects */
	size_t written; /* corrections */
};

bool reconcile_is_beyond(const struct reconcile *r, const struct gap_line *l);
/* Is that day over? */
bool reconcile_is_over(const struct reconcile *r, int64_t day);
/* Exit codes. */
int reconcile_show_json(const struct reconcile *r);
int reconcile_show_text(const struct reconcile *r);

#endif
