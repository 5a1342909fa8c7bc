#include "bpf/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/money.h"
#include "base/slice.h"
#include "tools/table.h"

#define NARROWEST 40
#define WIDE 140 /* what is not a terminal gets */
#define CELL 200

enum column {
	COL_TIME,
	COL_PID,
	COL_COMM,
	COL_PROVIDER,
	COL_MODEL,
	COL_IN,
	COL_OUT,
	COL_COST,
	COL_VERDICT,
	COL_DURATION,
	COL_NOTE,
	COLUMNS
};

/* from: the least width of a terminal that shows it. */
static const struct {
	const char *title;
	unsigned width, from;
	bool right;
} columns[COLUMNS] = {
	[COL_TIME] = {"TIME", 8, 0, false},
	[COL_PID] = {"PID", 7, 70, true},
	[COL_COMM] = {"PROGRAM", 12, 52, false},
	[COL_PROVIDER] = {"PROVIDER", 10, 100, false},
	[COL_MODEL] = {"MODEL", 24, 0, false},
	[COL_IN] = {"IN", 7, 92, true},
	[COL_OUT] = {"OUT", 6, 92, true},
	[COL_COST] = {"COST", 10, 0, true},
	[COL_VERDICT] = {"VERDICT", 7, 80, false},
	[COL_DURATION] = {"TOOK", 8, 110, true},
	[COL_NOTE] = {"", 16, 128, false},
};

void print_resize(struct print *p)
{
	const char *env = getenv("COLUMNS");
	struct winsize ws;
	uint64_t n;

	if (!isatty(STDOUT_FILENO))
		p->width = 0;
	else if (env && !lg_slice_u64(lg_slice_str(env), &n) && n && n < 1000)
		p->width = (unsigned)n;
	else if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) && ws.ws_col)
		p->width = ws.ws_col;
	else
		p->width = 80;
	if (p->width && p->width < NARROWEST)
		p->width = NARROWEST;
}

void print_init(struct print *p, bool json)
{
	const char *term = getenv("TERM"), *plain = getenv("NO_COLOR");

	memset(p, 0, sizeof(*p));
	p->json = json;
	p->colour = isatty(STDOUT_FILENO) && !(plain && *plain) && term &&
		    strcmp(term, "dumb") != 0;
	print_resize(p);
}

/* Length of the character at text; *bad: it must not reach a terminal. */
static size_t character(const char *text, bool *bad)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n = table_hostile(text);

	*bad = n > 0;
	if (n || p[0] < 0x80)
		return n ? n : 1;
	n = lg_utf8_len(p, strnlen(text, 4));
	*bad = !n;
	return n ? n : 1;
}

void print_cell(struct lg_buf *out, const char *text, unsigned width,
		bool right)
{
	struct lg_buf b;
	char cell[CELL * 4];
	unsigned used = 0;
	size_t n;
	bool bad;

	lg_buf_init_fixed(&b, cell, sizeof(cell));
	for (; *text && used < width && used < CELL; text += n, used++) {
		n = character(text, &bad);
		if (used + 1 == width && text[n])
			lg_buf_puts(&b, "+"); /* there is more */
		else if (bad)
			lg_buf_putc(&b, '?');
		else
			lg_buf_put(&b, text, n);
	}
	for (n = used; right && n < width; n++)
		lg_buf_putc(out, ' ');
	lg_buf_put(out, b.p, b.len);
	for (n = used; !right && n < width; n++)
		lg_buf_putc(out, ' ');
}

static void tokens(uint64_t n, char out[CELL])
{
	if (n == LG_ROW_ABSENT)
		strcpy(out, "-");
	else
		snprintf(out, CELL, "%llu", (unsigned long long)n);
}

static void local_time(int64_t unix_ms, char out[CELL])
{
	time_t s = (time_t)(unix_ms / 1000);
	struct tm tm;

	if (!localtime_r(&s, &tm) || !strftime(out, CELL, "%H:%M:%S", &tm))
		strcpy(out, "-");
}

static void duration(int64_t ms, char out[CELL])
{
	if (ms < 0)
		strcpy(out, "-");
	else if (ms < 1000)
		snprintf(out, CELL, "%lld ms", (long long)ms);
	else
		snprintf(out, CELL, "%lld.%02lld s", (long long)(ms / 1000),
			 (long long)(ms % 1000 / 10));
}

