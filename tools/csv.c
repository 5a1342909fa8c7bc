#include "csv.h"

#include <errno.h>
#include <string.h>

enum state {
	S_FIELD,  /* at its first byte */
	S_PLAIN,  /* within one without quotes */
	S_QUOTED, /* within quotes */
	S_QUOTE,  /* after a quote within: its end or a doubled one */
};

static const unsigned char bom[] = {0xef, 0xbb, 0xbf};

void csv_init(struct csv *c, csv_fn *fn, void *ctx)
{
	memset(c, 0, offsetof(struct csv, end));
	c->fn = fn;
	c->ctx = ctx;
	c->line = 1;
}

struct lg_slice csv_field(const struct csv *c, unsigned i)
{
	uint32_t from = i ? c->end[i - 1] : 0;

	if (i >= c->n)
		return (struct lg_slice){"", 0};
	return (struct lg_slice){c->text + from, c->end[i] - from};
}

static int put(struct csv *c, char b)
{
	if (c->len == sizeof(c->text))
		return -EMSGSIZE;
	c->text[c->len++] = b;
	return 0;
}

static int end_field(struct csv *c)
{
	if (c->n == CSV_FIELDS_MAX)
		return -EMSGSIZE;
	c->end[c->n++] = (uint32_t)c->len;
	c->state = S_FIELD;
	return 0;
}

static int end_record(struct csv *c)
{
	bool blank = !c->n && !c->len && c->state == S_FIELD;
	int err = end_field(c);

	if (!err && !blank)
		err = c->fn(c->ctx, c);
	c->n = 0;
	c->len = 0;
	c->line = c->lines + 1;
	return err;
}

/* Not within quotes. */
static int take_plain(struct csv *c, char b)
{
	if (b == c->separator)
		return end_field(c);
	if (b == '\n')
		return end_record(c);
	if (b == '\r')
		return 0; /* of CRLF */
	if (c->state == S_QUOTE)
		return -EPROTO;
	if (b == '"' && c->state == S_FIELD) {
		c->state = S_QUOTED;
		return 0;
	}
	if (b == '"')
		return -EPROTO;
	c->state = S_PLAIN;
	return put(c, b);
}

static int take(struct csv *c, char b)
{
	c->lines += b == '\n';
	if (c->state == S_QUOTED) {
		if (b != '"')
			return put(c, b);
		c->state = S_QUOTE;
		return 0;
	}
	if (c->state == S_QUOTE && b == '"') {
		c->state = S_QUOTED;
		return put(c, b);
	}
	return take_plain(c, b);
}

/* What parts the fields, by the first of them in the first line. */
static char separator_of(char b)
{
	return b == ',' || b == '\t' || b == ';' ? b : 0;
}

int csv_feed(struct csv *c, const char *p, size_t n)
{
	for (size_t i = 0; i < n && !c->err; i++) {
		if (c->mark < sizeof(bom) &&
		    (unsigned char)p[i] == bom[c->mark]) {
			c->mark++;
			continue;
		}
		if (c->mark < sizeof(bom) && c->mark)
			c->err = -EPROTO; /* half a byte order mark */
		c->mark = sizeof(bom);
		if (!c->separator && c->state != S_QUOTED)
			c->separator = separator_of(p[i]);
		if (!c->err)
			c->err = take(c, p[i]);
	}
	return c->err;
}

int csv_end(struct csv *c)
{
	if (c->err)
		return c->err;
	if (c->state == S_QUOTED)
		c->err = -EPROTO;
	else if (c->n || c->len || c->state != S_FIELD)
		c->err = end_record(c);
	return c->err;
}
