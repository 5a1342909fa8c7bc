#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "books.h"
#include "guard/engine.h"
#include "guard/world.h"
#include "run.h"
#include "spend.h"
#include "tool.h"

#define MILLION 1000000u

struct walk {
	const struct run *r;
	struct books books;
	run_row_fn *fn;
	void *ctx;
};

static int one_row(void *ctx, const struct lg_row *row,
		   const struct lg_ledger_pos *after)
{
	struct walk *w = ctx;
	struct lg_row now;

	(void)after;
	if (row->kind != LG_ROW_CALL || strcmp(row->run_id, w->r->id) ||
	    (w->r->nested && row->ts_ms < w->r->begun_ms))
		return 0;
	now = *row;
	books_current(&w->books, &now);
	return w->fn(w->ctx, &now);
}

int run_rows(const struct run *r, run_row_fn *fn, void *ctx)
{
	struct lg_ledger_pos pos = {.offset = 0};
	struct walk w = {.r = r, .fn = fn, .ctx = ctx};
	int err;

	if (!r->resumed)
		pos = r->pos;
	err = books_open_at(&w.books, r->e, &pos);
	if (err)
		return err;
	err = lg_ledger_walk(lg_engine_ledger(r->e)->dir, &pos, r->begun_ms,
			     one_row, &w, NULL);
	if (err == -ESTALE) {
		pos = (struct lg_ledger_pos){.offset = 0};
		err = lg_ledger_walk(lg_engine_ledger(r->e)->dir, &pos,
				     r->begun_ms, one_row, &w, NULL);
	}
	books_close(&w.books);
	return err;
}

/* -- adding up ------------------------------------------------------------- */

static void add_u64(uint64_t *sum, uint64_t n)
{
	if (n != LG_ROW_ABSENT && __builtin_add_overflow(*sum, n, sum))
		*sum = UINT64_MAX;
}

static void add_money(int64_t *sum, int64_t pusd)
{
	*sum = lg_money_add(*sum, pusd);
}

static void add_row(struct run_line *l, const struct lg_row *row)
{
	if (spend_is_refusal(row)) {
		l->refused++;
		return;
	}
	if (row->cache_hit == LG_CACHE_LOCAL)
		l->local++;
	else
		l->calls++;
	l->provider_hits += row->cache_hit == LG_CACHE_PROVIDER;
	l->gateway_hits += row->cache_hit == LG_CACHE_GATEWAY;
	l->unknown |= row->price_state == LG_PRICED_UNKNOWN;
	add_u64(&l->input_tokens, row->input_tokens);
	add_u64(&l->cached_tokens, row->cache_read_tokens);
	add_u64(&l->output_tokens, row->output_tokens);
	add_money(&l->cost_pusd, row->cost_pusd);
	add_money(&l->economic_pusd, row->economic_pusd);
}

struct tallying {
	const struct run *r;
	struct run_tally *t;
	struct lg_world *w;
	run_row_fn *fn;
	void *ctx;
};

/* By its name, or by a models: rule that says so. */
static bool is_tuned(const struct lg_world *w, const struct lg_row *row)
{
	const struct lg_img_rule *rule;
	struct lg_slice name = lg_slice_str(row->model_requested);
	struct lg_slice host = lg_slice_str(row->host);
	uint32_t i;

	if (lg_slice_istarts(name, LG_SLICE("ft:")) ||
	    lg_slice_istarts(lg_slice_str(row->model), LG_SLICE("ft:")) ||
	    !strcmp(row->request_type, "train"))
		return true;
	if (!w->img)
		return false;
	rule = LG_IMG_ARRAY(w->img, w->img->rules, struct lg_img_rule);
	for (i = 0; i < w->img->rules.n; i++) {
		const struct lg_img_rule *u = &rule[i];

		if (lg_slice_glob(name, lg_img_text(w->img, u->match)) &&
		    (!u->host.off ||
		     lg_slice_glob(host, lg_img_text(w->img, u->host))))
			return u->fine_tuned;
	}
	return false;
}

static struct run_line *line_of(struct tallying *y, const struct lg_row *row,
				enum run_phase phase)
{
	const char *model = row->model[0] ? row->model : row->model_requested;
	struct run_tally *t = y->t;
	struct run_line *l;
	unsigned i;

	for (i = 0; i < t->nlines; i++) {
		l = &t->line[i];
		if (l->phase == phase && !strcmp(l->model, model) &&
		    !strcmp(l->provider, row->provider))
			return l;
	}
	l = realloc(t->line, (t->nlines + 1) * sizeof(*l));
	if (!l)
		return NULL;
	t->line = l;
	l += t->nlines++;
	*l = (struct run_line){.phase = phase,
			       .fine_tuned = is_tuned(y->w, row)};
	lg_slice_copy(lg_slice_str(row->provider), l->provider,
		      sizeof(l->provider));
	lg_slice_copy(lg_slice_str(model), l->model, sizeof(l->model));
	return l;
}

