#include <stdio.h>
#include <string.h>

#include "catalog_apply.h"
#include "catalog_merge.h"
#include "cmds.h"
#include "guard/engine.h"
#include "tool.h"

enum {
	I_FORMAT,
	I_PROVIDER,
	I_MODEL,
	I_FILE,
	I_OUTPUT,
	I_SPLIT,
	I_VERSION,
	I_SOURCE,
	I_DRY,
	I_JSON,
};
static const struct opt import_opts[] = {
	[I_FORMAT] = {"format", 'f', OPT_TEXT,
		      "auto|genai|litellm|openrouter|per1k|yaml",
		      "what FILE is; default: auto"},
	[I_PROVIDER] = {"provider", 'p', OPT_TEXT, "NAME",
			"only this one; of per1k: whose models they are"},
	[I_MODEL] = {"model", 'm', OPT_TEXT, "NAME", "only this one"},
	[I_FILE] = {"file", 0, OPT_TEXT, "FILE",
		    "the price file; default: the first of pricing.files, else "
		    "one in the state folder"},
	[I_OUTPUT] = {"output", 'o', OPT_TEXT, "FILE",
		      "write all of it as a new price file; - is stdout"},
	[I_SPLIT] = {"split", 0, OPT_TEXT, "DIR",
		     "the same, one file for each provider in DIR"},
	[I_VERSION] = {"version", 'v', OPT_TEXT, "VERSION",
		       "price_version of the entries"},
	[I_SOURCE] = {"source", 0, OPT_TEXT, "TEXT",
		      "default: manual for per1k, else api"},
	[I_DRY] = {"dry-run", 'n', OPT_FLAG, NULL,
		   "print the entries that would be written"},
	[I_JSON] = OPT_JSON,
	OPT_END,
};

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
		ret = catalog_write_yaml(path, file);
	}
	return ret;
}

static int take(struct call *c, struct lg_engine *e, struct catalog_from *f)
{
	const char *form = c->v[I_FORMAT].text;
	struct lg_slice text;
	enum catalog_form got;
	struct doc *out;
	int err = doc_read(f->a, f->file, &text, &f->err);

	if (!err)
		err = catalog_take(f,
				   form && strcmp(form, "auto") ? form : NULL,
				   text, &got, &out);
	if (err)
		return tool_fail("%s", f->err.text);
	catalog_tell_left(&f->left, "not taken over");
	if (c->v[I_SPLIT].set)
		return split(f, out, c->v[I_SPLIT].text);
	if (c->v[I_OUTPUT].set)
		return catalog_write_yaml(c->v[I_OUTPUT].text, out);
	return catalog_apply(
		e, f, out,
		&(struct catalog_target){.file = c->v[I_FILE].text,
					 .model = c->v[I_MODEL].text,
					 .origin = f->file,
					 .names = got == CATALOG_PER1K,
					 .dry = c->v[I_DRY].set,
					 .json = c->v[I_JSON].set});
}

static int import(struct call *c)
{
	struct doc_arena a = {0};
	struct catalog_from f = {
		.a = &a,
		.file = c->argv[0],
		.provider = c->v[I_PROVIDER].text,
		.price_version = c->v[I_VERSION].text,
		.source = c->v[I_SOURCE].text,
		.owner = catalog_owner,
	};
	struct lg_engine *e;
	int ret = tool_open(&e);

	if (ret >= 0)
		return ret;
	f.ctx = e;
	ret = take(c, e, &f);
	lg_engine_close(e);
	doc_arena_fini(&a);
	return ret;
}

const struct cmd cmd_pricing_import = {
	.name = "pricing import",
	.args = "FILE",
	.summary = "take prices over from a list of another form",
	.about =
		"FILE (- is stdin) is the published genai-prices JSON, "
		"LiteLLM's "
		"model_prices_and_\ncontext_window.json, OpenRouter's "
		"/api/v1/models, {model: {input_cost_per_1k,\n"
		"output_cost_per_1k, context_window}} or a price file. What it "
		"says and your price\nfile does not is appended to it: a "
		"changed price holds from now on, the old one\nstays for old "
		"calls. A price that you entered by hand stays in force. What "
		"has no\nplace in a price file is counted on stderr; a figure "
		"that is wrong refuses the\nwhole list, naming file, line and "
		"key.",
	.opts = import_opts,
	.min_args = 1,
	.max_args = 1,
	.run = import,
};
