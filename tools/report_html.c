#include <stdio.h>
#include <string.h>

#include "base/money.h"
#include "report.h"
#include "table.h"
#include "tool.h"

static const char style[] =
	":root{color-scheme:light dark;--line:#d5d8dd;--soft:#6b7280;"
	"--bar:#2f7fb8}"
	"@media(prefers-color-scheme:dark){:root{--line:#3a3f47;"
	"--soft:#9aa3ad;--bar:#5aa9dd}}"
	"body{font:15px/1.45 system-ui,sans-serif;max-width:76em;margin:2em "
	"auto;padding:0 1em}"
	"h1{font-size:1.5em;margin:0}h2{font-size:1.1em;margin:2em 0 .5em}"
	".sub,footer{color:var(--soft)}.big{font-size:2.2em;margin:.4em 0 0}"
	"table{border-collapse:collapse;width:100%;"
	"font-variant-numeric:tabular-nums}"
	"th,td{padding:.25em .6em;border-bottom:1px solid var(--line);"
	"text-align:right;white-space:nowrap}th{color:var(--soft);font-weight:"
	"600}"
	"th:first-child,td:first-child{text-align:left;"
	"overflow-wrap:anywhere;white-space:normal;min-width:13em}"
	"p{margin:.35em 0}"
	"td.b{width:18%;min-width:6em;text-align:left}"
	".b i{display:block;height:.8em;background:var(--bar);"
	"border-radius:2px}"
	"tfoot td{font-weight:600;border-bottom:0}"
	"@media print{body{margin:0}h2{break-after:avoid}tr{break-inside:"
	"avoid}}";

static void put_text(struct lg_buf *out, const char *text)
{
	char one[5];

	while (*text) {
		text += table_letter(text, one);
		if (*one == '<')
			lg_buf_puts(out, "&lt;");
		else if (*one == '>')
			lg_buf_puts(out, "&gt;");
		else if (*one == '&')
			lg_buf_puts(out, "&amp;");
		else if (*one == '"')
			lg_buf_puts(out, "&quot;");
		else
			lg_buf_puts(out, one);
	}
}

static void put_cell(struct lg_buf *out, const char *text)
{
	lg_buf_puts(out, "<td>");
	put_text(out, text);
	lg_buf_puts(out, "</td>");
}

static void put_bar(struct lg_buf *out, int64_t v, int64_t max)
{
	char text[64];
	int64_t ppm = v > 0 ? sums_share_ppm(v, max) : 0;

	snprintf(text, sizeof(text),
		 "<td class=b><i style=\"width:%lld.%02lld%%\"></i></td>",
		 (long long)(ppm / 10000), (long long)(ppm / 100 % 100));
	lg_buf_puts(out, text);
}

static void put_caches(struct lg_buf *out, const struct sums *s)
{
	const char *cell[REPORT_CACHE_CELLS];

	report_cache_text(s, cell);
	for (unsigned i = 0; i < REPORT_CACHE_CELLS; i++)
		put_cell(out, cell[i]);
}

static void put_sums(const struct report *r, struct lg_buf *out,
		     const struct sums *s)
{
	const struct sums *total = &r->a->q.total;
	const int64_t *v = s->v;

	if (r->cache) {
		put_caches(out, s);
		return;
	}

	put_cell(out, count_text(v[SUM_CALLS]));
	put_cell(out, count_text(v[SUM_BLOCKED]));
	put_cell(out, count_text(v[SUM_INPUT]));
	put_cell(out, count_text(v[SUM_OUTPUT]));
	put_cell(out, tool_usd(v[SUM_COST]));
	put_cell(out,
		 ppm_text(sums_share_ppm(v[SUM_COST], total->v[SUM_COST])));
	put_cell(out, tool_usd(money_share(v[SUM_COST],
					   v[SUM_CALLS] - v[SUM_BLOCKED])));
}

