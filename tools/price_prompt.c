#include "price_prompt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalog_names.h"
#include "catalog_write.h"
#include "price_input.h"
#include "tool.h"

bool price_can_ask(void)
{
	const char *no = getenv("LLMGUARD_PRICING_NONINTERACTIVE");

	return isatty(0) && isatty(2) && (!no || !*no || !strcmp(no, "0"));
}

/* One line without its end, or NULL; borrowed until the next. */
static char *read_line(void)
{
	static char *line;
	static size_t cap;
	ssize_t n;

	fflush(stdout);
	n = getline(&line, &cap, stdin);
	if (n < 0) {
		fputc('\n', stderr);
		clearerr(stdin);
		return NULL;
	}
	while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		line[--n] = 0;
	return line;
}

static bool is_needed(const struct price_field *f)
{
	return !strcmp(f->key, "provider") || !strcmp(f->key, "input") ||
	       !strcmp(f->key, "output") || !strcmp(f->key, "training");
}

/* What an empty answer means. */
static const char *empty_means(const struct price_field *f,
			       const struct doc *hints)
{
	const struct doc *v = doc_get(hints, f->key);

	if (v)
		return v->text.p;
	if (is_needed(f))
		return NULL;
	return !strcmp(f->key, "cached_input") ? "as other input"
	       : f->kind == PRICE_TIME	       ? "always"
					       : "unknown";
}

static int ask_field(struct doc_arena *a, struct doc *entry,
		     const struct price_field *f, const struct doc *hints)
{
	const char *means = empty_means(f, hints), *why, *text;
	const struct doc *hint = doc_get(hints, f->key);

	for (;;) {
		if (means)
			fprintf(stderr, "%s [%s]: ", f->ask, means);
		else
			fprintf(stderr, "%s: ", f->ask);
		text = read_line();
		if (!text)
			return -ECANCELED;
		if (!*text && hint)
			text = hint->text.p;
		if (!*text && is_needed(f)) {
			fputs("  An answer is needed (0 where it is free).\n",
			      stderr);
			continue;
		}
		if (!price_put(a, entry, f, NULL, text, &why))
			return 0;
		fprintf(stderr, "  %s: %s\n", text, why);
	}
}

int price_prompt(struct doc_arena *a, struct doc *entry,
		 const struct doc *hints, bool training)
{
	int err = 0;

	for (unsigned i = 0; i < price_nfields && !err; i++) {
		const struct price_field *f = &price_fields[i];

		if (f->ask && (training || !f->training) &&
		    !price_has(entry, f))
			err = ask_field(a, entry, f, hints);
	}
	return err;
}

bool price_confirm(const char *question)
{
	const char *text;

	for (;;) {
		fprintf(stderr, "%s [Y/n]: ", question);
		text = read_line();
		if (!text)
			return false;
		if (!*text || !strcasecmp(text, "y") ||
		    !strcasecmp(text, "yes"))
			return true;
		if (!strcasecmp(text, "n") || !strcasecmp(text, "no"))
			return false;
	}
}

int price_ask_model(struct lg_engine *e, const char *provider,
		    const char *model, bool training)
{
	struct doc_arena a = {0};
	struct doc *entry = doc_new(&a, DOC_MAP, NULL);
	char file[4096];
	int ret = EXIT_FAILED;

	if (provider)
		doc_add(&a, entry, "provider",
			doc_new(&a, DOC_STRING, provider));
	doc_add(&a, entry, "model", doc_new(&a, DOC_STRING, model));
	fprintf(stderr, "No price is known for %s%s%s.\n",
		provider ? provider : "", provider ? "/" : "", model);
	if (price_prompt(&a, entry, NULL, training))
		ret = tool_fail("cancelled, no price was written");
	else if (catalog_user_file(e, NULL, file, sizeof(file)))
		ret = tool_fail("the price file's path is too long");
	else {
		catalog_inherit_names(e, &a, entry);
		ret = catalog_enter(e, &a, file, &entry, 1, "manual");
	}
	if (ret == EXIT_OK)
		fprintf(stderr, "Written to %s.\n", file);
	doc_arena_fini(&a);
	return ret;
}

void price_tell_how(const char *provider, const char *model,
		    const char *missing)
{
	tool_warn("%s: %s is not given, and nobody can be asked here", model,
		  missing);
	fprintf(stderr,
		"  give it as an option:  llmguard pricing set %s "
		"--provider %s --input-per-1m USD --output-per-1m USD\n"
		"  or in the environment: LLMGUARD_PRICE_PROVIDER, "
		"LLMGUARD_PRICE_INPUT_PER_1M, LLMGUARD_PRICE_OUTPUT_PER_1M\n"
		"  or at a terminal without "
		"LLMGUARD_PRICING_NONINTERACTIVE=1\n",
		model, provider ? provider : "NAME");
}
