#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bill_read.h"
#include "table.h"

static const char *const names[] = {
	[BILL_ANY] = "",
	[BILL_OPENAI] = "openai",
	[BILL_ANTHROPIC] = "anthropic",
	[BILL_OPENROUTER] = "openrouter",
};

#define FORMATS (sizeof(names) / sizeof(names[0]))

const char *bill_format_name(enum bill_format f)
{
	return (unsigned)f < FORMATS ? names[f] : "";
}

enum bill_format bill_format_by_name(const char *name)
{
	for (unsigned i = 1; i < FORMATS; i++)
		if (!strcmp(names[i], name))
			return (enum bill_format)i;
	return BILL_ANY;
}

int bill_fail(struct bill *b, const char *where, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (b->error[0])
		return -EPROTO;
	n = snprintf(b->error, sizeof(b->error), "%s: %s%s", b->name, where,
		     *where ? ": " : "");
	if (n < 0 || (size_t)n >= sizeof(b->error))
		return -EPROTO;
	va_start(ap, fmt);
	vsnprintf(b->error + n, sizeof(b->error) - (size_t)n, fmt, ap);
	va_end(ap);
	return -EPROTO;
}

int bill_sink_failed(struct bill *b, int err)
{
	bill_fail(b, "", "%s", strerror(-err));
	return err;
}

const char *bill_clean(struct lg_slice s, char *out, size_t cap)
{
	char text[64];
	size_t n = 0;

	lg_slice_copy(s, text, sizeof(text));
	for (const char *p = text; *p && n + 1 < cap;) {
		size_t bad = table_hostile(p);

		out[n++] = bad ? '?' : *p;
		p += bad ? bad : 1;
	}
	out[n] = '\0';
	return out;
}

int bill_is(struct bill *b, const char *where, enum bill_format f)
{
	if (b->want != BILL_ANY && b->want != f)
		return bill_fail(b, where, "an export of %s, not of %s",
				 names[f], names[b->want]);
	if (b->format != BILL_ANY && b->format != f)
		return bill_fail(b, where,
				 "an export of %s after one of %s: one file, "
				 "one provider",
				 names[f], names[b->format]);
	b->format = f;
	return 0;
}

int bill_open(const char *name, enum bill_format want,
	      const struct lg_zone *zone, const struct bill_sink *sink,
	      struct bill **out)
{
	struct bill *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->name = name;
	b->want = want;
	b->zone = zone;
	b->sink = *sink;
	*out = b;
	return 0;
}

/* A JSON text begins with a bracket, whatever else is a table. */
static int look(struct bill *b, char first)
{
	if (first == '{' || first == '[') {
		b->shape = BILL_JSON;
		return bill_json_init(b);
	}
	b->shape = BILL_CSV;
	bill_csv_init(b);
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int bill_feed(struct bill *b, const char *p, size_t n)
{
	int err = 0;

	if (b->error[0])
		return -EPROTO;
	for (; b->shape == BILL_UNSEEN && n && is_blank(*p); n--)
		p++;
	if (!n)
		return 0;
	if (b->shape == BILL_UNSEEN)
		err = look(b, *p);
	if (err)
		return err;
	return b->shape == BILL_JSON ? bill_json_feed(b, p, n)
				     : bill_csv_feed(b, p, n);
}

int bill_end(struct bill *b)
{
	int err;

	if (b->error[0])
		return -EPROTO;
	if (b->shape == BILL_UNSEEN)
		return bill_fail(b, "", "the file is empty");
	err = b->shape == BILL_JSON ? bill_json_end(b) : bill_csv_end(b);
	if (err)
		return err;
	if (!b->days && !b->items)
		return bill_fail(b, "",
				 "no days in it: not an export that "
				 "reconcile knows (OpenAI's or Anthropic's "
				 "costs or usage, OpenRouter's activity)");
	if (b->format == BILL_ANY)
		b->format = b->want;
	return 0;
}

void bill_close(struct bill *b)
{
	if (!b)
		return;
	if (b->shape == BILL_JSON)
		bill_json_fini(b);
	free(b);
}

const char *bill_error(const struct bill *b)
{
	return b->error;
}

enum bill_format bill_format(const struct bill *b)
{
	return b->format;
}

bool bill_has_more(const struct bill *b)
{
	return b->more;
}

/* "gpt-image-1 image": the kind of token that OpenAI writes behind it. */
static struct lg_slice without_kind(struct lg_slice s)
{
	static const char *const kinds[] = {" image", " text", " audio"};

	for (unsigned i = 0; i < 3; i++)
		if (lg_slice_iends(s, lg_slice_str(kinds[i])))
			s.len -= strlen(kinds[i]);
	return s;
}

void bill_line_item(struct bill_item *i, struct lg_slice text)
{
	struct lg_slice model, rest = lg_slice_cut(text, ',', &model);

	model = without_kind(lg_slice_trim(model));
	/* a model's name has no blank, what is no model has nothing behind */
	if (!rest.len && model.len && memchr(model.p, ' ', model.len)) {
		lg_slice_copy(lg_slice_trim(text), i->label, sizeof(i->label));
		return;
	}
	if (lg_slice_istarts(model, LG_SLICE("ft-"))) {
		lg_slice_copy(model, i->model, sizeof(i->model));
		i->model[2] = ':'; /* how the API names it */
		return;
	}
	lg_slice_copy(model, i->model, sizeof(i->model));
}
