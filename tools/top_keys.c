#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "top.h"

#define ROWS_MAX 1000000L

void top_ui_init(struct top_ui *ui, bool unicode)
{
	memset(ui, 0, sizeof(*ui));
	ui->unicode = unicode;
	for (unsigned i = 0; i < TOP_SECTIONS; i++)
		ui->s[i].sort = top_tables[i].sort;
}

/* -- order ------------------------------------------------------------------
 */

static struct {
	unsigned column;
	bool by_key, reverse;
} order;

static int compare(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;
	int d;

	if (order.by_key)
		d = x->key[order.column] < y->key[order.column]	  ? 1
		    : x->key[order.column] > y->key[order.column] ? -1
								  : 0;
	else
		d = strcmp(x->text[order.column], y->text[order.column]);
	if (order.reverse)
		d = -d;
	return d ? d : strcmp(x->id, y->id);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool has(const char *text, const char *word)
{
	for (; *text; text++) {
		size_t i = 0;

		while (word[i] && lower(text[i]) == lower(word[i]))
			i++;
		if (!word[i])
			return true;
	}
	return false;
}

static bool matches(const struct top_row *r, unsigned ncolumns,
		    const char *word)
{
	for (unsigned i = 0; i < ncolumns; i++)
		if (has(r->text[i], word))
			return true;
	return !*word;
}

static void filter(struct top_rows *rs, unsigned ncolumns, const char *word)
{
	rs->shown = rs->n;
	if (!*word)
		return;
	rs->shown = 0;
	for (unsigned i = 0; i < rs->n; i++) {
		struct top_row *to = &rs->row[rs->shown], row;

		if (!matches(&rs->row[i], ncolumns, word))
			continue;
		if (to != &rs->row[i]) {
			row = *to;
			*to = rs->row[i];
			rs->row[i] = row;
		}
		rs->shown++;
	}
}

static void keep_selected(const struct top_rows *rs, struct top_ui *ui,
			  unsigned s)
{
	unsigned i = 0;

	/* what is newest stays selected where nobody chose another */
	while (ui->s[s].id[0] && i < rs->shown &&
	       strcmp(rs->row[i].id, ui->s[s].id))
		i++;
	if (ui->s[s].id[0] && i < rs->shown)
		ui->s[s].index = i;
	if (ui->s[s].index >= rs->shown)
		ui->s[s].index = rs->shown ? rs->shown - 1 : 0;
}

void top_arrange(struct top_model *m, struct top_ui *ui)
{
	for (unsigned s = 0; s < TOP_SECTIONS; s++) {
		const struct top_table *t = &top_tables[s];
		struct top_rows *rs = &m->rows[s];

		filter(rs, t->ncolumns, ui->filter);
		order.column = ui->s[s].sort;
		order.by_key = t->column[order.column].right ||
			       !t->column[order.column].title[0];
		order.reverse = ui->s[s].reverse;
		if (rs->shown)
			qsort(rs->row, rs->shown, sizeof(*rs->row), compare);
		keep_selected(rs, ui, s);
	}
}

const struct top_row *top_selected(const struct top_model *m,
				   const struct top_ui *ui)
{
	const struct top_rows *rs = &m->rows[ui->focus];

	return ui->s[ui->focus].index < rs->shown
		       ? &rs->row[ui->s[ui->focus].index]
		       : NULL;
}

/* -- keys -------------------------------------------------------------------
 */

static void say(struct top_ui *ui, bool is_error, const char *text)
{
	snprintf(ui->message, sizeof(ui->message), "%s", text);
	ui->is_error = is_error;
}

static void move(struct top_ui *ui, const struct top_model *m, long by)
{
	const struct top_rows *rs = &m->rows[ui->focus];
	long to = (long)ui->s[ui->focus].index + by;

	if (to >= (long)rs->shown)
		to = (long)rs->shown - 1;
	if (to < 0)
		to = 0;
	ui->s[ui->focus].index = (unsigned)to;
	ui->s[ui->focus].id[0] = 0;
	/* at the top of the list whatever comes to the top is meant */
	if (to && (unsigned long)to < rs->shown)
		strcpy(ui->s[ui->focus].id, rs->row[to].id);
}

static void turn_sort(struct top_ui *ui, int by)
{
	unsigned n = top_tables[ui->focus].ncolumns;

	ui->s[ui->focus].sort =
		(uint8_t)((ui->s[ui->focus].sort + n + (unsigned)by) % n);
	ui->s[ui->focus].reverse = false;
}

static void turn_focus(struct top_ui *ui, int by)
{
	ui->focus = (enum top_section)((ui->focus + TOP_SECTIONS + by) %
				       TOP_SECTIONS);
}

/* p and r are about the selected row's process. */
static enum top_act ask_process(struct top_ui *ui, const struct top_model *m,
				enum top_act act)
{
	const struct top_row *r = top_selected(m, ui);

	if (!r || r->pid <= 0) {
		say(ui, true,
		    ui->focus == TOP_BUDGETS || ui->focus == TOP_MODELS
			    ? "select a process first: 2, then up and down"
			    : "no process here that still runs");
		return TOP_ACT_NONE;
	}
	ui->pid = r->pid;
	if (act == TOP_ACT_RESUME)
		return act;
	ui->act = act;
	ui->mode = TOP_CONFIRM;
	ui->message[0] = 0;
	return TOP_ACT_NONE;
}

static void ask_raise(struct top_ui *ui, const struct top_model *m)
{
	const struct top_row *r = top_selected(m, ui);

	if (ui->focus != TOP_BUDGETS || !r || !r->budget[0]) {
		say(ui, true, "select a budget first: 1, then up and down");
		return;
	}
	strcpy(ui->budget, r->budget);
	ui->until_ms = r->until_ms;
	ui->limit_pusd = r->limit_pusd;
	ui->each = r->each;
	ui->act = TOP_ACT_RAISE;
	ui->mode = TOP_AMOUNT;
	ui->input[0] = ui->message[0] = 0;
}

/* Keys that choose a row. */
static bool move_key(struct top_ui *ui, const struct top_model *m, wint_t key)
{
	long page = ui->s[ui->focus].page > 1 ? ui->s[ui->focus].page - 1 : 1;
	const struct {
		wint_t key, letter;
		long by;
	} moves[] = {
		{TOP_KEY_UP, 'k', -1},		{TOP_KEY_DOWN, 'j', 1},
		{TOP_KEY_PAGE_UP, 'u', -page},	{TOP_KEY_PAGE_DOWN, 'd', page},
		{TOP_KEY_HOME, 'g', -ROWS_MAX}, {TOP_KEY_END, 'G', ROWS_MAX},
	};

	for (unsigned i = 0; i < sizeof(moves) / sizeof(moves[0]); i++)
		if (key == moves[i].key || key == moves[i].letter) {
			move(ui, m, moves[i].by);
			return true;
		}
	return false;
}

/* Keys that choose a section, or the order in it. */
static bool section_key(struct top_ui *ui, wint_t key)
{
	if (key >= '1' && key < '1' + TOP_SECTIONS)
		ui->focus = (enum top_section)(key - '1');
	else if (key == '\t')
		turn_focus(ui, 1);
	else if (key == TOP_KEY_BACKTAB)
		turn_focus(ui, -1);
	else if (key == '<' || key == ',')
		turn_sort(ui, -1);
	else if (key == '>' || key == '.')
		turn_sort(ui, 1);
	else if (key == 's')
		ui->s[ui->focus].reverse = !ui->s[ui->focus].reverse;
	else
		return false;
	return true;
}

static enum top_act normal_key(struct top_ui *ui, const struct top_model *m,
			       wint_t key)
{
	if (section_key(ui, key) || move_key(ui, m, key))
		return TOP_ACT_NONE;
	switch (key) {
	case 'q':
	case 'Q':
		return TOP_ACT_QUIT;
	case '?':
	case 'h':
		ui->mode = TOP_HELP;
		break;
	case '/':
		ui->mode = TOP_FILTER;
		strcpy(ui->input, ui->filter);
		break;
	case TOP_KEY_ESCAPE:
		ui->filter[0] = 0;
		break;
	case 'p':
		return ask_process(ui, m, TOP_ACT_PAUSE);
	case 'r':
		return ask_process(ui, m, TOP_ACT_RESUME);
	case '+':
	case '=':
		ask_raise(ui, m);
		break;
	case 'f':
		ui->frozen = !ui->frozen;
		break;
	case ' ':
	case 12: /* ^L */
		return TOP_ACT_LOOK;
	default:
		break;
	}
	return TOP_ACT_NONE;
}

/* One more character of what is typed; only ASCII is looked for. */
static void type(struct top_ui *ui, wint_t key, const char *allowed)
{
	size_t n = strlen(ui->input);

	if (key == TOP_KEY_ERASE) {
		if (n)
			ui->input[n - 1] = 0;
		return;
	}
	if (key < ' ' || key > '~' || n + 1 >= sizeof(ui->input) ||
	    (allowed && !strchr(allowed, (int)key)))
		return;
	ui->input[n] = (char)key;
	ui->input[n + 1] = 0;
}

static void filter_key(struct top_ui *ui, wint_t key)
{
	if (key == TOP_KEY_ESCAPE) {
		ui->filter[0] = 0;
		ui->mode = TOP_NORMAL;
		return;
	}
	if (key == TOP_KEY_ENTER)
		ui->mode = TOP_NORMAL;
	else
		type(ui, key, NULL);
	strcpy(ui->filter, ui->input);
}

static void amount_key(struct top_ui *ui, wint_t key)
{
	int64_t usd;

	if (key == TOP_KEY_ESCAPE) {
		ui->mode = TOP_NORMAL;
		say(ui, false, "nothing was changed");
		return;
	}
	if (key != TOP_KEY_ENTER) {
		type(ui, key, "0123456789.");
		return;
	}
	if (lg_money_parse(lg_slice_str(ui->input), &usd) || usd <= 0 ||
	    usd > LG_MONEY_LIMIT_MAX) {
		ui->mode = TOP_NORMAL;
		say(ui, true, "not an amount of USD; nothing was changed");
		return;
	}
	ui->usd_pusd = usd;
	ui->mode = TOP_CONFIRM;
}

static enum top_act confirm_key(struct top_ui *ui, wint_t key)
{
	ui->mode = TOP_NORMAL;
	if (key == 'y' || key == 'Y')
		return ui->act;
	say(ui, false, "nothing was changed");
	return TOP_ACT_NONE;
}

enum top_act top_key(struct top_ui *ui, const struct top_model *m, wint_t key)
{
	if (key == 3) /* ^C, where the terminal does not make a signal of it */
		return TOP_ACT_QUIT;
	switch (ui->mode) {
	case TOP_HELP:
		ui->mode = TOP_NORMAL;
		return key == 'q' ? TOP_ACT_QUIT : TOP_ACT_NONE;
	case TOP_FILTER:
		filter_key(ui, key);
		return TOP_ACT_NONE;
	case TOP_AMOUNT:
		amount_key(ui, key);
		return TOP_ACT_NONE;
	case TOP_CONFIRM:
		return confirm_key(ui, key);
	default:
		ui->message[0] = 0;
		return normal_key(ui, m, key);
	}
}
