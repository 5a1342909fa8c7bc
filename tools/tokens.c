#include "tokens.h"

#include <errno.h>
#include <string.h>

#include "base/slice.h"

#define MESSAGE 3 /* frame of one message */
#define NAME 1	  /* where it has a name */
#define ANSWER 3  /* the answer's own begin */
/* Of a list of functions, as published; the first differs by encoding. */
#define PROPS 3
#define PROP 3
#define ENUM (-3)
#define ENUM_ITEM 3
#define FUNCTIONS 12
#define IMAGE 1200 /* as estimated elsewhere */

struct count {
	struct bpe *bpe;
	struct tokens *out;
	int64_t n;
	bool old; /* cl100k_base */
	bool failed;
};

static void guess(struct count *c, const char *note)
{
	c->out->exact = false;
	if (!c->out->note)
		c->out->note = note;
}

static void text(struct count *c, struct lg_slice s)
{
	uint64_t n = bpe_count(c->bpe, s.p, s.len);

	if (n == UINT64_MAX)
		c->failed = true;
	else
		c->n += (int64_t)n;
}

/* Whatever it is, as the JSON that it is. */
static void raw(struct count *c, const struct doc *v)
{
	struct lg_buf b;

	lg_buf_init(&b, DOC_FILE_MAX);
	doc_put_json(&b, v, 0);
	text(c, lg_buf_slice(&b));
	lg_buf_fini(&b);
}

static void part(struct count *c, const struct doc *p)
{
	const struct doc *t = doc_get(p, "text");
	const struct doc *type = doc_get(p, "type");

	if (p->kind == DOC_STRING) {
		text(c, p->text);
	} else if (t && t->kind == DOC_STRING) {
		text(c, t->text);
	} else if (type && lg_slice_icontains(type->text, LG_SLICE("image"))) {
		guess(c, "pictures are counted as 1,200 tokens each");
		c->n += IMAGE;
	} else {
		guess(c, "sound and files are not counted");
	}
}

static void content(struct count *c, const struct doc *v)
{
	if (v->kind == DOC_LIST)
		for (v = v->child; v; v = v->next)
			part(c, v);
	else if (v->kind == DOC_STRING)
		text(c, v->text);
	else if (v->kind == DOC_MAP)
		part(c, v);
}

/* -- chat ------------------------------------------------------------------ */

static void message(struct count *c, const struct doc *m)
{
	c->n += MESSAGE;
	for (const struct doc *v = m->child; v; v = v->next) {
		if (lg_slice_eq(v->key, LG_SLICE("content"))) {
			content(c, v);
		} else if (v->kind == DOC_STRING) {
			text(c, v->text);
			if (lg_slice_eq(v->key, LG_SLICE("name")))
				c->n += NAME;
		} else if (v->kind == DOC_LIST || v->kind == DOC_MAP) {
			guess(c, "calls of tools are counted as their JSON");
			raw(c, v);
		}
	}
}

static struct lg_slice without_stop(struct lg_slice s)
{
	if (s.len && s.p[s.len - 1] == '.')
		s.len--;
	return s;
}

static void line(struct count *c, const struct lg_slice *part_, unsigned n)
{
	struct lg_buf b;

	lg_buf_init(&b, DOC_FILE_MAX);
	for (unsigned i = 0; i < n; i++) {
		if (i)
			lg_buf_putc(&b, ':');
		lg_buf_put(&b, part_[i].p, part_[i].len);
	}
	text(c, lg_buf_slice(&b));
	lg_buf_fini(&b);
}

static void property(struct count *c, const struct doc *p)
{
	const struct doc *list = doc_get(p, "enum");
	struct lg_slice parts[3] = {
		p->key, doc_text(doc_get(p, "type")),
		without_stop(doc_text(doc_get(p, "description")))};

	c->n += PROP;
	if (doc_get(p, "properties") || doc_get(p, "items") ||
	    doc_get(p, "anyOf"))
		guess(c, "nested parameters of tools are not counted");
	if (list && list->kind == DOC_LIST) {
		c->n += ENUM;
		for (list = list->child; list; list = list->next) {
			c->n += ENUM_ITEM;
			text(c, doc_text(list));
		}
	}
	line(c, parts, 3);
}

static void function(struct count *c, const struct doc *f)
{
	const struct doc *props =
		doc_get(doc_get(f, "parameters"), "properties");
	struct lg_slice parts[2] = {
		doc_text(doc_get(f, "name")),
		without_stop(doc_text(doc_get(f, "description")))};

	c->n += c->old ? 10 : 7;
	line(c, parts, 2);
	if (!props || props->kind != DOC_MAP || !props->n)
		return;
	c->n += PROPS;
	for (props = props->child; props; props = props->next)
		property(c, props);
}

