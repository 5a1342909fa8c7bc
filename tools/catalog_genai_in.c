#include <errno.h>
#include <string.h>

#include "catalog_genai.h"

int genai_bad(struct genai_in *g, const struct doc *v, const char *what)
{
	return doc_fail(&g->f->err, g->f->file, v, what);
}

int genai_need(struct genai_in *g, const struct doc *map, const char *key,
	       enum doc_kind kind, const struct doc **out)
{
	static const char *const want[] = {[DOC_STRING] =
						   "a text that is not empty",
					   [DOC_LIST] = "a list",
					   [DOC_MAP] = "a map"};
	const struct doc *v = doc_get(map, key);
	struct lg_buf b;
	char text[128];

	*out = v;
	if (v && v->kind == kind && (kind != DOC_STRING || v->text.len))
		return 0;
	lg_buf_init_fixed(&b, text, sizeof(text) - 1);
	if (!v) {
		lg_buf_puts(&b, "needs ");
		lg_buf_puts(&b, key);
		lg_buf_puts(&b, ": ");
		v = map;
	} else {
		lg_buf_puts(&b, "must be ");
	}
	lg_buf_puts(&b, want[kind]);
	text[b.len] = 0;
	return genai_bad(g, v, text);
}

int genai_only(struct genai_in *g, const struct doc *map,
	       const char *const *keys, const char *what)
{
	const struct doc *v;
	unsigned i;

	for (v = map->child; v; v = v->next) {
		for (i = 0; keys[i]; i++)
			if (lg_slice_eq(v->key, lg_slice_str(keys[i])))
				break;
		if (!keys[i])
			return genai_bad(g, v, what);
	}
	return 0;
}

static bool is_noted(struct lg_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return s.len && s.len <= 1024;
}

static struct doc *new_entry(struct genai_in *g)
{
	struct doc_arena *a = g->f->a;
	struct doc *e = doc_new(a, DOC_MAP, NULL);

	doc_add(a, e, "provider", doc_clone(a, doc_get(g->provider, "id")));
	doc_add(a, e, "model", doc_clone(a, doc_get(g->model, "id")));
	e->line = g->model->line;
	return e;
}

static int take_window(struct genai_in *g, struct doc *entry)
{
	const struct doc *v = doc_get(g->model, "context_window");
	struct doc *n;
	int err;

	if (!v)
		return 0;
	err = genai_take_count(g, v, &n);
	if (!err)
		doc_add(g->f->a, entry, "context_window", n);
	return err;
}

static int take_entry(struct genai_in *g, const struct doc *prices,
		      const struct doc *constraint, const struct doc **date,
		      bool first)
{
	struct doc *e = new_entry(g);
	int err = 0;

	if (first)
		err = genai_take_match(g, doc_get(g->model, "match"),
				       doc_text(doc_get(g->model, "id")), e);
	if (!err && constraint)
		err = genai_take_constraint(g, constraint, date, e);
	if (!err)
		err = take_window(g, e);
	if (!err)
		err = genai_take_prices(g, prices, e);
	if (!err)
		doc_add(g->f->a, g->prices, NULL, e);
	return err;
}

static int take_list(struct genai_in *g, const struct doc *list)
{
	static const char *const keys[] = {"constraint", "prices", NULL};
	const struct doc *v, *c, *p, *date = NULL;
	int err = 0;

	if (!list->n)
		return genai_bad(g, list, "must have a price");
	for (v = list->child; v && !err; v = v->next) {
		err = genai_need(g, v, "prices", DOC_MAP, &p);
		if (!err)
			err = genai_only(g, v, keys,
					 "allowed: constraint prices");
		c = doc_get(v, "constraint");
		if (!err && c && v == list->child)
			err = genai_bad(g, c,
					"the first price has no constraint");
		if (!err && !c && v != list->child)
			err = genai_bad(
				g, v,
				"needs constraint: without one it hides "
				"those before");
		if (!err)
			err = take_entry(g, p, c, &date, v == list->child);
	}
	return err;
}

