#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "base/clock.h"
#include "base/money.h"
#include "books.h"
#include "cmds.h"
#include "export.h"
#include "filter.h"
#include "guard/engine.h"
#include "guard/world.h"
#include "ledger/ledger.h"
#include "outfile.h"
#include "tool.h"

enum { O_FORMAT = ASK_ROW_OPTIONS, O_OUTPUT, O_PERIOD, O_MONTH };
static const struct opt opts[] = {
	ASK_ROW_OPTS,
	[O_FORMAT] = {"format", 'F', OPT_TEXT, "jsonl|csv|otlp-json",
		      "how: the ledger's rows (default), a table, spans"},
	[O_OUTPUT] = {"output", 'o', OPT_TEXT, "FILE",
		      "into this file; default, and -: stdout"},
	[O_PERIOD] = {"period", 0, OPT_TEXT,
		      "today|yesterday|week|month|year|all",
		      "calls of this time (all)"},
	[O_MONTH] = {"month", 0, OPT_TEXT, "YYYY-MM", "of this month"},
	OPT_END,
};

static const struct export_form *const forms[] = {&export_jsonl, &export_csv,
						  &export_otlp};
#define FLUSH ((size_t)1 << 20)

struct export
{
	const struct call *c;
	struct lg_engine *e;
	struct lg_world *w;	/* pinned */
	const char *filter[64]; /* by dims[i] */
	const struct export_form *form;
	struct span span;
	struct books books;
	struct lg_buf buf;
	struct outfile *o;
	unsigned in_piece;
	uint64_t rows, left; /* left: corrections without a place */
	int64_t left_pusd;
	int err;
};

static bool is_wanted(const struct export *x, const struct lg_row *r)
{
	return r->ts_ms >= x->span.from_ms && r->ts_ms < x->span.to_ms &&
	       filter_row_fits(r, x->filter, &x->w->catalog);
}

/* -- writing --------------------------------------------------------------- */

static int flush(struct export *x, size_t keep)
{
	int err;

	if (x->buf.overflow)
		return -ENOMEM;
	if (!x->buf.len || x->buf.len < keep)
		return 0;
	err = outfile_write(x->o, x->buf.p, x->buf.len);
	x->buf.len = 0;
	return err;
}

static int put(struct export *x, const struct lg_row *row)
{
	const struct export_form *f = x->form;
	bool first = !x->in_piece;

	if (first && f->open)
		f->open(&x->buf);
	f->row(&x->buf, row, first);
	x->rows++;
	x->in_piece++;
	if (f->piece && x->in_piece == f->piece) {
		f->close(&x->buf);
		x->in_piece = 0;
	}
	return flush(x, FLUSH);
}

/* Of a provider's bill: it corrects a day, not a call. */
static bool names_no_call(const struct lg_row *row)
{
	return row->kind == LG_ROW_ADJUST &&
	       lg_slice_starts(lg_slice_str(row->ref), LG_SLICE("reconcile:"));
}

static int take(void *ctx, const struct lg_row *row,
		const struct lg_ledger_pos *after)
{
	struct export *x = ctx;
	struct lg_row now;

	(void)after;
	if (row->kind != LG_ROW_CALL && !names_no_call(row))
		return 0;
	if (row->kind == LG_ROW_CALL) {
		now = *row;
		books_current(&x->books, &now);
		row = &now;
	}
	if (!is_wanted(x, row))
		return 0;
	if (row->kind != LG_ROW_CALL && x->form->calls_only) {
		x->left++;
		x->left_pusd = lg_money_add(x->left_pusd, row->cost_pusd);
		return 0;
	}
	x->err = put(x, row);
	return x->err ? 1 : 0;
}

static int walk(struct export *x)
{
	struct lg_ledger_pos pos = {.offset = 0};
	struct lg_ledger_stats stats = {0};
	int64_t since = x->span.from_ms == INT64_MIN ? 0 : x->span.from_ms;
	int err = lg_ledger_walk(lg_engine_ledger(x->e)->dir, &pos, since, take,
				 x, &stats);

	if (x->err)
		err = x->err;
	if (err == -ENOENT)
		err = 0;
	if (!err && x->in_piece && x->form->close)
		x->form->close(&x->buf);
	if (!err)
		err = flush(x, 0);
	if (!err && stats.torn)
		tool_warn("%llu torn lines in the ledger were passed over",
			  (unsigned long long)stats.torn);
	return err;
}

