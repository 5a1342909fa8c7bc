#include <errno.h>
#include <string.h>

#include "catalog.h"
#include "decimal.h"

struct out {
	struct catalog_from *f;
	struct doc *list;
	const struct doc *file; /* the price file in turn */
};

/* An entry's value, or the one that stands above all entries of its file. */
static struct lg_slice field(const struct out *g, const struct doc *e,
			     const char *key)
{
	const struct doc *v = doc_get(e, key);

	return doc_text(v ? v : doc_get(g->file, key));
}

/* -- rules by which a model is known --------------------------------------- */

static void pattern_to_regex(struct lg_slice s, struct lg_buf *b)
{
	bool open = s.len && s.p[s.len - 1] == '*';
	size_t run;

	lg_buf_putc(b, '^');
	s.len -= open;
	for (size_t i = 0; i < s.len; i += run) {
		for (run = 0;
		     i + run < s.len && s.p[i + run] == '#' && run < 9;)
			run++;
		if (run) {
			lg_buf_puts(b, "\\d");
			if (run > 1) {
				lg_buf_putc(b, '{');
				lg_buf_put_u64(b, run);
				lg_buf_putc(b, '}');
			}
			continue;
		}
		run = 1;
		if (s.p[i] == '*')
			lg_buf_puts(b, ".*");
		else if (s.p[i] == '?')
			lg_buf_putc(b, '.');
		else {
			if (strchr(".\\+()[]{}^$|", s.p[i]))
				lg_buf_putc(b, '\\');
			lg_buf_putc(b, s.p[i]);
		}
	}
	if (!open)
		lg_buf_putc(b, '$');
}

static void add_test(struct out *g, struct doc *rule, const char *op,
		     struct lg_slice text)
{
	struct doc_arena *a = g->f->a;

	doc_add(a, rule, op, doc_new_slice(a, DOC_STRING, text));
}

static void add_regex(struct out *g, struct doc *rule, struct lg_slice pattern)
{
	struct lg_buf b;

	lg_buf_init(&b, 4096);
	pattern_to_regex(pattern, &b);
	add_test(g, rule, "regex", lg_buf_slice(&b));
	lg_buf_fini(&b);
}

/* "gpt-4o*" is a starts_with; a pattern with a middle needs a regex. */
static void add_glob(struct out *g, struct doc *rule, struct lg_slice s)
{
	bool head = s.len > 1 && s.p[0] == '*';
	bool tail = s.len > 1 && s.p[s.len - 1] == '*';
	struct lg_slice core = {s.p + head, s.len - head - tail};

	if (!core.len || memchr(core.p, '*', core.len) ||
	    memchr(core.p, '?', core.len))
		add_regex(g, rule, s);
	else
		add_test(g, rule,
			 head && tail ? "contains"
			 : head	      ? "ends_with"
			 : tail	      ? "starts_with"
				      : "equals",
			 core);
}

static void add_op(struct out *g, struct doc *rule, struct lg_slice op,
		   struct lg_slice text)
{
	if (lg_slice_eq(op, LG_SLICE("pattern")))
		add_regex(g, rule, text);
	else if (lg_slice_eq(op, LG_SLICE("glob")))
		add_glob(g, rule, text);
	else
		add_test(g, rule, op.p, text);
}

static struct doc *clause(struct out *g, const struct doc *v,
			  struct lg_slice op)
{
	struct doc_arena *a = g->f->a;
	struct doc *rule = doc_new(a, DOC_MAP, NULL), *all, *one;
	const struct doc *k;

	if (v->kind != DOC_MAP) {
		add_op(g, rule, op, doc_text(v));
		return rule;
	}
	if (v->n == 1) {
		add_op(g, rule, v->child->key, doc_text(v->child));
		return rule;
	}
	all = doc_new(a, DOC_LIST, NULL);
	for (k = v->child; k; k = k->next) {
		one = doc_new(a, DOC_MAP, NULL);
		add_op(g, one, k->key, doc_text(k));
		doc_add(a, all, NULL, one);
	}
	doc_add(a, rule, "and", all);
	return rule;
}

