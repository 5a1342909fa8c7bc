#include "curl_line.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "curl_option.h"

#define WORDS_MAX 4096
#define HEAD_MAX ((size_t)1 << 20)

struct curl {
	struct doc_arena *a;
	struct doc_error *err;
	struct lg_slice url;
	const char *method;
	struct lg_buf fields, body;
	bool typed, has_body, json, get;
};

__attribute__((format(printf, 2, 3))) static int fail(struct curl *c,
						      const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(c->err->text, sizeof(c->err->text), "curl: ");

	va_start(ap, fmt);
	vsnprintf(c->err->text + n, sizeof(c->err->text) - (size_t)n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int header(struct curl *c, const char *text)
{
	struct lg_slice s = lg_slice_str(text);

	if (memchr(s.p, '\n', s.len) || memchr(s.p, '\r', s.len))
		return fail(c, "-H with a line's end in it");
	if (!s.len || s.p[0] == '@' || !memchr(s.p, ':', s.len))
		return 0; /* "X-Thing;" and files of headers say nothing here */
	if (lg_slice_istarts(s, LG_SLICE("content-length:")) ||
	    lg_slice_istarts(s, LG_SLICE("host:")) ||
	    lg_slice_istarts(s, LG_SLICE("transfer-encoding:")))
		return 0;
	c->typed |= lg_slice_istarts(s, LG_SLICE("content-type:"));
	lg_buf_put(&c->fields, s.p, s.len);
	lg_buf_puts(&c->fields, "\r\n");
	return 0;
}

/* Line ends of files go, as curl takes them out of --data @file. */
static void put_file(struct curl *c, struct lg_slice text, bool ends)
{
	for (size_t i = 0; i < text.len; i++)
		if (ends || (text.p[i] != '\r' && text.p[i] != '\n'))
			lg_buf_putc(&c->body, text.p[i]);
}

static int data(struct curl *c, const char *text, bool files, bool ends)
{
	struct lg_slice s = lg_slice_str(text);
	int err = 0;

	if (c->has_body && !c->json)
		lg_buf_putc(&c->body, '&');
	c->has_body = true;
	if (files && *text == '@') {
		err = doc_read(c->a, text + 1, &s, c->err);
		if (!err)
			put_file(c, s, ends);
		return err;
	}
	lg_buf_put(&c->body, s.p, s.len);
	return 0;
}

static int take_url(struct curl *c, const char *text)
{
	if (c->url.len)
		return fail(c,
			    "%.200s: a second URL, and one request only is "
			    "understood",
			    text);
	c->url = lg_slice_str(text);
	return 0;
}

static int take(struct curl *c, const struct curl_option *o, const char *text)
{
	switch (o->is) {
	case CURL_OPT_URL:
		return take_url(c, text);
	case CURL_OPT_HEADER:
		return header(c, text);
	case CURL_OPT_METHOD:
		c->method = text;
		return 0;
	case CURL_OPT_DATA:
		return data(c, text, true, !strcmp(o->name, "data-binary"));
	case CURL_OPT_DATA_RAW:
		return data(c, text, false, true);
	case CURL_OPT_JSON:
		c->json = true;
		return data(c, text, true, true);
	case CURL_OPT_NOT:
		return fail(c,
			    "--%s: files of options, forms and uploads are not "
			    "understood",
			    o->name);
	case CURL_OPT_NEXT:
		return fail(c, "--next: one request only is understood");
	case CURL_OPT_GET:
		c->get = true;
		return 0;
	case CURL_OPT_HEAD:
		c->method = "HEAD";
		return 0;
	default:
		return 0;
	}
}

static int long_option(struct curl *c, char **argv, int *i, int argc)
{
	const char *name = argv[*i] + 2, *eq = strchr(name, '=');
	size_t len = eq ? (size_t)(eq - name) : strlen(name);
	const struct curl_option *o = curl_option_find(name, len);

	if (!o)
		return fail(c, "--%.*s: no option that is known here",
			    len > 100 ? 100 : (int)len, name);
	if (!curl_option_has_value(o))
		return eq ? fail(c, "--%s takes no value", o->name)
			  : take(c, o, "");
	if (eq)
		return take(c, o, eq + 1);
	if (*i + 1 >= argc)
		return fail(c, "--%s needs a value", o->name);
	return take(c, o, argv[++*i]);
}

/* "-sSX POST", "-XPOST", "-d@file" */
static int short_options(struct curl *c, char **argv, int *i, int argc)
{
	int err = 0;

	for (const char *p = argv[*i] + 1; *p && !err; p++) {
		const struct curl_option *o = curl_option_letter(*p);

		if (!o)
			return fail(c, "-%c: no option that is known here", *p);
		if (!curl_option_has_value(o)) {
			err = take(c, o, "");
			continue;
		}
		if (p[1])
			return take(c, o, p + 1);
		if (*i + 1 >= argc)
			return fail(c, "-%c needs a value", *p);
		return take(c, o, argv[++*i]);
	}
	return err;
}

static int finish(struct curl *c, struct lg_slice *out)
{
	const char *path, *host = strstr(c->url.p, "://");
	struct lg_buf b;
	int err = 0;

	host = host ? host + 3 : c->url.p;
	if (c->get) { /* the data are its query, which says nothing here */
		c->has_body = false;
		c->body.len = 0;
	}
	path = host + strcspn(host, "/?#");
	lg_buf_init(&b, DOC_FILE_MAX + 2 * HEAD_MAX);
	lg_buf_puts(&b, c->method ? c->method : c->has_body ? "POST" : "GET");
	lg_buf_puts(&b, *path == '/' ? " " : " /");
	lg_buf_put(&b, path, strcspn(path, "#"));
	lg_buf_puts(&b, " HTTP/1.1\r\nHost: ");
	lg_buf_put(&b, host, (size_t)(path - host));
	lg_buf_puts(&b, "\r\n");
	if (c->has_body && !c->typed) /* what it means here */
		lg_buf_puts(&b, "Content-Type: application/json\r\n");
	lg_buf_put(&b, c->fields.p, c->fields.len);
	lg_buf_puts(&b, "\r\n");
	lg_buf_put(&b, c->body.p, c->body.len);
	if (b.overflow || c->fields.overflow || c->body.overflow)
		err = fail(c, "too long");
	else
		*out = doc_copy(c->a, lg_buf_slice(&b));
	lg_buf_fini(&b);
	return err;
}

int curl_line_argv(struct doc_arena *a, int argc, char **argv,
		   struct lg_slice *out, struct doc_error *err)
{
	struct curl c = {.a = a, .err = err};
	bool plain = false;
	int i, ret = 0;

	lg_buf_init(&c.fields, HEAD_MAX);
	lg_buf_init(&c.body, DOC_FILE_MAX);
	for (i = 1; i < argc && !ret; i++) {
		if (argv[i][0] != '-' || !argv[i][1] || plain)
			ret = take_url(&c, argv[i]);
		else if (!strcmp(argv[i], "--"))
			plain = true;
		else if (argv[i][1] == '-')
			ret = long_option(&c, argv, &i, argc);
		else
			ret = short_options(&c, argv, &i, argc);
	}
	if (!ret && !c.url.len)
		ret = fail(&c, "it names no URL");
	if (!ret)
		ret = finish(&c, out);
	lg_buf_fini(&c.fields);
	lg_buf_fini(&c.body);
	return ret;
}

/* -- a shell's words ------------------------------------------------------- */

bool curl_line_is(struct lg_slice text)
{
	struct lg_slice s = lg_slice_trim(text);

	if (lg_slice_starts(s, LG_SLICE("$ "))) {
		s.p += 2;
		s.len -= 2;
	}
	return s.len > 5 && lg_slice_starts(s, LG_SLICE("curl")) &&
	       strchr(" \t\\\n", s.p[4]);
}

/* Of $'...': \n, \t, \', \uXXXX and the like; *p is behind the backslash. */
static void escape(struct lg_buf *b, const char **p, const char *end)
{
	static const char from[] = "abefnrtv", to[] = "\a\b\033\f\n\r\t\v";
	const char *at = memchr(from, **p, sizeof(from) - 1);
	unsigned code = 0, n = **p == 'u' ? 4 : **p == 'x' ? 2 : 0, k;

	if (at) {
		lg_buf_putc(b, to[at - from]);
		++*p;
		return;
	}
	if (!n) {
		lg_buf_putc(b, *(*p)++);
		return;
	}
	for (k = 0, ++*p; k < n && *p < end; k++, ++*p) {
		const char *hex = "0123456789abcdef";
		const char *d =
			**p ? strchr(hex, **p >= 'A' && **p <= 'F' ? **p | 0x20
								   : **p)
			    : NULL;

		if (!d)
			break;
		code = code << 4 | (unsigned)(d - hex);
	}
	if (code < 0x80) {
		lg_buf_putc(b, (char)code);
	} else if (code < 0x800) {
		lg_buf_putc(b, (char)(0xc0 | code >> 6));
		lg_buf_putc(b, (char)(0x80 | (code & 63)));
	} else {
		lg_buf_putc(b, (char)(0xe0 | code >> 12));
		lg_buf_putc(b, (char)(0x80 | (code >> 6 & 63)));
		lg_buf_putc(b, (char)(0x80 | (code & 63)));
	}
}

/* From behind the opening quote to behind the closing one. */
static bool quoted(struct lg_buf *b, const char **p, const char *end,
		   char quote, bool ansi)
{
	while (*p < end && **p != quote) {
		char c = *(*p)++;

		if (c != '\\' || *p == end || (quote == '\'' && !ansi)) {
			lg_buf_putc(b, c);
		} else if (ansi) {
			escape(b, p, end);
		} else {
			if (**p == '\n') {
				++*p;
				continue;
			}
			if (!strchr("\"\\$`", **p))
				lg_buf_putc(b, '\\');
			lg_buf_putc(b, *(*p)++);
		}
	}
	if (*p == end)
		return false;
	++*p;
	return true;
}

/* One word; false where a quote does not end. */
static bool word(struct lg_buf *b, const char **p, const char *end)
{
	while (*p < end && !strchr(" \t\r\n;|&>", **p)) {
		char c = *(*p)++;

		if (c == '\'' || c == '"') {
			if (!quoted(b, p, end, c, false))
				return false;
		} else if (c == '$' && *p < end && **p == '\'') {
			++*p;
			if (!quoted(b, p, end, '\'', true))
				return false;
		} else if (c == '\\' && *p < end) {
			if (**p == '\r' && *p + 1 < end)
				++*p;
			if (**p != '\n')
				lg_buf_putc(b, **p);
			++*p;
		} else if (c) {
			lg_buf_putc(b, c);
		}
	}
	return true;
}

/* Blanks and continued lines before a word. */
static void skip(const char **p, const char *end)
{
	while (*p < end) {
		if (**p == ' ' || **p == '\t' || **p == '\r')
			++*p;
		else if (**p == '\\' && *p + 1 < end && (*p)[1] == '\n')
			*p += 2;
		else if (**p == '\\' && *p + 2 < end && (*p)[1] == '\r' &&
			 (*p)[2] == '\n')
			*p += 3;
		else
			return;
	}
}

int curl_line_text(struct doc_arena *a, struct lg_slice text,
		   struct lg_slice *out, struct doc_error *err)
{
	struct curl c = {.a = a, .err = err};
	const char *p, *end;
	char **argv = doc_alloc(a, WORDS_MAX * sizeof(*argv));
	int n = 0;

	text = lg_slice_trim(text);
	p = text.p;
	end = text.p + text.len;
	if (lg_slice_starts(text, LG_SLICE("$ ")))
		p += 2;
	for (skip(&p, end); p < end && !strchr("\n;|&>", *p); skip(&p, end)) {
		struct lg_buf b;
		bool whole;

		if (n == WORDS_MAX)
			return fail(&c, "more than 4096 words");
		lg_buf_init(&b, DOC_FILE_MAX);
		whole = word(&b, &p, end);
		argv[n++] = (char *)doc_copy(a, lg_buf_slice(&b)).p;
		lg_buf_fini(&b);
		if (!whole)
			return fail(&c, "a quote does not end");
	}
	return curl_line_argv(a, n, argv, out, err);
}
