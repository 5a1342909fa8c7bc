#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hpdf.h>

#include "base/money.h"
#include "library.h"
#include "report.h"
#include "table.h"
#include "tool.h"

/* A4 in points. */
#define WIDTH 595
#define HEIGHT 842
#define MARGIN 48
#define LINE 13
#define BARS_MAX 31
#define ROWS_MAX 400 /* of one grouping; the rest is named */

static struct {
	__typeof__(HPDF_New) *open;
	__typeof__(HPDF_Free) *close;
	__typeof__(HPDF_SaveToFile) *save;
	__typeof__(HPDF_AddPage) *add_page;
	__typeof__(HPDF_Page_SetWidth) *width;
	__typeof__(HPDF_Page_SetHeight) *height;
	__typeof__(HPDF_GetFont) *font;
	__typeof__(HPDF_UseUTFEncodings) *use_utf;
	__typeof__(HPDF_LoadTTFontFromFile) *load_ttf;
	__typeof__(HPDF_Page_SetFontAndSize) *set_font;
	__typeof__(HPDF_Page_BeginText) *begin;
	__typeof__(HPDF_Page_EndText) *end;
	__typeof__(HPDF_Page_TextOut) *out;
	__typeof__(HPDF_Page_TextWidth) *text_width;
	__typeof__(HPDF_Page_SetRGBFill) *fill;
	__typeof__(HPDF_Page_SetRGBStroke) *stroke;
	__typeof__(HPDF_Page_Rectangle) *rectangle;
	__typeof__(HPDF_Page_Fill) *paint;
	__typeof__(HPDF_Page_MoveTo) *move;
	__typeof__(HPDF_Page_LineTo) *line;
	__typeof__(HPDF_Page_Stroke) *draw;
	__typeof__(HPDF_SetCompressionMode) *compress;
	__typeof__(HPDF_SetInfoAttr) *info;
} h;

static int load(char why[256])
{
	const struct library_need need[] = {
		{"HPDF_New", &h.open},
		{"HPDF_Free", &h.close},
		{"HPDF_SaveToFile", &h.save},
		{"HPDF_AddPage", &h.add_page},
		{"HPDF_Page_SetWidth", &h.width},
		{"HPDF_Page_SetHeight", &h.height},
		{"HPDF_GetFont", &h.font},
		{"HPDF_UseUTFEncodings", &h.use_utf},
		{"HPDF_LoadTTFontFromFile", &h.load_ttf},
		{"HPDF_Page_SetFontAndSize", &h.set_font},
		{"HPDF_Page_BeginText", &h.begin},
		{"HPDF_Page_EndText", &h.end},
		{"HPDF_Page_TextOut", &h.out},
		{"HPDF_Page_TextWidth", &h.text_width},
		{"HPDF_Page_SetRGBFill", &h.fill},
		{"HPDF_Page_SetRGBStroke", &h.stroke},
		{"HPDF_Page_Rectangle", &h.rectangle},
		{"HPDF_Page_Fill", &h.paint},
		{"HPDF_Page_MoveTo", &h.move},
		{"HPDF_Page_LineTo", &h.line},
		{"HPDF_Page_Stroke", &h.draw},
		{"HPDF_SetCompressionMode", &h.compress},
		{"HPDF_SetInfoAttr", &h.info},
	};

	return library_load("libhpdf-2.3.0.so", "libhpdf-2.3.0", need,
			    sizeof(need) / sizeof(need[0]), why);
}

struct paper {
	struct report *r;
	HPDF_Doc doc;
	HPDF_Page page;
	HPDF_Font plain, bold;
	bool utf8; /* a font with more than Latin letters was found */
	unsigned pages;
	float y; /* from below */
	jmp_buf failed;
	unsigned long code;
};

/* Its errors come by callback, from wherever. */
static void on_error(HPDF_STATUS code, HPDF_STATUS detail, void *ctx)
{
	struct paper *p = ctx;

	(void)detail;
	p->code = code;
	longjmp(p->failed, 1);
}

