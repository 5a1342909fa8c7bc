#include "guard/adjust.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/money.h"
#include "budget/hold.h"
#include "guard/admit.h"
#include "guard/engine.h"
#include "guard/record.h"
#include "guard/recover.h"
#include "guard/windows.h"
#include "ledger/ledger.h"
#include "price/price.h"

#define SEED UINT64_C(0x61646a757374)

/* Every count of a row, units aside. */
static const size_t counts[] = {
	offsetof(struct lg_row, input_tokens),
	offsetof(struct lg_row, cache_read_tokens),
	offsetof(struct lg_row, cache_write_5m_tokens),
	offsetof(struct lg_row, cache_write_1h_tokens),
	offsetof(struct lg_row, output_tokens),
	offsetof(struct lg_row, reasoning_tokens),
	offsetof(struct lg_row, audio_input_tokens),
	offsetof(struct lg_row, audio_output_tokens),
};

#define NCOUNTS (sizeof(counts) / sizeof(*counts))

static uint64_t *count_at(struct lg_row *r, unsigned i)
{
	return (uint64_t *)(void *)((char *)r + counts[i]);
}

static uint64_t count_of(const struct lg_row *r, unsigned i)
{
	return *(const uint64_t *)(const void *)((const char *)r + counts[i]);
}

static void copy_text(char *dst, const char *src, size_t cap)
{
	lg_slice_copy(lg_slice_str(src), dst, cap);
}

#define COPY(member) copy_text(to->member, from->member, sizeof(to->member))

/* What names a call: budgets and reports match by it. */
static void copy_name(struct lg_row *to, const struct lg_row *from)
{
	to->pid = from->pid;
	to->ppid = from->ppid;
	to->uid = from->uid;
	to->ts_ms = from->ts_ms;
	to->status = from->status;
	to->stream = from->stream;
	COPY(key);
	COPY(phase);
	COPY(request_type);
	COPY(provider);
	COPY(dialect);
	COPY(exe);
	COPY(comm);
	COPY(run_id);
	COPY(experiment);
	COPY(project);
	COPY(user);
	COPY(tags);
	COPY(conversation);
	COPY(label);
	COPY(host);
	COPY(endpoint);
	COPY(model_requested);
}

/* What a correction may have learned anew. */
static void copy_result(struct lg_row *to, const struct lg_row *from)
{
	to->usage_state = from->usage_state;
	to->price_state = from->price_state;
	to->cache_hit = from->cache_hit;
	to->provider_cost_pusd = from->provider_cost_pusd;
	COPY(model);
	COPY(tier);
	COPY(geo);
	COPY(variant);
	COPY(price_version);
	COPY(response_id);
	COPY(usage_raw);
}

void lg_adjust_init(struct lg_row *adj, const struct lg_row *call)
{
	lg_row_init(adj);
	lg_row_new_id(lg_clock_real_ms(), adj->id);
	adj->kind = LG_ROW_ADJUST;
	copy_text(adj->ref, call->id, sizeof(adj->ref));
	copy_name(adj, call);
	copy_result(adj, call);
}

static int64_t as_signed(uint64_t n)
{
	return n < INT64_MAX ? (int64_t)n : INT64_MAX;
}

/* Null stays null where neither version knows the count. */
static uint64_t count_diff(uint64_t was, uint64_t is)
{
	if (was == LG_ROW_ABSENT && is == LG_ROW_ABSENT)
		return LG_ROW_ABSENT;
	if (was == LG_ROW_ABSENT)
		was = 0;
	if (is == LG_ROW_ABSENT)
		is = 0;
	return lg_row_delta(as_signed(is) - as_signed(was));
}

void lg_adjust_diff(struct lg_row *adj, const struct lg_row *was,
		    const struct lg_row *is)
{
	copy_result(adj, is);
	adj->flags |= is->flags & (LG_ROW_PARTS | LG_ROW_MISMATCH);
	adj->input_cost_pusd =
		lg_money_sub(is->input_cost_pusd, was->input_cost_pusd);
	adj->output_cost_pusd =
		lg_money_sub(is->output_cost_pusd, was->output_cost_pusd);
	adj->cost_pusd =
		lg_money_add(adj->input_cost_pusd, adj->output_cost_pusd);
	adj->economic_pusd =
		lg_money_sub(is->economic_pusd, was->economic_pusd);
	for (unsigned i = 0; i < NCOUNTS; i++)
		*count_at(adj, i) =
			count_diff(count_of(was, i), count_of(is, i));
	for (unsigned i = 0; i < LG_ROW_UNITS; i++)
		adj->units[i] = lg_row_delta(as_signed(is->units[i]) -
					     as_signed(was->units[i]));
}

