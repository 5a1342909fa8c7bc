#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "catalog_litellm.h"
#include "decimal.h"

/* https://github.com/BerriAI/litellm, model_prices_and_context_window.json */
const struct litellm_name litellm_owners[] = {
	{"text-completion-openai", "openai"},
	{"openai", "openai"},
	{"azure_text", "azure"},
	{"azure_ai", "azure"},
	{"azure", "azure"},
	{"bedrock_converse", "aws"},
	{"bedrock", "aws"},
	{"vertex_ai", "google"},
	{"palm", "google"},
	{"gemini", "google"},
	{"text-completion-codestral", "mistral"},
	{"codestral", "mistral"},
	{"mistral", "mistral"},
	{"xai", "x-ai"},
	{"cohere", "cohere"},
	{"cohere_chat", "cohere"},
	{"together_ai", "together"},
	{"fireworks_ai", "fireworks"},
	{"voyage", "voyageai"},
	{"jina_ai", "jina"},
	{"moonshot", "moonshotai"},
	{"ollama_chat", "ollama"},
	{"ollama", "ollama"},
};
const unsigned litellm_nowners =
	sizeof(litellm_owners) / sizeof(litellm_owners[0]);

const struct litellm_name litellm_tiers[3] = {
	{"_batches", "batch"},
	{"_flex", "flex"},
	{"_priority", "priority"},
};

/* The longest names first: they begin alike. */
const struct litellm_rate litellm_rates[] = {
	{"cache_creation_input_token_cost_above_1hr", "cache_write_1h_per_1m",
	 6, true},
	{"cache_creation_input_token_cost", "cache_write_5m_per_1m", 6, true},
	{"cache_read_input_audio_token_cost", "audio_cached_input_per_1m", 6,
	 true},
	{"cache_read_input_token_cost", "cached_input_per_1m", 6, true},
	{"input_cost_per_audio_token", "audio_input_per_1m", 6, true},
	{"input_cost_per_image_token", "image_input_per_1m", 6, true},
	{"input_cost_per_video_token", "video_input_per_1m", 6, true},
	{"input_cost_per_token", "input_per_1m", 6, true},
	{"output_cost_per_reasoning_token", "reasoning_per_1m", 6, true},
	{"output_cost_per_audio_token", "audio_output_per_1m", 6, true},
	{"output_cost_per_image_token", "image_output_per_1m", 6, true},
	{"output_cost_per_token", "output_per_1m", 6, true},
	{"citation_cost_per_token", "citation_per_1m", 6, false},
	{"input_cost_per_request", "request_per_1k", 3, false},
	{"input_cost_per_query", "search_unit_per_1k", 3, false},
	{"input_cost_per_second", "second_per_1k", 3, false},
	{"input_cost_per_character", "character_per_1m", 6, false},
	{"output_cost_per_image", "image_per_1k", 3, false},
	{"ocr_cost_per_page", "page_per_1k", 3, false},
	{"code_interpreter_cost_per_session", "code_execution_per_1k", 3,
	 false},
	{"file_search_cost_per_1k_calls", "file_search_per_1k", 0, false},
};
const unsigned litellm_nrates =
	sizeof(litellm_rates) / sizeof(litellm_rates[0]);

/* Of a rate's name behind the rate: "_above_200k_tokens_batches". */
struct tail {
	uint64_t above; /* 0: from the first token on */
	const char *tier;
};

static bool read_tail(struct lg_slice s, struct tail *t)
{
	struct lg_slice n = {s.p + 7, 0};

	*t = (struct tail){0, NULL};
	if (lg_slice_starts(s, LG_SLICE("_above_"))) {
		while (7 + n.len < s.len && n.p[n.len] >= '0' &&
		       n.p[n.len] <= '9')
			n.len++;
		s.p += 7 + n.len;
		s.len -= 7 + n.len;
		if (n.len > 5 || lg_slice_u64(n, &t->above) ||
		    !lg_slice_starts(s, LG_SLICE("k_tokens")))
			return false;
		t->above *= 1000;
		s.p += 8;
		s.len -= 8;
	}
	for (unsigned i = 0; i < 3 && s.len; i++)
		if (lg_slice_eq(s, lg_slice_str(litellm_tiers[i].theirs))) {
			t->tier = litellm_tiers[i].ours;
			return true;
		}
	return !s.len;
}

