#include <stdio.h>
#include <string.h>

#include "base/money.h"
#include "top.h"

#define WIDEST 4000u
#define READABLE 16u   /* of a text that is never left out */
#define LOOKED_AT 300u /* rows whose widths decide */

static const char *const help[] = {
	"1-6, tab     section: Budgets Processes Models Calls Blocked Holds",
	"up, down     select a row (also j k, PgUp PgDn, Home End)",
	"< >          sort by the column to the left, to the right",
	"s            the other way round",
	"/            show only rows with this text; Enter keeps it, Esc ends "
	"it",
	"p            refuse new calls of the selected process (llmguard "
	"pause)",
	"r            let them go on (llmguard resume)",
	"+            raise the selected budget: asks for the amount, then y/n",
	"f            freeze what is shown; again: go on",
	"space        look now",
	"h ?          this help",
	"q            leave",
	"",
	"Bar: spent, then held by calls under way. $/H: of the last 5 minutes.",
	"EMPTY: when the budget is used up at that rate, if before it resets.",
	"Processes and models: today, and ended ones too.",
};
#define HELP_LINES (sizeof(help) / sizeof(help[0]))

/* Text from `at` on, to the end of the line. */
static unsigned put(struct top_grid *g, const struct top_ui *ui, unsigned y,
		    unsigned x, uint8_t style, const char *text)
{
	return x < g->cols
		       ? top_put(g, y, x, g->cols - x, ui->unicode, style, text)
		       : 0;
}

static void paint(struct top_grid *g, unsigned y, unsigned from, unsigned to,
		  uint8_t style)
{
	if (y >= g->rows)
		return;
	for (unsigned x = from; x < to && x < g->cols; x++)
		g->cell[(size_t)y * g->cols + x].style = style;
}

/* -- bars -------------------------------------------------------------------
 */

static void put_cell(struct top_grid *g, unsigned y, unsigned x, wchar_t c,
		     uint8_t style)
{
	if (y < g->rows && x < g->cols)
		g->cell[(size_t)y * g->cols + x] =
			(struct top_cell){c, 1, style};
}

static void put_bar(struct top_grid *g, const struct top_ui *ui, unsigned y,
		    unsigned x, unsigned w, const struct top_row *r)
{
	/* eighths of a column; anything spent is to be seen */
	uint64_t used = (uint64_t)r->used_ppm * w * 8 / 1000000;
	uint64_t all = (uint64_t)r->all_ppm * w * 8 / 1000000;
	wchar_t held = ui->unicode ? L'\x2592' : L'+';
	wchar_t free_ = ui->unicode ? L'\x2591' : L'.';

	if (r->used_ppm && !used)
		used = 1;
	for (unsigned i = 0; i < w; i++, x++) {
		unsigned part =
			used > i * 8ull ? (unsigned)(used - i * 8ull) : 0;

		if (part >= 8 || (part >= 4 && !ui->unicode))
			put_cell(g, y, x, ui->unicode ? L'\x2588' : L'#',
				 r->style);
		else if (part && ui->unicode)
			put_cell(g, y, x, (wchar_t)(0x2590 - part), r->style);
		else if (all > i * 8ull + 3)
			put_cell(g, y, x, held, TOP_HELD);
		else
			put_cell(g, y, x, free_, TOP_DIM);
	}
}

/* -- columns ----------------------------------------------------------------
 */

struct fit {
	unsigned width[TOP_FIELDS]; /* 0: left out */
	unsigned gap;
};

static unsigned sum(const struct fit *f, unsigned n)
{
	unsigned all = 0;

	for (unsigned i = 0; i < n; i++)
		if (f->width[i])
			all += f->width[i] + (all ? f->gap : 0);
	return all;
}

static bool is_bar(const struct top_column *c)
{
	return !c->title[0];
}

