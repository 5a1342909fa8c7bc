#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "books.h"
#include "budget/zone.h"
#include "cmds.h"
#include "export.h"
#include "guard/engine.h"
#include "guard/world.h"
#include "ledger/ledger.h"
#include "outfile.h"
#include "span.h"
#include "tool.h"

enum {
	O_FORMAT,
	O_OUTPUT,
	O_PERIOD,
	O_MONTH,
	O_LAST,
	O_FROM,
	O_TO,
	O_MODEL,
	O_PROJECT,
	O_USER,
	O_TAG,
	O_PROVIDER,
	O_ENDPOINT,
	O_PHASE,
	O_CONVERSATION,
	O_RUN,
};
static const struct opt opts[] = {
	[O_FORMAT] = {"format", 'F', OPT_TEXT, "jsonl|csv|otlp-json",
		      "how: the ledger's rows (default), a table, spans"},
	[O_OUTPUT] = {"output", 'o', OPT_TEXT, "FILE",
		      "into this file; default: stdout"},
	[O_PERIOD] = {"period", 0, OPT_TEXT,
		      "today|yesterday|week|month|year|all",
		      "calls of this time (all)"},
	[O_MONTH] = {"month", 0, OPT_TEXT, "YYYY-MM", "of this month"},
	[O_LAST] = {"last", 'l', OPT_TEXT, "N", "of the last 7d, 3m, 12h"},
	[O_FROM] = {"from", 0, OPT_TEXT, "DATE", "from this day or time on"},
	[O_TO] = {"to", 0, OPT_TEXT, "DATE", "up to this day or time"},
	[O_MODEL] = {"model", 'm', OPT_TEXT, "PATTERN",
		     "of these models (* and ? match, commas separate)"},
	[O_PROJECT] = {"project", 'p', OPT_TEXT, "PATTERN", "likewise"},
	[O_USER] = {"user", 'u', OPT_TEXT, "PATTERN", "likewise"},
	[O_TAG] = {"tag", 't', OPT_TEXT, "PATTERN", "with any of these tags"},
	[O_PROVIDER] = {"provider", 0, OPT_TEXT, "PATTERN", "likewise"},
	[O_ENDPOINT] = {"endpoint", 0, OPT_TEXT, "PATTERN", "likewise"},
	[O_PHASE] = {"phase", 0, OPT_TEXT, "infer|train", "likewise"},
	[O_CONVERSATION] = {"conversation", 'c', OPT_TEXT, "PATTERN",
			    "likewise"},
	[O_RUN] = {"run-id", 'r', OPT_TEXT, "PATTERN", "likewise"},
	OPT_END,
};

static const struct export_form *const forms[] = {&export_jsonl, &export_csv,
						  &export_otlp};
#define FLUSH ((size_t)1 << 20)

struct export
{
	const struct call *c;
	struct lg_engine *e;
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

/* -- which ----------------------------------------------------------------- */

static bool fits_any(struct lg_slice text, const char *patterns)
{
	struct lg_slice rest = lg_slice_str(patterns), one;

	while (rest.len) {
		rest = lg_slice_cut(rest, ',', &one);
		if (lg_slice_glob(text, lg_slice_trim(one)))
			return true;
	}
	return false;
}

static bool fits(const struct export *x, unsigned opt, const char *text)
{
	return !x->c->v[opt].set ||
	       fits_any(lg_slice_str(text), x->c->v[opt].text);
}

static bool has_tag(const struct export *x, const char *tags)
{
	struct lg_slice rest = lg_slice_str(tags), one;

	if (!x->c->v[O_TAG].set)
		return true;
	while (rest.len) {
		rest = lg_slice_cut(rest, '\x1f', &one);
		if (fits_any(one, x->c->v[O_TAG].text))
			return true;
	}
	return false;
}

static bool is_wanted(const struct export *x, const struct lg_row *r)
{
	return r->ts_ms >= x->span.from_ms && r->ts_ms < x->span.to_ms &&
	       (fits(x, O_MODEL, r->model) ||
		fits(x, O_MODEL, r->model_requested)) &&
	       fits(x, O_PROJECT, r->project) && fits(x, O_USER, r->user) &&
	       fits(x, O_PROVIDER, r->provider) &&
	       fits(x, O_ENDPOINT, r->endpoint) && fits(x, O_PHASE, r->phase) &&
	       fits(x, O_CONVERSATION, r->conversation) &&
	       fits(x, O_RUN, r->run_id) && has_tag(x, r->tags);
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

/* One stretch of time; that begins before it ends. -1, else the exit code. */
static int check_span(const struct export *x)
{
	const struct opt_value *v = x->c->v;

	if (v[O_PERIOD].set + v[O_MONTH].set + v[O_LAST].set +
		    (v[O_FROM].set || v[O_TO].set) >
	    1)
		return tool_usage(x->c->cmd, "more than one stretch of time");
	if (x->span.from_ms >= x->span.to_ms)
		return tool_usage(x->c->cmd, "--from %s lies after --to %s",
				  v[O_FROM].text, v[O_TO].text);
	return -1;
}

static int choose_span(struct export *x)
{
	const struct opt_value *v = x->c->v;
	struct lg_world *w = lg_engine_pin(x->e);
	struct span_calendar cal = {w->zone, w->set.week_start,
				    lg_clock_real_ms()};
	int ret = -1;

	x->span = (struct span){INT64_MIN, INT64_MAX};
	if (v[O_PERIOD].set && span_period(&cal, v[O_PERIOD].text, &x->span))
		ret = bad(x->c, O_PERIOD, "a period");
	else if (v[O_MONTH].set && span_month(&cal, v[O_MONTH].text, &x->span))
		ret = bad(x->c, O_MONTH, "a month, like 2026-11");
	else if (v[O_LAST].set && span_last(&cal, v[O_LAST].text, &x->span))
		ret = bad(x->c, O_LAST, "7d, 2w, 3m, 1y, 12h");
	else if (v[O_FROM].set &&
		 span_edge(&cal, v[O_FROM].text, false, &x->span.from_ms))
		ret = bad(x->c, O_FROM, "a day, a month or RFC 3339");
	else if (v[O_TO].set &&
		 span_edge(&cal, v[O_TO].text, true, &x->span.to_ms))
		ret = bad(x->c, O_TO, "a day, a month or RFC 3339");
	lg_engine_unpin(x->e, w);
	return ret < 0 ? check_span(x) : ret;
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
	if (!err) {
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
	choose_form(&x);
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
