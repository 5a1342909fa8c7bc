#include "spend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "guard/engine.h"
#include "strmap.h"
#include "tool.h"

/* A call that is not exact, as it stands. */
struct doubt {
	enum spend_class class;
	int64_t pusd;
};

static const char *const names[] = {"abandoned", "unknown", "estimated",
				    "exact"};

const char *spend_class_name(enum spend_class c)
{
	return names[c];
}

enum spend_class spend_classify(const struct lg_row *r)
{
	if (r->flags & LG_ROW_ABANDONED)
		return SPEND_ABANDONED;
	if (r->price_state == LG_PRICED_UNKNOWN)
		return SPEND_UNKNOWN;
	if (r->usage_state != LG_USAGE_EXACT ||
	    r->price_state == LG_PRICED_ESTIMATED)
		return SPEND_ESTIMATED;
	return SPEND_EXACT;
}

bool spend_is_refusal(const struct lg_row *r)
{
	/* it was stopped, went on, and was answered */
	if (r->verdict == LG_VERDICT_STOP && r->status > 0 && r->status < 400)
		return false;
	return r->verdict == LG_VERDICT_BLOCK ||
	       r->verdict == LG_VERDICT_DENY || r->verdict == LG_VERDICT_STOP ||
	       r->verdict == LG_VERDICT_KILL ||
	       r->verdict == LG_VERDICT_RESET ||
	       r->verdict == LG_VERDICT_THROTTLE;
}

static void add_tokens(uint64_t *sum, uint64_t n)
{
	if (n != LG_ROW_ABSENT && __builtin_add_overflow(*sum, n, sum))
		*sum = UINT64_MAX;
}

static int remember(struct spend *s, const struct lg_row *r, enum spend_class c)
{
	struct doubt *d;

	if (!s->doubtful) {
		s->doubtful = malloc(sizeof(*s->doubtful));
		if (!s->doubtful)
			return -ENOMEM;
		strmap_init(s->doubtful, sizeof(struct doubt));
	}
	d = strmap_put(s->doubtful, r->id);
	if (!d)
		return -ENOMEM;
	*d = (struct doubt){c, r->cost_pusd};
	return 0;
}

/* The corrected call counts where it stands now, with all of its money. */
static enum spend_class reclassify(struct spend *s, const struct lg_row *adj)
{
	struct doubt *d =
		s->doubtful ? strmap_get(s->doubtful, adj->ref) : NULL;
	enum spend_class c = spend_classify(adj);

	if (!d)
		return c;
	if (d->class == SPEND_ABANDONED)
		c = SPEND_ABANDONED;
	s->by[d->class].calls--;
	s->by[c].calls++;
	s->by[d->class].pusd = lg_money_sub(s->by[d->class].pusd, d->pusd);
	s->by[c].pusd = lg_money_add(s->by[c].pusd, d->pusd);
	d->class = c;
	d->pusd = lg_money_add(d->pusd, adj->cost_pusd);
	return c;
}

static void add_delta(uint64_t *sum, uint64_t n)
{
	int64_t d = lg_row_delta_of(n);

	if (d >= 0)
		add_tokens(sum, (uint64_t)d);
	else
		*sum -= (uint64_t)-d < *sum ? (uint64_t)-d : *sum;
}

static int add(void *ctx, const struct lg_row *r,
	       const struct lg_ledger_pos *after)
{
	struct spend *s = ctx;
	enum spend_class c;

	(void)after;
	if (r->ts_ms < s->since_ms || r->kind == LG_ROW_AUDIT)
		return 0;
	if (s->run_id && strcmp(r->run_id, s->run_id))
		return 0;
	c = r->kind == LG_ROW_ADJUST ? reclassify(s, r) : spend_classify(r);
	s->cost_pusd = lg_money_add(s->cost_pusd, r->cost_pusd);
	s->economic_pusd = lg_money_add(s->economic_pusd, r->economic_pusd);
	s->by[c].pusd = lg_money_add(s->by[c].pusd, r->cost_pusd);
	if (r->kind != LG_ROW_CALL) {
		add_delta(&s->input_tokens, r->input_tokens);
		add_delta(&s->output_tokens, r->output_tokens);
		return 0;
	}
	s->calls++;
	s->by[c].calls++;
	s->cut += r->verdict == LG_VERDICT_CUT;
	s->unguarded += !!(r->flags & LG_ROW_UNGUARDED);
	add_tokens(&s->input_tokens, r->input_tokens);
	add_tokens(&s->output_tokens, r->output_tokens);
	if (spend_is_refusal(r)) {
		s->blocked++;
		s->refused_pusd =
			lg_money_add(s->refused_pusd, r->estimate_pusd);
		strcpy(s->reason, r->reason);
	}
	return c == SPEND_EXACT ? 0 : remember(s, r, c);
}

void spend_fini(struct spend *s)
{
	if (s->doubtful)
		strmap_fini(s->doubtful);
	free(s->doubtful);
	s->doubtful = NULL;
}

int spend_read(struct spend *s, struct lg_engine *e)
{
	int err = lg_ledger_walk(lg_engine_ledger(e)->dir, &s->pos, s->since_ms,
				 add, s, &s->stats);
	struct spend fresh = {.since_ms = s->since_ms, .run_id = s->run_id};

	if (err != -ESTALE)
		return err;
	spend_fini(s);
	*s = fresh;
	return lg_ledger_walk(lg_engine_ledger(e)->dir, &s->pos, s->since_ms,
			      add, s, &s->stats);
}

void spend_json(struct json *j, const struct spend *s)
{
	unsigned i;

	json_open(j, "totals", '{');
	json_time(j, "since", s->since_ms);
	json_u64(j, "calls", s->calls);
	json_u64(j, "blocked", s->blocked);
	json_u64(j, "unguarded", s->unguarded);
	json_u64(j, "input_tokens", s->input_tokens);
	json_u64(j, "output_tokens", s->output_tokens);
	json_usd(j, "cost_usd", s->cost_pusd);
	json_usd(j, "economic_usd", s->economic_pusd);
	json_u64(j, "torn_rows", s->stats.torn);
	json_close(j, '}');
	json_open(j, "coverage", '{');
	for (i = SPEND_CLASSES; i-- > 0;) {
		json_open(j, names[i], '{');
		json_u64(j, "calls", s->by[i].calls);
		json_usd(j, "usd", s->by[i].pusd);
		json_close(j, '}');
	}
	json_close(j, '}');
}
