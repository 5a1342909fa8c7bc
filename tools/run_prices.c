#include "run_prices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guard/engine.h"
#include "guard/world.h"
#include "price_find.h"
#include "price_prompt.h"
#include "table.h"
#include "tool.h"

#define NAMED_MAX 64

/* Where programs are told their model, and whose it then is. */
static const struct {
	const char *variable, *provider;
} variables[] = {
	{"LLMGUARD_MODEL", NULL},
	{"OPENAI_MODEL", "openai"},
	{"OPENAI_MODEL_NAME", "openai"},
	{"ANTHROPIC_MODEL", "anthropic"},
	{"ANTHROPIC_SMALL_FAST_MODEL", "anthropic"},
	{"GEMINI_MODEL", "google"},
	{"GOOGLE_MODEL", "google"},
	{"MISTRAL_MODEL", "mistral"},
	{"DEEPSEEK_MODEL", "deepseek"},
	{"GROQ_MODEL", "groq"},
	{"XAI_MODEL", "x-ai"},
	{"COHERE_MODEL", "cohere"},
	{"OPENROUTER_MODEL", "openrouter"},
};

struct named {
	char provider[64]; /* "" not told */
	char model[128];
};

struct named_models {
	const struct lg_world *w;
	struct named m[NAMED_MAX];
	unsigned n;
};

static bool is_pattern(struct lg_slice s)
{
	return memchr(s.p, '*', s.len) || memchr(s.p, '?', s.len);
}

static bool is_provider(const struct lg_catalog *c, struct lg_slice name)
{
	for (unsigned i = 0; i < c->n; i++) {
		const struct lg_img_price *e = LG_IMG_ARRAY(
			c->img[i], c->img[i]->prices, struct lg_img_price);

		for (uint32_t k = 0; k < c->img[i]->prices.n; k++)
			if (lg_slice_ieq(lg_img_text(c->img[i], e[k].provider),
					 name))
				return true;
	}
	return false;
}

/* Names that no price list could hold are somebody else's business. */
static bool take(struct named *to, struct lg_slice provider,
		 struct lg_slice model)
{
	return model.len && !is_pattern(model) &&
	       lg_slice_copy(model, to->model, sizeof(to->model)) &&
	       !table_hostile(to->model) &&
	       lg_slice_copy(provider, to->provider, sizeof(to->provider));
}

static void add(struct named_models *all, const char *provider,
		struct lg_slice name)
{
	struct named *to = &all->m[all->n];
	struct lg_slice whose = lg_slice_str(provider), head, rest;

	name = lg_slice_trim(name);
	if (all->n == NAMED_MAX || !name.len)
		return;
	rest = lg_slice_cut(name, '/', &head);
	if (!provider && rest.len && is_provider(&all->w->catalog, head)) {
		whose = head;
		name = rest;
	}
	memset(to, 0, sizeof(*to));
	if (!take(to, whose, name))
		return;
	for (unsigned i = 0; i < all->n; i++)
		if (!strcasecmp(all->m[i].model, to->model) &&
		    (!*to->provider ||
		     !strcasecmp(all->m[i].provider, to->provider)))
			return;
	all->n++;
}

static void add_list(struct named_models *all, const char *provider,
		     const char *list)
{
	struct lg_slice rest = lg_slice_str(list), one;

	while (rest.len) {
		rest = lg_slice_cut(rest, ',', &one);
		add(all, provider, one);
	}
}

static void add_rules(struct named_models *all)
{
	const struct lg_image *img = all->w->img;
	const struct lg_img_rule *r =
		img ? LG_IMG_ARRAY(img, img->rules, struct lg_img_rule) : NULL;

	for (uint32_t i = 0; r && i < img->rules.n; i++) {
		if (r[i].free)
			continue;
		if (r[i].pricing_id.off)
			add(all, NULL, lg_img_text(img, r[i].pricing_id));
		else
			add(all, NULL, lg_img_text(img, r[i].match));
	}
}

static void add_actions(struct named_models *all, const struct lg_image *img,
			struct lg_img_span span)
{
	const struct lg_img_action *a =
		LG_IMG_ARRAY(img, span, struct lg_img_action);