static struct doc *match(struct out *g, const struct doc *e)
{
	struct doc_arena *a = g->f->a;
	const struct doc *m = doc_get(e, "match"), *k;
	struct lg_slice op = LG_SLICE("glob");
	struct doc *any, *rule;

	if (!m || (m->kind == DOC_LIST && !m->n)) {
		rule = doc_new(a, DOC_MAP, NULL);
		add_test(g, rule, "equals", doc_text(doc_get(e, "model")));
		return rule;
	}
	if (m->kind != DOC_LIST)
		return clause(g, m, op);
	any = doc_new(a, DOC_LIST, NULL);
	for (k = m->child; k; k = k->next)
		doc_add(a, any, NULL, clause(g, k, op));
	rule = doc_new(a, DOC_MAP, NULL);
	doc_add(a, rule, "or", any);
	return rule;
}

/* -- prices -------------------------------------------------------------- */

static struct doc *price(struct out *g, const struct doc *e,
			 const struct doc *base, const char *key)
{
	struct doc_arena *a = g->f->a;
	const struct doc *tiers = doc_get(e, "tiers"), *t, *r;
	struct doc *list = NULL, *map, *one;
	struct lg_slice last = {NULL, 0};

	for (t = tiers ? tiers->child : NULL; t; t = t->next) {
		r = doc_get(t, key);
		if (!r || (last.p && !decimal_cmp(r->text, last)))
			continue; /* carried from the step below */
		last = r->text;
		if (!list)
			list = doc_new(a, DOC_LIST, NULL);
		one = doc_new(a, DOC_MAP, NULL);
		doc_add(a, one, "start",
			doc_new_slice(a, DOC_NUMBER,
				      doc_text(doc_get(t, "above_tokens"))));
		doc_add(a, one, "price", doc_new_slice(a, DOC_NUMBER, r->text));
		doc_add(a, list, NULL, one);
	}
	if (!list)
		return doc_new_slice(a, DOC_NUMBER, base->text);
	map = doc_new(a, DOC_MAP, NULL);
	doc_add(a, map, "base", doc_new_slice(a, DOC_NUMBER, base->text));
	doc_add(a, map, "tiers", list);
	return map;
}

static struct doc *prices(struct out *g, const struct doc *e)
{
	struct doc *map = doc_new(g->f->a, DOC_MAP, NULL);
	const struct doc *v;

	for (unsigned i = 0; i < catalog_genai_nkeys; i++) {
		const struct catalog_key *k = &catalog_genai_keys[i];

		v = doc_get(e, k->ours);
		if (v && v->kind == DOC_NUMBER)
			doc_add(g->f->a, map, k->genai,
				price(g, e, v, k->ours));
	}
	return map;
}

static struct doc *constraint(struct out *g, const struct doc *e)
{
	struct doc_arena *a = g->f->a;
	struct lg_slice at = doc_text(doc_get(e, "effective_at"));
	const struct doc *tod = doc_get(e, "time_of_day");
	static const char *const keys[2][2] = {{"from", "start_time"},
					       {"to", "end_time"}};
	struct doc *c = doc_new(a, DOC_MAP, NULL);
	struct lg_buf b;

	if (at.len) {
		if (at.len > 10)
			catalog_leave(&g->f->left,
				      LG_SLICE("effective_at's hour"));
		at.len = at.len > 10 ? 10 : at.len;
		add_test(g, c, "start_date", at);
		if (tod)
			catalog_leave(&g->f->left, LG_SLICE("time_of_day"));
		return c;
	}
	if (!tod)
		return NULL;
	for (unsigned i = 0; i < 2; i++) {
		lg_buf_init(&b, 64);
		at = doc_text(doc_get(tod, keys[i][0]));
		lg_buf_put(&b, at.p, at.len);
		lg_buf_puts(&b, ":00Z");
		add_test(g, c, keys[i][1], lg_buf_slice(&b));
		lg_buf_fini(&b);
	}
	return c;
}

