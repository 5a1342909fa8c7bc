#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/money.h"
#include "chart.h"
#include "columns.h"
#include "index.h"
#include "report.h"
#include "table.h"
#include "tool.h"
#include "when.h"

void sums_text_coverage(struct lg_buf *out, const struct query *q)
{
	const struct sums *s = &q->total;
	struct index_stats stats;

	index_stats(q->x, &stats);
	lg_buf_puts(out, "Coverage:");
	for (unsigned i = SPEND_CLASSES; i-- > 0;) {
		lg_buf_puts(out, i == SPEND_EXACT ? " " : ", ");
		lg_buf_puts(out, spend_class_name((enum spend_class)i));
		lg_buf_puts(out, " ");
		lg_buf_puts(out, count_text(s->v[SUM_COVER_CALLS + i]));
		lg_buf_puts(out, " (");
		lg_buf_puts(out, tool_usd(s->v[SUM_COVER_COST + i]));
		lg_buf_puts(out, ")");
	}
	if (stats.torn) {
		lg_buf_puts(out, "; not in it: ");
		lg_buf_puts(out, count_text((int64_t)stats.torn));
		lg_buf_puts(out, stats.torn == 1 ? " line" : " lines");
		lg_buf_puts(out, " of the ledger that cannot be read");
	}
	lg_buf_puts(out, "\n");
}

static void put_total(const struct report *r, struct lg_buf *out)
{
	const int64_t *v = r->a->q.total.v;
	char line[512];

	snprintf(line, sizeof(line), "Total: %s for %s %s",
		 tool_usd(v[SUM_COST]),
		 count_text(v[SUM_CALLS] - v[SUM_BLOCKED]),
		 v[SUM_CALLS] - v[SUM_BLOCKED] == 1 ? "call" : "calls");
	lg_buf_puts(out, line);
	if (v[SUM_BLOCKED]) {
		snprintf(line, sizeof(line), "; %s refused (%s not spent)",
			 count_text(v[SUM_BLOCKED]), tool_usd(v[SUM_REFUSED]));
		lg_buf_puts(out, line);
	}
	snprintf(line, sizeof(line),
		 "\nTokens: %s in (%s from a cache), %s out; without caches it "
		 "would be %s\n",
		 count_text(v[SUM_INPUT]), count_text(v[SUM_CACHE_READ]),
		 count_text(v[SUM_OUTPUT]), tool_usd(v[SUM_ECONOMIC]));
	lg_buf_puts(out, line);
	sums_text_coverage(out, &r->a->q);
}

/* "4.1 times", "new". */
static const char *times(int64_t is, int64_t usual)
{
	static char text[48];
	int64_t tenths = usual > 0 ? (int64_t)((__int128)is * 10 / usual) : 0;

	if (usual <= 0)
		return "new that day";
	snprintf(text, sizeof(text), "%lld.%lld times its average day",
		 (long long)(tenths / 10), (long long)(tenths % 10));
	return text;
}

static void put_insight(const struct insight *in, struct lg_buf *out)
{
	char day[16], line[512];

	if (in->weekdays + in->weekends < 2 || !in->peak)
		return;
	snprintf(line, sizeof(line),
		 "Average day: %s; weekdays %s, weekends %s\n",
		 tool_usd(in->day_pusd), tool_usd(in->weekday_pusd),
		 tool_usd(in->weekend_pusd));
	lg_buf_puts(out, line);
	when_day_text(in->peak->unit, day);
	snprintf(line, sizeof(line), "Peak day: %s with %s", day,
		 tool_usd(in->peak->s.v[SUM_COST]));
	lg_buf_puts(out, line);
	if (in->why) {
		lg_buf_puts(out, ", ");
		lg_buf_puts(out, tool_usd(in->why_pusd));
		lg_buf_puts(out, " of it by ");
		lg_buf_puts(out, in->why->name);
		lg_buf_puts(out, " ");
		table_put(out, in->why_key);
		lg_buf_puts(out, ", ");
		lg_buf_puts(out, times(in->why_pusd, in->why_usual_pusd));
	}
	lg_buf_puts(out, "\n");
}

