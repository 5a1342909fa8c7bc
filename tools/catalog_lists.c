#include <errno.h>
#include <string.h>

#include "catalog.h"
#include "decimal.h"

const char *const catalog_forms[CATALOG_FORMS] = {
	[CATALOG_GENAI] = "genai",
	[CATALOG_LITELLM] = "litellm",
	[CATALOG_OPENROUTER] = "openrouter",
	[CATALOG_PER1K] = "per1k",
	[CATALOG_YAML] = "yaml",
};

static int bad(struct catalog_from *f, const struct doc *v, const char *what)
{
	return doc_fail(&f->err, f->file, v, what);
}

static int check_name(struct catalog_from *f, const struct doc *at,
		      struct lg_slice s)
{
	char text[128];

	if (!s.len || !lg_slice_copy(s, text, sizeof(text)))
		return bad(f, at,
			   "allowed: a name of 1 to 127 bytes without control "
			   "characters");
	return 0;
}

/* -- OpenRouter's /api/v1/models: decimal texts per token, or a piece ------ */

static const struct {
	const char *theirs, *ours;
	int shift;
	bool needed;
} router_rates[] = {
	{"prompt", "input_per_1m", 6, true},
	{"completion", "output_per_1m", 6, true},
	{"input_cache_read", "cached_input_per_1m", 6, false},
	{"input_cache_write", "cache_write_5m_per_1m", 6, false},
	{"internal_reasoning", "reasoning_per_1m", 6, false},
	{"request", "request_per_1k", 3, false},
	{"web_search", "web_search_per_1k", 3, false},
	{"audio", "audio_input_per_1m", 6, false},
	{"input_audio_cache", "audio_cached_input_per_1m", 6, false},
};

static bool is_zero(const struct doc *v)
{
	return !decimal_cmp(doc_text(v), LG_SLICE("0"));
}

/* A piece's 0 says that it has no price of its own. */
static int take_routed(struct catalog_from *f, const struct doc *v,
		       struct doc *e)
{
	const unsigned n = sizeof(router_rates) / sizeof(router_rates[0]);
	unsigned i;

	for (i = 0; i < n; i++)
		if (lg_slice_eq(v->key, lg_slice_str(router_rates[i].theirs)))
			break;
	if (i < n && (router_rates[i].needed || !is_zero(v)))
		return catalog_add_rate(f, v, router_rates[i].shift,
					router_rates[i].ours, e);
	if (i == n && !is_zero(v))
		catalog_leave(&f->left, v->key);
	return 0;
}

/* "-1": depends on where the call is routed to. */
static bool is_variable(const struct doc *pricing)
{
	const struct doc *v;

	for (v = pricing->child; v; v = v->next)
		if (decimal_is_negative(doc_text(v)))
			return true;
	return false;
}

static int take_router_model(struct catalog_from *f, const struct doc *m,
			     struct doc *prices)
{
	const struct doc *id = doc_get(m, "id"), *p = doc_get(m, "pricing"),
			 *top = doc_get(m, "top_provider"), *v;
	struct doc *e;
	int err;

	if (m->kind != DOC_MAP || !id || id->kind != DOC_STRING)
		return bad(f, m, "a model needs id");
	err = check_name(f, id, id->text);
	if (err)
		return err;
	if (!p || p->kind != DOC_MAP)
		return bad(f, p ? p : m, "a model needs pricing: a map");
	if (is_variable(p)) {
		catalog_leave(&f->left, LG_SLICE("models of variable price"));
		return 0;
	}
	e = catalog_new_entry(f, LG_SLICE("openrouter"), id->text);
	for (v = p->child; v && !err; v = v->next)
		err = take_routed(f, v, e);
	if (!err && (!doc_get(p, "prompt") || !doc_get(p, "completion")))
		err = bad(f, p, "needs prompt and completion");
	if (!err)
		err = catalog_add_count(f, doc_get(m, "context_length"),
					"context_window", e);
	if (!err)
		err = catalog_add_count(f,
					doc_get(top, "max_completion_tokens"),
					"max_output_tokens", e);
	if (!err)
		doc_add(f->a, prices, NULL, e);
	return err;
}

int catalog_from_openrouter(struct catalog_from *f, const struct doc *root,
			    struct doc **out)
{
	struct doc *file = catalog_new(f), *prices = doc_get(file, "prices");
	const struct doc *list = doc_get(root, "data"), *v;
	int err = 0;

	if (!list || list->kind != DOC_LIST)
		return bad(f, list ? list : root, "needs data: a list");
	for (v = list->child; v && !err; v = v->next)
		err = take_router_model(f, v, prices);
	*out = file;
	return err;
}

/* -- {model: {input_cost_per_1k, output_cost_per_1k, context_window}} ------ */

static const struct {
	const char *theirs, *ours;
} per1k_rates[] = {
	{"input_cost_per_1k", "input_per_1m"},
	{"output_cost_per_1k", "output_per_1m"},
	{"cached_input_cost_per_1k", "cached_input_per_1m"},
	{"cache_read_cost_per_1k", "cached_input_per_1m"},
	{"cache_write_cost_per_1k", "cache_write_5m_per_1m"},
	{"reasoning_cost_per_1k", "reasoning_per_1m"},
	{"training_cost_per_1k", "training_per_1m"},
};

static int take_per1k(struct catalog_from *f, const struct doc *v,
		      struct doc *e)
{
	for (unsigned i = 0; i < sizeof(per1k_rates) / sizeof(per1k_rates[0]);
	     i++) {
		if (!lg_slice_eq(v->key, lg_slice_str(per1k_rates[i].theirs)))
			continue;
		if (doc_get(e, per1k_rates[i].ours))
			return bad(f, v, "the same price twice");
		return catalog_add_rate(f, v, 3, per1k_rates[i].ours, e);
	}
	if (lg_slice_eq(v->key, LG_SLICE("context_window")) ||
	    lg_slice_eq(v->key, LG_SLICE("max_output_tokens")))
		return catalog_add_count(f, v, v->key.p, e);
	if (!lg_slice_eq(v->key, LG_SLICE("provider")))
		catalog_leave(&f->left, v->key);
	return 0;
}