/*
 * Without such a font only Latin letters are shown. What lies beyond 16 bits
 * (emoji) the library would leave out: a replacement sign says that it is
 * there. Of the others the font draws a box where it has no glyph.
 */
static void clean(const struct paper *p, const char *text, char *out,
		  size_t cap)
{
	size_t n = 0;
	char one[5];

	while (*text) {
		text += table_letter(text, one);
		if (one[1] && !p->utf8)
			memcpy(one, "?", 2);
		else if ((unsigned char)one[0] >= 0xf0)
			memcpy(one, "\xef\xbf\xbd", 4);
		if (n + strlen(one) >= cap)
			break;
		memcpy(out + n, one, strlen(one));
		n += strlen(one);
	}
	out[n] = 0;
}

static void put(struct paper *p, float x, float y, const char *text, bool right)
{
	char line[256];

	clean(p, text, line, sizeof(line));
	if (right)
		x -= h.text_width(p->page, line);
	h.begin(p->page);
	h.out(p->page, x, y, line);
	h.end(p->page);
}

/* Cut to a width, with dots. */
static void put_cut(struct paper *p, float x, float y, const char *text,
		    float width)
{
	char line[256];
	size_t n;

	clean(p, text, line, sizeof(line) - 4);
	n = strlen(line);
	while (n && h.text_width(p->page, line) > width) {
		do
			n--;
		while (n && ((unsigned char)line[n] & 0xc0) == 0x80);
		strcpy(line + n, "...");
	}
	h.begin(p->page);
	h.out(p->page, x, y, line);
	h.end(p->page);
}

static void grey(struct paper *p)
{
	h.fill(p->page, 0.4f, 0.43f, 0.47f);
}

static void black(struct paper *p)
{
	h.fill(p->page, 0, 0, 0);
}

static void new_page(struct paper *p)
{
	char text[64];

	p->page = h.add_page(p->doc);
	h.width(p->page, WIDTH);
	h.height(p->page, HEIGHT);
	p->pages++;
	h.set_font(p->page, p->plain, 8);
	grey(p);
	snprintf(text, sizeof(text), "page %u", p->pages);
	put(p, WIDTH - MARGIN, MARGIN / 2, text, true);
	snprintf(text, sizeof(text), "llmguard %s, %s", tool_version,
		 tool_time(p->r->a->e, p->r->a->cal.now_ms));
	put(p, MARGIN, MARGIN / 2, text, false);
	black(p);
	p->y = HEIGHT - MARGIN;
}

/* Room for n lines below each other, on this page or the next. */
static bool room(struct paper *p, unsigned n)
{
	if (p->y - (float)(n * LINE) >= MARGIN)
		return true;
	new_page(p);
	return false;
}

/* Broken between words where it is too wide. */
static void put_wrapped(struct paper *p, const char *text)
{
	char line[256] = "";
	size_t n = 0, word;

	h.set_font(p->page, p->plain, 9);
	while (*text) {
		word = strcspn(text, " ");
		word += text[word] == ' ';
		if (n + word >= sizeof(line) - 1)
			word = sizeof(line) - 1 - n;
		memcpy(line + n, text, word);
		line[n + word] = 0;
		if (n && h.text_width(p->page, line) > WIDTH - 2 * MARGIN) {
			line[n] = 0;
			room(p, 1);
			put(p, MARGIN, p->y -= LINE, line, false);
			n = 0;
			continue;
		}
		text += word;
		n += word;
	}
	room(p, 1);
	put(p, MARGIN, p->y -= LINE, line, false);
}