/* What a price file has no key for stands below `about` as it was. */
static void add_about(struct genai_in *g, const struct doc *from,
		      const char *const *known, struct doc *to)
{
	struct doc_arena *a = g->f->a;
	struct doc *about = doc_new(a, DOC_MAP, NULL), *copy;
	const struct doc *v;
	unsigned i;

	for (v = from->child; v; v = v->next) {
		for (i = 0; known[i]; i++)
			if (lg_slice_eq(v->key, lg_slice_str(known[i])))
				break;
		if (known[i])
			continue;
		copy = doc_clone(a, v);
		if (lg_slice_eq(v->key, LG_SLICE("price_comments")) &&
		    is_noted(v->text)) {
			doc_add(a, to, "notes", copy);
			continue;
		}
		doc_add(a, about, NULL, copy);
	}
	if (about->n)
		doc_add(a, to, "about", about);
}

static int check_kinds(struct genai_in *g, const struct doc *map)
{
	static const struct {
		const char *key;
		enum doc_kind kind;
		const char *what;
	} kinds[] = {
		{"name", DOC_STRING, "must be a text"},
		{"description", DOC_STRING, "must be a text"},
		{"price_comments", DOC_STRING, "must be a text"},
		{"api_pattern", DOC_STRING, "must be a text"},
		{"deprecated", DOC_BOOL, "must be true or false"},
		{"pricing_urls", DOC_LIST, "must be a list of texts"},
		{"fallback_model_providers", DOC_LIST,
		 "must be a list of texts"},
		{"extractors", DOC_LIST, "must be a list"},
		{"model_match", DOC_MAP, "must be a map"},
		{"provider_match", DOC_MAP, "must be a map"},
	};
	const struct doc *v, *kid;

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		v = doc_get(map, kinds[i].key);
		if (!v)
			continue;
		if (v->kind != kinds[i].kind)
			return genai_bad(g, v, kinds[i].what);
		if (strcmp(kinds[i].what, "must be a list of texts"))
			continue;
		for (kid = v->child; kid; kid = kid->next)
			if (kid->kind != DOC_STRING || !kid->text.len) {
				struct doc at = *kid;

				at.key = v->key;
				return genai_bad(g, &at, "must be a text");
			}
	}
	return 0;
}

static int check_rules(struct genai_in *g, const struct doc *p)
{
	const struct doc *model = doc_get(p, "model_match"),
			 *provider = doc_get(p, "provider_match"),
			 *list = doc_get(p, "extractors");
	int err = model ? genai_check_rule(g, model, 0) : 0;

	if (!err && provider)
		err = genai_check_rule(g, provider, 0);
	return err || !list ? err : genai_check_extractors(g, list);
}

static int check_id(struct genai_in *g, const struct doc *id, bool provider)
{
	for (size_t i = 0; i < id->text.len; i++) {
		char c = id->text.p[i];

		if ((unsigned char)c <= ' ' || c == 0x7f ||
		    (provider && !((c >= 'a' && c <= 'z') ||
				   (c >= '0' && c <= '9') || strchr("._-", c))))
			return genai_bad(
				g, id,
				provider ? "allowed: small letters, "
					   "digits, . _ -"
					 : "allowed: no spaces or controls");
	}
	if (id->text.len > 127)
		return genai_bad(g, id, "allowed: at most 127 bytes");
	return 0;
}

