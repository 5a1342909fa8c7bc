#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard/engine.h"
#include "tools/catalog_names.h"
#include "tools/catalog_write.h"
#include "tools/client/client.h"
#include "tools/estimate.h"
#include "tools/price_find.h"
#include "tools/price_input.h"
#include "tools/prompt_body.h"

/* What the commands end for, a program wants to know: no memory. */
static int with_memory(llmguard *g, int (*fn)(llmguard *g, void *arg),
		       void *arg)
{
	jmp_buf no_memory;
	int ret;

	if (setjmp(no_memory)) {
		doc_no_memory = NULL;
		return client_errno(g, -ENOMEM, "");
	}
	doc_no_memory = &no_memory;
	ret = fn(g, arg);
	doc_no_memory = NULL;
	return ret;
}

/* -- prices ---------------------------------------------------------------- */

static bool is_known(llmguard *g, const char *provider, const char *model)
{
	struct price_find q = {.provider = lg_slice_str(provider),
			       .model = lg_slice_str(model)};
	struct lg_price p;

	return price_find(lg_engine_catalog(g->e), &q, &p) &&
	       p.how == LG_PRICE_EXACT_NAME;
}

static int make_entry(llmguard *g, struct doc_arena *a, struct doc *entry,
		      const char *rates, const char *effective)
{
	const char *why = NULL;

	if (price_put_rates(a, entry, client_text(rates), &why))
		return client_fail(g, LLMGUARD_EARGUMENT, "%s: %s",
				   client_text(rates), why);
	why = price_missing(entry);
	if (why)
		return client_fail(g, LLMGUARD_EARGUMENT,
				   "the price of %s is missing", why);
	if (price_put(a, entry, price_field("effective_at"), NULL, effective,
		      &why))
		return client_fail(g, LLMGUARD_EARGUMENT, "%s: %s", effective,
				   why);
	return LLMGUARD_OK;
}

static int add_price(llmguard *g, struct doc_arena *a, const char *provider,
		     const char *model, const char *rates,
		     const char *effective)
{
	struct doc *entry = doc_new(a, DOC_MAP, NULL);
	struct doc_error err;
	char file[4096];
	int ret;

	doc_add(a, entry, "provider", doc_new(a, DOC_STRING, provider));
	doc_add(a, entry, "model", doc_new(a, DOC_STRING, model));
	ret = make_entry(g, a, entry, rates, effective);
	if (ret)
		return ret;
	catalog_inherit_names(g->e, a, entry);
	if (catalog_user_file(g->e, NULL, file, sizeof(file)))
		return client_fail(g, LLMGUARD_ESTATE,
				   "the price file's path is too long");
	ret = catalog_post(g->e, a, file, &entry, 1, "api", &err);
	if (ret)
		return client_fail(
			g, ret == -EINVAL ? LLMGUARD_ECONFIG : LLMGUARD_EIO,
			"%s", err.text);
	lg_engine_refresh(g->e);
	return LLMGUARD_OK;
}

struct addition {
	struct doc_arena a;
	const char *provider, *model, *rates, *effective;
};

static int add_it(llmguard *g, void *arg)
{
	struct addition *n = arg;

	return add_price(g, &n->a, n->provider, n->model, n->rates,
			 n->effective);
}

int llmguard_price_add(llmguard *g, const char *provider, const char *model,
		       const char *rates, const char *effective)
{
	struct addition n = {.provider = provider,
			     .model = model,
			     .rates = rates,
			     .effective = effective};
	char text[128];
	int ret = client_may_write(g);

	if (ret)
		return ret;
	if (!provider || !*provider || !model || !*model ||
	    !lg_slice_copy(lg_slice_str(model), text, sizeof(text)) ||
	    !lg_slice_copy(lg_slice_str(provider), text, sizeof(text)))
		return client_fail(g, LLMGUARD_EARGUMENT,
				   "provider and model: 1 to 127 bytes without "
				   "control characters");
	if (!effective)
		n.effective = is_known(g, provider, model) ? "now" : "always";
	ret = with_memory(g, add_it, &n);
	doc_arena_fini(&n.a);
	return ret;
}

/* Of a million tokens; rates are picodollars of a million tokens' millionth. */
static int64_t rate_of(const struct lg_price *p, enum lg_bucket b)
{
	return p->rate[b] == LG_RATE_ABSENT ? LLMGUARD_NO_BOUND : p->rate[b];
}

int llmguard_price_get(llmguard *g, const char *provider, const char *model,
		       const char *tier, struct llmguard_price *out,
		       size_t size)
{
	struct price_find q = {
		.provider = lg_slice_str(client_text(provider)),
		.model = lg_slice_str(client_text(model)),
		.tier = lg_slice_str(client_text(tier)),
	};
	struct llmguard_price t = {.known = 0};
	struct lg_price p;

	if (!g || !q.model.len)
		return client_fail(g, LLMGUARD_EARGUMENT, "which model?");
	if (!price_find(lg_engine_catalog(g->e), &q, &p))
		return client_fail(g, LLMGUARD_ENOTFOUND,
				   "no price is known for %s", model);
	t.known = price_is_found(&p);
	t.estimate = p.estimate || p.tier_missing;
	t.context_window = p.context_window;
	t.max_output_tokens = p.max_output_tokens;
	t.input = rate_of(&p, LG_BUCKET_INPUT);
	t.cached_input = rate_of(&p, LG_BUCKET_CACHE_READ);
	t.output = rate_of(&p, LG_BUCKET_OUTPUT);
	snprintf(t.found_by, sizeof(t.found_by), "%s",
		 lg_price_how_name(p.how));
	if (p.entry) {
		snprintf(t.pricing_id, sizeof(t.pricing_id), "%s",
			 lg_img_text(p.img, p.entry->pricing_id).p);
		snprintf(t.version, sizeof(t.version), "%s",
			 lg_img_text(p.img, p.entry->price_version).p);
	}
	client_give(out, size, &t, sizeof(t));
	return LLMGUARD_OK;
}

