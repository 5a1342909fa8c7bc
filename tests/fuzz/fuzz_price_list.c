#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "tools/catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/*
 * Any bytes as a price list of each form. What is taken is written as a price
 * file, which reads back as the same tree.
 */
static void check_text(struct doc_arena *a, const struct doc *file)
{
	struct doc_error err;
	struct doc *again;
	struct lg_buf b;

	lg_buf_init(&b, (size_t)1 << 26);
	catalog_put_yaml(&b, file);
	if (!b.overflow &&
	    doc_parse_yaml(a, "written", lg_buf_slice(&b), &again, &err))
		abort();
	if (!b.overflow && doc_get(file, "prices")->n &&
	    !doc_equal(doc_get(file, "prices"), doc_get(again, "prices")))
		abort();
	lg_buf_fini(&b);
}

/* And given back in the form that it came in, it is the same again. */
static void check_genai(struct catalog_from *f, const struct doc *file)
{
	const struct doc *roots[] = {file};
	const char *const files[] = {"file"};
	struct doc *list, *again;

	if (catalog_to_genai(f, roots, files, 1, &list))
		abort();
	if (!list->n)
		return;
	if (catalog_from_genai(f, list, &again))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const forms[] = {NULL,	  "genai", "litellm",
					    "openrouter", "per1k", "yaml"};
	struct doc_arena a = {0};
	struct catalog_from f = {.a = &a, .file = "f", .provider = "acme"};
	enum catalog_form form;
	struct lg_slice text;
	struct doc *out;

	if (!n || n > 65536)
		return 0;
	text = doc_copy(&a, (struct lg_slice){(const char *)p + 1, n - 1});
	if (p[0] % 6 == 1)
		f.provider = NULL;
	if (!catalog_take(&f, forms[p[0] % 6], text, &form, &out)) {
		check_text(&a, out);
		if (form == CATALOG_GENAI)
			check_genai(&f, out);
	}
	doc_arena_fini(&a);
	return 0;
}
