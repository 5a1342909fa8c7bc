#include "guard/recover.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/money.h"
#include "budget/hold.h"
#include "guard/admit.h"
#include "guard/engine.h"
#include "guard/record.h"
#include "guard/windows.h"
#include "ledger/checkpoint.h"
#include "ledger/ledger.h"
#include "price/price.h"

/* Rows after the checkpoint from which a new one is worth its write. */
#define TAIL_WORTH 1000
/* Beyond this a checkpoint that knows other budgets too is given up. */
#define TAIL_MAX 20000
/* Rows between two signs of life of a seeder: far below a second. */
#define RENEW_ROWS 4096

/* -- sweep --------------------------------------------------------------- */

static void tell_swept(enum lg_swept what, const struct lg_row *row)
{
	char money[LG_MONEY_TEXT];
	struct lg_log_kv kv[] = {
		{"id", lg_slice_str(row->id), 0},
		{"pid", {NULL, 0}, row->pid},
		{"cost_usd", {money, lg_money_print(row->cost_pusd, money)}, 0},
	};

	lg_log(LG_LOG_WARN,
	       what == LG_SWEPT_ABANDONED ? "hold_abandoned" : "row_recovered",
	       kv, sizeof(kv) / sizeof(kv[0]));
}

static void tell_draft_lost(void)
{
	lg_log(LG_LOG_ERROR, "row_lost", NULL, 0);
}

static int write_swept(void *ctx, enum lg_swept what, const void *draft,
		       size_t draft_len)
{
	struct lg_engine *e = ctx;
	struct lg_row *row;
	int err;

	if (draft_len != sizeof(*row)) {
		tell_draft_lost();
		return 0; /* nothing that could ever be written */
	}
	row = lg_mem_alloc(sizeof(*row));
	if (!row)
		return -ENOMEM;
	memcpy(row, draft, sizeof(*row));
	if (!lg_row_is_sound(row, sizeof(*row))) {
		tell_draft_lost();
		lg_mem_free(row, sizeof(*row));
		return 0;
	}
	row->flags |= LG_ROW_RECOVERED;
	if (what == LG_SWEPT_ABANDONED) {
		row->flags |= LG_ROW_ABANDONED;
		row->end_ms = lg_clock_real_ms();
	}
	err = lg_record_write(e, row);
	if (err)
		lg_engine_note_staged(e, true);
	else
		tell_swept(what, row);
	lg_mem_free(row, sizeof(*row));
	return err;
}

int lg_recover_sweep(struct lg_engine *e, struct lg_world *w, bool staged)
{
	struct lg_region *r = lg_world_region(w);

	if (!r || lg_engine_is_sandboxed(e))
		return 0;
	return lg_hold_sweep(r, staged, write_swept, e);
}

int lg_engine_sweep(struct lg_engine *e)
{
	struct lg_world *w = lg_engine_pin(e);
	int n = lg_recover_sweep(e, w, true);

	lg_engine_unpin(e, w);
	return n;
}

/* -- folding the ledger ---------------------------------------------------- */

struct folding {
	struct lg_world *w;
	struct lg_windows wins;
	struct lg_fold fold;
	struct lg_rule env[LG_ENV_RULES_MAX];
	unsigned nenv;
	struct lg_buf env_image;
	bool by_model;	 /* some budget asks for the model */
	char model[128]; /* last one asked for */
	char canonical[128];
	uint64_t rows;
	int cell; /* being seeded */
	int err;
};

/* "This fold counts that budget": an entry that no call can make. */
static struct lg_hash128 mark_of(const struct lg_rule *r)
{
	return (struct lg_hash128){~r->id.a, ~r->id.b};
}

static unsigned nrules(const struct folding *f)
{
	return f->w->nrules + f->nenv;
}

static const struct lg_rule *nth_rule(const struct folding *f, unsigned i)
{
	return i < f->w->nrules ? &f->w->rules[i] : &f->env[i - f->w->nrules];
}

static bool is_known(const struct folding *f, struct lg_hash128 id)
{
	for (unsigned i = 0; i < nrules(f); i++)
		if (nth_rule(f, i)->id.a == id.a &&
		    nth_rule(f, i)->id.b == id.b)
			return true;
	return false;
}

static bool has_rule(const struct lg_rule *rules, unsigned n,
		     struct lg_hash128 id)
{
	for (unsigned i = 0; i < n; i++)
		if (rules[i].id.a == id.a && rules[i].id.b == id.b)
			return true;
	return false;
}

