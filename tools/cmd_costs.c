#include <string.h>

#include "cmds.h"
#include "report.h"
#include "table.h"
#include "tool.h"
#include "when.h"

enum { O_PERIOD = ASK_OPTIONS, O_DETAILED, O_TOP, O_CHART, O_FORMAT };
static const struct opt opts[] = {
	ASK_OPTS,
	[O_PERIOD] = {"period", 'p', OPT_TEXT,
		      "today|yesterday|week|month|year|all",
		      "this stretch alone"},
	[O_DETAILED] = {"detailed", 'd', OPT_FLAG, NULL,
			"by model, weekday, project and conversation"},
	[O_TOP] = {"top", 'n', OPT_COUNT, "N",
		   "so many of each at most; 0: all (table: 10)"},
	[O_CHART] = {"chart", 'c', OPT_FLAG, NULL, "bars of the days"},
	[O_FORMAT] = {"format", 0, OPT_TEXT, "table|json|csv",
		      "how it is printed"},
	OPT_END,
};

#define TOP_SHOWN 10
/* Longer than that is charted by month. */
#define CHART_DAYS 62

static const struct {
	const char *word, *title;
} periods[] = {
	{"today", "Today"},
	{"week", "This week"},
	{"month", "This month"},
	{"all", "All time"},
};
#define PERIODS (sizeof(periods) / sizeof(periods[0]))

/* A period is made of whole days. */
static void sum_days(const struct ask *a, const struct span *s,
		     struct sums *out)
{
	int64_t first = INT64_MIN, last = INT64_MAX;

	sums_init(out);
	span_days(&a->cal, s, &first, &last);
	for (unsigned i = 0; i < a->q.days.n; i++)
		if (a->q.days.g[i].unit >= first && a->q.days.g[i].unit <= last)
			sums_add(out, &a->q.days.g[i].s);
}

/* -- all at once ------------------------------------------------------------
 */

static void put_periods(struct report *r, struct lg_buf *out)
{
	struct table t;
	struct sums s;
	struct span span;

	table_init(&t, "PERIOD\tCALLS\rREFUSED\rCOST\rAVERAGE\rNOT EXACT\r");
	for (unsigned i = 0; i < PERIODS; i++) {
		span_period(&r->a->cal, periods[i].word, &span);
		sum_days(r->a, &span, &s);
		table_cell(&t, periods[i].title);
		table_cell(&t, count_text(s.v[SUM_CALLS]));
		table_cell(&t, count_text(s.v[SUM_BLOCKED]));
		table_cell(&t, tool_usd(s.v[SUM_COST]));
		table_cell(&t, tool_usd(money_share(s.v[SUM_COST],
						    s.v[SUM_CALLS] -
							    s.v[SUM_BLOCKED])));
		table_cell(&t, tool_usd(s.v[SUM_COST] -
					s.v[SUM_COVER_COST + SPEND_EXACT]));
	}
	table_print(&t, out);
}

static void put_top(struct report *r, struct lg_buf *out)
{
	const struct grouping *by = &r->a->q.out[0];
	unsigned n = report_count(r, by);
	struct table t;

	table_init(&t, "MODEL\tCALLS\rCOST\rSHARE\r");
	for (unsigned i = 0; i < n; i++) {
		const int64_t *v = by->g[i].s.v;

		table_cell(&t, ask_key(by->dim, &by->g[i]));
		table_cell(&t, count_text(v[SUM_CALLS]));
		table_cell(&t, tool_usd(v[SUM_COST]));
		table_cell(&t,
			   ppm_text(sums_share_ppm(v[SUM_COST],
						   r->a->q.total.v[SUM_COST])));
	}
	table_print(&t, out);
	if (n < by->n) {
		lg_buf_puts(out, "(");
		lg_buf_puts(out, count_text(by->n - n));
		lg_buf_puts(out, " more: --top 0)\n");
	}
}

static int overview_text(struct report *r)
{
	struct lg_buf out;

	lg_buf_init(&out, (size_t)1 << 28);
	put_periods(r, &out);
	sums_text_coverage(&out, &r->a->q);
	if (r->a->q.out[0].n) {
		lg_buf_puts(&out, "\n");
		put_top(r, &out);
	}
	return tool_print(&out);
}

