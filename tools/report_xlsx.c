#include <stdio.h>
#include <string.h>

#include <xlsxwriter.h>

#include "base/money.h"
#include "library.h"
#include "report.h"
#include "table.h"
#include "tool.h"

/* More rows than that a sheet cannot have. */
#define ROWS_MAX 1000000
#define CHART_ROWS 40

static struct {
	__typeof__(workbook_new) *open;
	__typeof__(workbook_close) *close;
	__typeof__(workbook_add_worksheet) *add_sheet;
	__typeof__(workbook_add_format) *add_format;
	__typeof__(workbook_add_chart) *add_chart;
	__typeof__(format_set_bold) *bold;
	__typeof__(format_set_num_format) *num_format;
	__typeof__(format_set_font_size) *font_size;
	__typeof__(format_set_bottom) *bottom;
	__typeof__(worksheet_write_string) *string;
	__typeof__(worksheet_write_number) *number;
	__typeof__(worksheet_set_column) *column;
	__typeof__(worksheet_freeze_panes) *freeze;
	__typeof__(worksheet_insert_chart) *insert_chart;
	__typeof__(chart_add_series) *add_series;
	__typeof__(chart_series_set_name) *series_name;
	__typeof__(chart_legend_set_position) *legend;
	__typeof__(chart_title_set_name) *chart_title;
	__typeof__(lxw_strerror) *error;
} x;

static int load(char why[256])
{
	const struct library_need need[] = {
		{"workbook_new", &x.open},
		{"workbook_close", &x.close},
		{"workbook_add_worksheet", &x.add_sheet},
		{"workbook_add_format", &x.add_format},
		{"workbook_add_chart", &x.add_chart},
		{"format_set_bold", &x.bold},
		{"format_set_num_format", &x.num_format},
		{"format_set_font_size", &x.font_size},
		{"format_set_bottom", &x.bottom},
		{"worksheet_write_string", &x.string},
		{"worksheet_write_number", &x.number},
		{"worksheet_set_column", &x.column},
		{"worksheet_freeze_panes", &x.freeze},
		{"worksheet_insert_chart", &x.insert_chart},
		{"chart_add_series", &x.add_series},
		{"chart_series_set_name", &x.series_name},
		{"chart_legend_set_position", &x.legend},
		{"chart_title_set_name", &x.chart_title},
		{"lxw_strerror", &x.error},
	};

	return library_load("libxlsxwriter.so.4", "libxlsxwriter4", need,
			    sizeof(need) / sizeof(need[0]), why);
}

struct book {
	struct report *r;
	lxw_workbook *w;
	lxw_format *head, *title, *count, *money, *share, *bold_count,
		*bold_money, *bold_share, *bold;
};

static lxw_format *format(struct book *b, const char *num, bool bold)
{
	lxw_format *f = x.add_format(b->w);

	if (num)
		x.num_format(f, num);
	if (bold)
		x.bold(f);
	return f;
}

static void put_text(lxw_worksheet *s, unsigned row, unsigned col,
		     const char *text, lxw_format *f)
{
	char clean[512];

	table_copy(text, clean, sizeof(clean));
	x.string(s, row, (lxw_col_t)col, clean, f);
}

/* What a row of a grouping has behind its name. */
static const struct column {
	const char *title;
	int kind; /* 'n' count, '$' money, '%' share */
	unsigned field;
} columns[] = {
	{"Calls", 'n', SUM_CALLS},
	{"Refused", 'n', SUM_BLOCKED},
	{"Input tokens", 'n', SUM_INPUT},
	{"Output tokens", 'n', SUM_OUTPUT},
	{"Cache reads", 'n', SUM_CACHE_READ},
	{"Cost USD", '$', SUM_COST},
	{"Input cost USD", '$', SUM_INPUT_COST},
	{"Economic USD", '$', SUM_ECONOMIC},
	{"Not spent USD", '$', SUM_REFUSED},
	{"Share", '%', SUM_COST},
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))
/* The cost stands in G: the charts take it from there. */
_Static_assert(CACHE_COST == 5, "in G, with the name in front");

