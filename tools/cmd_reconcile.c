#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "books.h"
#include "budget/zone.h"
#include "cmds.h"
#include "guard/adjust.h"
#include "guard/engine.h"
#include "guard/world.h"
#include "ledger/ledger.h"
#include "reconcile.h"
#include "tool.h"
#include "when.h"

enum {
	O_FORMAT,
	O_PROVIDER,
	O_ZONE,
	O_FROM,
	O_TO,
	O_TOLERANCE,
	O_GAPS,
	O_ADJUST,
	O_YES,
	O_JSON,
};
static const struct opt opts[] = {
	[O_FORMAT] = {"format", 'F', OPT_TEXT, "openai|anthropic|openrouter",
		      "whose export it is; default: by its shape"},
	[O_PROVIDER] = {"provider", 'p', OPT_TEXT, "NAME",
			"compare with the rows of this provider; default: "
			"the format's"},
	[O_ZONE] = {"day-zone", 'z', OPT_TEXT, "ZONE",
		    "time zone whose days are compared (UTC)"},
	[O_FROM] = {"from", 'f', OPT_TEXT, "DAY", "from this day on"},
	[O_TO] = {"to", 't', OPT_TEXT, "DAY", "up to this day, inclusive"},
	[O_TOLERANCE] = {"tolerance", 0, OPT_TEXT, "PERCENT",
			 "a smaller difference is none (1)"},
	[O_GAPS] = {"gaps", 'g', OPT_FLAG, NULL, "show only what differs"},
	[O_ADJUST] = {"adjust", 0, OPT_FLAG, NULL,
		      "correct the ledger: one row for each gap"},
	[O_YES] = {"yes", 'y', OPT_FLAG, NULL, "do not ask before"},
	[O_JSON] = OPT_JSON,
	OPT_END,
};

#define PPM_OF_PERCENT (LG_PUSD_PER_USD / 10000)

bool reconcile_is_beyond(const struct reconcile *r, const struct gap_line *l)
{
	int64_t ppm = gap_ppm(l);

	return ppm > r->tolerance_ppm || ppm < -r->tolerance_ppm;
}

bool reconcile_is_over(const struct reconcile *r, int64_t day)
{
	int64_t start, end;

	when_day_span(r->zone, day, &start, &end);
	return end <= r->now_ms;
}

/* Bills come late: what a day has spent is not lowered while it runs. */
static bool is_wrong(const struct reconcile *r, const struct gap_line *l)
{
	return reconcile_is_beyond(r, l) && gap_has_money(&r->g, l) &&
	       (l->theirs.cost_pusd > l->ours.cost_pusd ||
		reconcile_is_over(r, l->day));
}

/* -- the files ------------------------------------------------------------- */

static int read_all(struct bill *b, int fd, const char *path)
{
	static char buf[1 << 16];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return tool_fail("%s: %s", path, strerror(errno));
		if (bill_feed(b, buf, (size_t)n))
			return tool_fail("%s", bill_error(b));
	}
	if (bill_end(b))
		return tool_fail("%s", bill_error(b));
	return -1;
}

static int read_file(struct reconcile *r, const char *path, bool last)
{
	bool input = !strcmp(path, "-");
	struct bill_sink sink = gap_sink;
	struct bill *b;
	int fd, ret;

	fd = input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return tool_fail("%s: %s", path, strerror(errno));
	sink.ctx = &r->g;
	if (bill_open(input ? "stdin" : path, r->format, r->zone, &sink, &b)) {
		close(fd);
		return tool_fail("out of memory");
	}
	ret = read_all(b, fd, path);
	if (ret < 0 && r->format == BILL_ANY)
		r->format = bill_format(b);
	if (ret < 0 && last && bill_has_more(b))
		tool_warn("%s: its last page says that more follow "
			  "(has_more): days may be missing",
			  path);
	bill_close(b);
	close(fd);
	return ret;
}

static int read_bills(struct reconcile *r)
{
	int i, ret = -1;

	for (i = 0; i < r->c->argc && ret < 0; i++)
		ret = read_file(r, r->c->argv[i], i + 1 == r->c->argc);
	if (ret >= 0)
		return ret;
	snprintf(r->g.provider, sizeof(r->g.provider), "%s",
		 r->c->v[O_PROVIDER].set ? r->c->v[O_PROVIDER].text
					 : bill_format_name(r->format));
	if (!r->g.days.n)
		return tool_fail("none of its days is between --from and --to");
	return gap_settle(&r->g) ? tool_fail("out of memory") : -1;
}

/* -- the ledger ------------------------------------------------------------ */

static int on_row(void *ctx, const struct lg_row *row,
		  const struct lg_ledger_pos *after)
{
	struct reconcile *r = ctx;

	(void)after;
	return gap_add_row(&r->g, row);
}