static void want(struct fit *f, const struct top_table *t,
		 const struct top_rows *rs, const struct top_ui *ui)
{
	for (unsigned i = 0; i < t->ncolumns; i++) {
		const struct top_column *c = &t->column[i];
		unsigned w = (unsigned)strlen(c->title);

		for (unsigned k = 0; k < rs->shown && k < LOOKED_AT; k++) {
			unsigned x = top_width(rs->row[k].text[i], ui->unicode);

			if (x > w)
				w = x;
		}
		if (w < c->min)
			w = c->min;
		if (w > c->max && !c->right)
			w = c->max;
		f->width[i] = w;
	}
}

/* Texts give way in this order, before and after columns are left out. */
enum give { GIVE_MINOR, GIVE_MAJOR, GIVE_ALL, GIVE_NUMBERS };

static unsigned least_of(const struct top_column *c, enum give how)
{
	if (c->right && how < GIVE_NUMBERS)
		return WIDEST;
	if (how == GIVE_MINOR && !c->drop)
		return WIDEST;
	return how == GIVE_MAJOR && !c->drop && c->min < READABLE ? READABLE
								  : c->min;
}

/* The widest above its least width gives one column. */
static bool shrink(struct fit *f, const struct top_table *t, enum give how)
{
	unsigned best = t->ncolumns;

	for (unsigned i = 0; i < t->ncolumns; i++) {
		if (f->width[i] <= least_of(&t->column[i], how))
			continue;
		if (best == t->ncolumns || f->width[i] > f->width[best])
			best = i;
	}
	if (best == t->ncolumns)
		return false;
	f->width[best]--;
	return true;
}

static bool drop(struct fit *f, const struct top_table *t)
{
	unsigned best = t->ncolumns, rank = 0;

	for (unsigned i = 0; i < t->ncolumns; i++)
		if (f->width[i] && t->column[i].drop > rank) {
			rank = t->column[i].drop;
			best = i;
		}
	if (best == t->ncolumns)
		return false;
	f->width[best] = 0;
	return true;
}

static void fit_columns(struct fit *f, const struct top_table *t,
			const struct top_rows *rs, const struct top_ui *ui,
			unsigned cols)
{
	unsigned n = t->ncolumns, now;

	f->gap = cols < 100 ? 1 : 2;
	want(f, t, rs, ui);
	while (sum(f, n) > cols)
		if (!shrink(f, t, GIVE_MINOR) && !shrink(f, t, GIVE_MAJOR) &&
		    !drop(f, t) && !shrink(f, t, GIVE_ALL) &&
		    !shrink(f, t, GIVE_NUMBERS))
			break;
	for (unsigned i = 0; i < n; i++)
		if (is_bar(&t->column[i]) && f->width[i]) {
			now = sum(f, n);
			if (now < cols)
				f->width[i] += cols - now;
			if (f->width[i] > t->column[i].max)
				f->width[i] = t->column[i].max;
		}
}

/* -- a section --------------------------------------------------------------
 */

static uint8_t style_of(const struct top_row *r, enum top_section s,
			bool accent)
{
	if (s == TOP_BUDGETS)
		return accent ? r->style : TOP_PLAIN;
	return r->style;
}

static void put_field(struct top_grid *g, const struct top_ui *ui, unsigned y,
		      unsigned x, unsigned w, const struct top_column *c,
		      uint8_t style, const char *text)
{
	unsigned has = top_width(text, ui->unicode);

	if (c->right && has < w)
		x += w - has, w = has;
	if (x < g->cols)
		top_put(g, y, x, w, ui->unicode, style, text);
}

