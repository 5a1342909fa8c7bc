#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "char_class.h"
#include "top.h"

int top_grid_init(struct top_grid *g, unsigned rows, unsigned cols)
{
	size_t n = (size_t)rows * cols;

	top_grid_fini(g);
	g->cell = calloc(n ? n : 1, sizeof(*g->cell));
	if (!g->cell)
		return -ENOMEM;
	g->rows = rows;
	g->cols = cols;
	for (size_t i = 0; i < n; i++)
		g->cell[i] = (struct top_cell){L' ', 1, TOP_PLAIN};
	return 0;
}

void top_grid_fini(struct top_grid *g)
{
	free(g->cell);
	memset(g, 0, sizeof(*g));
}

/* Terminals act on these, or differ about their width. */
static bool is_odd(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad ||
	       c == 0xfffd || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       (c >= 0xe000 && c <= 0xf8ff) || (c >= 0xfff9 && c <= 0xfffb);
}

/* The next character as it is shown, and how wide; 0: not at all. */
static unsigned shown(const char **text, size_t *n, bool unicode, wchar_t *out)
{
	size_t len;
	uint32_t c = char_decode(*text, *n, &len);
	int w;

	*text += len;
	*n -= len;
	*out = L'?';
	if (is_odd(c) || (c >= 0x80 && !unicode))
		return 1;
	w = c < 0x80 ? 1 : wcwidth((wchar_t)c);
	if (w == 1 || w == 2 || !w)
		*out = (wchar_t)c;
	return w < 0 ? 1 : (unsigned)w;
}

unsigned top_width(const char *text, bool unicode)
{
	size_t n = strlen(text);
	unsigned w = 0;
	wchar_t c;

	while (n)
		w += shown(&text, &n, unicode, &c);
	return w;
}

unsigned top_put(struct top_grid *g, unsigned row, unsigned at, unsigned room,
		 bool unicode, uint8_t style, const char *text)
{
	struct top_cell *line;
	size_t n = strlen(text);
	unsigned used = 0, w, limit;
	bool cut;
	wchar_t c;

	if (row >= g->rows || at >= g->cols || !room)
		return 0;
	if (room > g->cols - at)
		room = g->cols - at;
	line = &g->cell[(size_t)row * g->cols + at];
	cut = top_width(text, unicode) > room;
	limit = cut ? room - 1 : room;
	while (n) {
		w = shown(&text, &n, unicode, &c);
		if (!w)
			continue;
		if (used + w > limit)
			break;
		line[used] = (struct top_cell){c, (uint8_t)w, style};
		if (w == 2)
			line[used + 1] = (struct top_cell){0, 0, style};
		used += w;
	}
	if (cut)
		line[used++] =
			(struct top_cell){unicode ? L'\x2026' : L'~', 1, style};
	return used;
}

static void put_utf8(struct lg_buf *out, uint32_t c)
{
	char b[4];
	size_t n = 0;

	if (c < 0x80) {
		b[n++] = (char)c;
	} else if (c < 0x800) {
		b[n++] = (char)(0xc0 | c >> 6);
		b[n++] = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		b[n++] = (char)(0xe0 | c >> 12);
		b[n++] = (char)(0x80 | (c >> 6 & 63));
		b[n++] = (char)(0x80 | (c & 63));
	} else {
		b[n++] = (char)(0xf0 | c >> 18);
		b[n++] = (char)(0x80 | (c >> 12 & 63));
		b[n++] = (char)(0x80 | (c >> 6 & 63));
		b[n++] = (char)(0x80 | (c & 63));
	}
	lg_buf_put(out, b, n);
}

void top_grid_text(const struct top_grid *g, struct lg_buf *out)
{
	unsigned blank = 0;

	for (unsigned y = 0; y < g->rows; y++) {
		const struct top_cell *line = &g->cell[(size_t)y * g->cols];
		unsigned end = g->cols;

		while (end && line[end - 1].width == 1 &&
		       line[end - 1].c == L' ')
			end--;
		if (!end) {
			blank++;
			continue;
		}
		for (; blank; blank--)
			lg_buf_putc(out, '\n');
		for (unsigned x = 0; x < end; x++)
			if (line[x].width)
				put_utf8(out, (uint32_t)line[x].c);
		lg_buf_putc(out, '\n');
	}
}
