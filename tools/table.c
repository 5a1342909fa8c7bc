#include "table.h"

#include <string.h>
#include <unistd.h>

#include "chart.h"
#include "columns.h"

#define TEXT_MAX ((size_t)1 << 28)
/* Cut to fit a terminal, a text keeps so many columns. */
#define TEXT_MIN 16

void table_init(struct table *t, const char *head)
{
	size_t n;

	memset(t, 0, sizeof(*t));
	lg_buf_init(&t->text, TEXT_MAX);
	while (*head && t->columns < TABLE_COLUMNS) {
		n = strcspn(head, "\t\r");
		t->title[t->columns] = head;
		t->title_len[t->columns] = (unsigned)n;
		t->align[t->columns++] = head[n];
		head += n + (head[n] != 0);
	}
}

size_t table_hostile(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	if (p[0] < 0x20 || p[0] == 0x7f)
		return p[0] != 0;
	if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
		return 2;
	if (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe)
		return 3;
	if (p[0] == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
			     (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)))
		return 3;
	return 0;
}

size_t table_letter(const char *text, char out[5])
{
	size_t bad = table_hostile(text), n = 1;

	if (!bad && (unsigned char)*text >= 0x80) {
		n = lg_utf8_len((const unsigned char *)text, strnlen(text, 4));
		bad = !n;
	}
	memcpy(out, bad ? "?" : text, bad ? 1 : n);
	out[bad ? 1 : n] = 0;
	return bad ? bad : n;
}

void table_put(struct lg_buf *out, const char *text)
{
	char one[5];

	while (*text) {
		text += table_letter(text, one);
		lg_buf_puts(out, one);
	}
}

void table_copy(const char *text, char *out, size_t cap)
{
	size_t n = 0;
	char one[5];

	while (*text) {
		text += table_letter(text, one);
		if (n + strlen(one) >= cap)
			break;
		memcpy(out + n, one, strlen(one));
		n += strlen(one);
	}
	out[n] = 0;
}

void table_cell(struct table *t, const char *text)
{
	table_put(&t->text, *text ? text : "-");
	lg_buf_putc(&t->text, 0);
}

void table_u64(struct table *t, uint64_t v)
{
	lg_buf_put_u64(&t->text, v);
	lg_buf_putc(&t->text, 0);
}

static void put(struct lg_buf *out, const char *p, size_t n, unsigned to,
		char align, bool last)
{
	unsigned w = columns_of(p, n), pad;
	bool cut = w > to;

	if (cut) {
		n = columns_cut(p, n, to - 1);
		w = columns_of(p, n) + 1;
	}
	pad = to - w;
	if (align == '\r')
		for (; pad; pad--)
			lg_buf_putc(out, ' ');
	lg_buf_put(out, p, n);
	lg_buf_puts(out, cut ? "\xe2\x80\xa6" : "");
	if (last)
		return;
	for (pad += 2; pad; pad--)
		lg_buf_putc(out, ' ');
}

/* The widest texts give way first, numbers never do. */
static void narrow(const struct table *t, unsigned *to, unsigned limit)
{
	unsigned sum = 0, i, wide, room, second;

	for (i = 0; i < t->columns; i++)
		sum += to[i] + (i ? 2 : 0);
	while (sum > limit) {
		wide = TABLE_COLUMNS;
		second = TEXT_MIN;
		for (i = 0; i < t->columns; i++)
			if (t->align[i] != '\r' && to[i] > TEXT_MIN &&
			    (wide == TABLE_COLUMNS || to[i] > to[wide]))
				wide = i;
		if (wide == TABLE_COLUMNS)
			return;
		for (i = 0; i < t->columns; i++)
			if (i != wide && t->align[i] != '\r' &&
			    to[i] > second && to[i] < to[wide])
				second = to[i];
		room = to[wide] - second < sum - limit ? to[wide] - second
						       : sum - limit;
		to[wide] -= room;
		sum -= room;
	}
}

void table_print(struct table *t, struct lg_buf *out)
{
	unsigned to[TABLE_COLUMNS], i, w;
	const char *p, *end = t->text.p + t->text.len;
	size_t n;

	for (i = 0; i < t->columns; i++)
		to[i] = t->title_len[i];
	for (p = t->text.p, i = 0; p < end; p += n + 1) {
		n = strlen(p);
		w = columns_of(p, n);
		if (w > to[i])
			to[i] = w;
		i = (i + 1) % t->columns;
	}
	if (isatty(STDOUT_FILENO))
		narrow(t, to, chart_columns());
	for (i = 0; i < t->columns; i++)
		put(out, t->title[i], t->title_len[i], to[i], t->align[i],
		    i + 1 == t->columns);
	lg_buf_putc(out, '\n');
	for (p = t->text.p, i = 0; p < end; p += n + 1) {
		n = strlen(p);
		put(out, p, n, to[i], t->align[i], i + 1 == t->columns);
		if (i + 1 == t->columns)
			lg_buf_putc(out, '\n');
		i = (i + 1) % t->columns;
	}
	if (t->text.overflow)
		out->overflow = true;
	lg_buf_fini(&t->text);
}