unsigned lg_recover_env_rules(struct lg_engine *e, const struct lg_world *w,
			      struct lg_rule out[LG_ENV_RULES_MAX],
			      struct lg_buf *image)
{
	const struct lg_image *img;
	const struct lg_img_budget *b;
	unsigned n = 0;

	lg_buf_init(image, (size_t)1 << 20);
	if (lg_env_budgets(lg_engine_env(e), true, image) ||
	    lg_image_check(image->p, image->len))
		return 0;
	img = (const struct lg_image *)(const void *)image->p;
	b = LG_IMG_ARRAY(img, img->budgets, struct lg_img_budget);
	for (uint32_t i = 0; i < img->budgets.n && n < LG_ENV_RULES_MAX; i++) {
		lg_rule_init(&out[n], img, &b[i], lg_zone_name(w->zone),
			     w->set.week_start);
		n += !has_rule(w->rules, w->nrules, out[n].id) &&
		     !has_rule(out, n, out[n].id);
	}
	return n;
}

static bool asks_model(const struct lg_rule *r)
{
	for (unsigned i = 0; i < r->nterms; i++)
		if (r->terms[i].key == LG_SCOPE_MODEL)
			return true;
	return false;
}

static struct lg_slice canonical_of(struct folding *f, const struct lg_row *row)
{
	struct lg_price_query q = {
		.provider = lg_slice_str(row->provider),
		.ceiling_provider = lg_slice_str(row->provider),
		.host = lg_slice_str(row->host),
		.model = lg_slice_str(lg_row_asked(row)),
		.at_ms = row->ts_ms,
	};
	struct lg_price p;

	if (!f->by_model)
		return (struct lg_slice){NULL, 0};
	if (!strcmp(f->model, lg_row_asked(row)))
		return lg_slice_str(f->canonical);
	lg_price_lookup(&f->w->catalog, &q, &p);
	f->canonical[0] = '\0';
	if (p.entry)
		lg_slice_copy(lg_img_text(p.img, p.entry->model), f->canonical,
			      sizeof(f->canonical));
	lg_slice_copy(q.model, f->model, sizeof(f->model));
	return lg_slice_str(f->canonical);
}

static int fold_rule(struct folding *f, const struct lg_rule *r,
		     const struct lg_row *row, struct lg_slice canonical)
{
	struct lg_rule_hit hit;

	for (unsigned k = 0; lg_rule_match(r, row, canonical, k, &hit); k++) {
		const struct lg_window *win = lg_windows_get(
			&f->wins, f->w, (enum lg_period)r->b->period,
			row->ts_ms);
		struct lg_fold_cell *c =
			lg_fold_cell(&f->fold, hit.id, win->tag);

		if (!c)
			return -ENOMEM;
		c->spent_pusd = lg_money_add(c->spent_pusd, row->cost_pusd);
		if (row->kind == LG_ROW_CALL) {
			c->calls++;
			c->blocked += row->verdict == LG_VERDICT_BLOCK;
		}
		if (!r->b->each)
			break;
	}
	return 0;
}

static int fold_row(void *ctx, const struct lg_row *row,
		    const struct lg_ledger_pos *after)
{
	struct folding *f = ctx;
	struct lg_slice canonical;
	int err = 0;

	(void)after;
	if (f->rows++ % RENEW_ROWS == 0)
		lg_cell_seed_renew(lg_world_region(f->w), f->cell);
	if (row->kind == LG_ROW_AUDIT)
		return 0;
	canonical = canonical_of(f, row);
	for (unsigned i = 0; !err && i < nrules(f); i++)
		err = fold_rule(f, nth_rule(f, i), row, canonical);
	return err;
}

static bool covers(const struct lg_fold *fold, struct lg_hash128 mark)
{
	for (unsigned i = 0; i < fold->n; i++)
		if (!fold->cells[i].window && fold->cells[i].id.a == mark.a &&
		    fold->cells[i].id.b == mark.b)
			return true;
	return false;
}

static bool covers_all(const struct folding *f)
{
	for (unsigned i = 0; i < nrules(f); i++)
		if (!covers(&f->fold, mark_of(nth_rule(f, i))))
			return false;
	return true;
}

/* Does the checkpoint count budgets that this process knows nothing of? */
static bool has_strangers(const struct folding *f)
{
	for (unsigned i = 0; i < f->fold.n; i++) {
		struct lg_hash128 id = f->fold.cells[i].id;

		id = (struct lg_hash128){~id.a, ~id.b};
		if (!f->fold.cells[i].window && !is_known(f, id))
			return true;
	}
	return false;
}

static void start_over(struct folding *f)
{
	lg_fold_fini(&f->fold);
	lg_fold_init(&f->fold);
	for (unsigned i = 0; i < nrules(f); i++)
		if (!lg_fold_cell(&f->fold, mark_of(nth_rule(f, i)), 0))
			f->err = -ENOMEM;
}