static void put_top_json(struct json *j, struct report *r)
{
	const struct grouping *by = &r->a->q.out[0];

	json_open(j, "top_models", '[');
	for (unsigned i = 0; i < report_count(r, by); i++) {
		const int64_t *v = by->g[i].s.v;
		const char *key = ask_key(by->dim, &by->g[i]);

		json_open(j, NULL, '{');
		if (*key)
			json_text(j, "model", key);
		else
			json_null(j, "model");
		json_i64(j, "calls", v[SUM_CALLS]);
		json_usd(j, "cost_usd", v[SUM_COST]);
		json_ppm(
			j, "share",
			sums_share_ppm(v[SUM_COST], r->a->q.total.v[SUM_COST]));
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void put_total_json(struct json *j, const struct sums *s,
			   const struct index *x)
{
	json_i64(j, "calls", s->v[SUM_CALLS]);
	json_i64(j, "blocked", s->v[SUM_BLOCKED]);
	json_usd(j, "cost_usd", s->v[SUM_COST]);
	json_usd(j, "refused_usd", s->v[SUM_REFUSED]);
	sums_json_coverage(j, s, x);
}

static int overview_json(struct report *r)
{
	struct span span;
	struct sums s;
	struct json j;

	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "timezone", ask_zone_name(r->a));
	for (unsigned i = 0; i < PERIODS; i++) {
		span_period(&r->a->cal, periods[i].word, &span);
		sum_days(r->a, &span, &s);
		json_open(&j, periods[i].word, '{');
		json_time(&j, "from", span.from_ms);
		json_time(&j, "to", span.to_ms);
		put_total_json(&j, &s, r->a->x);
		json_close(&j, '}');
	}
	put_top_json(&j, r);
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

static int overview_csv(struct report *r)
{
	struct span span;
	struct lg_buf out;
	struct sums s;

	lg_buf_init(&out, (size_t)1 << 20);
	lg_buf_puts(&out, "period,calls,blocked,cost_usd,refused_usd\r\n");
	for (unsigned i = 0; i < PERIODS; i++) {
		span_period(&r->a->cal, periods[i].word, &span);
		sum_days(r->a, &span, &s);
		lg_buf_puts(&out, periods[i].word);
		lg_buf_putc(&out, ',');
		lg_buf_put_i64(&out, s.v[SUM_CALLS]);
		lg_buf_putc(&out, ',');
		lg_buf_put_i64(&out, s.v[SUM_BLOCKED]);
		lg_buf_putc(&out, ',');
		lg_buf_put_money(&out, s.v[SUM_COST]);
		lg_buf_putc(&out, ',');
		lg_buf_put_money(&out, s.v[SUM_REFUSED]);
		lg_buf_puts(&out, "\r\n");
	}
	return tool_print(&out);
}

/* -- one stretch ------------------------------------------------------------
 */

static bool is_narrow(const struct call *c)
{
	return c->v[O_PERIOD].set || c->v[ASK_FROM].set || c->v[ASK_TO].set ||
	       c->v[ASK_LAST].set || c->v[O_DETAILED].set || c->v[O_CHART].set;
}

static bool is_long(const struct ask *a)
{
	return a->span.from_ms == INT64_MIN || a->span.to_ms == INT64_MAX ||
	       (a->span.to_ms - a->span.from_ms) / 86400000 > CHART_DAYS;
}

static int prepare(struct ask *a)
{
	const struct opt_value *v = a->c->v;
	struct span s;
	int ret = -1;

	if (v[O_PERIOD].set &&
	    (v[ASK_FROM].set || v[ASK_TO].set || v[ASK_LAST].set))
		return tool_usage(a->c->cmd, "--period stands alone");
	if (v[O_PERIOD].set && !span_period(&a->cal, v[O_PERIOD].text, &s))
		ask_span(a, &s);
	if (v[O_CHART].set)
		ret = ask_by(a, is_long(a) ? "month" : "day");
	if (ret < 0)
		ret = ask_by(a, v[O_DETAILED].set
					? "model,weekday,project,conversation"
					: "model");
	return ret;
}

static const char *format_of(const struct call *c)
{
	if (c->v[ASK_JSON].set)
		return "json";
	return c->v[O_FORMAT].set ? c->v[O_FORMAT].text : "table";
}

static int narrow(struct report *r)
{
	const char *format = format_of(r->a->c);
	int ret = prepare(r->a);

	if (ret < 0)
		ret = report_run(r);
	if (ret >= 0)
		return ret;
	r->chart = r->a->c->v[O_CHART].set;
	if (!strcmp(format, "json"))
		return report_json(r);
	return strcmp(format, "csv") ? report_text(r) : report_csv(r);
}

static int overview(struct report *r)
{
	const char *format = format_of(r->a->c);
	int ret;

	r->a->q.light = true;
	ret = ask_by(r->a, "model");
	if (ret < 0)
		ret = query_run(&r->a->q);
	if (ret >= 0)
		return ret;
	if (!strcmp(format, "json"))
		return overview_json(r);
	return strcmp(format, "csv") ? overview_text(r) : overview_csv(r);
}

static int run(struct call *c)
{
	struct ask a;
	struct report r = {.a = &a, .title = "Costs"};
	int ret = ask_open(&a, c);

	if (ret >= 0)
		return ret;
	r.top = ask_top(&c->v[O_TOP], !strcmp(format_of(c), "table"),
			TOP_SHOWN);
	ret = is_narrow(c) ? narrow(&r) : overview(&r);
	ask_close(&a);
	return ret;
}

const struct cmd cmd_costs = {
	.name = "costs",
	.args = "",
	.summary = "today, this week, this month, all time; dearest models",
	.about = "With --period, --from, --to, --last, --detailed or --chart: "
		 "that stretch of time\n(all of it without one) with its "
		 "averages and its dearest day. Filters hold for all\nof it. "
		 "For other groupings: llmguard report --by.",
	.reads = true,
	.opts = opts,
	.run = run,
};
