#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "catalog.h"
#include "cmds.h"
#include "tool.h"

#define FILES_MAX 128

enum { E_FORMAT, E_PROVIDER };
static const struct opt export_opts[] = {
	[E_FORMAT] = {"format", 'f', OPT_TEXT, "genai|json",
		      "form of the output; default: json"},
	[E_PROVIDER] = {"provider", 'p', OPT_TEXT, "NAME", "only this one"},
	OPT_END,
};

static int read_files(struct call *c, struct doc_arena *a,
		      const struct doc **roots, struct doc_error *err)
{
	struct lg_slice text;
	struct doc *root;
	int ret = 0;

	for (int i = 0; i < c->argc && !ret; i++) {
		ret = doc_read(a, c->argv[i], &text, err);
		if (!ret)
			ret = doc_parse_yaml(a, c->argv[i], text, &root, err);
		if (!ret)
			roots[i] = root;
	}
	return ret;
}

static int export(struct call *c)
{
	const struct doc *roots[FILES_MAX];
	struct doc_arena a = {0};
	struct catalog_from f = {.a = &a, .provider = c->v[E_PROVIDER].text};
	bool genai =
		c->v[E_FORMAT].set && !strcmp(c->v[E_FORMAT].text, "genai");
	unsigned n = (unsigned)c->argc;
	struct doc *out = NULL;
	struct lg_buf b;
	int err = read_files(c, &a, roots, &f.err), ret;

	if (!err && genai)
		err = catalog_to_genai(&f, roots, (const char *const *)c->argv,
				       n, &out);
	if (err) {
		ret = tool_fail("%s", f.err.text);
	} else {
		lg_buf_init(&b, (size_t)1 << 28);
		for (unsigned i = 0; i < (genai ? 1 : n); i++) {
			doc_put_json(&b, genai ? out : roots[i], 1);
			lg_buf_putc(&b, '\n');
		}
		catalog_tell_left(&f.left, "this form has no place for");
		ret = tool_print(&b);
	}
	doc_arena_fini(&a);
	return ret;
}

const struct cmd cmd_pricing_export = {
	.name = "pricing export",
	.args = "FILE...",
	.summary = "price files in another form, to stdout",
	.about = "",
	.opts = export_opts,
	.min_args = 1,
	.max_args = FILES_MAX,
	.run = export,
};