static void tools(struct count *c, const struct doc *list)
{
	const struct doc *v, *f;

	if (!list || list->kind != DOC_LIST || !list->n)
		return;
	for (v = list->child; v; v = v->next) {
		f = doc_get(v, "function");
		if (!f)
			f = v;
		if (doc_get(f, "name")) {
			function(c, f);
		} else {
			guess(c, "the server's own tools are counted as their "
				 "JSON");
			raw(c, v);
		}
	}
	c->n += FUNCTIONS;
}

static bool chat(struct count *c, const struct doc *body)
{
	const struct doc *list = doc_get(body, "messages");

	if (!list || list->kind != DOC_LIST)
		return false;
	for (const struct doc *m = list->child; m; m = m->next)
		message(c, m);
	c->n += ANSWER;
	tools(c, doc_get(body, "tools"));
	tools(c, doc_get(body, "functions"));
	if (doc_get(body, "response_format") &&
	    doc_get(doc_get(body, "response_format"), "json_schema")) {
		guess(c, "the answer's schema is counted as its JSON");
		raw(c, doc_get(body, "response_format"));
	}
	return true;
}

/* -- the others ------------------------------------------------------------ */

/* A text, several, tokens as numbers, or several lists of them. */
static bool plain(struct count *c, const struct doc *v)
{
	if (!v)
		return false;
	if (v->kind == DOC_STRING)
		text(c, v->text);
	else if (v->kind == DOC_NUMBER)
		c->n++;
	else if (v->kind == DOC_LIST)
		for (v = v->child; v; v = v->next)
			plain(c, v);
	else
		return false;
	return true;
}

/* Its frame is not published; what was seen is that of a chat. */
static bool responses(struct count *c, const struct doc *body)
{
	const struct doc *in = doc_get(body, "input");
	const struct doc *extra = doc_get(body, "instructions");

	if (extra && extra->kind == DOC_STRING) {
		c->n += MESSAGE + 1;
		text(c, extra->text);
	}
	if (!in)
		return extra;
	if (in->kind == DOC_STRING) {
		c->n += MESSAGE + 1;
		text(c, in->text);
	} else if (in->kind == DOC_LIST) {
		for (in = in->child; in; in = in->next)
			message(c, in);
	}
	c->n += ANSWER;
	tools(c, doc_get(body, "tools"));
	guess(c, "text is exact, the frame of this endpoint is not published");
	if (doc_get(body, "previous_response_id") ||
	    doc_get(body, "conversation") || doc_get(body, "prompt"))
		c->out->note = "what stands on the server is not counted";
	return true;
}

static bool completions(struct count *c, const struct doc *body)
{
	return plain(c, doc_get(body, "prompt"));
}

static bool embeddings(struct count *c, const struct doc *body)
{
	return plain(c, doc_get(body, "input"));
}

static const struct {
	const char *dialect;
	bool (*count)(struct count *c, const struct doc *body);
} dialects[] = {
	{"openai-chat", chat},
	{"openai-responses", responses},
	{"openai-completions", completions},
	{"openai-embeddings", embeddings},
};

int tokens_of_request(struct tokenizer *t, const char *dialect,
		      struct lg_slice model, const struct doc *body,
		      struct tokens *out)
{
	const struct tokenizer_encoding *e;
	struct count c = {.out = out};
	bool supposed;
	size_t i, n = sizeof(dialects) / sizeof(dialects[0]);
	int err;

	for (i = 0; i < n; i++)
		if (!strcmp(dialects[i].dialect, dialect))
			break;
	e = tokenizer_of_model(model, &supposed);
	if (i == n || !e)
		return 0;
	err = tokenizer_get(t, e, &c.bpe);
	if (err || !c.bpe)
		return err;
	*out = (struct tokens){.exact = true, .encoding = e->name};
	if (supposed)
		guess(&c, "the model's encoding is supposed by its name");
	if (lg_slice_icontains(model, LG_SLICE("gpt-oss")))
		guess(&c, "text is exact, the frame of this model is another");
	c.old = e->pattern == BPE_CL100K;
	if (!dialects[i].count(&c, body) || c.failed)
		return 0;
	out->n = c.n > 0 ? (uint64_t)c.n : 0;
	return 1;
}