static uint64_t delta_sum(uint64_t a, uint64_t b)
{
	if (a == LG_ROW_ABSENT)
		return b;
	if (b == LG_ROW_ABSENT)
		return a;
	return lg_row_delta(
		lg_money_add(lg_row_delta_of(a), lg_row_delta_of(b)));
}

static uint64_t count_sum(uint64_t n, int64_t d)
{
	int64_t sum = lg_money_add(as_signed(n), d);

	return sum > 0 ? (uint64_t)sum : 0;
}

void lg_adjust_apply(struct lg_row *call, const struct lg_row *adj)
{
	copy_result(call, adj);
	call->flags |= adj->flags & (LG_ROW_PARTS | LG_ROW_MISMATCH);
	call->flags &= ~LG_ROW_PENDING;
	call->cost_pusd = lg_money_add(call->cost_pusd, adj->cost_pusd);
	call->economic_pusd =
		lg_money_add(call->economic_pusd, adj->economic_pusd);
	call->input_cost_pusd =
		lg_money_add(call->input_cost_pusd, adj->input_cost_pusd);
	call->output_cost_pusd =
		lg_money_add(call->output_cost_pusd, adj->output_cost_pusd);
	for (unsigned i = 0; i < NCOUNTS; i++) {
		uint64_t n = count_of(call, i), d = count_of(adj, i);

		if (d != LG_ROW_ABSENT)
			*count_at(call, i) = count_sum(
				n == LG_ROW_ABSENT ? 0 : n, lg_row_delta_of(d));
	}
	for (unsigned i = 0; i < LG_ROW_UNITS; i++)
		call->units[i] = count_sum(call->units[i],
					   lg_row_delta_of(adj->units[i]));
}

void lg_adjust_merge(struct lg_row *sum, const struct lg_row *adj)
{
	sum->cost_pusd = lg_money_add(sum->cost_pusd, adj->cost_pusd);
	sum->economic_pusd =
		lg_money_add(sum->economic_pusd, adj->economic_pusd);
	sum->input_cost_pusd =
		lg_money_add(sum->input_cost_pusd, adj->input_cost_pusd);
	sum->output_cost_pusd =
		lg_money_add(sum->output_cost_pusd, adj->output_cost_pusd);
	for (unsigned i = 0; i < NCOUNTS; i++)
		*count_at(sum, i) =
			delta_sum(count_of(sum, i), count_of(adj, i));
	for (unsigned i = 0; i < LG_ROW_UNITS; i++)
		sum->units[i] = delta_sum(sum->units[i], adj->units[i]);
}

