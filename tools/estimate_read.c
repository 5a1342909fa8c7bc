#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "csv.h"
#include "curl_line.h"
#include "estimate.h"
#include "guard/engine.h"
#include "price_find.h"
#include "prompt_body.h"

#define LINE_MAX_BYTES DOC_FILE_MAX

__attribute__((format(printf, 2, 3))) static int fail(struct estimate *s,
						      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* -- one JSON value, in whatever form batches have it ---------------------- */

static struct lg_slice text_of(struct doc_arena *a, const struct doc *v)
{
	struct lg_slice text;
	struct lg_buf b;

	lg_buf_init(&b, 2 * DOC_FILE_MAX);
	doc_put_json(&b, v, 0);
	text = doc_copy(a, lg_buf_slice(&b));
	lg_buf_fini(&b);
	return text;
}

static const char *url_of(struct doc_arena *a, const char *before,
			  struct lg_slice path, const char *behind)
{
	size_t n = strlen(before) + path.len + strlen(behind) + 1;
	char *url = doc_alloc(a, n);

	snprintf(url, n, "%s%.*s%s", before, (int)path.len, path.p, behind);
	return url;
}

/*
 * What stands in a line of a batch file: the request, where it goes and its
 * tier. Published forms, read 2026-11: OpenAI {custom_id, method, url, body},
 * Anthropic {custom_id, params}, Gemini {key, request}, Bedrock {recordId,
 * modelInput}; Mistral's and others' are OpenAI's without a URL.
 */
struct unwrapped {
	const struct doc *body;
	const char *url, *tier, *form, *why;
};

static void unwrap(const struct estimate *s, struct doc_arena *a,
		   const struct doc *v, struct unwrapped *u)
{
	const struct doc *url = doc_get(v, "url");
	struct lg_slice model = lg_slice_str(s->o.model ? s->o.model : "");

	*u = (struct unwrapped){.body = v};
	if (doc_get(v, "body") && doc_get(v, "body")->kind == DOC_MAP) {
		u->body = doc_get(v, "body");
		u->tier = "batch";
		u->form = "OpenAI batch";
		if (url && lg_slice_starts(url->text, LG_SLICE("/")))
			u->url = url_of(a, "https://api.openai.com", url->text,
					"");
	} else if (doc_get(v, "params")) {
		u->body = doc_get(v, "params");
		u->tier = "batch";
		u->form = "Anthropic batch";
		u->url = "https://api.anthropic.com/v1/messages";
	} else if (doc_get(v, "request") &&
		   doc_get(doc_get(v, "request"), "contents")) {
		u->body = doc_get(v, "request");
		u->tier = "batch";
		u->form = "Gemini batch";
		u->why = model.len ? NULL : "a Gemini batch: give --model";
		u->url = url_of(a,
				"https://generativelanguage.googleapis.com"
				"/v1beta/models/",
				model, ":generateContent");
	} else if (doc_get(v, "modelInput")) {
		u->body = doc_get(v, "modelInput");
		u->tier = "batch";
		u->form = "Bedrock batch";
		u->why = model.len ? NULL : "a Bedrock batch: give --model";
		u->url = url_of(a,
				"https://bedrock-runtime.us-east-1."
				"amazonaws.com/model/",
				model, "/invoke");
	}
}

/* text: v's own, as far as it is the whole of it. */
static int add_value(struct estimate *s, struct doc_arena *a, const char *name,
		     struct doc *v, struct lg_slice text)
{
	struct estimate_request r = {.name = name, .a = a, .text = text};
	struct unwrapped u;
	struct doc *body;

	if (v->kind != DOC_MAP)
		return fail(s, "%s: must be a JSON object", name);
	unwrap(s, a, v, &u);
	if (u.why)
		return fail(s, "%s: %s", name, u.why);
	r.url = u.url;
	r.tier = u.tier;
	if (u.form)
		s->form = u.form;
	if (u.body->kind != DOC_MAP)
		return fail(s, "%s: its request must be a JSON object", name);
	if (s->o.model && !u.url && !doc_get(u.body, "model")) {
		body = doc_clone(a, u.body);
		doc_add(a, body, "model", doc_new(a, DOC_STRING, s->o.model));
		u.body = body;
	}
	if (u.body != v || !text.len)
		r.text = text_of(a, u.body);
	return estimate_add(s, &r);
}

/* -- lines ----------------------------------------------------------------- */

static int add_line(struct estimate *s, const char *file, uint64_t no,
		    struct lg_slice line)
{
	struct doc_arena a = {0};
	struct doc_error err;
	char name[320];
	struct doc *v;
	int ret;

	snprintf(name, sizeof(name), "%.280s:%llu", file,
		 (unsigned long long)no);
	if (doc_parse_json(&a, name, line, &v, &err)) {
		/* it counts lines itself: it was given one */
		const char *what = strstr(err.text, ": ");

		ret = fail(s, "%s%s", name, what ? what : ": no JSON");
	} else {
		ret = add_value(s, &a, name, v, line);
	}
	doc_arena_fini(&a);
	return ret;
}

static int read_lines(struct estimate *s, const char *file, FILE *f)
{
	char *line = NULL;
	size_t cap = 0;
	uint64_t no = 0;
	ssize_t n;
	int ret = 0;

	while (!ret && (n = getline(&line, &cap, f)) >= 0) {
		struct lg_slice text =
			lg_slice_trim((struct lg_slice){line, (size_t)n});

		no++;
		if (no == 1 && lg_slice_starts(text, LG_SLICE("\xef\xbb\xbf")))
			text = (struct lg_slice){text.p + 3, text.len - 3};
		if (!text.len)
			continue;
		if (text.len > LINE_MAX_BYTES)
			ret = fail(s, "%s:%llu: a line of more than 64 MiB",
				   file, (unsigned long long)no);
		else
			ret = add_line(s, file, no, text);
	}
	if (!ret && ferror(f))
		ret = fail(s, "%s: %s", file, strerror(errno));
	free(line);
	return ret;
}

/* -- CSV ------------------------------------------------------------------- */

struct table_file {
	struct csv csv;
	struct estimate *s;
	const struct estimate_source *from;
	struct lg_slice system;
	bool headed;
	unsigned prompt, model, max;
};
#define NO_COLUMN UINT32_MAX

static unsigned column(const struct csv *c, const char *name)
{
	for (unsigned i = 0; i < c->n; i++)
		if (lg_slice_ieq(lg_slice_trim(csv_field(c, i)),
				 lg_slice_str(name)))
			return i;
	return NO_COLUMN;
}

static int read_head(struct table_file *t)
{
	static const char *const usual[] = {"prompt",	"text",	   "input",
					    "question", "content", "message"};
	const char *want = t->from->column;

	t->headed = true;
	t->model = column(&t->csv, "model");
	t->max = column(&t->csv, "max_tokens");
	t->prompt = NO_COLUMN;
	if (want) {
		t->prompt = column(&t->csv, want);
		if (t->prompt == NO_COLUMN)
			return fail(t->s, "%s: has no column %s", t->from->file,
				    want);
		return 0;
	}
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (t->prompt == NO_COLUMN)
			t->prompt = column(&t->csv, usual[i]);
	if (t->prompt == NO_COLUMN && t->csv.n == 1)
		t->prompt = 0;
	if (t->prompt == NO_COLUMN)
		return fail(t->s,
			    "%s: which column has the prompt? Give --column "
			    "NAME",
			    t->from->file);
	return 0;
}

static const char *provider_of(struct estimate *s, struct lg_slice model)
{
	static char name[64];
	struct price_find q = {.model = model};
	struct lg_price p;

	if (s->o.provider)
		return s->o.provider;
	if (!price_find(lg_engine_catalog(s->e), &q, &p) || !p.entry)
		return "openai";
	lg_slice_copy(lg_img_text(p.img, p.entry->provider), name,
		      sizeof(name));
	return name;
}

static int add_prompt(struct estimate *s, struct doc_arena *a, const char *name,
		      const struct prompt_body *p)
{
	struct estimate_request r = {.name = name, .a = a};

	if (!p->model.len)
		return fail(s, "%s: for which model? Give --model NAME", name);
	r.text = prompt_body(a, provider_of(s, p->model), p);
	return estimate_add(s, &r);
}

static int add_record(void *ctx, const struct csv *c)
{
	struct table_file *t = ctx;
	struct prompt_body p = {
		.model = lg_slice_str(t->s->o.model ? t->s->o.model : ""),
		.system = t->system,
		.max_tokens = t->from->max_tokens,
		.has_max = t->from->has_max,
	};
	struct doc_arena a = {0};
	struct lg_slice max;
	char name[320];
	int ret;

	if (!t->headed)
		return read_head(t);
	snprintf(name, sizeof(name), "%.280s:%llu", t->from->file,
		 (unsigned long long)c->line);
	if (t->model != NO_COLUMN && csv_field(c, t->model).len)
		p.model = lg_slice_trim(csv_field(c, t->model));
	max = t->max == NO_COLUMN ? (struct lg_slice){"", 0}
				  : lg_slice_trim(csv_field(c, t->max));
	if (max.len && lg_slice_u64(max, &p.max_tokens))
		return fail(t->s, "%s: max_tokens must be a whole number",
			    name);
	p.has_max |= max.len > 0;
	p.prompt = csv_field(c, t->prompt);
	ret = add_prompt(t->s, &a, name, &p);
	doc_arena_fini(&a);
	return ret;
}

static int read_csv(struct estimate *s, const struct estimate_source *from,
		    struct lg_slice system, FILE *f)
{
	struct table_file *t = calloc(1, sizeof(*t));
	char buf[65536];
	size_t n;
	int ret = 0;

	if (!t)
		return fail(s, "not enough memory");
	t->s = s;
	t->from = from;
	t->system = system;
	csv_init(&t->csv, add_record, t);
	while (!ret && (n = fread(buf, 1, sizeof(buf), f)) > 0)
		ret = csv_feed(&t->csv, buf, n);
	if (!ret)
		ret = csv_end(&t->csv);
	if (ret && !s->why[0])
		ret = fail(s, "%s:%llu: %s", from->file,
			   (unsigned long long)t->csv.line,
			   ret == -EMSGSIZE ? "a record of more than 1 MiB or "
					      "128 columns"
					    : "a quote where none may stand, "
					      "or one that does not end");
	if (!ret && ferror(f))
		ret = fail(s, "%s: %s", from->file, strerror(errno));
	free(t);
	return ret;
}

/* -- whole files ----------------------------------------------------------- */

static int add_http(struct estimate *s, struct doc_arena *a, const char *name,
		    struct lg_slice text)
{
	struct estimate_request r = {.name = name, .a = a, .text = text};

	return estimate_add(s, &r);
}

/* A list of requests, Anthropic's {"requests": [...]}, or one request. */
static int add_json(struct estimate *s, struct doc_arena *a, const char *file,
		    struct doc *v, struct lg_slice text)
{
	struct doc *list = v->kind == DOC_LIST ? v : doc_get(v, "requests");
	char name[320];
	unsigned i = 0;
	int ret = 0;

	if (!list || list->kind != DOC_LIST)
		return add_value(s, a, file, v, text);
	for (v = list->child; v && !ret; v = v->next) {
		struct lg_slice none = {"", 0};
		struct doc_arena own = {0};

		snprintf(name, sizeof(name), "%.280s: request %u", file, ++i);
		ret = add_value(s, &own, name, v, none);
		doc_arena_fini(&own);
	}
	return ret;
}

static bool is_json(struct lg_slice text)
{
	return text.len && (text.p[0] == '{' || text.p[0] == '[');
}

/* Several lines, of which the first is a value by itself. */
static bool is_lines(struct doc_arena *a, struct lg_slice text)
{
	struct lg_slice line, rest = lg_slice_cut(text, '\n', &line);
	struct doc_error ignored;
	struct doc *v;

	return lg_slice_trim(rest).len && line.len && line.p[0] == '{' &&
	       !doc_parse_json(a, "-", lg_slice_trim(line), &v, &ignored);
}

static int read_text(struct estimate *s, struct doc_arena *a, const char *file,
		     struct lg_slice text)
{
	struct lg_slice t = lg_slice_trim(text);
	struct doc_error err;
	struct doc *v;
	FILE *f;
	int ret;

	if (curl_line_is(t)) {
		if (curl_line_text(a, t, &t, &err))
			return fail(s, "%s: %s", file, err.text);
		return add_http(s, a, file, t);
	}
	if (!is_json(t))
		return add_http(s, a, file, text);
	if (!is_lines(a, t)) {
		if (doc_parse_json(a, file, t, &v, &err))
			return fail(s, "%s", err.text);
		return add_json(s, a, file, v, t);
	}
	f = fmemopen((void *)t.p, t.len, "r");
	if (!f)
		return fail(s, "%s: %s", file, strerror(errno));
	ret = read_lines(s, file, f);
	fclose(f);
	return ret;
}

static bool ends(const char *file, const char *a, const char *b)
{
	return lg_slice_iends(lg_slice_str(file), lg_slice_str(a)) ||
	       lg_slice_iends(lg_slice_str(file), lg_slice_str(b));
}

static int read_file(struct estimate *s, const struct estimate_source *from,
		     struct doc_arena *a, struct lg_slice system)
{
	bool lines = ends(from->file, ".jsonl", ".ndjson");
	bool table =
		ends(from->file, ".csv", ".tsv") || (from->column && !lines);
	struct lg_slice text;
	struct doc_error err;
	FILE *f;
	int ret;

	if (!lines && !table) {
		if (doc_read(a, from->file, &text, &err))
			return fail(s, "%s", err.text);
		return read_text(s, a, from->file, text);
	}
	f = strcmp(from->file, "-") ? fopen(from->file, "re") : stdin;
	if (!f)
		return fail(s, "%s: %s", from->file, strerror(errno));
	ret = lines ? read_lines(s, from->file, f)
		    : read_csv(s, from, system, f);
	if (f != stdin)
		fclose(f);
	return ret;
}

int estimate_read(struct estimate *s, const struct estimate_source *from)
{
	struct prompt_body p = {
		.model = lg_slice_str(s->o.model ? s->o.model : ""),
		.max_tokens = from->max_tokens,
		.has_max = from->has_max,
	};
	struct doc_arena a = {0};
	struct doc_error err;
	int ret = 0;

	if (from->system && doc_read(&a, from->system, &p.system, &err))
		ret = fail(s, "%s", err.text);
	if (!ret && from->prompt && doc_read(&a, from->prompt, &p.prompt, &err))
		ret = fail(s, "%s", err.text);
	if (!ret)
		ret = from->prompt ? add_prompt(s, &a, from->prompt, &p)
				   : read_file(s, from, &a, p.system);
	doc_arena_fini(&a);
	return ret;
}

int estimate_read_curl(struct estimate *s, int argc, char **argv)
{
	struct doc_arena a = {0};
	struct doc_error err;
	struct lg_slice text;
	int ret;

	if (curl_line_argv(&a, argc, argv, &text, &err))
		ret = fail(s, "%s", err.text);
	else
		ret = add_http(s, &a, "curl", text);
	doc_arena_fini(&a);
	return ret;
}
