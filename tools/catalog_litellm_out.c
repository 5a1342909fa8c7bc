#include <stdio.h>
#include <string.h>

#include "catalog.h"
#include "catalog_litellm.h"
#include "decimal.h"

struct out {
	struct catalog_from *f;
	struct doc *map;
	const struct doc *fixed; /* the last that stays; NULL: none */
	const char *now;
};

static struct lg_slice text(const struct doc *e, const char *key)
{
	return doc_text(doc_get(e, key));
}

static const char *their_provider(struct lg_slice ours)
{
	const char *name = ours.p;

	for (unsigned i = 0; i < litellm_nowners; i++)
		if (lg_slice_eq(ours, lg_slice_str(litellm_owners[i].ours)))
			name = litellm_owners[i].theirs;
	return name;
}

static bool put_rate(struct out *g, struct doc *m, const struct doc *v,
		     const char *tail)
{
	char name[128], value[DECIMAL_TEXT];
	const struct litellm_rate *r;

	for (unsigned i = 0; i < litellm_nrates; i++) {
		r = &litellm_rates[i];
		if (!lg_slice_eq(v->key, lg_slice_str(r->ours)) ||
		    (*tail && !r->tiered) || v->kind != DOC_NUMBER ||
		    decimal_shift(v->text, -r->shift, value))
			continue;
		snprintf(name, sizeof(name), "%s%s", r->theirs, tail);
		doc_add(g->f->a, m, name, doc_new(g->f->a, DOC_NUMBER, value));
		return true;
	}
	return false;
}

static void put_steps(struct out *g, struct doc *m, const struct doc *list)
{
	const struct doc *s, *v;
	uint64_t above;
	char tail[64];

	for (s = list->child; s; s = s->next) {
		if (lg_slice_u64(text(s, "above_tokens"), &above) ||
		    above % 1000) {
			catalog_leave(&g->f->left, LG_SLICE("tiers"));
			continue;
		}
		snprintf(tail, sizeof(tail), "_above_%lluk_tokens",
			 (unsigned long long)(above / 1000));
		for (v = s->child; v; v = v->next)
			put_rate(g, m, v, tail);
	}
}

/* A tier that is a multiple of the standard rates. */
static void put_factor(struct out *g, struct doc *m, const struct doc *e,
		       const struct doc *factor, const char *tail)
{
	char value[DECIMAL_TEXT];
	const struct doc *v;
	struct doc *copy;

	for (v = e->child; v; v = v->next) {
		if (v->kind != DOC_NUMBER ||
		    decimal_times(v->text, factor->text, value))
			continue;
		copy = doc_new(g->f->a, DOC_NUMBER, value);
		copy->key = v->key;
		put_rate(g, m, copy, tail);
	}
}

static void put_tiers(struct out *g, struct doc *m, const struct doc *e,
		      const struct doc *tiers)
{
	const struct doc *t, *v;
	unsigned i;

	for (t = tiers->child; t; t = t->next) {
		for (i = 0; i < 3; i++)
			if (lg_slice_eq(t->key,
					lg_slice_str(litellm_tiers[i].ours)))
				break;
		if (i == 3)
			catalog_leave(&g->f->left, t->key);
		else if (t->kind == DOC_NUMBER)
			put_factor(g, m, e, t, litellm_tiers[i].theirs);
		else
			for (v = t->child; v; v = v->next)
				put_rate(g, m, v, litellm_tiers[i].theirs);
	}
}

static void put_search(struct out *g, struct doc *m, const struct doc *v)
{
	static const char *const sizes[] = {"search_context_size_low",
					    "search_context_size_medium",
					    "search_context_size_high"};
	struct doc *map = doc_new(g->f->a, DOC_MAP, NULL);
	char value[DECIMAL_TEXT];

	if (decimal_shift(v->text, -3, value))
		return;
	for (unsigned i = 0; i < 3; i++)
		doc_add(g->f->a, map, sizes[i],
			doc_new(g->f->a, DOC_NUMBER, value));
	doc_add(g->f->a, m, "search_context_cost_per_query", map);
}