static void put_head(const struct report *r, struct lg_buf *out)
{
	static const char *const titles[] = {"Calls",  "Refused", "Input",
					     "Output", "Cost",	  "Share",
					     "Average"};
	unsigned n = r->cache ? REPORT_CACHE_CELLS
			      : sizeof(titles) / sizeof(titles[0]);

	lg_buf_puts(out, "<table><thead><tr><th></th>");
	for (unsigned i = 0; i < n; i++) {
		lg_buf_puts(out, "<th>");
		lg_buf_puts(out,
			    r->cache ? report_cache_cells[i].title : titles[i]);
		lg_buf_puts(out, "</th>");
	}
	lg_buf_puts(out, "<th></th></tr></thead><tbody>\n");
}

static void put_grouping(struct report *r, const struct grouping *by,
			 struct lg_buf *out)
{
	const struct sums *total = &r->a->q.total;
	unsigned n = report_count(r, by);
	int64_t max = 1;

	for (unsigned i = 0; i < n; i++)
		if (by->g[i].s.v[SUM_COST] > max)
			max = by->g[i].s.v[SUM_COST];
	lg_buf_puts(out, "<h2>By ");
	for (const char *p = by->dim->name; *p; p++)
		lg_buf_putc(out, *p == '_' ? ' ' : *p);
	lg_buf_puts(out, "</h2>\n");
	put_head(r, out);
	for (unsigned i = 0; i < n; i++) {
		const char *key = ask_key(by->dim, &by->g[i]);

		lg_buf_puts(out, "<tr>");
		put_cell(out, *key ? key : "(none)");
		put_sums(r, out, &by->g[i].s);
		put_bar(out, by->g[i].s.v[SUM_COST], max);
		lg_buf_puts(out, "</tr>\n");
	}
	lg_buf_puts(out, "</tbody><tfoot><tr><td>Total</td>");
	put_sums(r, out, total);
	lg_buf_puts(out, "<td></td></tr></tfoot></table>\n");
	if (n < by->n) {
		lg_buf_puts(out, "<p class=sub>");
		lg_buf_puts(out, count_text(by->n - n));
		lg_buf_puts(out, " more are in the total.</p>\n");
	}
}

static void put_summary(struct report *r, struct lg_buf *out)
{
	struct lg_slice rest, line;
	struct lg_buf text;
	char one[512];

	lg_buf_init(&text, 65536);
	report_put_summary(r, &text);
	rest = lg_buf_slice(&text);
	while (rest.len) {
		rest = lg_slice_cut(rest, '\n', &line);
		snprintf(one, sizeof(one), "%.*s", (int)line.len, line.p);
		lg_buf_puts(out, "<p>");
		put_text(out, one);
		lg_buf_puts(out, "</p>\n");
	}
	lg_buf_fini(&text);
}

void report_put_html(struct report *r, struct lg_buf *out)
{
	const struct query *q = &r->a->q;

	lg_buf_puts(out, "<!doctype html>\n<html lang=en><meta charset=utf-8>"
			 "<meta name=viewport content=\"width=device-width\">"
			 "<title>LLM costs, ");
	put_text(out, span_text(r->a, &r->a->span));
	lg_buf_puts(out, "</title><style>");
	lg_buf_puts(out, style);
	lg_buf_puts(out, "</style>\n<h1>LLM costs</h1>\n<p class=sub>");
	put_text(out, span_text(r->a, &r->a->span));
	lg_buf_puts(out, ", days of ");
	put_text(out, ask_zone_name(r->a));
	lg_buf_puts(out, "</p>\n<p class=big>");
	put_text(out, tool_usd(q->total.v[SUM_COST]));
	lg_buf_puts(out, "</p>\n");
	put_summary(r, out);
	for (unsigned i = 0; i < r->shown; i++)
		put_grouping(r, &q->out[i], out);
	lg_buf_puts(out, "<footer><p>Made by llmguard ");
	put_text(out, tool_version);
	lg_buf_puts(out, " on ");
	put_text(out, tool_time(r->a->e, r->a->cal.now_ms));
	lg_buf_puts(out, ".</p></footer>\n</html>\n");
}
