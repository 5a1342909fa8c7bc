#ifndef LG_TOOLS_SPEND_H
#define LG_TOOLS_SPEND_H

#include <stdbool.h>
#include <stdint.h>

#include "json.h"
#include "ledger/ledger.h"

struct lg_engine;
struct strmap;

/* A call counts under the first that applies (design 10.6). */
enum spend_class {
	SPEND_ABANDONED,
	SPEND_UNKNOWN,
	SPEND_ESTIMATED,
	SPEND_EXACT,
	SPEND_CLASSES
};

/* What the ledger's rows from since_ms on add up to. */
struct spend {
	int64_t since_ms;
	const char *run_id; /* only this run's rows; NULL all */
	uint64_t calls, blocked, cut;
	uint64_t unguarded; /* calls that some budget could not count */
	uint64_t input_tokens, output_tokens;
	int64_t cost_pusd, economic_pusd, refused_pusd;
	char reason[64]; /* of the last refusal */
	struct {
		uint64_t calls;
		int64_t pusd;
	} by[SPEND_CLASSES];
	struct lg_ledger_pos pos; /* read so far: another call goes on */
	struct lg_ledger_stats stats;
	struct strmap *doubtful; /* calls that are not exact: a correction
				    may make them so */
};

/* 0, -ENOMEM, -errno. Call it again for the rows that came since. */
int spend_read(struct spend *s, struct lg_engine *e);
void spend_fini(struct spend *s);
/* "totals" and "coverage" of `status --json`. */
void spend_json(struct json *j, const struct spend *s);
/* Was this call kept from its provider? */
bool spend_is_refusal(const struct lg_row *call);
/* The class of one row, as it stands. */
enum spend_class spend_classify(const struct lg_row *r);
const char *spend_class_name(enum spend_class c);

#endif