static int take_per1k_model(struct catalog_from *f, const struct doc *m,
			    struct doc *prices)
{
	struct lg_slice provider = doc_text(doc_get(m, "provider"));
	const struct doc *v;
	struct doc *e;
	int err = check_name(f, m, m->key);

	if (err)
		return err;
	if (m->kind != DOC_MAP)
		return bad(f, m, "must be a map");
	if (!doc_get(m, "input_cost_per_1k") ||
	    !doc_get(m, "output_cost_per_1k"))
		return bad(f, m,
			   "needs input_cost_per_1k and output_cost_per_1k");
	if (!provider.len && f->provider)
		provider = lg_slice_str(f->provider);
	if (!provider.len && f->owner)
		provider = f->owner(f->ctx, m->key);
	if (!provider.len)
		return bad(f, m,
			   "whose model is it? Give --provider NAME, or "
			   "provider: here");
	e = catalog_new_entry(f, provider, m->key);
	for (v = m->child; v && !err; v = v->next)
		err = take_per1k(f, v, e);
	if (!err)
		doc_add(f->a, prices, NULL, e);
	return err;
}

int catalog_from_per1k(struct catalog_from *f, const struct doc *root,
		       struct doc **out)
{
	struct doc *file = catalog_new(f), *prices = doc_get(file, "prices");
	const struct doc *v;
	int err = 0;

	if (root->kind != DOC_MAP)
		return bad(f, root, "must be a map of models");
	for (v = root->child; v && !err; v = v->next)
		err = take_per1k_model(f, v, prices);
	*out = file;
	return err;
}

/* -- a price file ---------------------------------------------------------- */

int catalog_from_yaml(struct catalog_from *f, const struct doc *root,
		      struct doc **out)
{
	static const char *const above[] = {"provider", "price_version",
					    "source"};
	struct doc *file = catalog_new(f), *to = doc_get(file, "prices"), *e;
	const struct doc *list = doc_get(root, "prices"), *v, *d;

	if (root->kind != DOC_MAP || !list || list->kind != DOC_LIST)
		return bad(f, list ? list : root, "needs prices: a list");
	for (v = list->child; v; v = v->next) {
		if (v->kind != DOC_MAP)
			return bad(f, v, "must be a map");
		e = doc_clone(f->a, v);
		for (unsigned i = 0; i < 3; i++) {
			d = doc_get(root, above[i]);
			if (d && !doc_get(e, above[i]))
				doc_add(f->a, e, above[i], doc_clone(f->a, d));
		}
		if (!doc_get(e, "provider") || !doc_get(e, "model"))
			return bad(f, v, "an entry needs provider and model");
		if (!f->provider || doc_is(doc_get(e, "provider"), f->provider))
			doc_add(f->a, to, NULL, e);
	}
	d = doc_get(root, "providers");
	for (v = d ? d->child : NULL; v; v = v->next)
		catalog_leave(&f->left, LG_SLICE("providers"));
	*out = file;
	return 0;
}

/* -- which of them it is --------------------------------------------------- */

static enum catalog_form look_at(const struct doc *root)
{
	const struct doc *v;

	if (root->kind == DOC_LIST)
		return CATALOG_GENAI;
	v = doc_get(root, "data");
	if (v && v->kind == DOC_LIST)
		return CATALOG_OPENROUTER;
	if (doc_get(root, "prices") && doc_get(root, "catalog"))
		return CATALOG_YAML;
	for (v = root->child; v; v = v->next)
		if (doc_get(v, "litellm_provider"))
			return CATALOG_LITELLM;
	return CATALOG_PER1K;
}

static bool is_json(struct lg_slice text)
{
	text = lg_slice_trim(text);
	return text.len && (text.p[0] == '{' || text.p[0] == '[' ||
			    (unsigned char)text.p[0] == 0xef);
}

int catalog_take(struct catalog_from *f, const char *name, struct lg_slice text,
		 enum catalog_form *form, struct doc **out)
{
	static int (*const take[])(struct catalog_from *, const struct doc *,
				   struct doc **) = {
		[CATALOG_GENAI] = catalog_from_genai,
		[CATALOG_LITELLM] = catalog_from_litellm,
		[CATALOG_OPENROUTER] = catalog_from_openrouter,
		[CATALOG_PER1K] = catalog_from_per1k,
		[CATALOG_YAML] = catalog_from_yaml,
	};
	unsigned i = 0;
	struct doc *root;
	bool yaml;
	int err;

	while (name && i < CATALOG_FORMS && strcmp(name, catalog_forms[i]) != 0)
		i++;
	if (!name)
		i = CATALOG_FORMS;
	yaml = i == CATALOG_YAML || (i == CATALOG_FORMS && !is_json(text));
	err = yaml ? doc_parse_yaml(f->a, f->file, text, &root, &f->err)
		   : doc_parse_json(f->a, f->file, text, &root, &f->err);
	if (err)
		return err;
	if (!root->n)
		return bad(f, root, "is no price list, or an empty one");
	*form = i < CATALOG_FORMS ? (enum catalog_form)i
		: yaml		  ? CATALOG_YAML
				  : look_at(root);
	if (!f->source && *form != CATALOG_YAML)
		f->source = *form == CATALOG_PER1K ? "manual" : "api";
	return take[*form](f, root, out);
}
