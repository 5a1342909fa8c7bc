#include <errno.h>
#include <string.h>

#include "catalog_genai.h"

/*
 * `^grok-4\.3-\d{8}$` as the pattern grok-4.3-########. Only what a pattern
 * says too: an anchored beginning, literal text, digits.
 */
static bool regex_to_pattern(struct lg_slice re, struct lg_buf *out)
{
	const char *p = re.p, *end = p + re.len, *digit;
	bool closed = false;

	if (p == end || *p++ != '^')
		return false;
	while (p < end && !closed) {
		if (*p == '$') {
			closed = p + 1 == end;
			if (!closed)
				return false;
			p++;
		} else if (p[0] == '\\' && p + 1 < end && p[1] == 'd') {
			unsigned n = 1;

			p += 2;
			if (p + 2 < end && p[0] == '{' && p[2] == '}') {
				digit = p + 1;
				if (*digit < '1' || *digit > '9')
					return false;
				n = (unsigned)(*digit - '0');
				p += 3;
			}
			while (n--)
				lg_buf_putc(out, '#');
		} else if (p[0] == '\\' && p + 1 < end &&
			   strchr(".-/:@", p[1])) {
			lg_buf_putc(out, p[1]);
			p += 2;
		} else if ((*p | 32) >= 'a' && (*p | 32) <= 'z') {
			lg_buf_putc(out, *p++);
		} else if (strchr("0123456789-_/:@~ ", *p)) {
			lg_buf_putc(out, *p++);
		} else {
			return false;
		}
	}
	if (!closed)
		lg_buf_putc(out, '*');
	return !out->overflow;
}

static int take_test(struct genai_in *g, const struct doc *v, struct doc *map)
{
	static const char *const ops[] = {"equals", "starts_with", "ends_with",
					  "contains"};
	struct doc_arena *a = g->f->a;
	char text[128];
	struct lg_buf b;

	if (v->kind != DOC_STRING || !v->text.len)
		return genai_bad(g, v, "must be a text that is not empty");
	if (v->text.len > 127)
		return genai_bad(g, v, "allowed: at most 127 bytes");
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (lg_slice_eq(v->key, lg_slice_str(ops[i]))) {
			doc_add(a, map, ops[i],
				doc_new_slice(a, DOC_STRING, v->text));
			return 0;
		}
	if (!lg_slice_eq(v->key, LG_SLICE("regex")))
		return genai_bad(
			g, v,
			"allowed: equals starts_with ends_with contains "
			"regex and or");
	lg_buf_init_fixed(&b, text, sizeof(text) - 1);
	if (!regex_to_pattern(v->text, &b))
		return genai_bad(
			g, v,
			"allowed as a regex: ^, then letters, digits, "
			"escaped punctuation, \\d and \\d{N}, then $ or "
			"nothing");
	doc_add(a, map, "pattern",
		doc_new_slice(a, DOC_STRING, lg_buf_slice(&b)));
	return 0;
}

static int one_of(struct genai_in *g, const struct doc *rule,
		  const struct doc **v)
{
	*v = rule->child;
	if (rule->kind != DOC_MAP || rule->n != 1)
		return genai_bad(g, rule, "must be a map with one test");
	return 0;
}

/* An alternative: one test, or several that must all hold. */
static int take_clause(struct genai_in *g, const struct doc *rule,
		       struct doc **out)
{
	struct doc *map = doc_new(g->f->a, DOC_MAP, NULL);
	const struct doc *v, *kid, *test;
	int err = one_of(g, rule, &v);

	*out = map;
	if (err)
		return err;
	if (!lg_slice_eq(v->key, LG_SLICE("and")))
		return take_test(g, v, map);
	if (v->kind != DOC_LIST || !v->n || v->n > 4)
		return genai_bad(g, v, "must be a list of 1 to 4 tests");
	for (kid = v->child; kid && !err; kid = kid->next) {
		err = one_of(g, kid, &test);
		if (!err && doc_get(map, test->key.p))
			err = genai_bad(
				g, test,
				"the same test twice in one `and` is not "
				"supported");
		if (!err)
			err = take_test(g, test, map);
	}
	return err;
}

/* A single `equals` is written as the name it is. */
static struct doc *plain(struct genai_in *g, struct doc *clause)
{
	const struct doc *v = clause->child;

	if (clause->n == 1 && lg_slice_eq(v->key, LG_SLICE("equals")) &&
	    !strpbrk(v->text.p, "*?#"))
		return doc_new_slice(g->f->a, DOC_STRING, v->text);
	return clause;
}

int genai_take_match(struct genai_in *g, const struct doc *rule,
		     struct lg_slice id, struct doc *entry)
{
	struct doc_arena *a = g->f->a;
	struct doc *list = doc_new(a, DOC_LIST, NULL), *clause;
	const struct doc *v, *kid;
	int err = one_of(g, rule, &v);

	if (err)
		return err;
	if (!lg_slice_eq(v->key, LG_SLICE("or"))) {
		err = take_clause(g, rule, &clause);
		if (err)
			return err;
		clause = plain(g, clause);
		/* Its own name is what an entry matches anyway. */
		if (clause->kind == DOC_STRING && lg_slice_eq(clause->text, id))
			return 0;
		doc_add(a, entry, "match", clause);
		return 0;
	}
	if (v->kind != DOC_LIST || !v->n || v->n > 64)
		return genai_bad(g, v, "must be a list of 1 to 64 tests");
	for (kid = v->child; kid && !err; kid = kid->next) {
		err = take_clause(g, kid, &clause);
		if (!err)
			doc_add(a, list, NULL, plain(g, clause));
	}
	doc_add(a, entry, "match", list);
	return err;
}

int genai_check_rule(struct genai_in *g, const struct doc *rule, unsigned depth)
{
	static const char *const ops[] = {
		"equals", "starts_with", "ends_with", "contains",
		"regex",  "or",		 "and"};
	const struct doc *v, *kid;
	unsigned i = 0;
	int err = one_of(g, rule, &v);

	if (err)
		return err;
	while (i < 7 && !lg_slice_eq(v->key, lg_slice_str(ops[i])))
		i++;
	if (i == 7)
		return genai_bad(g, v,
				 "allowed: equals starts_with ends_with "
				 "contains regex and or");
	if (i < 5)
		return v->kind == DOC_STRING && v->text.len
			       ? 0
			       : genai_bad(g, v,
					   "must be a text that is not empty");
	if (v->kind != DOC_LIST || !v->n || depth > 8)
		return genai_bad(g, v, "must be a list of tests");
	for (kid = v->child; kid && !err; kid = kid->next)
		err = genai_check_rule(g, kid, depth + 1);
	return err;
}
