#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/money.h"
#include "books.h"
#include "cmds.h"
#include "guard/adjust.h"
#include "guard/engine.h"
#include "guard/tariff.h"
#include "guard/world.h"
#include "json.h"
#include "ledger/ledger.h"
#include "price_find.h"
#include "table.h"
#include "tool.h"
#include "when.h"

enum {
	O_FROM,
	O_TO,
	O_MODEL,
	O_PROVIDER,
	O_VERSION,
	O_UNKNOWN,
	O_DRY,
	O_JSON,
};
static const struct opt opts[] = {
	[O_FROM] = {"from", 'f', OPT_TEXT, "DAY",
		    "calls from this day or instant on"},
	[O_TO] = {"to", 't', OPT_TEXT, "DAY", "and up to this one, inclusive"},
	[O_MODEL] = {"model", 'm', OPT_TEXT, "GLOB",
		     "calls of these models, as asked for or answered"},
	[O_PROVIDER] = {"provider", 'p', OPT_TEXT, "NAME",
			"calls to this provider"},
	[O_VERSION] = {"price-version", 'v', OPT_TEXT, "VERSION",
		       "by this version of the prices"},
	[O_UNKNOWN] = {"unknown", 0, OPT_FLAG, NULL,
		       "only calls whose price was not known (the default "
		       "where nothing else is chosen)"},
	[O_DRY] = {"dry-run", 'n', OPT_FLAG, NULL, "show it, write nothing"},
	[O_JSON] = OPT_JSON,
	OPT_END,
};

/* Programs that correct calls of their own wait 2 s for the lock at most. */
#define YIELD_EVERY 200

/* Why a chosen call stays as it is. */
enum left {
	LEFT_SAME,
	LEFT_NO_USAGE,
	LEFT_PROVIDER,
	LEFT_NO_PRICE,
	LEFT_PARTS,
	LEFT_KINDS,
	CHANGES = LEFT_KINDS,
};
static const struct {
	const char *key, *text;
} lefts[] = {
	[LEFT_SAME] = {"unchanged", "cost the same"},
	[LEFT_NO_USAGE] = {"no_usage", "have no usage to price"},
	[LEFT_PROVIDER] = {"provider_cost", "carry the provider's own figure"},
	[LEFT_NO_PRICE] = {"no_price", "have no known price"},
	[LEFT_PARTS] = {"parts", "were several calls under several prices"},
};

struct sum {
	uint64_t rows;
	int64_t old_pusd, new_pusd;
	char price_version[40];
};

struct reprice {
	struct call *c;
	struct lg_engine *e;
	struct lg_world *w;
	struct books books;
	struct lg_slice version;
	int64_t from_ms, to_ms;
	bool only_unknown;
	struct strmap models; /* "provider\tmodel" to struct sum */
	struct sum total;
	uint64_t left[LEFT_KINDS], waiting;
	int lock;
	unsigned since;	 /* corrections since others had the lock */
	int64_t last_ms; /* of the rows seen */
};

static bool fits(const char *text, const struct opt_value *pattern)
{
	return lg_slice_glob(lg_slice_str(text), lg_slice_str(pattern->text));
}

static bool is_chosen(const struct reprice *p, const struct lg_row *r)
{
	const struct opt_value *v = p->c->v;

	if (r->kind != LG_ROW_CALL || r->ts_ms < p->from_ms ||
	    r->ts_ms >= p->to_ms)
		return false;
	if (v[O_PROVIDER].set && !fits(r->provider, &v[O_PROVIDER]))
		return false;
	return !v[O_MODEL].set || fits(r->model, &v[O_MODEL]) ||
	       fits(r->model_requested, &v[O_MODEL]);
}

/* Nothing was spent, and that is certain: refused, failed, free to ask. */
static bool was_free(const struct lg_row *r)
{
	return r->usage_state == LG_USAGE_EXACT && !r->cost_pusd &&
	       !r->economic_pusd && r->price_state == LG_PRICED_EXACT &&
	       (r->verdict == LG_VERDICT_BLOCK || r->status >= 300);
}

static bool is_known(const struct lg_price *p)
{
	return p->how != LG_PRICE_CEILING && p->how != LG_PRICE_UNKNOWN &&
	       !p->tier_missing;
}

/* A recorded call may not say whose model it is: anybody's, as then. */
static bool look_up(const struct reprice *p, struct lg_price_query *q,
		    bool trains, struct lg_price *out)
{
	const struct lg_catalog *cat = &p->w->catalog;
	struct price_find any = {
		.model = q->model,
		.tier = q->tier,
		.variant = q->variant,
		.geo = q->geo,
		.version = q->version,
		.at_ms = q->at_ms,
	};

	if (q->provider.len)
		lg_price_lookup(cat, q, out);
	else if (price_find(cat, &any, out) && out->entry)
		q->provider = lg_img_text(out->img, out->entry->provider);
	return is_known(out) && (!trains || lg_tariff_training(cat, q, out));
}