/* -- models and providers -------------------------------------------------- */

static struct doc *find(struct doc *list, struct lg_slice id)
{
	struct doc *v;

	for (v = list->child; v; v = v->next)
		if (lg_slice_eq(doc_text(doc_get(v, "id")), id))
			return v;
	return NULL;
}

static struct doc *provider(struct out *g, struct lg_slice id)
{
	struct doc_arena *a = g->f->a;
	struct doc *p = find(g->list, id);

	if (p)
		return p;
	p = doc_new(a, DOC_MAP, NULL);
	add_test(g, p, "id", id);
	doc_add(a, p, "models", doc_new(a, DOC_LIST, NULL));
	doc_add(a, g->list, NULL, p);
	return p;
}

static void add_about(struct out *g, const struct doc *from, struct doc *to)
{
	struct doc_arena *a = g->f->a;
	const struct doc *about = doc_get(from, "about"),
			 *notes = doc_get(from, "notes"), *v;
	struct doc *copy;

	for (v = about ? about->child : NULL; v; v = v->next) {
		if (doc_get(to, v->key.p))
			continue;
		copy = doc_clone(a, v);
		doc_add(a, to, NULL, copy);
	}
	if (notes && !doc_get(to, "price_comments"))
		add_test(g, to, "price_comments", notes->text);
}

static void leave_unknown(struct out *g, const struct doc *map,
			  const char *const *known)
{
	const struct doc *v;
	unsigned i;

	for (v = map->child; v; v = v->next) {
		for (i = 0; known[i]; i++)
			if (lg_slice_eq(v->key, lg_slice_str(known[i])))
				break;
		for (unsigned k = 0; !known[i] && k < catalog_genai_nkeys; k++)
			if (lg_slice_eq(
				    v->key,
				    lg_slice_str(catalog_genai_keys[k].ours)))
				goto next;
		if (!known[i])
			catalog_leave(&g->f->left, v->key);
	next:;
	}
}

static void put_provider(struct out *g, const struct doc *v)
{
	static const char *const known[] = {"provider", "fallback", "about",
					    "notes", NULL};
	struct doc_arena *a = g->f->a;
	struct doc *p = provider(g, field(g, v, "provider")), *list;
	const struct doc *f = doc_get(v, "fallback");

	add_about(g, v, p);
	leave_unknown(g, v, known);
	if (!f || doc_get(p, "fallback_model_providers"))
		return;
	list = doc_new(a, DOC_LIST, NULL);
	if (f->kind != DOC_LIST)
		doc_add(a, list, NULL,
			doc_new_slice(a, DOC_STRING, doc_text(f)));
	for (f = f->child; f; f = f->next)
		doc_add(a, list, NULL,
			doc_new_slice(a, DOC_STRING,
				      f->kind == DOC_MAP
					      ? doc_text(doc_get(f, "provider"))
					      : doc_text(f)));
	doc_add(a, p, "fallback_model_providers", list);
}

static struct doc *new_model(struct out *g, const struct doc *e, struct doc *p)
{
	struct doc_arena *a = g->f->a;
	struct doc *m = doc_new(a, DOC_MAP, NULL);
	const struct doc *window = doc_get(e, "context_window");

	add_test(g, m, "id", doc_text(doc_get(e, "model")));
	doc_add(a, m, "match", match(g, e));
	add_about(g, e, m);
	if (window)
		doc_add(a, m, "context_window",
			doc_new_slice(a, DOC_NUMBER, window->text));
	doc_add(a, doc_get(p, "models"), NULL, m);
	return m;
}