/* -- an estimate ----------------------------------------------------------- */

static const char *provider_of(llmguard *g, const struct llmguard_request *r,
			       char name[64])
{
	struct price_find q = {.model = lg_slice_str(client_text(r->model))};
	struct lg_price p;

	if (r->provider)
		return r->provider;
	if (!price_find(lg_engine_catalog(g->e), &q, &p) || !p.entry)
		return "openai";
	lg_slice_copy(lg_img_text(p.img, p.entry->provider), name, 64);
	return name;
}

static struct lg_slice text_of(llmguard *g, struct doc_arena *a,
			       const struct llmguard_request *r)
{
	struct prompt_body p = {
		.model = lg_slice_str(client_text(r->model)),
		.prompt = {client_text(r->prompt),
			   r->prompt ? r->prompt_len : 0},
		.max_tokens = r->max_tokens,
		.has_max = r->max_tokens,
	};
	char provider[64];

	if (r->body)
		return doc_copy(a, (struct lg_slice){r->body, r->body_len});
	return prompt_body(a, provider_of(g, r, provider), &p);
}

static void tell(const struct estimate *s, struct llmguard_estimate *t)
{
	const struct estimate_sum *m = &s->total;
	const char *name = s->nmodels ? s->model[0].name : "";
	const char *slash = strchr(name, '/');
	size_t n = slash ? (size_t)(slash - name) : 0;

	*t = (struct llmguard_estimate){
		.input_tokens = m->input,
		.input_low = m->input_low,
		.input_high = m->input_high,
		.output_tokens = m->output,
		.worst_output_tokens = m->worst_output,
		.expected = m->expected_pusd,
		.low = m->low_pusd,
		.high = m->high_pusd,
		.worst = m->bounded ? m->worst_pusd : LLMGUARD_NO_BOUND,
		.ranged = m->ranged,
		.price_known = !m->unknown,
	};
	snprintf(t->provider, sizeof(t->provider), "%.*s", (int)n, name);
	lg_slice_copy(lg_slice_str(slash ? slash + 1 : name), t->model,
		      sizeof(t->model));
	snprintf(t->input_state, sizeof(t->input_state), "%s",
		 estimate_by_names[m->in_by]);
	snprintf(t->output_state, sizeof(t->output_state), "%s",
		 estimate_by_names[m->out_by]);
	t->refused = s->untagged > 0;
	for (unsigned i = 0; i < s->nbudgets; i++) {
		t->over |= estimate_is_over(s, &s->budget[i]);
		t->refused |= estimate_is_refused(&s->budget[i]);
	}
}

struct work {
	struct estimate *s;
	struct doc_arena a;
	struct llmguard_request r;
};

static int work(llmguard *g, void *arg)
{
	struct work *w = arg;
	const struct llmguard_request *r = &w->r;
	struct estimate *s = w->s;
	struct estimate_request q = {
		.name = "request", .a = &w->a, .url = r->url};

	s->o.provider = r->provider;
	s->o.tier = r->tier;
	s->o.output_tokens = r->output_tokens;
	s->o.has_output = r->output_tokens;
	s->o.max_tokens = r->max_tokens;
	s->o.has_max = r->max_tokens;
	for (unsigned i = 0; r->tokenizers && r->tokenizers[i]; i++)
		if (s->tokens.nfiles < TOKENIZER_FILES_MAX)
			s->tokens.file[s->tokens.nfiles++] = r->tokenizers[i];
	q.text = text_of(g, &w->a, r);
	if (estimate_add(s, &q))
		return client_fail(g, LLMGUARD_EARGUMENT, "%s", s->why);
	return LLMGUARD_OK;
}

int llmguard_estimate(llmguard *g, const struct llmguard_request *in,
		      struct llmguard_estimate *out, size_t size)
{
	struct llmguard_estimate t;
	struct work w = {.s = NULL};
	int ret;

	if (!g || !client_take(&w.r, sizeof(w.r), in) ||
	    (!w.r.body && !w.r.model))
		return client_fail(g, LLMGUARD_EARGUMENT,
				   "a request has a body, or a model and a "
				   "prompt");
	w.s = calloc(1, sizeof(*w.s));
	if (!w.s)
		return client_errno(g, -ENOMEM, "");
	estimate_init(w.s, g->e);
	ret = with_memory(g, work, &w);
	if (!ret) {
		tell(w.s, &t);
		client_give(out, size, &t, sizeof(t));
	}
	estimate_fini(w.s);
	free(w.s);
	doc_arena_fini(&w.a);
	return ret;
}