static void put_row(struct top_grid *g, const struct top_ui *ui, unsigned y,
		    enum top_section s, const struct fit *f,
		    const struct top_row *r, bool selected)
{
	const struct top_table *t = &top_tables[s];
	unsigned x = 0;

	for (unsigned i = 0; i < t->ncolumns; i++) {
		const struct top_column *c = &t->column[i];
		bool accent =
			!strcmp(c->title, "USED") || !strcmp(c->title, "STATE");

		if (!f->width[i])
			continue;
		if (is_bar(c))
			put_bar(g, ui, y, x, f->width[i], r);
		else
			put_field(g, ui, y, x, f->width[i], c,
				  style_of(r, s, accent), r->text[i]);
		x += f->width[i] + f->gap;
	}
	if (!selected || y >= g->rows)
		return;
	for (x = 0; x < g->cols; x++)
		g->cell[(size_t)y * g->cols + x].style |= TOP_SELECTED;
}

static void put_title(struct top_grid *g, const struct top_model *m,
		      const struct top_ui *ui, unsigned y, enum top_section s)
{
	const struct top_table *t = &top_tables[s];
	const struct top_rows *rs = &m->rows[s];
	const char *column = t->column[ui->s[s].sort].title;
	bool focused = ui->focus == s;
	char text[128];

	snprintf(text, sizeof(text), "%s%u %s (%u%s%.0u)  by %s%s",
		 focused ? ">" : " ", (unsigned)s + 1, t->title, rs->shown,
		 rs->shown == rs->n ? "" : " of ",
		 rs->shown == rs->n ? 0 : rs->n, column[0] ? column : "USED",
		 ui->s[s].reverse ? ", reversed" : "");
	put(g, ui, y, 0, focused ? TOP_TITLE : TOP_BOLD, text);
	if (focused)
		paint(g, y, 0, g->cols, TOP_TITLE);
}

static void put_heads(struct top_grid *g, const struct top_ui *ui, unsigned y,
		      const struct top_table *t, const struct fit *f)
{
	unsigned x = 0;

	for (unsigned i = 0; i < t->ncolumns; i++) {
		if (!f->width[i])
			continue;
		put_field(g, ui, y, x, f->width[i], &t->column[i], TOP_HEAD,
			  t->column[i].title);
		x += f->width[i] + f->gap;
	}
}

static const char *nothing(const struct top_model *m, enum top_section s,
			   const struct top_ui *ui)
{
	static const char *const texts[TOP_SECTIONS] = {
		"no budget: calls are recorded, none is blocked",
		"no program made a call today",
		"no call today",
		"no call yet",
		"nothing was blocked",
		"no call under way",
	};

	if (ui->filter[0] && m->rows[s].n)
		return "nothing has this text";
	if (s == TOP_BUDGETS && !m->has_region)
		return "no region: budgets are not counted";
	return texts[s];
}

/* height: of all of it, title and heads too. */
static void put_section(struct top_grid *g, const struct top_model *m,
			struct top_ui *ui, unsigned y, unsigned height,
			enum top_section s)
{
	const struct top_rows *rs = &m->rows[s];
	unsigned page = height > 2 ? height - 2 : 1, first;
	struct fit f;

	put_title(g, m, ui, y, s);
	fit_columns(&f, &top_tables[s], rs, ui, g->cols);
	put_heads(g, ui, y + 1, &top_tables[s], &f);
	if (!rs->shown)
		put(g, ui, y + 2, 2, TOP_DIM, nothing(m, s, ui));
	first = ui->s[s].first;
	if (ui->s[s].index < first)
		first = ui->s[s].index;
	if (ui->s[s].index >= first + page)
		first = ui->s[s].index - page + 1;
	if (first + page > rs->shown)
		first = rs->shown > page ? rs->shown - page : 0;
	ui->s[s].first = first;
	ui->s[s].page = page;
	for (unsigned i = 0; i < page && first + i < rs->shown; i++)
		put_row(g, ui, y + 2 + i, s, &f, &rs->row[first + i],
			s == ui->focus && first + i == ui->s[s].index);
}

/* -- which sections, and how high -------------------------------------------
 */

static unsigned need(const struct top_model *m, enum top_section s)
{
	return 2 + (m->rows[s].shown ? m->rows[s].shown : 1);
}

