#include <string.h>

#include "cmds.h"
#include "report.h"
#include "report_auto.h"
#include "tool.h"

enum {
	O_MONTH = ASK_OPTIONS,
	O_YEAR,
	O_WEEK,
	O_BY,
	O_DETAILED,
	O_TOP,
	O_CHART,
	O_CHART_TOO,
	O_FORMAT,
	O_EXPORT,
	O_AUTO,
	O_CACHE,
};
static const struct opt opts[] = {
	ASK_OPTS,
	[O_MONTH] = {"month", 'm', OPT_MAYBE, "[MONTH]",
		     "2026-11; without one this month"},
	[O_YEAR] = {"year", 'y', OPT_MAYBE, "[YEAR]",
		    "2026; without one this year"},
	[O_WEEK] = {"week", 'w', OPT_MAYBE, "[WEEK]",
		    "2026-W47, or a day in it; without one this week"},
	[O_BY] = {"by", 'b', OPT_COMMAS, "WHAT",
		  "model project tag user endpoint provider phase conversation "
		  "hour day week month request_type estimate ...; "
		  "several with commas"},
	[O_DETAILED] = {"detailed", 'd', OPT_FLAG, NULL,
			"by model, project, user, tag, day and weekday"},
	[O_TOP] = {"top", 'n', OPT_COUNT, "N",
		   "so many of each at most; 0: all (table: 50; "
		   "requests made again: 10)"},
	[O_CHART] = {"chart", 'c', OPT_FLAG, NULL, "bars below each table"},
	[O_CHART_TOO] = {"include-chart", 0, OPT_FLAG, NULL, "the same"},
	[O_FORMAT] = {"format", 0, OPT_TEXT, "table|json|csv",
		      "how it is printed"},
	[O_EXPORT] = {"export", 'o', OPT_TEXT, "FILE",
		      "into a file: .csv .json .html .xlsx .pdf"},
	[O_AUTO] = {"auto", 0, OPT_FLAG, NULL,
		    "the monthly reports of the config that are due; with "
		    "--month that month's, again"},
	[O_CACHE] = {"cache", 0, OPT_FLAG, NULL,
		     "what came from caches and what that saved; by project "
		     "and kind of cache without --by"},
	OPT_END,
};

#define TOP_SHOWN 50
#define AGAIN_SHOWN 10

static int take_span(struct ask *a)
{
	static const struct {
		unsigned option;
		int (*span)(const struct span_calendar *, const char *,
			    struct span *);
		const char *want;
	} kinds[] = {
		{O_MONTH, span_month, "a month like 2026-11"},
		{O_YEAR, span_year, "a year like 2026"},
		{O_WEEK, span_week, "a week like 2026-W47, or a day"},
	};
	const struct opt_value *v = a->c->v;
	unsigned n = v[ASK_FROM].set || v[ASK_TO].set || v[ASK_LAST].set;
	struct span s;

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!v[kinds[i].option].set)
			continue;
		if (n++)
			return tool_usage(a->c->cmd,
					  "more than one stretch of time");
		if (kinds[i].span(&a->cal, v[kinds[i].option].text, &s))
			return tool_usage(a->c->cmd, "--%s %s: must be %s",
					  opts[kinds[i].option].name,
					  v[kinds[i].option].text,
					  kinds[i].want);
		ask_span(a, &s);
	}
	if (!n && !span_period(&a->cal, "month", &s))
		ask_span(a, &s);
	return -1;
}

static int prepare(struct ask *a)
{
	const struct opt_value *v = a->c->v;
	int ret = take_span(a);

	if (ret < 0 && v[O_BY].set)
		ret = ask_by(a, v[O_BY].text);
	if (ret < 0 && v[O_DETAILED].set)
		ret = ask_by(a, "model,project,user,tag,day,weekday");
	if (ret < 0 && !a->q.nby && v[O_CACHE].set)
		ret = ask_by(a, "project,cache_hit");
	if (ret < 0 && !a->q.nby)
		ret = ask_by(a, "model");
	return ret;
}

static const char *format_of(const struct opt_value *v)
{
	if (v[ASK_JSON].set)
		return "json";
	return v[O_FORMAT].set ? v[O_FORMAT].text : "table";
}

static unsigned top_of(const struct opt_value *v)
{
	return ask_top(&v[O_TOP],
		       !v[O_EXPORT].set && !strcmp(format_of(v), "table"),
		       TOP_SHOWN);
}

static int show(struct report *r)
{
	const struct opt_value *v = r->a->c->v;
	const char *format = format_of(v);

	if (v[O_EXPORT].set)
		return report_export(r, v[O_EXPORT].text);
	if (!strcmp(format, "json"))
		return report_json(r);
	return strcmp(format, "csv") ? report_text(r) : report_csv(r);
}

/* Formats, groupings and place are the config's. */
static int make_auto(struct call *c)
{
	for (unsigned i = 0; opts[i].name; i++)
		if (c->v[i].set && i != O_AUTO && i != O_MONTH && i != ASK_JSON)
			return tool_usage(c->cmd,
					  "--%s: with --auto the config says "
					  "it (reports:)",
					  opts[i].name);
	return report_auto(c->v[O_MONTH].set ? c->v[O_MONTH].text : NULL,
			   c->v[ASK_JSON].set);
}

/* Then whoever asks wants to know which requests they are. */
static bool asks_flags(const struct query *q)
{
	for (unsigned i = 0; i < q->nby; i++)
		if (!strcmp(q->by[i]->name, "flag"))
			return true;
	return false;
}

static int run(struct call *c)
{
	struct ask a;
	struct report r = {.a = &a, .title = "Report"};
	int ret;

	if (c->v[O_AUTO].set)
		return make_auto(c);
	ret = ask_open(&a, c);
	if (ret >= 0)
		return ret;
	r.top = top_of(c->v);
	r.cache = c->v[O_CACHE].set;
	r.chart = c->v[O_CHART].set || c->v[O_CHART_TOO].set;
	ret = prepare(&a);
	r.again_top = ask_top(&c->v[O_TOP], true, AGAIN_SHOWN);
	r.again = c->v[O_DETAILED].set || asks_flags(&a.q);
	if (ret < 0)
		ret = report_run(&r);
	if (ret < 0)
		ret = show(&r);
	report_fini(&r);
	ask_close(&a);
	return ret;
}

const struct cmd cmd_report = {
	.name = "report",
	.args = "",
	.summary = "what a stretch of time cost, by what you ask",
	.about = "This month without --month, --year, --week, --from, --to or "
		 "--last. Days, weeks and\nmonths are those of the config's "
		 "time zone; a call belongs where it began. A call\nwith "
		 "several tags counts in each of their groups, in the total "
		 "once. Every total says\nhow much of it is exact. --detailed "
		 "and --by flag also list the requests made again\n(the same "
		 "body's hash) whose retries and repeats cost most. --auto "
		 "writes the files\nthat `reports:` in the config asks for, "
		 "one report a month that is over, each once:\nfor cron. Every "
		 "command that reads the ledger does the same by the way.",
	.reads = true,
	.opts = opts,
	.run = run,
};