/* As the guard prices a call: by the one name, else the other. */
static bool find_price(const struct reprice *p, const struct lg_row *r,
		       bool trains, struct lg_price *out, bool *by_its_name)
{
	struct lg_price_query q = lg_tariff_row_query(r);

	q.version = p->version;
	*by_its_name = true;
	if (look_up(p, &q, trains, out))
		return true;
	*by_its_name = false;
	q.model = lg_slice_str(lg_tariff_row_name(r, true));
	return look_up(p, &q, trains, out);
}

static void put_cost(struct lg_row *r, const struct lg_price *p,
		     const struct lg_usage *u, bool by_its_name)
{
	struct lg_cost cost;

	lg_price_cost(p, u, &cost);
	r->economic_pusd = cost.economic_pusd;
	if (r->cache_hit == LG_CACHE_GATEWAY ||
	    r->cache_hit == LG_CACHE_LOCAL) /* nobody was asked */
		cost = (struct lg_cost){.rate_missing = cost.rate_missing};
	r->cost_pusd = cost.total_pusd;
	r->input_cost_pusd = cost.input_pusd;
	r->output_cost_pusd = cost.output_pusd;
	r->price_state =
		(uint8_t)lg_tariff_state(p, by_its_name, cost.rate_missing);
	r->price_version[0] = '\0';
	if (p->entry)
		lg_slice_copy(lg_img_text(p->img, p->entry->price_version),
			      r->price_version, sizeof(r->price_version));
}

static bool is_same(const struct lg_row *a, const struct lg_row *b)
{
	return a->cost_pusd == b->cost_pusd &&
	       a->economic_pusd == b->economic_pusd &&
	       a->input_cost_pusd == b->input_cost_pusd &&
	       a->price_state == b->price_state;
}

/* What becomes of the call as it stands: CHANGES with *is, or why not. */
static enum left price_again(const struct reprice *p, const struct lg_row *was,
			     struct lg_row *is)
{
	struct lg_usage u;
	struct lg_price price;
	bool by_its_name;

	if (was->price_state == LG_PRICED_PROVIDER)
		return LEFT_PROVIDER;
	if (was->flags & LG_ROW_PARTS)
		return LEFT_PARTS;
	if (was->usage_state == LG_USAGE_MISSING || was_free(was) ||
	    was->flags & LG_ROW_PENDING || /* the guard hears of it yet */
	    !lg_row_usage(was, &u))
		return LEFT_NO_USAGE;
	if (!find_price(p, was, u.n[LG_BUCKET_TRAINING], &price, &by_its_name))
		return LEFT_NO_PRICE;
	*is = *was;
	put_cost(is, &price, &u, by_its_name);
	return is_same(was, is) ? LEFT_SAME : CHANGES;
}

static void add(struct sum *s, const struct lg_row *was,
		const struct lg_row *is)
{
	s->rows++;
	s->old_pusd = lg_money_add(s->old_pusd, was->cost_pusd);
	s->new_pusd = lg_money_add(s->new_pusd, is->cost_pusd);
	memcpy(s->price_version, is->price_version, sizeof(s->price_version));
}

static int tally(struct reprice *p, const struct lg_row *was,
		 const struct lg_row *is)
{
	char key[256];
	struct sum *s;

	snprintf(key, sizeof(key), "%s\t%s", is->provider,
		 is->model[0] ? is->model : is->model_requested);
	s = strmap_put(&p->models, key);
	if (!s)
		return -ENOMEM;
	add(s, was, is);
	add(&p->total, was, is);
	return 0;
}

/* The id depends on what stands there: written twice, it is one row. */
static int correct(struct reprice *p, const struct lg_row *was,
		   const struct lg_row *is, uint32_t turn)
{
	struct lg_row adj;
	char what[32];
	int err;

	lg_adjust_init(&adj, was);
	lg_adjust_diff(&adj, was, is);
	snprintf(adj.note, sizeof(adj.note), "reprice: %s to %s%s%s",
		 lg_price_state_name((enum lg_price_state)was->price_state),
		 lg_price_state_name((enum lg_price_state)is->price_state),
		 is->price_version[0] ? ", version " : "", is->price_version);
	snprintf(what, sizeof(what), "reprice %u", turn);
	lg_adjust_fixed_id(&adj, what);
	p->since++;
	err = lg_adjust_write(p->e, &adj);
	if (err)
		p->waiting++;
	return err == -EINVAL ? err : 0;
}