static void walk(struct folding *f, struct lg_engine *e)
{
	struct lg_ledger_stats stats = {0};

	f->rows = 0;
	f->err = lg_ledger_walk(lg_engine_ledger(e)->dir, &f->fold.pos,
				INT64_MIN, fold_row, f, &stats);
}

/* worth: rows after the checkpoint from which a new one is written. */
static void fold_ledger(struct folding *f, struct lg_engine *e, uint64_t worth)
{
	bool whole, strangers;
	int err;

	lg_fold_init(&f->fold);
	if (lg_checkpoint_load(lg_engine_state_dir(e), &f->fold))
		start_over(f);
	whole = !covers_all(f);
	if (whole)
		start_over(f);
	strangers = has_strangers(f);
	walk(f, e);
	if (f->err == -ESTALE || (strangers && f->rows > TAIL_MAX)) {
		start_over(f);
		walk(f, e);
		strangers = false;
	}
	if (f->err || strangers || f->rows < worth)
		return;
	err = lg_checkpoint_save(lg_engine_state_dir(e), &f->fold);
	if (!worth)
		f->err = err;
}

static void tell_fold_failed(int err)
{
	struct lg_log_kv kv = {"errno", {NULL, 0}, -err};

	lg_log(LG_LOG_ERROR, "ledger_not_read", &kv, 1);
}

static int fold_new(struct lg_engine *e, struct lg_world *w, int cell,
		    struct folding **out)
{
	struct folding *f;

	if (lg_engine_is_sandboxed(e))
		return -EPERM;
	f = lg_mem_alloc(sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->w = w;
	f->cell = cell;
	/* a program with one of these need not read the whole ledger */
	f->nenv = lg_recover_env_rules(e, w, f->env, &f->env_image);
	for (unsigned i = 0; i < nrules(f); i++)
		f->by_model |= asks_model(nth_rule(f, i));
	*out = f;
	return 0;
}

static void fold_del(struct folding *f)
{
	lg_fold_fini(&f->fold);
	lg_buf_fini(&f->env_image);
	lg_mem_free(f, sizeof(*f));
}

int lg_recover_spent(struct lg_engine *e, struct lg_world *w, int cell,
		     const struct lg_rule_hit *hit, const struct lg_window *win,
		     int64_t *spent)
{
	struct lg_fold_cell *c;
	struct folding *f;
	int err;

	/* rows that wait in slots are part of what was spent */
	lg_recover_sweep(e, w, true);
	err = fold_new(e, w, cell, &f);
	if (err)
		return err;
	fold_ledger(f, e, TAIL_WORTH);
	err = f->err;
	if (err)
		tell_fold_failed(err);
	c = err ? NULL : lg_fold_cell(&f->fold, hit->id, win->tag);
	*spent = c && c->spent_pusd > 0 ? c->spent_pusd : 0;
	fold_del(f);
	return err;
}

int64_t lg_engine_checkpoint(struct lg_engine *e, bool always)
{
	struct lg_world *w = lg_engine_pin(e);
	struct folding *f;
	int64_t rows = fold_new(e, w, -1, &f);

	if (!rows) {
		fold_ledger(f, e, always ? 0 : TAIL_WORTH);
		rows = f->err ? f->err : (int64_t)f->rows;
		fold_del(f);
	}
	lg_engine_unpin(e, w);
	return rows;
}

/* -- showing every budget ------------------------------------------------- */

/*
 * A row that no call made stands for "any call of this process": budgets that
 * count by value have no cell before a call names one.
 */
static void touch(struct lg_engine *e, struct lg_world *w,
		  struct lg_windows *wins, unsigned i)
{
	const struct lg_img_budget *b = w->rules[i].b;
	const char *run = lg_engine_env(e)->run_id;
	struct lg_rule_hit hit;
	const struct lg_window *win;

	if (b->each || (b->period == LG_PERIOD_RUN && !run))
		return;
	lg_rule_hit_any(&w->rules[i], lg_slice_str(run), &hit);
	win = lg_windows_get(wins, w, (enum lg_period)b->period,
			     lg_clock_real_ms());
	lg_admit_cell(e, w, i, &hit, win, NULL);
}

void lg_engine_touch(struct lg_engine *e)
{
	struct lg_world *w = lg_engine_pin(e);
	struct lg_windows wins = {0};

	if (lg_world_region(w))
		for (unsigned i = 0; i < w->nrules; i++)
			touch(e, w, &wins, i);
	lg_engine_unpin(e, w);
}
