#include "base/maker.h"

#include <string.h>

/* Makers that sell their own models alone, and how their names begin. */
static const struct {
	const char *prefix, *maker;
} makers[] = {
	{"gpt-", "openai"},	   {"chatgpt-", "openai"},
	{"o1", "openai"},	   {"o3", "openai"},
	{"o4-", "openai"},	   {"claude-", "anthropic"},
	{"grok-", "x-ai"},	   {"gemini-", "google"},
	{"mistral-", "mistral"},   {"ministral-", "mistral"},
	{"codestral-", "mistral"}, {"command-", "cohere"},
	{"deepseek-", "deepseek"},
};

bool lg_maker_is_other(struct lg_slice provider, struct lg_slice model)
{
	const char *maker = NULL;
	bool alone = false;

	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		if (lg_slice_istarts(model, lg_slice_str(makers[i].prefix)))
			maker = makers[i].maker;
		/* Google's cloud sells others' models, too */
		alone |= strcmp(makers[i].maker, "google") &&
			 lg_slice_ieq(provider, lg_slice_str(makers[i].maker));
	}
	return alone && maker && !lg_slice_ieq(provider, lg_slice_str(maker));
}
