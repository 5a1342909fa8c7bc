#include "catalog.h"

#include <stdio.h>
#include <string.h>

#include "tool.h"

void catalog_leave(struct catalog_left *l, struct lg_slice key)
{
	unsigned i;
	char text[64];

	lg_slice_copy(key, text, sizeof(text));
	for (i = 0; i < l->n && strcmp(l->what[i].key, text);)
		i++;
	if (i == sizeof(l->what) / sizeof(l->what[0])) {
		l->more++;
		return;
	}
	if (i == l->n) {
		memcpy(l->what[i].key, text, sizeof(text));
		l->n++;
	}
	l->what[i].n++;
}

void catalog_tell_left(const struct catalog_left *l, const char *intro)
{
	struct lg_buf b;

	if (!l->n)
		return;
	lg_buf_init(&b, 65536);
	for (unsigned i = 0; i < l->n; i++) {
		lg_buf_puts(&b, i ? ", " : "");
		lg_buf_puts(&b, l->what[i].key);
		lg_buf_putc(&b, ' ');
		lg_buf_put_u64(&b, l->what[i].n);
	}
	if (l->more) {
		lg_buf_puts(&b, ", others ");
		lg_buf_put_u64(&b, l->more);
	}
	lg_buf_putc(&b, 0);
	tool_warn("%s: %s", intro, b.p);
	lg_buf_fini(&b);
}

struct doc *catalog_new(struct catalog_from *f)
{
	struct doc_arena *a = f->a;
	struct doc *root = doc_new(a, DOC_MAP, NULL);

	doc_add(a, root, "catalog", doc_new(a, DOC_NUMBER, "1"));
	if (f->price_version)
		doc_add(a, root, "price_version",
			doc_new(a, DOC_STRING, f->price_version));
	if (f->source)
		doc_add(a, root, "source", doc_new(a, DOC_STRING, f->source));
	doc_add(a, root, "providers", doc_new(a, DOC_LIST, NULL));
	doc_add(a, root, "prices", doc_new(a, DOC_LIST, NULL));
	return root;
}