/* A model with one price has a map; with several, a list. */
static void add_price(struct out *g, const struct doc *e, struct doc *m)
{
	struct doc_arena *a = g->f->a;
	struct doc *old = doc_get(m, "prices"), *item, *list;
	struct doc *when = constraint(g, e), *map = prices(g, e);

	if (!old && !when) {
		doc_add(a, m, "prices", map);
		return;
	}
	item = doc_new(a, DOC_MAP, NULL);
	if (when)
		doc_add(a, item, "constraint", when);
	doc_add(a, item, "prices", map);
	if (old && old->kind == DOC_LIST) {
		doc_add(a, old, NULL, item);
		return;
	}
	list = doc_new(a, DOC_LIST, NULL);
	if (old) {
		struct doc *first = doc_new(a, DOC_MAP, NULL);

		doc_add(a, first, "prices", doc_clone(a, old));
		doc_add(a, list, NULL, first);
		doc_add(a, list, NULL, item);
		old->kind = DOC_LIST;
		old->child = list->child;
		old->last = list->last;
		old->n = list->n;
		return;
	}
	doc_add(a, list, NULL, item);
	doc_add(a, m, "prices", list);
}

static int put_entry(struct out *g, const char *file, const struct doc *e)
{
	static const char *const known[] = {"provider",
					    "model",
					    "match",
					    "effective_at",
					    "time_of_day",
					    "notes",
					    "about",
					    "context_window",
					    "price_version",
					    "source",
					    "unpriced",
					    "tiers",
					    "operator",
					    "added_at",
					    "id",
					    "pricing_id",
					    NULL};
	struct lg_slice id = field(g, e, "provider"),
			model = doc_text(doc_get(e, "model")),
			tier = doc_text(doc_get(e, "tier"));
	struct doc *p, *m;

	if (!id.len || !model.len)
		return doc_fail(&g->f->err, file, e,
				"an entry needs provider and model");
	if (g->f->provider && !lg_slice_eq(id, lg_slice_str(g->f->provider)))
		return 0;
	if (doc_get(e, "variant")) {
		catalog_leave(&g->f->left, LG_SLICE("entries with variant"));
		return 0;
	}
	if (tier.len && !lg_slice_eq(tier, LG_SLICE("standard"))) {
		catalog_leave(&g->f->left, LG_SLICE("entries with tier"));
		return 0;
	}
	p = provider(g, id);
	m = find(doc_get(p, "models"), model);
	if (!m)
		m = new_model(g, e, p);
	add_price(g, e, m);
	leave_unknown(g, e, known);
	return 0;
}

/* The form needs a name and a host for each provider. */
static void complete(struct out *g)
{
	struct doc_arena *a = g->f->a;
	struct doc *p;

	for (p = g->list->child; p; p = p->next) {
		if (!doc_get(p, "name"))
			doc_add(a, p, "name", doc_clone(a, doc_get(p, "id")));
		if (!doc_get(p, "api_pattern"))
			add_test(g, p, "api_pattern", LG_SLICE("(?!)"));
	}
}

int catalog_to_genai(struct catalog_from *f, const struct doc *const *roots,
		     const char *const *files, unsigned n, struct doc **out)
{
	struct out g = {.f = f, .list = doc_new(f->a, DOC_LIST, NULL)};
	const struct doc *v, *list;
	int err = 0;

	for (unsigned i = 0; i < n && !err; i++) {
		g.file = roots[i];
		list = doc_get(roots[i], "providers");
		for (v = list ? list->child : NULL; v; v = v->next)
			if (!f->provider ||
			    lg_slice_eq(field(&g, v, "provider"),
					lg_slice_str(f->provider)))
				put_provider(&g, v);
		list = doc_get(roots[i], "prices");
		for (v = list ? list->child : NULL; v && !err; v = v->next)
			err = put_entry(&g, files[i], v);
	}
	complete(&g);
	*out = g.list;
	return err;
}
