#ifndef LG_TOOLS_BOOKS_H
#define LG_TOOLS_BOOKS_H

#include <stdbool.h>
#include <stdint.h>

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
	struct strmap fixes; /* by the id of the call */
	int err;
};

/* What the corrections of one call add up to. */
struct fix {
	int64_t cost_pusd, economic_pusd, input_pusd, output_pusd;
	uint32_t n; /* corrections so far */
	uint8_t price_state;
	char price_version[40];
	struct lg_row *counted; /* heap; those that changed counts, in order */
	uint32_t ncounted;
};

/* 0, -ENOMEM, -errno of the ledger. */
int books_open(struct books *b, struct lg_engine *e);
void books_close(struct books *b);
/* Take one more correction in, for walks that go on. 0, -ENOMEM. */
int books_add(struct books *b, const struct lg_row *adj);
/* The call as it stands; how many corrections it had. */
uint32_t books_current(const struct books *b, struct lg_row *call);

/*
 * Only one command corrects the ledger at a time. >= 0: a descriptor to close;
 * -EWOULDBLOCK: another does; -errno.
 */
int books_lock(struct lg_engine *e);

#endif