static double dollars(int64_t pusd)
{
	return (double)pusd / (double)LG_PUSD_PER_USD;
}

static void put_value(struct book *b, lxw_worksheet *s, unsigned row,
		      unsigned col, int kind, int64_t v, bool bold)
{
	double n = kind == 'n'	 ? (double)v
		   : kind == '$' ? dollars(v)
				 : (double)v / 1e6;
	lxw_format *f = kind == 'n'   ? bold ? b->bold_count : b->count
			: kind == '$' ? bold ? b->bold_money : b->money
			: bold	      ? b->bold_share
				      : b->share;

	x.number(s, row, (lxw_col_t)col, n, f);
}

static void put_caches(struct book *b, lxw_worksheet *s, unsigned row,
		       const struct sums *sums, bool bold)
{
	int64_t v[REPORT_CACHE_CELLS];

	report_cache_values(sums, v);
	for (unsigned i = 0; i < REPORT_CACHE_CELLS; i++)
		put_value(b, s, row, i + 1, report_cache_cells[i].kind, v[i],
			  bold);
}

static void put_sums(struct book *b, lxw_worksheet *s, unsigned row,
		     const struct sums *v, bool bold)
{
	const struct sums *total = &b->r->a->q.total;

	if (b->r->cache) {
		put_caches(b, s, row, v, bold);
		return;
	}

	for (unsigned i = 0; i < COLUMNS; i++) {
		int64_t n = v->v[columns[i].field];

		if (columns[i].kind == '%')
			n = sums_share_ppm(n, total->v[SUM_COST]);
		put_value(b, s, row, i + 1, columns[i].kind, n, bold);
	}
}

static void put_chart(struct book *b, lxw_worksheet *s, const char *name,
		      const struct grouping *by, unsigned n)
{
	bool time = by->dim->kind == DIM_OF_TIME;
	lxw_chart *c =
		x.add_chart(b->w, time ? LXW_CHART_COLUMN : LXW_CHART_BAR);
	char keys[96], values[96];
	lxw_chart_series *series;

	if (!time && n > CHART_ROWS)
		n = CHART_ROWS;
	snprintf(keys, sizeof(keys), "='%s'!$A$2:$A$%u", name, n + 1);
	snprintf(values, sizeof(values), "='%s'!$G$2:$G$%u", name, n + 1);
	series = x.add_series(c, keys, values);
	x.series_name(series, "Cost USD");
	x.chart_title(c, name);
	x.legend(c, LXW_CHART_LEGEND_NONE);
	x.insert_chart(s, 1, COLUMNS + 2, c);
}

static void put_title(struct book *b, lxw_worksheet *s, unsigned i)
{
	const struct report_cell *c = &report_cache_cells[i];
	char text[64];

	if (!b->r->cache) {
		put_text(s, 0, i + 1, columns[i].title, b->head);
		return;
	}
	snprintf(text, sizeof(text), "%s%s", c->title,
		 c->kind == '$' ? " USD" : "");
	put_text(s, 0, i + 1, text, b->head);
}

static void put_sheet(struct book *b, const struct grouping *by)
{
	unsigned n = report_count(b->r, by), i;
	lxw_worksheet *s;
	char name[32];

	snprintf(name, sizeof(name), "By %s", by->dim->name);
	for (char *p = name; *p; p++)
		*p = *p == '_' ? ' ' : *p;
	s = x.add_sheet(b->w, name);
	if (!s)
		return;
	n = n > ROWS_MAX ? ROWS_MAX : n;
	x.column(s, 0, 0, 34, NULL);
	x.column(s, 1, COLUMNS, 15, NULL);
	x.freeze(s, 1, 1);
	put_text(s, 0, 0, by->dim->title, b->head);
	for (i = 0; i < (b->r->cache ? REPORT_CACHE_CELLS : COLUMNS); i++)
		put_title(b, s, i);
	for (i = 0; i < n; i++) {
		const char *key = ask_key(by->dim, &by->g[i]);

		put_text(s, i + 1, 0, *key ? key : "(none)", NULL);
		put_sums(b, s, i + 1, &by->g[i].s, false);
	}
	put_text(s, n + 1, 0, "Total", b->bold);
	put_sums(b, s, n + 1, &b->r->a->q.total, true);
	if (n)
		put_chart(b, s, name, by, n);
}