/* -- options --------------------------------------------------------------- */

static int bad(const struct call *c, unsigned opt, const char *allowed)
{
	return tool_usage(c->cmd, "--%s %s: allowed: %s", opts[opt].name,
			  c->v[opt].text, allowed);
}

static int choose_span(struct export *x)
{
	const struct opt_value *v = x->c->v;
	struct span_calendar cal = {x->w->zone, x->w->set.week_start,
				    lg_clock_real_ms()};

	if ((v[ASK_FROM].set || v[ASK_TO].set || v[ASK_LAST].set) +
		    v[O_PERIOD].set + v[O_MONTH].set >
	    1)
		return tool_usage(x->c->cmd, "more than one stretch of time");
	if (v[O_PERIOD].set)
		return span_period(&cal, v[O_PERIOD].text, &x->span)
			       ? bad(x->c, O_PERIOD, "a period")
			       : -1;
	if (v[O_MONTH].set)
		return span_month(&cal, v[O_MONTH].text, &x->span)
			       ? bad(x->c, O_MONTH, "a month, like 2026-11")
			       : -1;
	return ask_time(x->c, &cal, &x->span);
}

static void choose_form(struct export *x)
{
	x->form = forms[0];
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (x->c->v[O_FORMAT].set &&
		    !strcmp(x->c->v[O_FORMAT].text, forms[i]->name))
			x->form = forms[i];
}

/* -- where ----------------------------------------------------------------- */

static int write_out(struct export *x)
{
	int err;

	lg_buf_init(&x->buf, (size_t)1 << 26);
	if (x->form->begin)
		x->form->begin(&x->buf);
	err = books_open(&x->books, x->e);
	if (err == -EPROTO) {
		tool_warn("ledger/%s: damaged (zstd -t finds it); nothing is "
			  "exported without it",
			  x->books.failed);
	} else if (!err) {
		err = walk(x);
		books_close(&x->books);
	}
	lg_buf_fini(&x->buf);
	return err;
}

static int to_file(struct export *x, const char *path)
{
	struct outfile o;
	int err = outfile_open(&o, path);

	if (!err) {
		x->o = &o;
		err = outfile_close(&o, write_out(x));
	}
	return err ? tool_fail("%s: %s", strcmp(path, "-") ? path : "stdout",
			       strerror(-err))
		   : EXIT_OK;
}

static int run(struct call *c)
{
	struct export x = {.c = c};
	int ret = tool_open(&x.e);

	if (ret >= 0)
		return ret;
	x.w = lg_engine_pin(x.e);
	choose_form(&x);
	ask_filters(c, x.filter);
	ret = choose_span(&x);
	if (ret < 0)
		ret = to_file(&x,
			      c->v[O_OUTPUT].set ? c->v[O_OUTPUT].text : "-");
	if (!ret && x.left)
		tool_warn("%llu corrections of a provider's bill (%s) are of "
			  "no call and not in it",
			  (unsigned long long)x.left, tool_usd(x.left_pusd));
	if (!ret && c->v[O_OUTPUT].set)
		fprintf(stderr, "%llu rows\n", (unsigned long long)x.rows);
	lg_engine_unpin(x.e, x.w);
	lg_engine_close(x.e);
	return ret;
}

const struct cmd cmd_export = {
	.name = "export",
	.args = "",
	.summary = "calls for other programs: jsonl, csv, OpenTelemetry",
	.about =
		"Each call as it stands after its corrections, in the order of "
		"the ledger. jsonl: the\nledger's keys (docs/ledger.md); csv: "
		"a table of them; otlp-json: spans with the\nattribute names "
		"of OpenTelemetry's GenAI conventions, a message a line as its "
		"file\nexporter writes them, for a collector's "
		"otlpjsonfilereceiver.",
	.reads = true,
	.opts = opts,
	.run = run,
};
