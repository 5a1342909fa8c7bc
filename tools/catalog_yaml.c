#include <string.h>

#include "catalog.h"
#include "decimal.h"

#define WIDTH 80

/* Words that some YAML reader takes for something else than text. */
static bool is_word(struct lg_slice s)
{
	static const char *const words[] = {"null", "true", "false", "yes",
					    "no",   "on",   "off",   "y",
					    "n",    "nan",  "inf"};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (lg_slice_ieq(s, lg_slice_str(words[i])))
			return true;
	return false;
}

static bool is_plain(struct lg_slice s)
{
	if (!s.len || s.len > 100 || is_word(s) || s.p[s.len - 1] == ' ')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';

		if (!i && !letter)
			return false;
		if (!letter && !(c >= '0' && c <= '9') && !strchr("._/- ", c))
			return false;
	}
	return true;
}

/* A text whose backslashes stay readable between single quotes. */
static bool is_quotable(struct lg_slice s)
{
	bool slash = false;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c >= 0x7f || c == '\'')
			return false;
		slash |= c == '\\' || c == '"';
	}
	return slash;
}

/* JSON's strings are YAML's, but for characters that YAML does not print. */
static void put_quoted(struct lg_buf *b, struct lg_slice s)
{
	static const char hex[] = "0123456789abcdef";
	struct lg_slice part = {s.p, 0};

	lg_buf_putc(b, '"');
	for (size_t i = 0; i <= s.len; i++) {
		unsigned char c = i < s.len ? (unsigned char)s.p[i] : 0x7f;
		unsigned char d = i + 1 < s.len ? (unsigned char)s.p[i + 1] : 0;
		bool c1 = c == 0xc2 && d >= 0x80 && d < 0xa0;
		bool bom = c == 0xef && d == 0xbb && i + 2 < s.len &&
			   (unsigned char)s.p[i + 2] == 0xbf;
		size_t at;

		if (c != 0x7f && !c1 && !bom) {
			part.len++;
			continue;
		}
		at = b->len;
		lg_buf_put_json(b, part);
		if (!b->overflow) { /* its quotes are not wanted */
			memmove(b->p + at, b->p + at + 1, b->len - at - 1);
			b->len -= 2;
		}
		if (i < s.len && bom) {
			lg_buf_puts(b, "\\ufeff");
			i += 2;
		} else if (i < s.len) {
			unsigned char v = c1 ? d : c;

			lg_buf_puts(b, "\\x");
			lg_buf_putc(b, hex[v >> 4]);
			lg_buf_putc(b, hex[v & 15]);
			i += c1;
		}
		part = (struct lg_slice){s.p + i + 1, 0};
	}
	lg_buf_putc(b, '"');
}

static size_t column(const struct lg_buf *b)
{
	size_t i = b->len;

	while (i && b->p[i - 1] != '\n')
		i--;
	return b->len - i;
}

static void pad(struct lg_buf *b, size_t n)
{
	lg_buf_putc(b, '\n');
	while (n--)
		lg_buf_putc(b, ' ');
}

/* A single space between words reads the same as a line's end there. */
static void fold(struct lg_buf *b, size_t from, size_t indent)
{
	struct lg_buf text;
	size_t n = b->len - from, i, word;

	if (column(b) <= WIDTH || b->overflow)
		return;
	lg_buf_init(&text, n + 1);
	lg_buf_put(&text, b->p + from, n);
	b->len = from;
	for (i = 0; i < text.len; i++) {
		for (word = i + 1; word < n && text.p[word] != ' ';)
			word++;
		if (i > 1 && i + 2 < n && text.p[i] == ' ' &&
		    text.p[i - 1] != ' ' && text.p[i + 1] != ' ' &&
		    text.p[i - 1] != '\\' && text.p[i + 1] != '\'' &&
		    column(b) + word - i > WIDTH)
			pad(b, indent);
		else
			lg_buf_putc(b, text.p[i]);
	}
	lg_buf_fini(&text);
}

static void put_text(struct lg_buf *b, struct lg_slice s, size_t indent)
{
	size_t from = b->len;

	if (is_plain(s)) {
		lg_buf_put(b, s.p, s.len);
		return;
	}
	if (is_quotable(s)) {
		lg_buf_putc(b, '\'');
		lg_buf_put(b, s.p, s.len);
		lg_buf_putc(b, '\'');
	} else {
		put_quoted(b, s);
	}
	if (indent)
		fold(b, from, indent);
}