static int read_ledger(struct reconcile *r)
{
	struct lg_ledger_pos pos = {0};
	int err = lg_ledger_walk(lg_engine_ledger(r->e)->dir, &pos, INT64_MIN,
				 on_row, r, NULL);

	if (err)
		return tool_fail("ledger: %s", strerror(-err));
	gap_sort(&r->g);
	for (size_t i = 0; i < r->g.lines.n; i++) {
		const struct gap_line *l = gap_nth(&r->g, i);

		gap_sum(&r->total, l);
		r->beyond += reconcile_is_beyond(r, l);
		r->wrong += is_wrong(r, l);
	}
	return -1;
}

/* -- corrections ----------------------------------------------------------- */

/* Within the day, so that it counts in its windows; never in the future. */
static int64_t instant_of(const struct reconcile *r, int64_t day)
{
	int64_t start, end;

	when_day_span(r->zone, day, &start, &end);
	start += (end - start) / 2;
	return start < r->now_ms ? start : r->now_ms;
}

/* The call that nobody saw: what budgets match by is its model and provider. */
static void make_row(const struct reconcile *r, const struct gap_line *l,
		     struct lg_row *adj)
{
	int64_t d = lg_money_sub(l->theirs.cost_pusd, l->ours.cost_pusd);
	struct lg_row call;
	char day[16], price[LG_MONEY_TEXT];

	lg_row_init(&call);
	call.ts_ms = instant_of(r, l->day);
	call.uid = getuid();
	call.price_state = LG_PRICED_PROVIDER;
	call.usage_state = LG_USAGE_EXACT;
	call.provider_cost_pusd = l->theirs.cost_pusd;
	when_day_text(l->day, day);
	snprintf(call.id, sizeof(call.id), "reconcile:%s", day);
	lg_slice_copy(lg_slice_str(r->g.provider), call.provider,
		      sizeof(call.provider));
	lg_slice_copy(lg_slice_str(l->model), call.model, sizeof(call.model));
	strcpy(call.model_requested, call.model);
	lg_adjust_init(adj, &call);
	adj->cost_pusd = adj->output_cost_pusd = adj->economic_pusd = d;
	lg_money_print(l->theirs.cost_pusd, price);
	snprintf(adj->note, sizeof(adj->note),
		 "reconcile: the bill of %s says %s", day, price);
}

static bool may_adjust(const struct reconcile *r, int64_t sum)
{
	char answer[16] = "";

	fprintf(stderr, "Write %zu corrections, %s in all? [y/N] ", r->wrong,
		tool_signed_usd(sum));
	fflush(stderr);
	return fgets(answer, sizeof(answer), stdin) &&
	       (answer[0] == 'y' || answer[0] == 'Y');
}

static int64_t sum_of_gaps(const struct reconcile *r)
{
	int64_t sum = 0;

	for (size_t i = 0; i < r->g.lines.n; i++) {
		const struct gap_line *l = gap_nth(&r->g, i);

		if (is_wrong(r, l))
			sum = lg_money_add(sum,
					   lg_money_sub(l->theirs.cost_pusd,
							l->ours.cost_pusd));
	}
	return sum;
}

static int write_all(struct reconcile *r)
{
	size_t failed = 0;
	struct lg_row adj;
	char note[101];

	for (size_t i = 0; i < r->g.lines.n; i++) {
		const struct gap_line *l = gap_nth(&r->g, i);

		if (!is_wrong(r, l))
			continue;
		make_row(r, l, &adj);
		failed += lg_adjust_write(r->e, &adj) != 0;
		r->written++;
	}
	snprintf(note, sizeof(note),
		 "reconcile: %zu corrections by a bill of %.20s, %s",
		 r->written, r->g.provider, tool_signed_usd(sum_of_gaps(r)));
	tool_audit(r->e, note);
	if (failed)
		return tool_fail("%zu corrections could not be written to the "
				 "ledger; what the region keeps is written "
				 "later",
				 failed);
	return -1;
}

/* -1: goes on. */
static int adjust(struct reconcile *r)
{
	bool ask = !r->c->v[O_YES].set;

	if (!r->c->v[O_ADJUST].set || !r->beyond)
		return -1;
	if (r->wrong < r->beyond && r->g.has_cost)
		tool_warn("%zu lines stay: the bill tells no money of them, or "
			  "their day is not over",
			  r->beyond - r->wrong);
	if (!r->g.has_cost)
		return tool_fail("--adjust: these files tell tokens, no "
				 "money");
	if (!r->wrong)
		return -1;
	if (ask && !isatty(STDIN_FILENO))
		return tool_fail("--adjust: nobody can be asked here; say "
				 "--yes");
	if (ask && !may_adjust(r, sum_of_gaps(r)))
		return tool_fail("nothing was corrected");
	return write_all(r);
}

/* -- the command ----------------------------------------------------------- */