/* Of the calls that had one. */
static int64_t estimated_cost(const struct grouping *by)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < by->n; i++)
		if (by->g[i].unit != RATIO_NONE)
			sum = lg_money_add(sum, by->g[i].s.v[SUM_COST]);
	return sum;
}

/* Estimate beside actual. */
static void put_estimates(struct report *r, const struct grouping *by,
			  struct lg_buf *out)
{
	struct table t;

	table_init(&t, "COST OF ESTIMATE\tCALLS\rESTIMATE\rCOST\rRATIO\rNOT "
		       "SPENT\r");
	for (unsigned i = 0; i <= by->n; i++) {
		const struct sums *s = i < by->n ? &by->g[i].s : &r->a->q.total;
		const int64_t *v = s->v;
		int64_t cost = i < by->n ? v[SUM_COST] : estimated_cost(by);

		table_cell(&t, i < by->n ? ask_key(by->dim, &by->g[i]) : "all");
		table_cell(&t, count_text(v[SUM_CALLS]));
		table_cell(&t, tool_usd(v[SUM_ESTIMATE]));
		table_cell(&t, tool_usd(v[SUM_COST]));
		table_cell(&t, ppm_text(sums_share_ppm(cost, v[SUM_ESTIMATE])));
		table_cell(&t, tool_usd(v[SUM_REFUSED]));
	}
	table_print(&t, out);
}

/*
 * What came from caches beside what it would have cost without: actual and
 * economic.
 */
static void put_caches(struct report *r, const struct grouping *by,
		       struct lg_buf *out)
{
	unsigned n = report_count(r, by);
	const char *cell[REPORT_CACHE_CELLS];
	struct table t;
	char head[128];

	snprintf(head, sizeof(head),
		 "%s\tCALLS\rINPUT\rFROM CACHE\rHIT\rWRITTEN\rCOST\r"
		 "WITHOUT\rSAVED\rOF IT\r",
		 by->dim->title);
	table_init(&t, head);
	for (unsigned i = 0; i <= n; i++) {
		table_cell(&t, i < n ? ask_key(by->dim, &by->g[i]) : "all");
		report_cache_text(i < n ? &by->g[i].s : &r->a->q.total, cell);
		for (unsigned k = 0; k < REPORT_CACHE_CELLS; k++)
			table_cell(&t, cell[k]);
	}
	table_print(&t, out);
}

/* A terminal too narrow for every column; files and pipes get all. */
static bool is_narrow(void)
{
	return isatty(STDOUT_FILENO) && chart_columns() < 100;
}

/* On a terminal lines break between words. */
static void put_wrapped(struct lg_buf *out, struct lg_slice text)
{
	size_t width = isatty(STDOUT_FILENO) ? chart_columns() : SIZE_MAX;
	struct lg_slice line, word;
	size_t at;

	while (text.len) {
		text = lg_slice_cut(text, '\n', &line);
		for (at = 0; line.len;) {
			line = lg_slice_cut(line, ' ', &word);
			if (at && at + 1 + word.len > width) {
				lg_buf_puts(out, "\n  ");
				at = 2;
			} else if (at) {
				lg_buf_putc(out, ' ');
				at++;
			}
			lg_buf_put(out, word.p, word.len);
			at += word.len;
		}
		lg_buf_putc(out, '\n');
	}
}

static void put_rows(struct report *r, const struct grouping *by,
		     struct lg_buf *out)
{
	const struct sums *total = &r->a->q.total;
	unsigned n = report_count(r, by);
	struct table t;
	bool narrow = is_narrow();
	char head[128];

