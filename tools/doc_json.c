#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decimal.h"
#include "doc.h"

struct parser {
	struct doc_arena *a;
	const char *file;
	const char *p, *end;
	uint32_t line;
	unsigned depth;
	struct doc_error *err;
};

static int fail(struct parser *j, const char *what)
{
	snprintf(j->err->text, sizeof(j->err->text), "%s:%u: %s", j->file,
		 j->line, what);
	return -EPROTO;
}

static void skip(struct parser *j)
{
	for (; j->p < j->end; j->p++) {
		if (*j->p == '\n')
			j->line++;
		else if (*j->p != ' ' && *j->p != '\t' && *j->p != '\r')
			return;
	}
}

static int hex4(struct parser *j, unsigned *out)
{
	unsigned v = 0;

	if (j->end - j->p < 4)
		return fail(j, "a string is cut");
	for (int i = 0; i < 4; i++) {
		char c = *j->p++;

		if (c >= '0' && c <= '9')
			v = v * 16 + (unsigned)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v * 16 + (unsigned)((c | 32) - 'a' + 10);
		else
			return fail(j, "\\u needs four hexadecimal digits");
	}
	*out = v;
	return 0;
}

static char *put_utf8(char *q, unsigned v)
{
	if (v < 0x80) {
		*q++ = (char)v;
	} else if (v < 0x800) {
		*q++ = (char)(0xc0 | v >> 6);
		*q++ = (char)(0x80 | (v & 63));
	} else if (v < 0x10000) {
		*q++ = (char)(0xe0 | v >> 12);
		*q++ = (char)(0x80 | (v >> 6 & 63));
		*q++ = (char)(0x80 | (v & 63));
	} else {
		*q++ = (char)(0xf0 | v >> 18);
		*q++ = (char)(0x80 | (v >> 12 & 63));
		*q++ = (char)(0x80 | (v >> 6 & 63));
		*q++ = (char)(0x80 | (v & 63));
	}
	return q;
}

static int unicode(struct parser *j, char **q)
{
	unsigned v, low;

	if (hex4(j, &v))
		return -EPROTO;
	if (!v)
		return fail(j, "a NUL in a string");
	if (v >= 0xdc00 && v < 0xe000)
		return fail(j, "half of a surrogate pair");
	if (v >= 0xd800 && v < 0xdc00) {
		if (j->end - j->p < 6 || j->p[0] != '\\' || j->p[1] != 'u')
			return fail(j, "half of a surrogate pair");
		j->p += 2;
		if (hex4(j, &low))
			return -EPROTO;
		if (low < 0xdc00 || low >= 0xe000)
			return fail(j, "half of a surrogate pair");
		v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
	}
	*q = put_utf8(*q, v);
	return 0;
}

static int escape(struct parser *j, char **q)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	char c;

	if (j->p == j->end)
		return fail(j, "a string is cut");
	c = *j->p++;
	if (c == 'u')
		return unicode(j, q);
	at = c ? strchr(from, c) : NULL;
	if (!at)
		return fail(j, "no such escape in a string");
	*(*q)++ = to[at - from];
	return 0;
}

static int string(struct parser *j, struct lg_slice *out)
{
	const char *close = j->p + 1;
	char *buf, *q;
	size_t n;

	while (close < j->end && *close != '"')
		close += *close == '\\' && close + 1 < j->end ? 2 : 1;
	if (close >= j->end)
		return fail(j, "a string has no end");
	/* No escape decodes to more bytes than it has. */
	buf = q = doc_alloc(j->a, (size_t)(close - j->p));
	for (j->p++; j->p < close;) {
		unsigned char c = (unsigned char)*j->p;

		if (c < 0x20)
			return fail(j, "a control character in a string");
		if (c == '\\') {
			j->p++;
			if (escape(j, &q))
				return -EPROTO;
			continue;
		}
		n = c < 0x80 ? 1
			     : lg_utf8_len((const unsigned char *)j->p,
					   (size_t)(close - j->p));
		if (!n)
			return fail(j, "not UTF-8");
		memcpy(q, j->p, n);
		q += n;
		j->p += n;
	}
	j->p = close + 1;
	*q = 0;
	*out = (struct lg_slice){buf, (size_t)(q - buf)};
	return 0;
}

static int value(struct parser *j, struct doc **out);

static int by_key(const void *a, const void *b)
{
	const struct doc *x = *(const struct doc *const *)a,
			 *y = *(const struct doc *const *)b;
	int c = strcmp(x->key.p, y->key.p);

	return c ? c : (x->line > y->line) - (x->line < y->line);
}

/* A string has no NUL (see unicode), so keys compare as C strings. */
static int check_keys(struct parser *j, const struct doc *map)
{
	struct doc at = {.kind = DOC_NULL}, **all, *v;
	uint32_t n = 0;

	if (map->n < 2)
		return 0;
	all = doc_alloc(j->a, map->n * sizeof(struct doc *));
	for (v = map->child; v; v = v->next)
		all[n++] = v;
	qsort(all, n, sizeof(struct doc *), by_key);
	for (uint32_t i = 1; i < n; i++) {
		if (strcmp(all[i - 1]->key.p, all[i]->key.p))
			continue;
		at.line = all[i]->line;
		at.key = all[i]->key;
		doc_fail(j->err, j->file, &at, "the key is given twice");
		return -EPROTO;
	}
	return 0;
}

