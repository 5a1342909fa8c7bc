#include "llm/gateway.h"

#include <string.h>

#include "llm/adapter.h"

/* How a field says that nobody else was asked. */
enum sign { IS_HIT, ENDS_HIT, IS_TRUE, IS_THERE, HAS_HIT };

static const struct {
	struct lg_slice name;
	enum sign sign;
} caches[] = {
#define CACHE(name, sign)                                                      \
	{                                                                      \
		{name, sizeof(name) - 1}, sign                                 \
	}
	CACHE("cf-aig-cache-status", IS_HIT),
	CACHE("x-portkey-cache-status", ENDS_HIT),
	CACHE("helicone-cache", IS_HIT),
	CACHE("x-litellm-cache-key", IS_THERE),
	CACHE("x-litellm-cache-hit", IS_TRUE),
	CACHE("x-openrouter-cache-status", IS_HIT),
	CACHE("cache-status", HAS_HIT),
#undef CACHE
};

/* RFC 9211: a list of caches, each with parameters; "hit" is one of them. */
static bool has_hit(struct lg_slice list)
{
	struct lg_slice one;

	while (list.len) {
		size_t i = 0;

		while (i < list.len && list.p[i] != ';' && list.p[i] != ',')
			i++;
		one = lg_slice_trim((struct lg_slice){list.p, i});
		if (lg_slice_ieq(one, LG_SLICE("hit")) ||
		    lg_slice_ieq(one, LG_SLICE("hit=?1")))
			return true;
		i += i < list.len;
		list.p += i;
		list.len -= i;
	}
	return false;
}

static bool says_hit(enum sign sign, struct lg_slice value)
{
	switch (sign) {
	case IS_HIT:
		return lg_slice_ieq(value, LG_SLICE("hit"));
	case ENDS_HIT:
		return lg_slice_ieq(value, LG_SLICE("hit")) ||
		       lg_slice_ieq(value, LG_SLICE("semantic hit"));
	case IS_TRUE:
		return lg_slice_ieq(value, LG_SLICE("true"));
	case IS_THERE:
		return value.len && !lg_slice_ieq(value, LG_SLICE("none"));
	default:
		return has_hit(value);
	}
}

static void on_huggingface(struct lg_slice name, char *provider, size_t cap)
{
	static const char prefix[] = "huggingface_";
	size_t n = sizeof(prefix) - 1;

	memcpy(provider, prefix, sizeof(prefix));
	lg_slice_copy(name, provider + n, cap - n);
}

void lg_gateway_header(struct lg_answer *a, struct lg_slice name,
		       struct lg_slice value)
{
	if (lg_slice_ieq(name, LG_SLICE("x-inference-provider")) && value.len)
		on_huggingface(lg_slice_trim(value), a->provider,
			       sizeof(a->provider));

	for (size_t i = 0; i < LG_COUNT_OF(caches); i++)
		if (name.len == caches[i].name.len &&
		    lg_slice_ieq(name, caches[i].name))
			a->from_gateway_cache |=
				says_hit(caches[i].sign, lg_slice_trim(value));
}

/* Cloudflare's names of providers, where they are not the price list's. */
static const struct {
	const char *segment, *provider;
} cloudflare[] = {
	{"openai", "openai"},
	{"anthropic", "anthropic"},
	{"azure-openai", "azure"},
	{"google-ai-studio", "google"},
	{"google-vertex-ai", "google"},
	{"aws-bedrock", "aws"},
	{"grok", "x-ai"},
	{"groq", "groq"},
	{"mistral", "mistral"},
	{"deepseek", "deepseek"},
	{"cohere", "cohere"},
	{"cerebras", "cerebras"},
	{"openrouter", "openrouter"},
	{"perplexity-ai", "perplexity"},
};

/* Segment number n of a path, from 0; empty where there is none. */
static struct lg_slice segment(struct lg_slice path, unsigned n)
{
	struct lg_slice one = {NULL, 0};

	path = lg_slice_cut(path, '/', &one);
	do
		path = lg_slice_cut(path, '/', &one);
	while (n--);
	return one;
}

static void on_cloudflare(struct lg_slice name, char *provider, size_t cap)
{
	for (size_t i = 0; i < LG_COUNT_OF(cloudflare); i++)
		if (lg_slice_ieq(name, lg_slice_str(cloudflare[i].segment)))
			lg_slice_copy(lg_slice_str(cloudflare[i].provider),
				      provider, cap);
}

void lg_gateway_path(struct lg_slice path, char *provider, size_t cap)
{
	struct lg_slice first;

	if (!strcmp(provider, "cloudflare")) {
		on_cloudflare(segment(path, 3), provider, cap);
	} else if (!strcmp(provider, "huggingface")) {
		first = segment(path, 0);
		if (first.len && !lg_slice_eq(first, LG_SLICE("v1")))
			on_huggingface(first, provider, cap);
	}
}

/* "model:provider"; ":fastest" and the like leave the choice to the router. */
static bool split_suffix(struct lg_route *r, struct lg_slice model)
{
	static const char *const policies[] = {"fastest", "cheapest",
					       "preferred", "auto"};
	struct lg_slice bare, who = lg_slice_cut(model, ':', &bare);
	size_t i;

	if (!who.len || !bare.len)
		return false;
	lg_slice_copy(bare, r->model, sizeof(r->model));
	for (i = 0; i < LG_COUNT_OF(policies); i++)
		if (lg_slice_ieq(who, lg_slice_str(policies[i])))
			return true;
	on_huggingface(who, r->provider, sizeof(r->provider));
	return true;
}

/* "provider/model". */
static bool split_prefix(struct lg_route *r, struct lg_slice model)
{
	struct lg_slice who, bare = lg_slice_cut(model, '/', &who);

	if (!bare.len)
		return false;
	on_cloudflare(who, r->provider, sizeof(r->provider));
	if (!strcmp(r->provider, "cloudflare"))
		return false;
	lg_slice_copy(bare, r->model, sizeof(r->model));
	return true;
}

bool lg_gateway_model(struct lg_route *r, const char *model)
{
	struct lg_slice name = lg_slice_str(model);

	if (r->model[0])
		return false;
	if (!strcmp(r->provider, "huggingface"))
		return split_suffix(r, name);
	if (!strcmp(r->provider, "cloudflare"))
		return split_prefix(r, name);
	return false;
}