static void put_summary(struct paper *p)
{
	const struct ask *a = p->r->a;
	struct lg_slice rest, line;
	struct lg_buf text;
	char one[512];

	h.set_font(p->page, p->bold, 20);
	put(p, MARGIN, p->y -= 20, "LLM costs", false);
	h.set_font(p->page, p->plain, 10);
	grey(p);
	snprintf(one, sizeof(one), "%s, days of %s", span_text(a, &a->span),
		 ask_zone_name(a));
	put(p, MARGIN, p->y -= 16, one, false);
	black(p);
	h.set_font(p->page, p->bold, 26);
	put(p, MARGIN, p->y -= 38, tool_usd(a->q.total.v[SUM_COST]), false);
	p->y -= 6;
	lg_buf_init(&text, 65536);
	report_put_summary(p->r, &text);
	for (rest = lg_buf_slice(&text); rest.len;) {
		rest = lg_slice_cut(rest, '\n', &line);
		snprintf(one, sizeof(one), "%.*s", (int)line.len, line.p);
		put_wrapped(p, one);
	}
	lg_buf_fini(&text);
}

static void put_bars(struct paper *p, const struct grouping *by, unsigned n)
{
	float left = MARGIN + 150, width = WIDTH - MARGIN - 70 - left;
	int64_t max = 1;
	unsigned first = 0;

	if (n > BARS_MAX && by->dim->kind == DIM_OF_TIME)
		first = n - BARS_MAX;
	n = n > BARS_MAX ? BARS_MAX : n;
	for (unsigned i = 0; i < n; i++)
		if (by->g[first + i].s.v[SUM_COST] > max)
			max = by->g[first + i].s.v[SUM_COST];
	room(p, n + 1);
	h.set_font(p->page, p->plain, 8);
	for (unsigned i = 0; i < n; i++) {
		const struct group *g = &by->g[first + i];
		const char *key = ask_key(by->dim, g);
		int64_t v = g->s.v[SUM_COST] > 0 ? g->s.v[SUM_COST] : 0;
		float w = width * (float)sums_share_ppm(v, max) / 1000000;

		p->y -= LINE;
		put_cut(p, MARGIN, p->y, *key ? key : "(none)", 144);
		h.fill(p->page, 0.18f, 0.5f, 0.72f);
		h.rectangle(p->page, left, p->y - 1, w, 8);
		h.paint(p->page);
		black(p);
		put(p, left + w + 4, p->y, tool_usd(g->s.v[SUM_COST]), false);
	}
	p->y -= LINE / 2;
}

/* Right edges of the columns behind the name. */
static const struct {
	const char *title;
	float x;
} columns[] = {
	{"Calls", 240},	 {"Refused", 284}, {"Input", 360},
	{"Output", 434}, {"Cost", 505},	   {"Share", WIDTH - MARGIN},
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))
static const float cache_x[REPORT_CACHE_CELLS] = {
	172, 226, 276, 306, 350, 406, 462, 512, WIDTH - MARGIN};

static float edge(const struct paper *p, unsigned i)
{
	return p->r->cache ? cache_x[i] : columns[i].x;
}

static unsigned cells(const struct paper *p)
{
	return p->r->cache ? REPORT_CACHE_CELLS : COLUMNS;
}

static void put_head(struct paper *p, const struct grouping *by)
{
	h.set_font(p->page, p->bold, 8);
	p->y -= LINE;
	put(p, MARGIN, p->y, by->dim->title, false);
	for (unsigned i = 0; i < cells(p); i++)
		put(p, edge(p, i), p->y,
		    p->r->cache ? report_cache_cells[i].title
				: columns[i].title,
		    true);
	h.stroke(p->page, 0.6f, 0.6f, 0.6f);
	h.move(p->page, MARGIN, p->y - 3);
	h.line(p->page, WIDTH - MARGIN, p->y - 3);
	h.draw(p->page);
	p->y -= 3;
	h.set_font(p->page, p->plain, 8);
}