static void add_state(struct run_tally *t, const struct lg_row *row)
{
	t->rows++;
	t->cut += row->verdict == LG_VERDICT_CUT;
	t->unknown += row->price_state == LG_PRICED_UNKNOWN;
	t->estimated += row->usage_state != LG_USAGE_EXACT ||
			row->price_state == LG_PRICED_ESTIMATED;
	t->ignored += (row->flags & LG_ROW_IGNORED_BUDGET) != 0;
	if (!spend_is_refusal(row))
		return;
	t->refused++;
	add_money(&t->refused_pusd, row->estimate_pusd);
	strcpy(t->reason, row->reason);
}

static int tally_row(void *ctx, const struct lg_row *row)
{
	struct tallying *y = ctx;
	enum run_phase p = strcmp(row->phase, "train") ? RUN_INFER : RUN_TRAIN;
	struct run_line *l = line_of(y, row, p);

	if (!l)
		return -ENOMEM;
	add_row(l, row);
	add_row(&y->t->sum[p], row);
	add_state(y->t, row);
	if (l->fine_tuned)
		add_money(p == RUN_TRAIN ? &y->t->tuned_train_pusd
					 : &y->t->tuned_infer_pusd,
			  row->cost_pusd);
	return y->fn ? y->fn(y->ctx, row) : 0;
}

static int by_cost(const void *a, const void *b)
{
	const struct run_line *x = a, *y = b;

	if (x->phase != y->phase)
		return x->phase < y->phase ? -1 : 1;
	if (x->cost_pusd != y->cost_pusd)
		return x->cost_pusd > y->cost_pusd ? -1 : 1;
	return strcmp(x->model, y->model);
}

void run_tally_fini(struct run_tally *t)
{
	free(t->line);
	memset(t, 0, sizeof(*t));
}

int run_tally_with(struct run *r, run_row_fn *fn, void *ctx)
{
	struct tallying y = {.r = r, .t = &r->tally, .fn = fn, .ctx = ctx};
	int err;

	run_tally_fini(&r->tally);
	y.w = lg_engine_pin(r->e);
	err = run_rows(r, tally_row, &y);
	lg_engine_unpin(r->e, y.w);
	if (r->tally.nlines)
		qsort(r->tally.line, r->tally.nlines, sizeof(*r->tally.line),
		      by_cost);
	return err;
}

int run_tally(struct run *r)
{
	return run_tally_with(r, NULL, NULL);
}

/* -- figures of it --------------------------------------------------------- */

/* cost * times / by of a million, in billionths of a dollar, half up. */
static int64_t nano_of(int64_t pusd, uint64_t times, uint64_t by)
{
	__int128 n = (__int128)pusd * 1000 * (__int128)times;

	n = (n + (__int128)by / 2) / (__int128)by;
	if (n > INT64_MAX)
		return INT64_MAX;
	return n < INT64_MIN ? INT64_MIN : (int64_t)n;
}

bool run_per_million_calls(const struct run *r, int64_t *nano)
{
	const struct run_line *s = &r->tally.sum[RUN_INFER];

	*nano = s->calls ? nano_of(s->cost_pusd, 1, s->calls) : 0;
	return s->calls;
}

bool run_per_million_runs(const struct run *r, int64_t *nano)
{
	const struct run_line *s = &r->tally.sum[RUN_INFER];
	const struct opt_value *per = &r->c->v[RO_CALLS_PER_EXAMPLE];
	uint64_t calls = s->calls + s->local;

	*nano = 0;
	if (!calls)
		return false;
	if (per->set && per->n < MILLION)
		*nano = nano_of(s->cost_pusd, per->n, calls);
	else
		*nano = nano_of(s->cost_pusd, 1, 1);
	return true;
}

void run_nano_text(int64_t nano, char *out)
{
	uint64_t n = nano < 0 ? -(uint64_t)nano : (uint64_t)nano;
	char *end;

	snprintf(out, 32, "%s%llu.%09llu", nano < 0 ? "-" : "",
		 (unsigned long long)(n / 1000000000),
		 (unsigned long long)(n % 1000000000));
	for (end = out + strlen(out); end[-1] == '0'; end--)
		end[-1] = '\0';
	if (end[-1] == '.')
		end[-1] = '\0';
}

uint64_t run_calls_made(const struct run *r)
{
	const struct run_line *s = r->tally.sum;

	return s[RUN_INFER].calls + s[RUN_INFER].local + s[RUN_TRAIN].calls +
	       s[RUN_TRAIN].local;
}

uint64_t run_skew(const struct run *r)
{
	const struct run_estimate *e = &r->estimate;
	uint64_t want = e->calls[RUN_INFER] + e->calls[RUN_TRAIN];
	uint64_t made = run_calls_made(r) + r->tally.refused;

	return want > made ? want - made : 0;
}
