#ifndef LG_TOOLS_CATALOG_H
#define LG_TOOLS_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "doc.h"

/*
 * Price lists of other forms, turned into the tree of a price file
 * (docs/pricing.md) and back. Figures stay the literals that they are.
 */

/* What was not taken over, by key: told to the user, never dropped silently. */
struct catalog_left {
	struct {
		char key[64];
		uint64_t n;
	} what[64];
	unsigned n;
	uint64_t more; /* beyond the table */
};
void catalog_leave(struct catalog_left *l, struct lg_slice key);
/* "key 12, other 3" to stderr, after `intro`; nothing where nothing is left. */
void catalog_tell_left(const struct catalog_left *l, const char *intro);

struct catalog_from {
	struct doc_arena *a;
	const char *file;	   /* in messages */
	const char *provider;	   /* only this one; NULL: all */
	const char *price_version; /* NULL: none */
	const char *source;	   /* NULL: none */
	/* Whose model is it, where a list does not say it? Empty: unknown. */
	struct lg_slice (*owner)(void *ctx, struct lg_slice model);
	void *ctx;
	struct catalog_left left;
	struct doc_error err;
};

/* An empty price file with its three lines of head. */
struct doc *catalog_new(struct catalog_from *f);

/*
 * The published genai-prices list (schema: genai-prices.schema.json) to a
 * price file. Whatever a price file has no key for stands below `about`.
 * 0, -EINVAL with err filled.
 */
int catalog_from_genai(struct catalog_from *f, const struct doc *root,
		       struct doc **out);

/*
 * LiteLLM's model_prices_and_context_window.json, OpenRouter's /api/v1/models,
 * and {model: {input_cost_per_1k, output_cost_per_1k, context_window}}; what
 * was not taken over is counted in left. 0, -EINVAL with err filled.
 */
int catalog_from_litellm(struct catalog_from *f, const struct doc *root,
			 struct doc **out);
int catalog_from_openrouter(struct catalog_from *f, const struct doc *root,
			    struct doc **out);
int catalog_from_per1k(struct catalog_from *f, const struct doc *root,
		       struct doc **out);
/* A price file: its entries, each with what stands above them. */
int catalog_from_yaml(struct catalog_from *f, const struct doc *root,
		      struct doc **out);

enum catalog_form {
	CATALOG_GENAI,
	CATALOG_LITELLM,
	CATALOG_OPENROUTER,
	CATALOG_PER1K,
	CATALOG_YAML,
	CATALOG_FORMS,
};
extern const char *const catalog_forms[CATALOG_FORMS];
/*
 * Text in the form `name` ("auto": looked at) to a price file. *form tells
 * which it was. 0, -errno with err filled.
 */
int catalog_take(struct catalog_from *f, const char *name, struct lg_slice text,
		 enum catalog_form *form, struct doc **out);

/*
 * v (a number, or a text of one) * 10^shift as a rate of the entry. 0, -EINVAL
 * with err filled: no number, negative, above a million.
 */
int catalog_add_rate(struct catalog_from *f, const struct doc *v, int shift,
		     const char *key, struct doc *entry);
/* v, a whole number above 0, as `key`; 0 where v is NULL, null or 0. */
int catalog_add_count(struct catalog_from *f, const struct doc *v,
		      const char *key, struct doc *entry);
/* An entry with provider and model. */
struct doc *catalog_new_entry(struct catalog_from *f, struct lg_slice provider,
			      struct lg_slice model);
/* Has the entry a rate of its own? */
bool catalog_has_rate(const struct doc *entry);

/* A price file as YAML text, lines of 80 where its values allow. */
void catalog_put_yaml(struct lg_buf *b, const struct doc *root);
/* One entry, as an item of `prices:`. */
void catalog_put_entry(struct lg_buf *b, const struct doc *entry);

/*
 * Price files to the genai-prices form; what it has no place for is counted
 * in left. 0, -EINVAL with err filled.
 */
int catalog_to_genai(struct catalog_from *f, const struct doc *const *roots,
		     const char *const *files, unsigned n, struct doc **out);

/*
 * Price files as one: providers and entries of all, each entry with what
 * stands above it in its file.
 */
struct doc *catalog_join(struct catalog_from *f, const struct doc *const *roots,
			 unsigned n);
/*
 * The prices in force at now ("2026-11-22T14:30:00Z") in LiteLLM's form; what
 * it has no place for is counted in left. before: what an earlier call gave,
 * or NULL; it is added to, and what it has stays.
 */
struct doc *catalog_to_litellm(struct catalog_from *f, const struct doc *joined,
			       const char *now, struct doc *before);

/* -- of genai-prices, both ways ------------------------------------------ */

struct catalog_key {
	const char *genai, *ours;
};
extern const struct catalog_key catalog_genai_keys[];
extern const unsigned catalog_genai_nkeys;

#endif