/* What a reader of the figures must know of them. */
static void note(const struct lg_row *r, char out[CELL])
{
	struct lg_buf b;

	lg_buf_init_fixed(&b, out, CELL - 1);
	if (r->reason[0])
		lg_buf_puts(&b, r->reason);
	if (r->status >= 400) {
		lg_buf_puts(&b, b.len ? ", HTTP " : "HTTP ");
		lg_buf_put_i64(&b, r->status);
	}
	if (r->flags & LG_ROW_LOST)
		lg_buf_puts(&b, b.len ? ", bytes lost" : "bytes lost");
	if (r->usage_state != LG_USAGE_EXACT) {
		lg_buf_puts(&b, b.len ? ", " : "");
		lg_buf_puts(&b, lg_usage_state_name(
					(enum lg_usage_state)r->usage_state));
	}
	if (r->price_state == LG_PRICED_UNKNOWN)
		lg_buf_puts(&b, b.len ? ", price unknown" : "price unknown");
	if (r->flags & LG_ROW_JOINED_LATE)
		lg_buf_puts(&b, b.len ? ", joined late" : "joined late");
	out[b.len] = 0;
}

static const char *model(const struct lg_row *r)
{
	if (r->model[0])
		return r->model;
	if (r->model_requested[0])
		return r->model_requested;
	return r->endpoint[0] ? r->endpoint : "-";
}

static const char *text_of(const struct lg_row *r, enum column c,
			   char buf[CELL])
{
	switch (c) {
	case COL_TIME:
		local_time(r->ts_ms, buf);
		return buf;
	case COL_PID:
		snprintf(buf, CELL, "%d", r->pid);
		return buf;
	case COL_COMM:
		return r->comm[0] ? r->comm : "-";
	case COL_PROVIDER:
		return r->provider[0] ? r->provider : "-";
	case COL_MODEL:
		return model(r);
	case COL_IN:
		tokens(r->input_tokens, buf);
		return buf;
	case COL_OUT:
		tokens(r->output_tokens, buf);
		return buf;
	case COL_COST:
		lg_money_pretty(r->cost_pusd, 6, buf, CELL);
		return buf;
	case COL_VERDICT:
		return lg_verdict_name((enum lg_verdict)r->verdict);
	case COL_DURATION:
		duration(r->duration_ms, buf);
		return buf;
	case COL_NOTE:
		note(r, buf);
		return buf;
	default:
		return "";
	}
}

static bool is_shown(const struct print *p, enum column c)
{
	return !p->width || p->width >= columns[c].from;
}

/* The model takes what the others leave; the note is last and as it is. */
static unsigned model_width(const struct print *p)
{
	unsigned used = 0, all = p->width ? p->width : WIDE;

	for (unsigned c = 0; c < COLUMNS; c++)
		if (c != COL_MODEL && is_shown(p, (enum column)c))
			used += columns[c].width + 2;
	if (all < used + 8)
		return 8;
	return all - used > 40 ? 40 : all - used;
}

static const char *colour(const struct print *p, const struct lg_row *r,
			  enum column c)
{
	if (!p->colour || !r)
		return "";
	if (c == COL_COST && (r->usage_state != LG_USAGE_EXACT ||
			      r->price_state == LG_PRICED_UNKNOWN))
		return "\033[33m";
	if (c != COL_VERDICT || r->verdict == LG_VERDICT_ALLOW)
		return "";
	return r->verdict == LG_VERDICT_WARN ? "\033[33m" : "\033[31m";
}

static void line(const struct print *p, const struct lg_row *r,
		 struct lg_buf *out)
{
	const char *paint, *text;
	unsigned width;
	char buf[CELL];

	for (unsigned i = 0; i < COLUMNS; i++) {
		enum column c = (enum column)i;

		if (!is_shown(p, c))
			continue;
		text = r ? text_of(r, c, buf) : columns[c].title;
		width = c == COL_MODEL ? model_width(p) : columns[c].width;
		paint = colour(p, r, c);
		lg_buf_puts(out, i ? "  " : "");
		lg_buf_puts(out, paint);
		if (c == COL_NOTE)
			width = p->width ? width : CELL;
		print_cell(out, text, width, columns[c].right);
		lg_buf_puts(out, *paint ? "\033[0m" : "");
	}
	while (out->len && out->p[out->len - 1] == ' ')
		out->len--;
	lg_buf_putc(out, '\n');
}

void print_call(struct print *p, const struct lg_row *row, struct lg_buf *out)
{
	char text[LG_ROW_LINE_MAX];
	struct lg_buf b;

	if (p->json) {
		lg_buf_init_fixed(&b, text, sizeof(text));
		if (!lg_row_format(row, &b))
			lg_buf_put(out, b.p, b.len);
		return;
	}
	if (!p->headed)
		line(p, NULL, out);
	p->headed = true;
	line(p, row, out);
}