static void put_row(struct paper *p, const char *key, const struct sums *s)
{
	const int64_t *v = s->v;
	const char *cache[REPORT_CACHE_CELLS];
	const char *const cell[COLUMNS] = {
		count_text(v[SUM_CALLS]),
		count_text(v[SUM_BLOCKED]),
		count_text(v[SUM_INPUT]),
		count_text(v[SUM_OUTPUT]),
		tool_usd(v[SUM_COST]),
		ppm_text(sums_share_ppm(v[SUM_COST],
					p->r->a->q.total.v[SUM_COST])),
	};

	if (p->r->cache)
		report_cache_text(s, cache);
	p->y -= LINE;
	put_cut(p, MARGIN, p->y, key,
		edge(p, 0) - MARGIN - (p->r->cache ? 34 : 50));
	for (unsigned i = 0; i < cells(p); i++)
		put(p, edge(p, i), p->y, p->r->cache ? cache[i] : cell[i],
		    true);
}

static void put_grouping(struct paper *p, const struct grouping *by)
{
	unsigned n = report_count(p->r, by), i;
	char title[64];

	/* a heading stays with its chart */
	room(p, (n > BARS_MAX ? BARS_MAX : n) + 5);
	snprintf(title, sizeof(title), "By %s", by->dim->name);
	for (char *t = title; *t; t++)
		*t = *t == '_' ? ' ' : *t;
	h.set_font(p->page, p->bold, 12);
	put(p, MARGIN, p->y -= 26, title, false);
	p->y -= 2;
	if (n)
		put_bars(p, by, n);
	room(p, 4);
	put_head(p, by);
	n = n > ROWS_MAX ? ROWS_MAX : n;
	for (i = 0; i < n; i++) {
		const char *key = ask_key(by->dim, &by->g[i]);

		if (!room(p, 1))
			put_head(p, by);
		put_row(p, *key ? key : "(none)", &by->g[i].s);
	}
	if (!room(p, 2))
		put_head(p, by);
	if (n < by->n) {
		snprintf(title, sizeof(title), "(%s more)",
			 count_text(by->n - n));
		put(p, MARGIN, p->y -= LINE, title, false);
	}
	h.set_font(p->page, p->bold, 8);
	put_row(p, "Total", &p->r->a->q.total);
}

/* One that has more than Latin letters, where there is one. */
static void choose_fonts(struct paper *p)
{
	static const char folder[] = "/usr/share/fonts/truetype/dejavu/";
	char plain[96], bold[96];

	snprintf(plain, sizeof(plain), "%sDejaVuSans.ttf", folder);
	snprintf(bold, sizeof(bold), "%sDejaVuSans-Bold.ttf", folder);
	if (!access(plain, R_OK) && !access(bold, R_OK)) {
		h.use_utf(p->doc);
		p->plain = h.font(p->doc, h.load_ttf(p->doc, plain, HPDF_TRUE),
				  "UTF-8");
		p->bold = h.font(p->doc, h.load_ttf(p->doc, bold, HPDF_TRUE),
				 "UTF-8");
		p->utf8 = true;
		return;
	}
	p->plain = h.font(p->doc, "Helvetica", NULL);
	p->bold = h.font(p->doc, "Helvetica-Bold", NULL);
}

static void write_all(struct paper *p, const char *path)
{
	h.compress(p->doc, HPDF_COMP_ALL);
	h.info(p->doc, HPDF_INFO_TITLE, "LLM costs");
	h.info(p->doc, HPDF_INFO_CREATOR, "llmguard");
	choose_fonts(p);
	new_page(p);
	put_summary(p);
	for (unsigned i = 0; i < p->r->shown; i++)
		put_grouping(p, &p->r->a->q.out[i]);
	h.save(p->doc, path);
}

int report_write_pdf(struct report *r, const char *path, char why[256])
{
	static struct paper p;

	if (load(why))
		return -1;
	memset(&p, 0, sizeof(p));
	p.r = r;
	p.doc = h.open(on_error, &p);
	if (!p.doc) {
		snprintf(why, 256, "out of memory");
		return -1;
	}
	if (!setjmp(p.failed))
		write_all(&p, path);
	else
		snprintf(why, 256, "the PDF could not be written (0x%04lx)",
			 p.code);
	h.close(p.doc);
	return p.code ? -1 : 0;
}
