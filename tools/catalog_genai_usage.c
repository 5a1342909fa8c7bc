#include <errno.h>
#include <string.h>

#include "catalog_genai.h"

/* A place in an answer: a text, or a list of texts and array matches. */
static int check_path(struct genai_in *g, const struct doc *v)
{
	static const char *const keys[] = {"type", "field", "match", NULL};
	const struct doc *kid, *part;
	int err = 0;

	if (v->kind == DOC_STRING && v->text.len)
		return 0;
	if (v->kind != DOC_LIST || !v->n)
		return genai_bad(g, v, "must be a text or a list");
	for (kid = v->child; kid && !err; kid = kid->next) {
		if (kid->kind == DOC_STRING && kid->text.len)
			continue;
		if (kid->kind != DOC_MAP)
			return genai_bad(g, kid, "must be a text or a map");
		err = genai_only(g, kid, keys, "allowed: type field match");
		if (!err && !doc_is(doc_get(kid, "type"), "array-match"))
			err = genai_bad(g, kid, "allowed type: array-match");
		if (!err)
			err = genai_need(g, kid, "field", DOC_STRING, &part);
		if (!err)
			err = genai_need(g, kid, "match", DOC_MAP, &part);
		if (!err)
			err = genai_check_rule(g, part, 0);
	}
	return err;
}

static int check_mapping(struct genai_in *g, const struct doc *m)
{
	static const char *const keys[] = {"path", "dest", "required", NULL};
	const struct doc *v;
	int err;

	if (m->kind != DOC_MAP)
		return genai_bad(g, m, "must be a map");
	err = genai_only(g, m, keys, "allowed: path dest required");
	if (!err)
		err = genai_need(g, m, "dest", DOC_STRING, &v);
	v = doc_get(m, "required");
	if (!err && v && v->kind != DOC_BOOL)
		err = genai_bad(g, v, "must be true or false");
	v = doc_get(m, "path");
	if (!err)
		err = v ? check_path(g, v) : genai_bad(g, m, "needs path");
	return err;
}

static int check_extractor(struct genai_in *g, const struct doc *e)
{
	static const char *const keys[] = {"api_flavor", "root", "model_path",
					   "mappings", NULL};
	const struct doc *v, *list;
	int err;

	if (e->kind != DOC_MAP)
		return genai_bad(g, e, "must be a map");
	err = genai_only(g, e, keys,
			 "allowed: api_flavor root model_path mappings");
	v = doc_get(e, "api_flavor");
	if (!err && v && v->kind != DOC_STRING)
		err = genai_bad(g, v, "must be a text");
	v = doc_get(e, "root");
	if (!err)
		err = v ? check_path(g, v) : genai_bad(g, e, "needs root");
	v = doc_get(e, "model_path");
	if (!err && v)
		err = check_path(g, v);
	if (!err)
		err = genai_need(g, e, "mappings", DOC_LIST, &list);
	for (v = err ? NULL : list->child; v && !err; v = v->next)
		err = check_mapping(g, v);
	return err;
}

int genai_check_extractors(struct genai_in *g, const struct doc *list)
{
	const struct doc *v;
	int err = 0;

	for (v = list->child; v && !err; v = v->next)
		err = check_extractor(g, v);
	return err;
}