static int take_model(struct genai_in *g, const struct doc *m)
{
	static const char *const known[] = {"id", "match", "prices",
					    "context_window", NULL};
	static const char *const keys[] = {
		"id",	      "name",		"match",
		"prices",     "context_window", "description",
		"deprecated", "price_comments", NULL};
	const struct doc *id, *match, *prices, *date = NULL;
	struct doc *before = g->prices->last, *first;
	int err = m->kind == DOC_MAP ? 0 : genai_bad(g, m, "must be a map");

	g->model = m;
	if (!err)
		err = genai_need(g, m, "id", DOC_STRING, &id);
	if (!err)
		err = check_id(g, id, false);
	if (!err)
		err = genai_need(g, m, "match", DOC_MAP, &match);
	if (!err)
		err = genai_only(g, m, keys,
				 "allowed: id name match prices context_window "
				 "description deprecated price_comments");
	if (!err)
		err = check_kinds(g, m);
	if (err)
		return err;
	prices = doc_get(m, "prices");
	if (!prices)
		return genai_bad(g, m, "needs prices: a map or a list");
	err = prices->kind == DOC_LIST
		      ? take_list(g, prices)
		      : take_entry(g, prices, NULL, &date, true);
	if (err)
		return err;
	first = before ? before->next : g->prices->child;
	add_about(g, m, known, first);
	return 0;
}

static void take_fallback(struct genai_in *g, struct doc *to)
{
	const struct doc *v = doc_get(g->provider, "fallback_model_providers");
	struct doc_arena *a = g->f->a;

	if (!v || !v->n)
		return;
	doc_add(a, to, "fallback",
		v->n == 1 ? doc_new_slice(a, DOC_STRING, v->child->text)
			  : doc_clone(a, v));
}

static int check_twice(struct genai_in *g, const struct doc *list)
{
	const struct doc *v, *w;

	for (v = list->child; v; v = v->next)
		for (w = list->child; w != v; w = w->next)
			if (lg_slice_eq(doc_text(doc_get(v, "id")),
					doc_text(doc_get(w, "id"))))
				return genai_bad(g, doc_get(v, "id"),
						 "is given twice");
	return 0;
}

static int take_provider(struct genai_in *g, const struct doc *p)
{
	static const char *const known[] = {"id", "models",
					    "fallback_model_providers", NULL};
	static const char *const keys[] = {
		"id",		"name",
		"api_pattern",	"models",
		"pricing_urls", "price_comments",
		"model_match",	"provider_match",
		"extractors",	"fallback_model_providers",
		"description",	NULL};
	const struct doc *id, *models, *v;
	struct doc *to;
	int err = p->kind == DOC_MAP ? 0 : genai_bad(g, p, "must be a map");

	g->provider = p;
	if (!err)
		err = genai_need(g, p, "id", DOC_STRING, &id);
	if (!err)
		err = check_id(g, id, true);
	if (err || (g->f->provider &&
		    !lg_slice_eq(id->text, lg_slice_str(g->f->provider))))
		return err;
	err = genai_need(g, p, "name", DOC_STRING, &v);
	if (!err)
		err = genai_need(g, p, "api_pattern", DOC_STRING, &v);
	if (!err)
		err = genai_need(g, p, "models", DOC_LIST, &models);
	if (!err)
		err = genai_only(
			g, p, keys,
			"allowed: id name api_pattern models pricing_urls "
			"price_comments model_match provider_match "
			"extractors fallback_model_providers description");
	if (!err)
		err = check_kinds(g, p);
	if (!err)
		err = check_rules(g, p);
	if (!err)
		err = check_twice(g, models);
	if (err)
		return err;
	to = doc_new(g->f->a, DOC_MAP, NULL);
	doc_add(g->f->a, to, "provider",
		doc_new_slice(g->f->a, DOC_STRING, id->text));
	take_fallback(g, to);
	add_about(g, p, known, to);
	doc_add(g->f->a, g->providers, NULL, to);
	for (v = models->child; v && !err; v = v->next)
		err = take_model(g, v);
	return err;
}

int catalog_from_genai(struct catalog_from *f, const struct doc *root,
		       struct doc **out)
{
	struct doc *file = catalog_new(f);
	struct genai_in g = {.f = f,
			     .prices = doc_get(file, "prices"),
			     .providers = doc_get(file, "providers")};
	const struct doc *v;
	int err;

	if (root->kind != DOC_LIST)
		return genai_bad(&g, root, "must be a list of providers");
	err = check_twice(&g, root);
	for (v = root->child; v && !err; v = v->next)
		err = take_provider(&g, v);
	*out = file;
	return err;
}