	for (uint32_t i = 0; i < span.n; i++)
		if (a[i].kind == LG_ACTION_FALLBACK)
			add(all, NULL, lg_img_text(img, a[i].arg));
}

static void add_budgets(struct named_models *all)
{
	for (unsigned i = 0; i < all->w->nrules; i++) {
		const struct lg_rule *r = &all->w->rules[i];

		for (unsigned k = 0; k < r->nterms; k++)
			if (r->terms[k].key == LG_SCOPE_MODEL)
				add(all, NULL,
				    lg_img_text(r->img, r->terms[k].pattern));
		add_actions(all, r->img, r->b->on_soft);
		add_actions(all, r->img, r->b->on_hard);
	}
}

static void collect(struct named_models *all, const char *given)
{
	add_list(all, NULL, given);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		add_list(all, variables[i].provider,
			 getenv(variables[i].variable));
	add_rules(all);
	add_budgets(all);
}

/* Free somewhere, or priced by a rule whose own model is looked at. */
static bool has_rule(const struct lg_world *w, const struct named *m)
{
	const struct lg_image *img = w->img;
	const struct lg_img_rule *r =
		img ? LG_IMG_ARRAY(img, img->rules, struct lg_img_rule) : NULL;

	for (uint32_t i = 0; r && i < img->rules.n; i++)
		if ((r[i].free || r[i].pricing_id.off) &&
		    lg_slice_glob(lg_slice_str(m->model),
				  lg_img_text(img, r[i].match)))
			return true;
	return false;
}

static bool has_price(const struct lg_world *w, const struct named *m,
		      struct lg_price *p)
{
	struct price_find q = {
		.provider = lg_slice_str(m->provider),
		.model = lg_slice_str(m->model),
	};

	if (w->img)
		q.version = lg_img_text(w->img, w->set.price_version);
	return price_find(&w->catalog, &q, p) && price_is_found(p);
}

static const char *policy(const struct lg_world *w)
{
	static const char *const does[] = {
		[LG_UNKNOWN_CEILING] = "its calls count at the provider's "
				       "dearest price (unknown_model: ceiling)",
		[LG_UNKNOWN_BLOCK] =
			"its calls are refused (unknown_model: block)",
		[LG_UNKNOWN_ALLOW] =
			"its calls pass and count nothing (unknown_model: "
			"allow)",
	};

	return does[w->set.unknown_model % 3];
}

static void tell(const struct lg_world *w, const struct named *m)
{
	tool_warn("no price is known for %s%s%s: %s", m->provider,
		  *m->provider ? "/" : "", m->model, policy(w));
	fprintf(stderr,
		"  llmguard pricing set %s --provider %s --input-per-1m USD "
		"--output-per-1m USD\n",
		m->model, *m->provider ? m->provider : "NAME");
}

static void tell_training(const struct named *m)
{
	tool_warn("no training price is known for %s: llmguard pricing set %s "
		  "--training-per-1m USD ...",
		  m->model, m->model);
}

/* A job in the background would be stopped by its first question. */
static bool can_ask(void)
{
	return price_can_ask() && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

static void check(struct lg_engine *e, const struct lg_world *w,
		  const struct named *m, bool training)
{
	struct lg_price p;
	bool asked = false;

	if (has_rule(w, m))
		return;
	if (has_price(w, m, &p)) {
		if (training && p.entry &&
		    p.rate[LG_BUCKET_TRAINING] == LG_RATE_ABSENT)
			tell_training(m);
		return;
	}
	if (can_ask())
		asked = price_ask_model(e, *m->provider ? m->provider : NULL,
					m->model, training) == EXIT_OK;
	if (!asked)
		tell(w, m);
}

void run_prices(struct lg_engine *e, const char *given, bool training)
{
	static struct named_models all;
	struct lg_world *w = lg_engine_pin(e);

	all = (struct named_models){.w = w};
	collect(&all, given);
	for (unsigned i = 0; i < all.n; i++)
		check(e, w, &all.m[i], training);
	lg_engine_unpin(e, w);
	lg_engine_refresh(e);
}
