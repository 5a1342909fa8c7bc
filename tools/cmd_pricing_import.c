#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "catalog.h"
#include "cmds.h"
#include "config/config.h"
#include "tool.h"

enum { I_FORMAT, I_PROVIDER, I_OUTPUT, I_SPLIT, I_VERSION, I_SOURCE };
static const struct opt import_opts[] = {
	[I_FORMAT] = {"format", 'f', OPT_TEXT, "auto|genai",
		      "what FILE is; default: auto"},
	[I_PROVIDER] = {"provider", 'p', OPT_TEXT, "NAME", "only this one"},
	[I_OUTPUT] = {"output", 'o', OPT_TEXT, "FILE",
		      "write the price file here; - is stdout"},
	[I_SPLIT] = {"split", 0, OPT_TEXT, "DIR",
		     "write one file for each provider into DIR"},
	[I_VERSION] = {"version", 'v', OPT_TEXT, "VERSION",
		       "price_version of the entries"},
	[I_SOURCE] = {"source", 0, OPT_TEXT, "TEXT",
		      "where the figures are from; default: FILE's format"},
	OPT_END,
};

static int write_yaml(const char *path, const struct doc *root)
{
	struct lg_buf b;
	int err;

	lg_buf_init(&b, (size_t)1 << 28);
	catalog_put_yaml(&b, root);
	if (!strcmp(path, "-"))
		return tool_print(&b);
	err = b.overflow ? -ENOMEM : lg_config_write_image(path, &b);
	lg_buf_fini(&b);
	if (err)
		return tool_fail("%s: %s", path, strerror(-err));
	return EXIT_OK;
}

static void move(struct doc_arena *a, const struct doc *root, const char *list,
		 struct lg_slice id, struct doc *file)
{
	const struct doc *from = doc_get(root, list), *v;
	struct doc *to = doc_get(file, list), *copy;

	for (v = from->child; v; v = v->next) {
		if (!lg_slice_eq(doc_text(doc_get(v, "provider")), id))
			continue;
		copy = doc_clone(a, v);
		if (to == doc_get(file, "prices")) {
			copy->child = copy->child->next;
			copy->n--;
		}
		doc_add(a, to, NULL, copy);
	}
}

/* In a file of one provider its entries need not name it. */
static int split(struct catalog_from *f, const struct doc *root,
		 const char *dir)
{
	const struct doc *p = doc_get(root, "providers")->child, *v;
	struct lg_slice id;
	struct doc *file, *name;
	char path[4096];
	int ret = EXIT_OK;

	for (; p && ret == EXIT_OK; p = p->next) {
		id = doc_text(doc_get(p, "provider"));
		file = doc_new(f->a, DOC_MAP, NULL);
		for (v = root->child; v; v = v->next) {
			name = v->kind == DOC_LIST
				       ? doc_new(f->a, DOC_LIST, NULL)
				       : doc_clone(f->a, v);
			doc_add(f->a, file, v->key.p, name);
			if (!lg_slice_eq(v->key, LG_SLICE("catalog")))
				continue;
			doc_add(f->a, file, "provider",
				doc_new_slice(f->a, DOC_STRING, id));
		}
		move(f->a, root, "providers", id, file);
		move(f->a, root, "prices", id, file);
		if (snprintf(path, sizeof(path), "%s/%s.yaml", dir, id.p) >=
		    (int)sizeof(path))
			return tool_fail("%s: too long", dir);
		ret = write_yaml(path, file);
	}
	return ret;
}

static int import(struct call *c)
{
	struct doc_arena a = {0};
	struct catalog_from f = {
		.a = &a,
		.file = c->argv[0],
		.provider = c->v[I_PROVIDER].text,
		.price_version = c->v[I_VERSION].text,
		.source = c->v[I_SOURCE].set ? c->v[I_SOURCE].text
					     : "genai-prices",
	};
	struct doc *root, *out;
	struct lg_slice text;
	int ret = EXIT_OK, err;

	err = doc_read(&a, c->argv[0], &text, &f.err);
	if (!err)
		err = doc_parse_json(&a, c->argv[0], text, &root, &f.err);
	if (!err)
		err = catalog_from_genai(&f, root, &out);
	if (err)
		ret = tool_fail("%s", f.err.text);
	else if (c->v[I_SPLIT].set)
		ret = split(&f, out, c->v[I_SPLIT].text);
	else
		ret = write_yaml(c->v[I_OUTPUT].set ? c->v[I_OUTPUT].text : "-",
				 out);
	doc_arena_fini(&a);
	return ret;
}

const struct cmd cmd_pricing_import = {
	.name = "pricing import",
	.args = "FILE",
	.summary = "take prices over from a list of another form",
	.about = "genai: the published genai-prices JSON.",
	.opts = import_opts,
	.min_args = 1,
	.max_args = 1,
	.run = import,
};