static int look(void *ctx, const struct lg_row *r,
		const struct lg_ledger_pos *after)
{
	struct reprice *p = ctx;
	struct lg_row was, is;
	uint32_t turn;
	enum left left;
	int err;

	(void)after;
	if (!is_chosen(p, r))
		return 0;
	if (p->since >= YIELD_EVERY) {
		p->since = 0;
		err = books_yield(p->lock);
		if (!err)
			err = books_refresh(&p->books);
		if (err)
			return err;
	}
	was = *r;
	turn = books_current(&p->books, &was);
	if (p->only_unknown && was.price_state != LG_PRICED_UNKNOWN)
		return 0;
	left = price_again(p, &was, &is);
	if (left != CHANGES) {
		p->left[left]++;
		return 0;
	}
	err = tally(p, &was, &is);
	if (err || p->c->v[O_DRY].set)
		return err;
	return correct(p, &was, &is, turn);
}

/* -- what is shown --------------------------------------------------------- */

static void put_sum(struct json *j, const struct sum *s)
{
	json_u64(j, "rows", s->rows);
	json_usd(j, "old_usd", s->old_pusd);
	json_usd(j, "new_usd", s->new_pusd);
	json_usd(j, "difference_usd", lg_money_sub(s->new_pusd, s->old_pusd));
}

