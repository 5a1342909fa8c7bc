#ifndef LG_BPF_TALLY_H
#define LG_BPF_TALLY_H

#include <stdint.h>

#include "base/buf.h"
#include "bpf/enforce.h"
#include "bpf/meter.h"
#include "bpf/probe.h"
#include "ledger/row.h"
#include "tools/json.h"
#include "tools/spend.h"
#include "tools/strmap.h"

/* What the settled calls add up to, for --summary and `status`. One thread. */
struct tally_sum {
	uint64_t calls, input_tokens, output_tokens, errors, refused;
	int64_t cost_pusd;
};

struct tally {
	struct tally_sum all;
	struct {
		uint64_t calls;
		int64_t pusd;
	} by[SPEND_CLASSES];
	struct strmap groups; /* of struct tally_group */
};

/* What did not come up from the kernel: every total is a lower bound then. */
struct tally_loss {
	uint64_t calls, bytes; /* as the meter can tell */
	struct probe_lost why[PROBE_LOSSES];
};

/* Programs and models beyond so many share one line. */
#define TALLY_GROUPS_MAX 4096

void tally_init(struct tally *t);
void tally_fini(struct tally *t);
/* A settled call; anything else is left out. */
void tally_add(struct tally *t, const struct lg_row *row);
bool tally_has_loss(const struct tally_loss *l);
/* "ring", "fault", ... and what it means. */
const char *tally_loss_name(enum probe_loss why);
const char *tally_loss_text(enum probe_loss why);

/* The whole summary: a table for people, or one JSON record. */
void tally_text(const struct tally *t, const struct tally_loss *l,
		const struct enforce_totals *e, struct lg_buf *out);
void tally_json(const struct tally *t, const struct tally_loss *l,
		const struct enforce_totals *e, int64_t ms, struct json *j);
/* "lost": {...} of a record that is open. */
void tally_loss_json(const struct tally_loss *l, struct json *j);

#endif