static void put_money(struct book *b, lxw_worksheet *s, unsigned row,
		      const char *what, int64_t pusd)
{
	put_text(s, row, 0, what, NULL);
	x.number(s, row, 1, dollars(pusd), b->money);
}

static unsigned put_coverage(struct book *b, lxw_worksheet *s, unsigned row)
{
	const int64_t *v = b->r->a->q.total.v;

	put_text(s, row, 0, "Coverage", b->head);
	put_text(s, row, 1, "USD", b->head);
	put_text(s, row++, 2, "Calls", b->head);
	for (unsigned i = SPEND_CLASSES; i-- > 0; row++) {
		put_money(b, s, row, spend_class_name((enum spend_class)i),
			  v[SUM_COVER_COST + i]);
		x.number(s, row, 2, (double)v[SUM_COVER_CALLS + i], b->count);
	}
	return row;
}

static void put_summary(struct book *b)
{
	lxw_worksheet *s = x.add_sheet(b->w, "Summary");
	const int64_t *v = b->r->a->q.total.v;
	const struct insight *in = &b->r->in;
	unsigned row = 4;
	struct lg_slice rest, line;
	struct lg_buf text;
	char one[512];

	x.column(s, 0, 0, 34, NULL);
	x.column(s, 1, 3, 16, NULL);
	put_text(s, 0, 0, "LLM costs", b->title);
	snprintf(one, sizeof(one), "%s, days of %s",
		 span_text(b->r->a, &b->r->a->span), ask_zone_name(b->r->a));
	put_text(s, 1, 0, one, NULL);
	put_text(s, 3, 0, "Total", b->head);
	put_text(s, 3, 1, "USD", b->head);
	put_money(b, s, row++, "Cost", v[SUM_COST]);
	put_money(b, s, row++, "Economic cost", v[SUM_ECONOMIC]);
	put_money(b, s, row++, "Not spent (refused)", v[SUM_REFUSED]);
	put_money(b, s, row++, "Average weekday", in->weekday_pusd);
	put_money(b, s, row++, "Average weekend day", in->weekend_pusd);
	put_text(s, row, 0, "Calls", NULL);
	x.number(s, row++, 1, (double)v[SUM_CALLS], b->count);
	row = put_coverage(b, s, row + 1) + 1;
	lg_buf_init(&text, 65536);
	report_put_summary(b->r, &text);
	for (rest = lg_buf_slice(&text); rest.len; row++) {
		rest = lg_slice_cut(rest, '\n', &line);
		snprintf(one, sizeof(one), "%.*s", (int)line.len, line.p);
		put_text(s, row, 0, one, NULL);
	}
	lg_buf_fini(&text);
}

int report_write_xlsx(struct report *r, const char *path, char why[256])
{
	struct book b = {.r = r};
	lxw_error err;

	if (load(why))
		return -1;
	b.w = x.open(path);
	if (!b.w) {
		snprintf(why, 256, "out of memory");
		return -1;
	}
	b.head = format(&b, NULL, true);
	x.bottom(b.head, LXW_BORDER_THIN);
	b.title = format(&b, NULL, true);
	x.font_size(b.title, 16);
	b.bold = format(&b, NULL, true);
	b.count = format(&b, "#,##0", false);
	b.money = format(&b, "#,##0.00####", false);
	b.share = format(&b, "0.0 %", false);
	b.bold_count = format(&b, "#,##0", true);
	b.bold_share = format(&b, "0.0 %", true);
	b.bold_money = format(&b, "#,##0.00####", true);
	put_summary(&b);
	for (unsigned i = 0; i < r->shown; i++)
		put_sheet(&b, &r->a->q.out[i]);
	err = x.close(b.w);
	if (err)
		snprintf(why, 256, "%s", x.error(err));
	return err ? -1 : 0;
}