static int show_json(struct reprice *p)
{
	struct lg_slice model, provider;
	const char *key;
	struct json j;

	json_init(&j);
	json_open(&j, NULL, '{');
	json_bool(&j, "dry_run", p->c->v[O_DRY].set);
	put_sum(&j, &p->total);
	json_open(&j, "models", '[');
	for (size_t i = 0; i < p->models.n; i++) {
		const struct sum *s = strmap_nth(&p->models, i, &key);

		model = lg_slice_cut(lg_slice_str(key), '\t', &provider);
		json_open(&j, NULL, '{');
		json_slice(&j, "provider", provider);
		json_slice(&j, "model", model);
		json_text(&j, "price_version", s->price_version);
		put_sum(&j, s);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_open(&j, "left", '{');
	for (unsigned i = 0; i < LEFT_KINDS; i++)
		json_u64(&j, lefts[i].key, p->left[i]);
	json_close(&j, '}');
	json_u64(&j, "waiting", p->waiting);
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

static void put_cells(struct table *t, const struct sum *s)
{
	table_u64(t, s->rows);
	table_cell(t, tool_usd(s->old_pusd));
	table_cell(t, tool_usd(s->new_pusd));
	table_cell(t, tool_signed_usd(lg_money_sub(s->new_pusd, s->old_pusd)));
	table_cell(t, s->price_version);
}

static void put_left(struct lg_buf *out, const struct reprice *p)
{
	for (unsigned i = 0; i < LEFT_KINDS; i++) {
		if (!p->left[i])
			continue;
		lg_buf_put_u64(out, p->left[i]);
		lg_buf_puts(out, p->left[i] == 1 ? " call stays: those "
						 : " calls stay: those ");
		lg_buf_puts(out, lefts[i].text);
		lg_buf_puts(out, "\n");
	}
}

static int show_text(struct reprice *p)
{
	struct lg_buf out;
	struct table t;
	const char *key;

	lg_buf_init(&out, (size_t)1 << 28);
	table_init(&t, "PROVIDER\tMODEL\tROWS\rOLD\rNEW\rDIFFERENCE\rVERSION");
	for (size_t i = 0; i < p->models.n; i++) {
		const struct sum *s = strmap_nth(&p->models, i, &key);
		char provider[80];

		snprintf(provider, sizeof(provider), "%.*s",
			 (int)strcspn(key, "\t"), key);
		table_cell(&t, provider);
		table_cell(&t, key + strcspn(key, "\t") + 1);
		put_cells(&t, s);
	}
	if (p->models.n > 1) {
		p->total.price_version[0] = '\0';
		table_cell(&t, "total");
		table_cell(&t, "");
		put_cells(&t, &p->total);
	}
	if (p->models.n)
		table_print(&t, &out);
	else
		lg_buf_fini(&t.text);
	put_left(&out, p);
	if (!p->total.rows)
		lg_buf_puts(&out, "Nothing to correct.\n");
	else if (p->c->v[O_DRY].set)
		lg_buf_puts(&out, "Nothing was written (--dry-run).\n");
	return tool_print(&out);
}

/* -- the command ----------------------------------------------------------- */

static int read_times(struct reprice *p)
{
	static const int which[] = {O_FROM, O_TO};

	p->from_ms = INT64_MIN;
	p->to_ms = INT64_MAX;
	for (unsigned i = 0; i < 2; i++) {
		const struct opt_value *v = &p->c->v[which[i]];

		if (v->set && when_parse(lg_slice_str(v->text), p->w->zone, i,
					 i ? &p->to_ms : &p->from_ms))
			return tool_usage(p->c->cmd,
					  "--%s %s: not a day (2026-11-22) or "
					  "an instant (2026-11-22T14:30:00Z)",
					  opts[which[i]].name, v->text);
	}
	if (p->from_ms >= p->to_ms)
		return tool_usage(p->c->cmd, "--from %s lies after --to %s",
				  p->c->v[O_FROM].text, p->c->v[O_TO].text);
	return -1;
}

/* Does any price of the catalog bear that version? */
static bool has_version(const struct lg_catalog *c, struct lg_slice version)
{
	for (unsigned i = 0; i < c->n; i++) {
		const struct lg_img_price *e = LG_IMG_ARRAY(
			c->img[i], c->img[i]->prices, struct lg_img_price);

		for (uint32_t k = 0; k < c->img[i]->prices.n; k++)
			if (lg_slice_starts(
				    lg_img_text(c->img[i], e[k].price_version),
				    version))
				return true;
	}
	return lg_slice_eq(version, LG_SLICE("latest"));
}

static int read_options(struct reprice *p)
{
	const struct opt_value *v = p->c->v;

	p->only_unknown = v[O_UNKNOWN].set ||
			  !(v[O_FROM].set || v[O_TO].set || v[O_MODEL].set ||
			    v[O_PROVIDER].set || v[O_VERSION].set);
	p->version = lg_slice_str(v[O_VERSION].text);
	if (!v[O_VERSION].set)
		p->version = p->w->price_version;
	if (v[O_VERSION].set && !has_version(&p->w->catalog, p->version))
		return tool_fail("--price-version %s: no price has that "
				 "version (llmguard pricing list)",
				 v[O_VERSION].text);
	return read_times(p);
}

static void tell(struct reprice *p)
{
	char note[101];

	if (!p->total.rows || p->c->v[O_DRY].set)
		return;
	snprintf(note, sizeof(note), "reprice: %llu rows, %s",
		 (unsigned long long)p->total.rows,
		 tool_signed_usd(
			 lg_money_sub(p->total.new_pusd, p->total.old_pusd)));
	tool_audit(p->e, note);
	if (p->waiting)
		tool_warn("%llu rows could not be written to the ledger; what "
			  "the region keeps is written later",
			  (unsigned long long)p->waiting);
}

static int work(struct reprice *p)
{
	struct lg_ledger_pos pos = {0};
	int err = books_open(&p->books, p->e);

	if (err)
		return tool_fail("ledger: %s", strerror(-err));
	strmap_init(&p->models, sizeof(struct sum));
	err = lg_ledger_walk(lg_engine_ledger(p->e)->dir, &pos, INT64_MIN, look,
			     p, NULL);
	tell(p);
	if (err)
		err = tool_fail("ledger: %s", strerror(-err));
	strmap_sort(&p->models);
	if (!err)
		err = p->c->v[O_JSON].set ? show_json(p) : show_text(p);
	strmap_fini(&p->models);
	books_close(&p->books);
	return !err && p->waiting ? EXIT_FAILED : err;
}

static int run(struct call *c)
{
	struct reprice p = {.c = c, .lock = -1};
	int ret = tool_open(&p.e);

	if (ret >= 0)
		return ret;
	p.w = lg_engine_pin(p.e);
	ret = read_options(&p);
	if (ret < 0 && !c->v[O_DRY].set) {
		p.lock = books_lock(p.e);
		if (p.lock == -EWOULDBLOCK)
			ret = tool_fail("another reprice or reconcile is "
					"correcting this ledger");
		else if (p.lock < 0)
			ret = tool_fail("%s: %s", lg_engine_state_dir(p.e),
					strerror(-p.lock));
	}
	if (ret < 0)
		ret = work(&p);
	lg_engine_unpin(p.e, p.w);
	if (p.lock >= 0)
		close(p.lock);
	lg_engine_close(p.e);
	return ret;
}

const struct cmd cmd_reprice = {
	.name = "reprice",
	.args = "",
	.summary = "price recorded calls again and correct the ledger",
	.about =
		"Each chosen call is priced again from its usage, by the "
		"catalog as it is now (or\nby --price-version), at the time of "
		"the call. Where that differs, a correction is\nappended (kind "
		"adjust, signed difference, ref names the call); nothing that "
		"was\nwritten changes, and running it again corrects nothing "
		"more. Budgets whose window\nstill runs see the difference at "
		"once.\n\nWithout a choice it takes the calls whose price was "
		"not known: run it after\n`llmguard pricing set`. A call stays "
		"as it is when the provider gave its own\nfigure, when it has "
		"no usage to price, when it was several calls under several\n"
		"prices, or when its price is still not known.\n\n"
		"  llmguard reprice --dry-run\n"
		"  llmguard reprice --from 2026-11-01 --model 'gpt-4o*'",
	.opts = opts,
	.run = run,
};
