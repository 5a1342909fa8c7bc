#include "catalog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "decimal.h"
#include "tool.h"

void catalog_leave(struct catalog_left *l, struct lg_slice key)
{
	unsigned i;
	char text[64];

	lg_slice_copy(key, text, sizeof(text));
	for (i = 0; i < l->n && strcmp(l->what[i].key, text);)
		i++;
	if (i == sizeof(l->what) / sizeof(l->what[0])) {
		l->more++;
		return;
	}
	if (i == l->n) {
		memcpy(l->what[i].key, text, sizeof(text));
		l->n++;
	}
	l->what[i].n++;
}

void catalog_tell_left(const struct catalog_left *l, const char *intro)
{
	struct lg_buf b;

	if (!l->n)
		return;
	lg_buf_init(&b, 65536);
	for (unsigned i = 0; i < l->n; i++) {
		lg_buf_puts(&b, i ? ", " : "");
		lg_buf_puts(&b, l->what[i].key);
		lg_buf_putc(&b, ' ');
		lg_buf_put_u64(&b, l->what[i].n);
	}
	if (l->more) {
		lg_buf_puts(&b, ", others ");
		lg_buf_put_u64(&b, l->more);
	}
	lg_buf_putc(&b, 0);
	tool_warn("%s: %s", intro, b.p);
	lg_buf_fini(&b);
}

struct doc *catalog_new(struct catalog_from *f)
{
	struct doc_arena *a = f->a;
	struct doc *root = doc_new(a, DOC_MAP, NULL);

	doc_add(a, root, "catalog", doc_new(a, DOC_NUMBER, "1"));
	if (f->price_version)
		doc_add(a, root, "price_version",
			doc_new(a, DOC_STRING, f->price_version));
	if (f->source)
		doc_add(a, root, "source", doc_new(a, DOC_STRING, f->source));
	doc_add(a, root, "providers", doc_new(a, DOC_LIST, NULL));
	doc_add(a, root, "prices", doc_new(a, DOC_LIST, NULL));
	return root;
}

struct doc *catalog_new_entry(struct catalog_from *f, struct lg_slice provider,
			      struct lg_slice model)
{
	struct doc *e = doc_new(f->a, DOC_MAP, NULL);

	doc_add(f->a, e, "provider", doc_new_slice(f->a, DOC_STRING, provider));
	doc_add(f->a, e, "model", doc_new_slice(f->a, DOC_STRING, model));
	return e;
}

int catalog_add_rate(struct catalog_from *f, const struct doc *v, int shift,
		     const char *key, struct doc *entry)
{
	char text[DECIMAL_TEXT];

	if ((v->kind != DOC_NUMBER && v->kind != DOC_STRING) ||
	    !decimal_is(v->text) || decimal_is_negative(v->text))
		return doc_fail(&f->err, f->file, v,
				"must be a number of US dollars, 0 or more");
	if (decimal_shift(v->text, shift, text) ||
	    decimal_cmp(lg_slice_str(text), LG_SLICE("1000000")) > 0)
		return doc_fail(
			&f->err, f->file, v,
			"allowed: at most 1000000 US dollars a million");
	doc_add(f->a, entry, key, doc_new(f->a, DOC_NUMBER, text));
	return 0;
}

int catalog_add_count(struct catalog_from *f, const struct doc *v,
		      const char *key, struct doc *entry)
{
	char text[DECIMAL_TEXT];

	if (!v || v->kind == DOC_NULL)
		return 0;
	if (decimal_shift(doc_text(v), 0, text) || strpbrk(text, ".-") ||
	    strlen(text) > 9)
		return doc_fail(&f->err, f->file, v,
				"must be a whole number, 0 to 999999999");
	if (strcmp(text, "0") != 0)
		doc_add(f->a, entry, key, doc_new(f->a, DOC_NUMBER, text));
	return 0;
}

bool catalog_has_rate(const struct doc *entry)
{
	const struct doc *v;

	for (v = entry->child; v; v = v->next)
		if (v->kind == DOC_NUMBER &&
		    memmem(v->key.p, v->key.len, "_per_", 5))
			return true;
	return false;
}

static void add_entry(struct catalog_from *f, const struct doc *root,
		      const struct doc *v, struct doc *to)
{
	static const char *const above[] = {"provider", "price_version",
					    "source"};
	struct doc *e = doc_new(f->a, DOC_MAP, NULL);
	const struct doc *d, *k;

	for (unsigned i = 0; i < 3; i++) {
		d = doc_get(root, above[i]);
		if (d && !doc_get(v, above[i]))
			doc_add(f->a, e, above[i], doc_clone(f->a, d));
	}
	for (k = v->child; k; k = k->next)
		doc_add(f->a, e, NULL, doc_clone(f->a, k));
	e->line = v->line;
	if (!f->provider || doc_is(doc_get(e, "provider"), f->provider))
		doc_add(f->a, to, NULL, e);
}

static void add_provider(struct catalog_from *f, const struct doc *root,
			 const struct doc *v, struct doc *to)
{
	struct doc *p = doc_new(f->a, DOC_MAP, NULL);
	const struct doc *d = doc_get(root, "provider"), *k;

	if (d && !doc_get(v, "provider"))
		doc_add(f->a, p, "provider", doc_clone(f->a, d));
	for (k = v->child; k; k = k->next)
		doc_add(f->a, p, NULL, doc_clone(f->a, k));
	if (!f->provider || doc_is(doc_get(p, "provider"), f->provider))
		doc_add(f->a, to, NULL, p);
}

struct doc *catalog_join(struct catalog_from *f, const struct doc *const *roots,
			 unsigned n)
{
	struct doc *file = catalog_new(f);
	const struct doc *list, *v;

	for (unsigned i = 0; i < n; i++) {
		list = doc_get(roots[i], "providers");
		for (v = list ? list->child : NULL; v; v = v->next)
			add_provider(f, roots[i], v,
				     doc_get(file, "providers"));
		list = doc_get(roots[i], "prices");
		for (v = list ? list->child : NULL; v; v = v->next)
			add_entry(f, roots[i], v, doc_get(file, "prices"));
	}
	return file;
}