static const struct litellm_rate *find_rate(struct lg_slice key, struct tail *t)
{
	for (unsigned i = 0; i < litellm_nrates; i++) {
		struct lg_slice name = lg_slice_str(litellm_rates[i].theirs),
				rest;

		if (!lg_slice_starts(key, name))
			continue;
		rest = (struct lg_slice){key.p + name.len, key.len - name.len};
		if (read_tail(rest, t) &&
		    (litellm_rates[i].tiered || (!t->above && !t->tier)))
			return &litellm_rates[i];
	}
	return NULL;
}

static struct doc *child(struct catalog_from *f, struct doc *map,
			 const char *key, enum doc_kind kind)
{
	struct doc *v = doc_get(map, key);

	if (!v) {
		v = doc_new(f->a, kind, NULL);
		doc_add(f->a, map, key, v);
	}
	return v;
}

/* The step of the entry's `tiers`, which rise. */
static struct doc *step(struct catalog_from *f, struct doc *entry,
			uint64_t above)
{
	struct doc *list = child(f, entry, "tiers", DOC_LIST), *s, **at;
	uint64_t n = 0;
	char text[24];

	for (at = &list->child; (s = *at); at = &s->next) {
		lg_slice_u64(doc_text(doc_get(s, "above_tokens")), &n);
		if (n == above)
			return s;
		if (n > above)
			break;
	}
	s = doc_new(f->a, DOC_MAP, NULL);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)above);
	doc_add(f->a, s, "above_tokens", doc_new(f->a, DOC_NUMBER, text));
	s->next = *at;
	*at = s;
	list->n++;
	if (!s->next)
		list->last = s;
	return s;
}

/* 1: taken, 0: it is no rate of ours. */
static int take_rate(struct catalog_from *f, const struct doc *v,
		     struct doc *entry)
{
	struct tail t;
	const struct litellm_rate *r = find_rate(v->key, &t);
	struct doc *to = entry;
	int err;

	if (!r || v->kind == DOC_NULL)
		return v->kind == DOC_NULL;
	if (t.above && t.tier)
		return 0; /* steps of a service tier have no place */
	if (t.above)
		to = step(f, entry, t.above);
	else if (t.tier)
		to = child(f, child(f, entry, "service_tiers", DOC_MAP), t.tier,
			   DOC_MAP);
	if (doc_get(to, r->ours))
		return 0;
	err = catalog_add_rate(f, v, r->shift, r->ours, to);
	return err ? err : 1;
}

/* What a search costs depends on how much it reads: the middle one. */
static int take_search(struct catalog_from *f, const struct doc *v,
		       struct doc *entry)
{
	const struct doc *size = doc_get(v, "search_context_size_medium");

	if (!size)
		size = v->child;
	return size ? catalog_add_rate(f, size, 3, "web_search_per_1k", entry)
		    : 0;
}

static bool is_known(struct lg_slice key)
{
	static const char *const keys[] = {
		"litellm_provider",  "max_tokens", "max_input_tokens",
		"max_output_tokens", "mode",	   "source",
		"deprecation_date"};

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (lg_slice_eq(key, lg_slice_str(keys[i])))
			return true;
	return false;
}

static int take_values(struct catalog_from *f, const struct doc *m,
		       struct doc *entry)
{
	const struct doc *v;
	int got = 0;

	for (v = m->child; v && got >= 0; v = v->next) {
		if (lg_slice_eq(v->key,
				LG_SLICE("search_context_cost_per_query")) &&
		    v->kind == DOC_MAP) {
			got = take_search(f, v, entry);
			continue;
		}
		got = take_rate(f, v, entry);
		if (!got && !is_known(v->key))
			catalog_leave(&f->left, v->key);
	}
	return got < 0 ? got : 0;
}

/* What a service tier does not name costs as usual. */
static void fill_tiers(struct catalog_from *f, struct doc *entry)
{
	const struct doc *list = doc_get(entry, "service_tiers");
	struct doc *t, *v;

	for (t = list ? list->child : NULL; t; t = t->next)
		for (unsigned i = 0; i < litellm_nrates; i++) {
			v = doc_get(entry, litellm_rates[i].ours);
			if (v && litellm_rates[i].tiered &&
			    !doc_get(t, litellm_rates[i].ours))
				doc_add(f->a, t, NULL, doc_clone(f->a, v));
		}
}