static void put_key(struct lg_buf *b, const struct doc *v)
{
	put_text(b, v->key, 0);
	lg_buf_putc(b, ':');
}

static void put_scalar(struct lg_buf *b, const struct doc *v, size_t indent)
{
	if (v->kind == DOC_STRING)
		put_text(b, v->text, indent);
	else if (v->kind == DOC_NULL)
		lg_buf_puts(b, "null");
	else
		lg_buf_put(b, v->text.p, v->text.len);
}

/* Between brackets; lines go on `indent` spaces in. */
static void put_flow(struct lg_buf *b, const struct doc *v, size_t indent)
{
	bool map = v->kind == DOC_MAP;
	const struct doc *k;
	size_t start;

	if (!map && v->kind != DOC_LIST) {
		put_scalar(b, v, indent);
		return;
	}
	lg_buf_putc(b, map ? '{' : '[');
	for (k = v->child; k; k = k->next) {
		start = b->len;
		if (map) {
			put_key(b, k);
			lg_buf_putc(b, ' ');
		}
		put_flow(b, k, indent);
		lg_buf_putc(b, k->next ? ',' : map ? '}' : ']');
		if (column(b) > WIDTH && k != v->child && !b->overflow) {
			/* once more, on the next line */
			b->len = start - (b->p[start - 1] == ' ');
			pad(b, indent);
			if (map) {
				put_key(b, k);
				lg_buf_putc(b, ' ');
			}
			put_flow(b, k, indent);
			lg_buf_putc(b, k->next ? ',' : map ? '}' : ']');
		}
		if (k->next)
			lg_buf_putc(b, ' ');
	}
	if (!v->child)
		lg_buf_putc(b, map ? '}' : ']');
}

static bool is_flat(const struct doc *v)
{
	const struct doc *k;

	for (k = v->child; k; k = k->next)
		if (k->kind == DOC_LIST || k->kind == DOC_MAP)
			return false;
	return true;
}

/* Would v fit behind what stands on the line? */
static bool fits(struct lg_buf *b, const struct doc *v)
{
	size_t was = b->len;
	bool fit;

	put_flow(b, v, 0);
	fit = !memchr(b->p + was, '\n', b->len - was) && column(b) <= WIDTH;
	b->len = was;
	return fit;
}

static void put_map(struct lg_buf *b, const struct doc *v, size_t indent);

/* Behind "key:" or "-". */
static void put_value(struct lg_buf *b, const struct doc *v, size_t indent)
{
	const struct doc *k;

	lg_buf_putc(b, ' ');
	if ((v->kind != DOC_LIST && v->kind != DOC_MAP) || fits(b, v) ||
	    (v->kind == DOC_LIST && is_flat(v))) {
		put_flow(b, v, indent + 2);
		return;
	}
	b->len--;
	if (v->kind == DOC_MAP) {
		pad(b, indent + 2);
		put_map(b, v, indent + 2);
		return;
	}
	for (k = v->child; k; k = k->next) {
		pad(b, indent + 2);
		lg_buf_putc(b, '-');
		if (k->kind == DOC_MAP && k->n) {
			lg_buf_putc(b, ' ');
			if (fits(b, k) || is_flat(k))
				put_flow(b, k, indent + 5);
			else
				put_map(b, k, indent + 4);
			continue;
		}
		put_value(b, k, indent + 2);
	}
}

static void put_map(struct lg_buf *b, const struct doc *v, size_t indent)
{
	const struct doc *k;

	for (k = v->child; k; k = k->next) {
		put_key(b, k);
		put_value(b, k, indent);
		if (k->next)
			pad(b, indent);
	}
}

void catalog_put_entry(struct lg_buf *b, const struct doc *entry)
{
	lg_buf_puts(b, "  - ");
	put_map(b, entry, 4);
	lg_buf_putc(b, '\n');
}

void catalog_put_yaml(struct lg_buf *b, const struct doc *root)
{
	const struct doc *v, *e;

	for (v = root->child; v; v = v->next) {
		bool entries = v->kind == DOC_LIST && v->child &&
			       v->child->kind == DOC_MAP;

		if (v->kind == DOC_LIST && !v->n)
			continue;
		if (entries && v != root->child)
			lg_buf_putc(b, '\n');
		put_key(b, v);
		if (!entries) {
			put_value(b, v, 0);
			lg_buf_putc(b, '\n');
			continue;
		}
		lg_buf_putc(b, '\n');
		for (e = v->child; e; e = e->next)
			catalog_put_entry(b, e);
	}
}