static void share(const struct top_model *m, const struct top_ui *ui,
		  unsigned room, unsigned height[TOP_SECTIONS])
{
	static const enum top_section order[] = {TOP_BUDGETS, TOP_PROCESSES,
						 TOP_CALLS,   TOP_BLOCKED,
						 TOP_MODELS,  TOP_HOLDS};
	unsigned least, i;
	bool more = true;

	memset(height, 0, TOP_SECTIONS * sizeof(*height));
	for (i = 0; i <= TOP_SECTIONS; i++) {
		enum top_section s = i ? order[i - 1] : ui->focus;

		least = need(m, s) < 6 ? need(m, s) : 6;
		if (height[s])
			continue;
		if (!i && least > room)
			least = room;
		if (least <= room) {
			height[s] = least;
			room -= least;
		}
	}
	/* the focused one first takes half of what is left */
	least = need(m, ui->focus) - height[ui->focus];
	if (least > (room + 1) / 2)
		least = (room + 1) / 2;
	height[ui->focus] += least;
	for (room -= least; room && more;) {
		more = false;
		for (i = 0; i < TOP_SECTIONS && room; i++)
			if (height[i] && height[i] < need(m, i)) {
				height[i]++;
				room--;
				more = true;
			}
	}
}

/* -- the lines above and below ----------------------------------------------
 */

static void put_summary(struct top_grid *g, const struct top_model *m,
			const struct top_ui *ui)
{
	const struct top_tally *t = m->tally;
	char text[256];

	snprintf(text, sizeof(text),
		 " llmguard top %s  %s/h  today %s%s  %llu calls  %llu "
		 "blocked",
		 m->clock, top_usd(top_rate_hour(&t->rate, m->now_ms)),
		 t->partial ? ">" : "", top_usd(t->cost_pusd),
		 (unsigned long long)t->calls, (unsigned long long)t->blocked);
	paint(g, 0, 0, g->cols, TOP_BAR);
	put(g, ui, 0, 0, TOP_BAR, text);
}

struct line {
	struct top_grid *g;
	const struct top_ui *ui;
	unsigned x;
};

static void more(struct line *l, uint8_t style, const char *text)
{
	l->x += put(l->g, l->ui, 1, l->x, style, text) + 2;
}

static void count(struct line *l, uint8_t style, unsigned long long n,
		  const char *what)
{
	char text[64];

	if (!n)
		return;
	snprintf(text, sizeof(text), "%llu %s", n, what);
	more(l, style, text);
}

static void put_state(struct top_grid *g, const struct top_model *m,
		      const struct top_ui *ui)
{
	struct line l = {g, ui, 1};
	char text[96];

	if (m->off)
		more(&l, TOP_BAD, "GUARD IS OFF: llmguard enable");
	if (!m->has_region)
		more(&l, TOP_BAD,
		     m->closed ? "no region: every call is blocked"
			       : "no region: no call is blocked");
	if (m->is_gone)
		more(&l, TOP_BAD, "the region is gone: this was its end");
	if (m->trouble[0])
		more(&l, TOP_BAD, m->trouble);
	if (m->paused_all)
		more(&l, TOP_WARN, "all calls are paused");
	count(&l, TOP_WARN, m->paused_pids, "paused");
	count(&l, TOP_WARN, m->stopped_pids, "stopped");
	count(&l, TOP_WARN, m->tally->unguarded, "unguarded");
	count(&l, TOP_WARN, m->tally->unknown, "price unknown");
	count(&l, TOP_PLAIN, m->nholds - m->staged, "under way");
	count(&l, TOP_WARN, m->staged, "rows wait");
	count(&l, TOP_PLAIN, m->tracers,
	      m->tracers == 1 ? "tracer" : "tracers");
	if (ui->filter[0]) {
		snprintf(text, sizeof(text), "only: %s", ui->filter);
		more(&l, TOP_BOLD, text);
	}
	if (ui->frozen)
		more(&l, TOP_BOLD, "frozen");
	if (l.x == 1)
		more(&l, TOP_DIM, "the guard is on; all is well");
}