static int read_day(struct reconcile *r, int option, int64_t *day)
{
	const struct opt_value *v = &r->c->v[option];

	if (!v->set || !when_parse_day(lg_slice_str(v->text), day))
		return -1;
	return tool_usage(r->c->cmd, "--%s %s: not a day (2026-11-22)",
			  opts[option].name, v->text);
}

static int read_options(struct reconcile *r)
{
	const struct opt_value *v = r->c->v;
	int64_t percent = LG_PUSD_PER_USD;
	int ret = read_day(r, O_FROM, &r->g.from_day);

	if (ret < 0)
		ret = read_day(r, O_TO, &r->g.to_day);
	if (ret >= 0)
		return ret;
	if (v[O_FORMAT].set)
		r->format = bill_format_by_name(v[O_FORMAT].text);
	if (v[O_TOLERANCE].set &&
	    (lg_money_parse(lg_slice_str(v[O_TOLERANCE].text), &percent) ||
	     percent < 0))
		return tool_usage(r->c->cmd, "--tolerance %s: not a percentage",
				  v[O_TOLERANCE].text);
	r->tolerance_ppm = percent / PPM_OF_PERCENT;
	if (v[O_ZONE].set && strcmp(v[O_ZONE].text, "UTC") &&
	    lg_zone_open(v[O_ZONE].text, &r->zone))
		return tool_usage(r->c->cmd, "--day-zone %s: no such time zone",
				  v[O_ZONE].text);
	r->g.zone = r->zone;
	if (r->w->img)
		r->g.version = lg_img_text(r->w->img, r->w->set.price_version);
	return -1;
}

static int lock(struct reconcile *r, int *fd)
{
	*fd = -1;
	if (!r->c->v[O_ADJUST].set)
		return -1;
	*fd = books_lock(r->e);
	if (*fd == -EWOULDBLOCK)
		return tool_fail("another reprice or reconcile is correcting "
				 "this ledger");
	if (*fd < 0)
		return tool_fail("%s: %s", lg_engine_state_dir(r->e),
				 strerror(-*fd));
	return -1;
}

/* The table comes before the question, JSON after its answer. */
static int show_and_adjust(struct reconcile *r)
{
	bool json = r->c->v[O_JSON].set;
	int ret = json ? EXIT_OK : reconcile_show_text(r);

	if (ret == EXIT_OK)
		ret = adjust(r);
	if (ret < 0 && json && reconcile_show_json(r))
		ret = EXIT_FAILED;
	return ret;
}

static int work(struct reconcile *r)
{
	int fd, ret = lock(r, &fd);

	if (ret < 0)
		ret = read_bills(r);
	if (ret < 0)
		ret = read_ledger(r);
	if (ret < 0)
		ret = show_and_adjust(r);
	if (fd >= 0)
		close(fd);
	if (ret >= 0)
		return ret;
	return r->beyond > r->written ? EXIT_FAILED : EXIT_OK;
}

static int run(struct call *c)
{
	struct reconcile r = {
		.c = c,
		.now_ms = lg_clock_real_ms(),
		.gaps_only = c->v[O_GAPS].set,
	};
	int ret = tool_open(&r.e);

	if (ret >= 0)
		return ret;
	r.w = lg_engine_pin(r.e);
	gap_init(&r.g, &r.w->catalog, NULL);
	ret = read_options(&r);
	if (ret < 0)
		ret = work(&r);
	gap_fini(&r.g);
	lg_zone_close(r.zone);
	lg_engine_unpin(r.e, r.w);
	lg_engine_close(r.e);
	return ret;
}

const struct cmd cmd_reconcile = {
	.name = "reconcile",
	.args = "FILE...",
	.summary = "compare the ledger with a provider's bill",
	.about =
		"FILE is what a provider exports: OpenAI's costs or usage, "
		"Anthropic's cost or usage\nreport, OpenRouter's activity; as "
		"JSON (the API's pages, one or many in a file) or as\nthe "
		"console's table (CSV). \"-\" is the standard input. Its shape "
		"tells which it is.\n\nEach day and model of the bill is "
		"compared with the ledger, models by their names\nin the "
		"catalog. Where a bill names no models its days are compared "
		"as a whole. Files\nthat tell tokens alone are compared by "
		"tokens.\n\nExit status 0: every line agrees within the "
		"tolerance. 1: some do not (they are\nmarked), or something "
		"failed (it is said).\n\n--adjust makes the ledger say what "
		"the bill says: one row (kind adjust) for each line\nthat "
		"differs, in the middle of its day, of its model and provider; "
		"budgets by these\ncount it, those by project or user "
		"cannot. A day that is not over is raised, not\nlowered.\n\n"
		"  llmguard reconcile costs.json\n"
		"  llmguard reconcile --adjust --yes page-1.json page-2.json",
	.reads = true,
	.opts = opts,
	.min_args = 1,
	.max_args = 64,
	.run = run,
};