	snprintf(head, sizeof(head), "%s\tCALLS\rREFUSED\r%sCOST\rSHARE\r%s",
		 by->dim->title, narrow ? "" : "INPUT\rOUTPUT\r",
		 narrow ? "" : "AVERAGE\r");
	table_init(&t, head);
	for (unsigned i = 0; i < n; i++) {
		const int64_t *v = by->g[i].s.v;

		table_cell(&t, ask_key(by->dim, &by->g[i]));
		table_cell(&t, count_text(v[SUM_CALLS]));
		table_cell(&t, count_text(v[SUM_BLOCKED]));
		if (!narrow) {
			table_cell(&t, count_text(v[SUM_INPUT]));
			table_cell(&t, count_text(v[SUM_OUTPUT]));
		}
		table_cell(&t, tool_usd(v[SUM_COST]));
		table_cell(&t, ppm_text(sums_share_ppm(v[SUM_COST],
						       total->v[SUM_COST])));
		if (narrow)
			continue;
		table_cell(&t, tool_usd(money_share(v[SUM_COST],
						    v[SUM_CALLS] -
							    v[SUM_BLOCKED])));
	}
	table_print(&t, out);
	if (n < by->n) {
		lg_buf_puts(out, "(");
		lg_buf_puts(out, count_text(by->n - n));
		lg_buf_puts(out, " more: --top 0)\n");
	}
}

static unsigned wide(const char *text)
{
	return columns_of(text, strlen(text));
}

static void put_chart(struct report *r, const struct grouping *by,
		      struct lg_buf *out)
{
	unsigned n = report_count(r, by), label = 0, value = 0, w;
	int64_t max = 0;
	struct chart c;

	for (unsigned i = 0; i < n; i++) {
		int64_t cost = by->g[i].s.v[SUM_COST];

		w = wide(ask_key(by->dim, &by->g[i]));
		label = w > label ? w : label;
		w = wide(tool_usd(cost));
		value = w > value ? w : value;
		max = cost > max ? cost : max;
	}
	chart_init(&c, out, label ? label : 1, value, max);
	for (unsigned i = 0; i < n; i++) {
		const char *key = ask_key(by->dim, &by->g[i]);

		chart_bar(&c, *key ? key : "-",
			  tool_usd(by->g[i].s.v[SUM_COST]),
			  by->g[i].s.v[SUM_COST]);
	}
}

void report_put_summary(const struct report *r, struct lg_buf *out)
{
	put_total(r, out);
	put_insight(&r->in, out);
}

static void put_upper(struct lg_buf *out, const char *text)
{
	for (; *text; text++)
		lg_buf_putc(out, *text == '_'
					 ? ' '
					 : (char)(*text >= 'a' && *text <= 'z'
							  ? *text - 32
							  : *text));
}

int report_text(struct report *r)
{
	const struct query *q = &r->a->q;
	struct lg_buf out, summary;

	lg_buf_init(&out, (size_t)1 << 30);
	lg_buf_puts(&out, r->title);
	lg_buf_puts(&out, ": ");
	lg_buf_puts(&out, span_text(r->a, &r->a->span));
	lg_buf_puts(&out, " (");
	lg_buf_puts(&out, ask_zone_name(r->a));
	lg_buf_puts(&out, ")\n\n");
	lg_buf_init(&summary, 65536);
	report_put_summary(r, &summary);
	put_wrapped(&out, lg_buf_slice(&summary));
	lg_buf_fini(&summary);
	for (unsigned i = 0; i < r->shown && q->total.v[SUM_CALLS]; i++) {
		lg_buf_puts(&out, "\nBY ");
		put_upper(&out, q->out[i].dim->name);
		lg_buf_puts(&out, "\n");
		if (q->out[i].dim->kind == DIM_OF_ESTIMATE)
			put_estimates(r, &q->out[i], &out);
		else if (r->cache)
			put_caches(r, &q->out[i], &out);
		else
			put_rows(r, &q->out[i], &out);
		if (r->chart) {
			lg_buf_puts(&out, "\n");
			put_chart(r, &q->out[i], &out);
		}
	}
	if (r->again)
		again_text(&r->a->q, &r->repeats, r->again_top, r->a->e, &out);
	return tool_print(&out);
}
