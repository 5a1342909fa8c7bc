#include "catalog_names.h"

#include <string.h>

#include "guard/engine.h"
#include "price/price.h"
#include "price_find.h"

static struct doc *clause(struct doc_arena *a, const struct lg_image *img,
			  const struct lg_img_clause *c)
{
	static const char *const ops[] = {"equals",    "starts_with",
					  "ends_with", "contains",
					  "glob",      "pattern"};
	const struct lg_img_atom *at =
		LG_IMG_ARRAY(img, c->atoms, struct lg_img_atom);
	struct doc *map = doc_new(a, DOC_MAP, NULL);
	struct lg_slice s;

	for (uint32_t i = 0; i < c->atoms.n; i++) {
		s = lg_img_text(img, at[i].text);
		if (at[i].op >= sizeof(ops) / sizeof(ops[0]))
			continue;
		if (c->atoms.n == 1 && at[i].op == LG_MATCH_EQUALS &&
		    !strpbrk(s.p, "*?#"))
			return doc_new_slice(a, DOC_STRING, s);
		doc_add(a, map, ops[at[i].op], doc_new_slice(a, DOC_STRING, s));
	}
	return map;
}

/* The clauses of all entries of a model in one image, to list. */
static void take(struct doc_arena *a, const struct lg_image *img,
		 const struct doc *entry, struct doc *list)
{
	const struct lg_img_price *p =
		LG_IMG_ARRAY(img, img->prices, struct lg_img_price);
	struct lg_slice provider = doc_text(doc_get(entry, "provider"));
	struct lg_slice model = doc_text(doc_get(entry, "model"));
	const struct lg_img_clause *c;

	for (uint32_t i = 0; i < img->prices.n; i++, p++) {
		if (p->variant.len ||
		    !lg_slice_ieq(lg_img_text(img, p->provider), provider) ||
		    !lg_slice_ieq(lg_img_text(img, p->model), model))
			continue;
		c = LG_IMG_ARRAY(img, p->match, struct lg_img_clause);
		for (uint32_t k = 0; k < p->match.n; k++)
			doc_add(a, list, NULL, clause(a, img, &c[k]));
	}
}

void catalog_inherit_names(struct lg_engine *e, struct doc_arena *a,
			   struct doc *entry)
{
	const struct lg_catalog *cat = lg_engine_catalog(e);
	struct doc *list = doc_new(a, DOC_LIST, NULL);

	if (!cat || doc_get(entry, "match") || doc_get(entry, "variant"))
		return;
	for (unsigned i = 0; i < cat->n && !list->n; i++) {
		take(a, cat->img[i], entry, list);
		if (list->n && i + 1 < cat->n)
			return; /* his own files say it */
	}
	if (list->n)
		doc_add(a, entry, "match", list);
}
