#ifndef LG_GUARD_RULE_H
#define LG_GUARD_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/image.h"
#include "base/slice.h"
#include "budget/region.h"
#include "budget/window.h"
#include "ledger/row.h"

/*
 * A budget made ready to be matched. A request and a row of the ledger are
 * matched by the same code: the request's row is filled before it is decided.
 */
struct lg_rule {
	const struct lg_image *img;
	const struct lg_img_budget *b;
	const struct lg_img_term *terms;
	unsigned nterms;
	struct lg_slice name, scope;
	struct lg_hash128 id; /* without a value */
	uint64_t memo;	      /* window << 32 | what is known as told */
	int64_t forecast_ms;  /* coarse: when to look at its rate again */
};

/* zone and week_start are part of a window's, so of a cell's identity. */
void lg_rule_init(struct lg_rule *r, const struct lg_image *img,
		  const struct lg_img_budget *b, const char *zone,
		  unsigned week_start);

#define LG_RULE_VALUE_MAX 192

/* What one counter of a budget is about: value is "" but for each and run. */
struct lg_rule_hit {
	char value[LG_RULE_VALUE_MAX];
	struct lg_hash128 id;
	bool is_any; /* lg_rule_foresee: only the request will tell which */
};

/*
 * Does the k-th counter (0 first) of this budget count that call? canonical:
 * the catalog's name of the model, or "". An each: budget over tags has one
 * counter a tag; all others have only k = 0. Any thread.
 */
bool lg_rule_match(const struct lg_rule *r, const struct lg_row *row,
		   struct lg_slice canonical, unsigned k,
		   struct lg_rule_hit *hit);

/* The one counter of a budget that is not each:, of this run if by run. */
void lg_rule_hit_any(const struct lg_rule *r, struct lg_slice run,
		     struct lg_rule_hit *hit);

/* The cell of a hit in a window, for lg_cell_find. */
void lg_rule_spec(const struct lg_rule *r, const struct lg_rule_hit *hit,
		  const struct lg_window *w, struct lg_cell_spec *out);

/* Does a full budget refuse, or only warn? */
bool lg_rule_refuses(const struct lg_rule *r);

/* What can be said of a process's next call before it is made. */
enum lg_foresight {
	LG_FORESEE_NO,	    /* the budget will not count it */
	LG_FORESEE_PERHAPS, /* that depends on the request */
	LG_FORESEE_YES,
};
/*
 * Will this budget count the next call of the process that who describes (a
 * row without a request: process, uid and what its environment says)? *hit is
 * its counter; hit->is_any: it may be any of an each: budget. Any thread.
 */
enum lg_foresight lg_rule_foresee(const struct lg_rule *r,
				  const struct lg_row *who,
				  struct lg_rule_hit *hit);

const char *lg_period_name(enum lg_period p);

#endif
