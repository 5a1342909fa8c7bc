#include "chart.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "columns.h"
#include "table.h"

/* A longer label is cut where the bars had no room beside it. */
#define LABEL_MIN 16

unsigned chart_columns(void)
{
	const char *text = getenv("COLUMNS");
	struct winsize w;
	int n = text ? atoi(text) : 0;

	if (n >= 20 && n <= 1000)
		return (unsigned)n;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) || w.ws_col < 20)
		return 80;
	return w.ws_col;
}

void chart_init(struct chart *c, struct lg_buf *out, unsigned label,
		unsigned value, int64_t max)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	unsigned columns = chart_columns();

	*c = (struct chart){out, label, value, 10, max > 0 ? max : 1, 0};
	if (label > LABEL_MIN && label + value + 14 > columns)
		c->label = label = columns > LABEL_MIN + value + 14
					   ? columns - value - 14
					   : LABEL_MIN;
	if (columns > label + value + 14)
		c->bar = columns - label - value - 4;
	if (c->bar > 100)
		c->bar = 100;
	c->colour = isatty(STDOUT_FILENO) && (!no || !*no) &&
		    (!term || strcmp(term, "dumb"));
}

static void pad(struct lg_buf *out, unsigned n)
{
	while (n--)
		lg_buf_putc(out, ' ');
}

static void put_label(struct chart *c, const char *text)
{
	char clean[1024];
	size_t len;
	unsigned n;
	bool cut;

	table_copy(text, clean, sizeof(clean));
	text = clean;
	len = strlen(text);
	n = columns_of(text, len);
	cut = n > c->label;
	if (cut) {
		len = columns_cut(text, len, c->label - 1);
		n = columns_of(text, len) + 1;
	}
	lg_buf_put(c->out, text, len);
	lg_buf_puts(c->out, cut ? "\xe2\x80\xa6" : "");
	pad(c->out, n < c->label ? c->label - n : 0);
}

void chart_bar(struct chart *c, const char *label, const char *value, int64_t v)
{
	static const char *const eighths[] = {
		"",
		"\xe2\x96\x8f",
		"\xe2\x96\x8e",
		"\xe2\x96\x8d",
		"\xe2\x96\x8c",
		"\xe2\x96\x8b",
		"\xe2\x96\x8a",
		"\xe2\x96\x89",
	};
	uint64_t n = 0;
	unsigned w = columns_of(value, strlen(value));

	if (v > 0)
		n = (uint64_t)((unsigned __int128)v * c->bar * 8 /
			       (uint64_t)c->max);
	if (v > 0 && !n)
		n = 1;
	put_label(c, label);
	pad(c->out, 2 + (w < c->value ? c->value - w : 0));
	lg_buf_puts(c->out, value);
	lg_buf_puts(c->out, n ? "  " : "");
	if (c->colour)
		lg_buf_puts(c->out, "\033[36m");
	for (; n >= 8; n -= 8)
		lg_buf_puts(c->out, "\xe2\x96\x88");
	lg_buf_puts(c->out, eighths[n]);
	if (c->colour)
		lg_buf_puts(c->out, "\033[0m");
	lg_buf_putc(c->out, '\n');
}
