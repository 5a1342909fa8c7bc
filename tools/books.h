#ifndef LG_TOOLS_BOOKS_H
#define LG_TOOLS_BOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/ledger.h"
#include "ledger/row.h"
#include "strmap.h"

struct lg_engine;

/*
 * The calls of the ledger as they stand after their corrections. A correction
 * comes after its call, so the ledger is read twice: for the corrections, then
 * for the calls. What is kept grows with the corrections alone.
 */
struct books {
	struct lg_engine *e;
	struct strmap fixes;	  /* by the id of the call */
	struct strmap texts;	  /* what fixes point into */
	struct lg_ledger_pos pos; /* read so far */
	char failed[16];	  /* the file that could not be read; "" */
};

/* What the corrections of one call add up to. */
struct fix {
	int64_t cost_pusd, economic_pusd, input_pusd, output_pusd;
	uint32_t n; /* corrections so far */
	/* what the last of them says of the call */
	uint8_t usage_state, price_state, cache_hit;
	const char *model, *tier, *geo, *variant, *price_version;
	struct lg_row *counted; /* heap; those that changed counts, in order */
	uint32_t ncounted;
};

/* 0, -ENOMEM, -errno of the ledger. */
int books_open(struct books *b, struct lg_engine *e);
/* Only corrections that stand after this place. */
int books_open_at(struct books *b, struct lg_engine *e,
		  const struct lg_ledger_pos *from);
void books_close(struct books *b);
/* Take in the corrections that came since. 0, -ENOMEM, -errno. */
int books_refresh(struct books *b);
/* The call as it stands; how many corrections it had. */
uint32_t books_current(const struct books *b, struct lg_row *call);

/*
 * Only one command corrects the ledger at a time. >= 0: a descriptor to close;
 * -EWOULDBLOCK: another does; -errno.
 */
int books_lock(struct lg_engine *e);
/*
 * Let others have it for a moment: programs that correct a call of their own
 * do not wait for long. Then books_refresh. 0, -EWOULDBLOCK, -errno: it is not
 * held any more.
 */
int books_yield(int lock);

#endif