static bool is_told(struct lg_slice key)
{
	static const char *const keys[] = {
		"provider",	 "model",  "match",	"effective_at",
		"price_version", "source", "operator",	"added_at",
		"about",	 "id",	   "pricing_id"};

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (lg_slice_eq(key, lg_slice_str(keys[i])))
			return true;
	return false;
}

static void put_value(struct out *g, struct doc *m, const struct doc *e,
		      const struct doc *v)
{
	struct doc_arena *a = g->f->a;

	if (lg_slice_eq(v->key, LG_SLICE("tiers")))
		put_steps(g, m, v);
	else if (lg_slice_eq(v->key, LG_SLICE("service_tiers")))
		put_tiers(g, m, e, v);
	else if (lg_slice_eq(v->key, LG_SLICE("web_search_per_1k")))
		put_search(g, m, v);
	else if (lg_slice_eq(v->key, LG_SLICE("context_window")))
		doc_add(a, m, "max_input_tokens",
			doc_new_slice(a, DOC_NUMBER, v->text));
	else if (lg_slice_eq(v->key, LG_SLICE("max_output_tokens"))) {
		doc_add(a, m, "max_output_tokens",
			doc_new_slice(a, DOC_NUMBER, v->text));
		doc_add(a, m, "max_tokens",
			doc_new_slice(a, DOC_NUMBER, v->text));
	} else if (!put_rate(g, m, v, "") && !is_told(v->key))
		catalog_leave(&g->f->left, v->key);
}

static bool stays(const struct out *g, const struct doc *old)
{
	const struct doc *v;

	for (v = g->fixed ? g->map->child : NULL; v; v = v->next) {
		if (v == old)
			return true;
		if (v == g->fixed)
			break;
	}
	return false;
}

static void put_entry(struct out *g, const struct doc *e)
{
	struct doc_arena *a = g->f->a;
	struct doc *m = doc_new(a, DOC_MAP, NULL), *old;
	const char *owner = their_provider(text(e, "provider"));
	const struct doc *about = doc_get(e, "about"), *v;
	char key[512];
	bool bare = !strcmp(owner, "openai") || !strcmp(owner, "anthropic");

	snprintf(key, sizeof(key), "%s%s%s", bare ? "" : owner, bare ? "" : "/",
		 text(e, "model").p);
	doc_add(a, m, "litellm_provider", doc_new(a, DOC_STRING, owner));
	v = doc_get(about, "mode");
	doc_add(a, m, "mode", doc_new(a, DOC_STRING, v ? v->text.p : "chat"));
	for (v = e->child; v; v = v->next)
		put_value(g, m, e, v);
	old = doc_get(g->map, key);
	if (!old) {
		doc_add(a, g->map, key, m);
		return;
	}
	if (stays(g, old))
		return;
	old->child = m->child; /* a later price of the same model */
	old->last = m->last;
	old->n = m->n;
}

/* RFC 3339 texts of UTC compare as instants. */
static bool is_now(const struct out *g, const struct doc *e)
{
	struct lg_slice from = text(e, "effective_at"),
			to = text(e, "expires_at");

	return strncmp(from.p, g->now, from.len) <= 0 &&
	       (!to.len || strncmp(to.p, g->now, to.len) > 0);
}

struct doc *catalog_to_litellm(struct catalog_from *f, const struct doc *joined,
			       const char *now, struct doc *before)
{
	struct out g = {.f = f,
			.map = before ? before : doc_new(f->a, DOC_MAP, NULL),
			.fixed = before ? before->last : NULL,
			.now = now};
	const struct doc *v;

	for (v = doc_get(joined, "prices")->child; v; v = v->next) {
		if (!is_now(&g, v))
			catalog_leave(&f->left,
				      LG_SLICE("prices not in force"));
		else if (doc_get(v, "variant") || doc_get(v, "tier"))
			catalog_leave(&f->left, LG_SLICE("variants and tiers"));
		else if (doc_get(v, "time_of_day"))
			catalog_leave(&f->left, LG_SLICE("time_of_day"));
		else if (catalog_has_rate(v))
			put_entry(&g, v);
		else
			catalog_leave(&f->left, LG_SLICE("unpriced models"));
	}
	return g.map;
}