static void add_about(struct catalog_from *f, const struct doc *m,
		      struct doc *entry)
{
	static const char *const keys[] = {"mode", "deprecation_date",
					   "source"};
	const struct doc *v;

	for (unsigned i = 0; i < 3; i++) {
		v = doc_get(m, keys[i]);
		if (v && v->kind == DOC_STRING)
			doc_add(f->a, child(f, entry, "about", DOC_MAP),
				keys[i],
				doc_new_slice(f->a, DOC_STRING, v->text));
	}
}

static struct lg_slice our_provider(struct catalog_from *f,
				    struct lg_slice theirs)
{
	struct lg_slice id;

	if (lg_slice_starts(theirs, LG_SLICE("vertex_ai")))
		return LG_SLICE("google");
	if (lg_slice_starts(theirs, LG_SLICE("fireworks_ai")))
		return LG_SLICE("fireworks");
	for (unsigned i = 0; i < litellm_nowners; i++)
		if (lg_slice_eq(theirs, lg_slice_str(litellm_owners[i].theirs)))
			return lg_slice_str(litellm_owners[i].ours);
	id = doc_copy(f->a, theirs);
	for (char *p = (char *)(uintptr_t)id.p; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
		else if (!((*p >= 'a' && *p <= 'z') ||
			   (*p >= '0' && *p <= '9') || strchr("._-", *p)))
			*p = '-';
	return id;
}

/* "groq/llama3-8b" of groq is llama3-8b. */
static struct lg_slice our_model(struct catalog_from *f, struct lg_slice name,
				 struct lg_slice provider)
{
	struct lg_slice head, rest = lg_slice_cut(name, '/', &head);

	if (rest.len && lg_slice_eq(our_provider(f, head), provider))
		return rest;
	return name;
}

static int take_model(struct catalog_from *f, const struct doc *m,
		      struct doc *prices)
{
	const struct doc *v = doc_get(m, "litellm_provider");
	struct lg_slice provider, model;
	struct doc *e;
	int err;

	if (m->kind != DOC_MAP)
		return doc_fail(&f->err, f->file, m, "must be a map");
	if (!v) {
		catalog_leave(&f->left, LG_SLICE("models of nobody"));
		return 0;
	}
	if (v->kind != DOC_STRING || !v->text.len)
		return doc_fail(&f->err, f->file, v,
				"must be a text that is not empty");
	provider = our_provider(f, v->text);
	if (f->provider && !lg_slice_eq(provider, lg_slice_str(f->provider)))
		return 0;
	model = our_model(f, m->key, provider);
	if (!model.len || model.len > 127)
		return doc_fail(&f->err, f->file, m,
				"allowed: a name of 1 to 127 bytes");
	e = catalog_new_entry(f, provider, model);
	err = take_values(f, m, e);
	if (!err)
		err = catalog_add_count(f, doc_get(m, "max_input_tokens"),
					"context_window", e);
	v = doc_get(m, "max_output_tokens");
	if (!err)
		err = catalog_add_count(f, v ? v : doc_get(m, "max_tokens"),
					"max_output_tokens", e);
	if (err)
		return err;
	fill_tiers(f, e);
	add_about(f, m, e);
	if (catalog_has_rate(e))
		doc_add(f->a, prices, NULL, e);
	else
		catalog_leave(&f->left, LG_SLICE("models without a price"));
	return 0;
}

int catalog_from_litellm(struct catalog_from *f, const struct doc *root,
			 struct doc **out)
{
	struct doc *file = catalog_new(f), *prices = doc_get(file, "prices");
	const struct doc *v;
	int err = 0;

	if (root->kind != DOC_MAP)
		return doc_fail(&f->err, f->file, root,
				"must be a map of models");
	for (v = root->child; v && !err; v = v->next)
		if (!lg_slice_eq(v->key, LG_SLICE("sample_spec")))
			err = take_model(f, v, prices);
	*out = file;
	return err;
}