void lg_adjust_fixed_id(struct lg_row *adj, const char *what)
{
	static const char digit[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	struct lg_hash128 h = lg_hash128(adj->ref, strlen(adj->ref), SEED);
	unsigned __int128 v;

	h = lg_hash128(what, strlen(what), h.a ^ h.b);
	v = (unsigned __int128)((uint64_t)adj->ts_ms & 0xffffffffffff) << 80 |
	    (unsigned __int128)(h.b & 0xffff) << 64 | h.a;
	for (int i = 25; i >= 0; i--, v >>= 5)
		adj->id[i] = digit[(unsigned)v & 31];
	adj->id[26] = '\0';
}

/* -- live budgets ---------------------------------------------------------- */

struct charging {
	struct lg_engine *e;
	struct lg_world *w;
	struct lg_row *row;
	struct lg_windows then, now;
	struct lg_charge charge[LG_HOLD_CELLS_MAX];
	struct lg_slice name[LG_HOLD_CELLS_MAX];
	unsigned n;
};

static struct lg_slice canonical_of(const struct charging *c,
				    struct lg_price *p)
{
	const struct lg_row *row = c->row;
	struct lg_price_query q = {
		.provider = lg_slice_str(row->provider),
		.ceiling_provider = lg_slice_str(row->provider),
		.host = lg_slice_str(row->host),
		.model = lg_slice_str(lg_row_asked(row)),
		.at_ms = row->ts_ms,
	};

	lg_price_lookup(&c->w->catalog, &q, p);
	return p->entry ? lg_img_text(p->img, p->entry->model)
			: (struct lg_slice){NULL, 0};
}

/* A window that is over is the ledger's alone. */
static void add_charge(struct charging *c, const struct lg_rule *rule,
		       const struct lg_rule_hit *hit)
{
	enum lg_period p = (enum lg_period)rule->b->period;
	const struct lg_window *win =
		lg_windows_get(&c->then, c->w, p, c->row->ts_ms);
	int64_t delta = c->row->cost_pusd;
	int cell;

	if (lg_windows_get(&c->now, c->w, p, c->row->end_ms)->tag != win->tag)
		return;
	if (rule >= c->w->rules && rule < c->w->rules + c->w->nrules)
		cell = lg_admit_cell(c->e, c->w, (unsigned)(rule - c->w->rules),
				     hit, win, NULL);
	else
		cell = lg_cell_known(lg_world_region(c->w), hit->id, win->tag);
	if (cell < 0)
		return;
	if (c->n == LG_HOLD_CELLS_MAX) {
		lg_cell_charge(lg_world_region(c->w), cell, win->tag, delta);
		return;
	}
	c->name[c->n] = rule->name;
	c->charge[c->n++] = (struct lg_charge){
		.cell = cell,
		.window = win->tag,
		.amount_pusd = delta > 0 ? delta : 0,
		.limit_pusd = INT64_MAX,
	};
}

static void collect(struct charging *c, const struct lg_rule *r, unsigned n,
		    struct lg_slice canonical)
{
	struct lg_rule_hit hit;

	for (; n--; r++) {
		for (unsigned k = 0;
		     lg_rule_match(r, c->row, canonical, k, &hit); k++) {
			add_charge(c, r, &hit);
			if (!r->b->each)
				break;
		}
	}
}

static void name_budgets(struct charging *c)
{
	unsigned i = 0;

	c->row->budgets[0] = '\0';
	while (i < c->n && lg_row_add_budget(c->row, c->name[i]))
		i++;
}

/* This world's budgets, and those of a run that goes on elsewhere. */
static void collect_all(struct charging *c)
{
	struct lg_rule *env = lg_mem_take(LG_ENV_RULES_MAX * sizeof(*env));
	struct lg_buf image;
	struct lg_price p;
	struct lg_slice canonical = canonical_of(c, &p);

	collect(c, c->w->rules, c->w->nrules, canonical);
	if (env) {
		collect(c, env, lg_recover_env_rules(c->e, c->w, env, &image),
			canonical);
		name_budgets(c);
		lg_buf_fini(&image);
	} else {
		name_budgets(c);
	}
	lg_mem_free(env, env ? LG_ENV_RULES_MAX * sizeof(*env) : 0);
}

/*
 * A hold that is settled at once: whoever finds the slot after a kill settles
 * the same difference and writes the same row, or undoes a take that was not
 * settled, whose row nobody has seen.
 */
static void settle(struct charging *c, struct lg_region *r, struct lg_hold *h)
{
	struct lg_hold_refusal why;
	struct lg_row *row = c->row;

	if (!lg_hold_take(r, c->charge, c->n, row, sizeof(*row), h, &why) &&
	    !lg_hold_settle(r, h, row->cost_pusd, row, sizeof(*row)))
		return;
	h->slot = -1;
	for (unsigned i = 0; i < c->n; i++)
		lg_cell_charge(r, c->charge[i].cell, c->charge[i].window,
			       row->cost_pusd);
}

static void tell_unwritten(struct lg_engine *e, const struct lg_row *row,
			   bool lost, int err)
{
	struct lg_log_kv kv[] = {
		{"id", lg_slice_str(row->id), 0},
		{"folder", lg_slice_str(lg_engine_ledger(e)->dir), 0},
		{"errno", {NULL, 0}, -err},
	};

	lg_log(LG_LOG_ERROR, lost ? "row_lost" : "row_staged", kv, 3);
}

static int write_row(struct lg_engine *e, struct lg_region *r,
		     struct lg_hold *h, const struct lg_row *row)
{
	int err = lg_record_write(e, row);
	bool lost;

	if (!err) {
		if (h->slot >= 0)
			lg_hold_free(r, h);
		return 0;
	}
	if (h->slot < 0 && r)
		lg_region_count(r, LG_COUNT_LOST, 1);
	lost = h->slot < 0 || lg_hold_stage(r, h) == -ENOSPC;
	if (!lost)
		lg_engine_note_staged(e, true);
	tell_unwritten(e, row, lost, err);
	return err;
}

int lg_adjust_write(struct lg_engine *e, struct lg_row *adj)
{
	if (adj->kind != LG_ROW_ADJUST || !adj->ref[0])
		return -EINVAL;
	return lg_row_post(e, adj);
}

int lg_row_post(struct lg_engine *e, struct lg_row *row)
{
	struct charging c = {.e = e, .row = row};
	struct lg_hold h = {.slot = -1};
	struct lg_region *r;
	int err;

	if (!row->id[0] ||
	    lg_money_add(row->input_cost_pusd, row->output_cost_pusd) !=
		    row->cost_pusd)
		return -EINVAL;
	row->end_ms = lg_clock_real_ms();
	c.w = lg_engine_pin_region(e);
	r = lg_world_region(c.w);
	if (r) {
		collect_all(&c);
		settle(&c, r, &h);
	}
	err = write_row(e, r, &h, row);
	if (!err && r && lg_region_row_written(r))
		lg_engine_checkpoint(e, false);
	lg_engine_unpin(e, c.w);
	return err;
}