static int member(struct parser *j, struct doc *map)
{
	struct lg_slice key;
	struct doc *v;
	int err;

	if (j->p == j->end || *j->p != '"')
		return fail(j, "a key in quotes is expected");
	err = string(j, &key);
	if (err)
		return err;
	skip(j);
	if (j->p == j->end || *j->p++ != ':')
		return fail(j, "a ':' is expected");
	skip(j);
	err = value(j, &v);
	if (err)
		return err;
	v->key = key;
	doc_add(j->a, map, NULL, v);
	return 0;
}

static int container(struct parser *j, struct doc *v)
{
	char close = *j->p == '{' ? '}' : ']';
	struct doc *kid;
	int err;

	if (++j->depth > DOC_DEPTH_MAX)
		return fail(j, "nested too deeply");
	j->p++;
	skip(j);
	if (j->p < j->end && *j->p == close)
		goto closed;
	for (;;) {
		if (close == '}') {
			err = member(j, v);
		} else {
			err = value(j, &kid);
			if (!err)
				doc_add(j->a, v, NULL, kid);
		}
		if (err)
			return err;
		skip(j);
		if (j->p < j->end && *j->p == close)
			break;
		if (j->p == j->end || *j->p != ',')
			return fail(j, close == '}' ? "',' or '}' is expected"
						    : "',' or ']' is expected");
		j->p++;
		skip(j);
	}
closed:
	j->p++;
	j->depth--;
	return close == '}' ? check_keys(j, v) : 0;
}

static int literal(struct parser *j, struct doc *v)
{
	const char *start = j->p;

	while (j->p < j->end && !strchr(" \t\r\n,]}:", *j->p))
		j->p++;
	v->text = doc_copy(j->a,
			   (struct lg_slice){start, (size_t)(j->p - start)});
	if (doc_is(v, "null"))
		v->kind = DOC_NULL;
	else if (doc_is(v, "true") || doc_is(v, "false"))
		v->kind = DOC_BOOL;
	else if (!decimal_is(v->text))
		return doc_fail(j->err, j->file, v, "is no JSON value"),
		       -EPROTO;
	return 0;
}

static int value(struct parser *j, struct doc **out)
{
	struct doc *v = doc_new(j->a, DOC_NUMBER, "");

	*out = v;
	v->line = j->line;
	if (j->a->nodes > DOC_NODES_MAX)
		return fail(j, "too many values");
	if (j->p == j->end)
		return fail(j, "the text ends where a value is expected");
	if (*j->p == '{' || *j->p == '[') {
		v->kind = *j->p == '{' ? DOC_MAP : DOC_LIST;
		return container(j, v);
	}
	if (*j->p == '"') {
		v->kind = DOC_STRING;
		return string(j, &v->text);
	}
	return literal(j, v);
}

int doc_parse_json(struct doc_arena *a, const char *file, struct lg_slice text,
		   struct doc **out, struct doc_error *err)
{
	struct parser j = {.a = a,
			   .file = file,
			   .p = text.p,
			   .end = text.p + text.len,
			   .line = 1,
			   .err = err};
	int ret;

	if (lg_slice_starts(text, LG_SLICE("\xef\xbb\xbf")))
		j.p += 3;
	skip(&j);
	ret = value(&j, out);
	if (ret)
		return ret;
	skip(&j);
	return j.p == j.end ? 0 : fail(&j, "more text behind the value");
}

static void line(struct lg_buf *b, unsigned indent, unsigned depth)
{
	if (!indent)
		return;
	lg_buf_putc(b, '\n');
	for (unsigned i = 0; i < indent * depth; i++)
		lg_buf_putc(b, ' ');
}

static void put(struct lg_buf *b, const struct doc *v, unsigned indent,
		unsigned depth)
{
	const struct doc *k;

	if (v->kind == DOC_STRING) {
		lg_buf_put_json(b, v->text);
		return;
	}
	if (v->kind != DOC_MAP && v->kind != DOC_LIST) {
		if (v->kind == DOC_NULL)
			lg_buf_puts(b, "null");
		else
			lg_buf_put(b, v->text.p, v->text.len);
		return;
	}
	lg_buf_putc(b, v->kind == DOC_MAP ? '{' : '[');
	for (k = v->child; k; k = k->next) {
		line(b, indent, depth + 1);
		if (v->kind == DOC_MAP) {
			lg_buf_put_json(b, k->key);
			lg_buf_puts(b, indent ? ": " : ":");
		}
		put(b, k, indent, depth + 1);
		if (k->next)
			lg_buf_putc(b, ',');
	}
	if (v->child)
		line(b, indent, depth);
	lg_buf_putc(b, v->kind == DOC_MAP ? '}' : ']');
}

void doc_put_json(struct lg_buf *b, const struct doc *v, unsigned indent)
{
	put(b, v, indent, 0);
}