static const char *comm_of(const struct top_model *m, int32_t pid)
{
	static const struct {
		enum top_section s;
		unsigned field;
	} at[] = {{TOP_PROCESSES, 1}, {TOP_CALLS, 2}, {TOP_HOLDS, 1}};

	for (unsigned k = 0; k < 3; k++) {
		const struct top_rows *rs = &m->rows[at[k].s];

		for (unsigned i = 0; i < rs->n; i++)
			if (rs->row[i].pid == pid)
				return rs->row[i].text[at[k].field];
	}
	return "?";
}

static void ask_text(const struct top_model *m, const struct top_ui *ui,
		     char *out, size_t cap)
{
	if (ui->act == TOP_ACT_PAUSE)
		snprintf(out, cap, "Refuse new calls of pid %d (%s)? y/n ",
			 (int)ui->pid, comm_of(m, ui->pid));
	else if (ui->until_ms)
		snprintf(out, cap,
			 "Raise %s%s by %s until it resets, in %s? y/n ",
			 ui->budget, ui->each ? " (each)" : "",
			 top_usd(ui->usd_pusd),
			 top_span(ui->until_ms - m->now_ms));
	else
		snprintf(out, cap, "Raise %s%s by %s to %s, for good? y/n ",
			 ui->budget, ui->each ? " (each)" : "",
			 top_usd(ui->usd_pusd),
			 top_usd(lg_money_add(ui->limit_pusd, ui->usd_pusd)));
}

static void put_bottom(struct top_grid *g, const struct top_model *m,
		       const struct top_ui *ui)
{
	static const char keys[] =
		"q quit  h help  1-6 section  <> s sort  / filter  p pause  "
		"r resume  + raise";
	unsigned y = g->rows - 1;
	char text[256];

	switch (ui->mode) {
	case TOP_FILTER:
		snprintf(text, sizeof(text), "Show only: %s_", ui->input);
		put(g, ui, y, 0, TOP_BOLD, text);
		return;
	case TOP_AMOUNT:
		snprintf(text, sizeof(text),
			 "Raise %s by how many USD (Esc: not)? %s_", ui->budget,
			 ui->input);
		put(g, ui, y, 0, TOP_BOLD, text);
		return;
	case TOP_CONFIRM:
		ask_text(m, ui, text, sizeof(text));
		put(g, ui, y, 0, TOP_WARN, text);
		return;
	default:
		break;
	}
	if (ui->message[0])
		put(g, ui, y, 0, ui->is_error ? TOP_BAD : TOP_OK, ui->message);
	else
		put(g, ui, y, 0, TOP_DIM, keys);
}

static void put_help(struct top_grid *g, const struct top_ui *ui)
{
	for (unsigned i = 0; i < HELP_LINES && i + 2 < g->rows - 1; i++)
		put(g, ui, i + 2, 2, TOP_PLAIN, help[i]);
	put(g, ui, g->rows - 1, 0, TOP_BOLD, "any key goes back");
}

void top_layout(const struct top_model *m, struct top_ui *ui,
		struct top_grid *g)
{
	unsigned height[TOP_SECTIONS], y = 2;

	if (g->rows < 8 || g->cols < 30) {
		if (g->rows)
			put(g, ui, 0, 0, TOP_WARN, "too small: 60x15 at least");
		return;
	}
	put_summary(g, m, ui);
	put_state(g, m, ui);
	if (ui->mode == TOP_HELP) {
		put_help(g, ui);
		return;
	}
	share(m, ui, g->rows - 3, height);
	for (unsigned s = 0; s < TOP_SECTIONS; s++) {
		if (!height[s])
			continue;
		put_section(g, m, ui, y, height[s], (enum top_section)s);
		y += height[s];
	}
	put_bottom(g, m, ui);
}
