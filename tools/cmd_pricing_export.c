#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "catalog.h"
#include "cmds.h"
#include "guard/engine.h"
#include "tool.h"

#define FILES_MAX 256
#define SOURCES_FIXED 3 /* config, live changes, directory: then files */

enum { E_FORMAT, E_PROVIDER, E_SHIPPED };
static const struct opt export_opts[] = {
	[E_FORMAT] = {"format", 'f', OPT_TEXT, "json|yaml|genai|litellm",
		      "form of the output; default: json"},
	[E_PROVIDER] = {"provider", 'p', OPT_TEXT, "NAME", "only this one"},
	[E_SHIPPED] = {"shipped", 's', OPT_FLAG, NULL,
		       "without your own price files"},
	OPT_END,
};

struct files {
	char *name[FILES_MAX];
	const struct doc *root[FILES_MAX];
	unsigned n, own; /* the first `own` are the user's */
};

static bool add(struct doc_arena *a, struct files *f, const char *name)
{
	struct lg_slice s = doc_copy(a, lg_slice_str(name));

	if (f->n == FILES_MAX)
		return false;
	f->name[f->n++] = (char *)(uintptr_t)s.p;
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool add_dir(struct doc_arena *a, struct files *f, const char *dir)
{
	unsigned from = f->n;
	struct dirent *e;
	char path[8192];
	DIR *d = opendir(dir);

	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (e->d_name[0] == '.' || n < 6 ||
		    strcmp(e->d_name + n - 5, ".yaml"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		add(a, f, path);
	}
	if (d)
		closedir(d);
	qsort(f->name + from, f->n - from, sizeof(f->name[0]), by_name);
	return f->n > from;
}

/* Beside this program as it was installed, or in the tree it was built in. */
static bool add_shipped(struct doc_arena *a, struct files *f)
{
	static const char *const places[] = {"../share/llmguard/pricing",
					     "../conf/pricing"};
	char exe[2048], path[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n <= 0)
		return false;
	exe[n] = 0;
	slash = strrchr(exe, '/');
	*slash = 0;
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", exe, places[i]);
		if (add_dir(a, f, path))
			return true;
	}
	return false;
}

/* The user's files come first: that is the order in which they are asked. */
static int add_own(struct doc_arena *a, struct files *f)
{
	const struct lg_img_source *s;
	const struct lg_image *img;
	struct lg_engine *e;
	int ret = tool_open(&e);

	if (ret >= 0)
		return ret;
	img = lg_engine_image(e);
	if (img) {
		s = LG_IMG_ARRAY(img, img->sources, struct lg_img_source);
		for (uint32_t i = SOURCES_FIXED; i < img->sources.n; i++)
			add(a, f, lg_img_text(img, s[i].path).p);
	}
	lg_engine_close(e);
	return -1;
}

static int read_files(struct doc_arena *a, struct files *f,
		      struct doc_error *err)
{
	struct lg_slice text;
	struct doc *root;
	int ret = 0;

	for (unsigned i = 0; i < f->n && !ret; i++) {
		ret = doc_read(a, f->name[i], &text, err);
		if (!ret)
			ret = doc_parse_yaml(a, f->name[i], text, &root, err);
		f->root[i] = ret ? NULL : root;
	}
	return ret;
}

/* Of a model that the user has a price for, the shipped one does not count. */
static struct doc *to_litellm(struct catalog_from *f, const struct files *in)
{
	struct lg_buf now;
	struct doc *map;
	char text[40];

	lg_buf_init_fixed(&now, text, sizeof(text) - 1);
	lg_buf_put_time(&now, lg_clock_real_ms());
	text[now.len] = 0;
	map = catalog_to_litellm(f, catalog_join(f, in->root, in->own), text,
				 NULL);
	return catalog_to_litellm(
		f, catalog_join(f, in->root + in->own, in->n - in->own), text,
		map);
}

static void put(struct call *c, struct catalog_from *f, const struct files *in,
		struct lg_buf *b)
{
	const char *form = c->v[E_FORMAT].set ? c->v[E_FORMAT].text : "json";
	struct doc *out = NULL;

	if (!strcmp(form, "yaml")) {
		catalog_put_yaml(b, catalog_join(f, in->root, in->n));
		return;
	}
	if (!strcmp(form, "litellm"))
		out = to_litellm(f, in);
	else if (!strcmp(form, "json"))
		out = catalog_join(f, in->root, in->n);
	else if (catalog_to_genai(f, in->root, (const char *const *)in->name,
				  in->n, &out))
		return;
	doc_put_json(b, out, 1);
	lg_buf_putc(b, '\n');
}

static int run_export(struct call *c, struct doc_arena *a)
{
	struct catalog_from f = {.a = a, .provider = c->v[E_PROVIDER].text};
	struct files in = {.n = 0};
	struct lg_buf b;
	int ret;

	for (int i = 0; i < c->argc; i++)
		add(a, &in, c->argv[i]);
	if (!c->argc && !c->v[E_SHIPPED].set) {
		ret = add_own(a, &in);
		if (ret >= 0)
			return ret;
	}
	in.own = in.n;
	if (!c->argc && !add_shipped(a, &in))
		return tool_fail("the shipped price files are not beside this "
				 "program; name the files");
	if (read_files(a, &in, &f.err))
		return tool_fail("%s", f.err.text);
	lg_buf_init(&b, (size_t)1 << 28);
	f.err.text[0] = 0;
	put(c, &f, &in, &b);
	if (f.err.text[0]) {
		lg_buf_fini(&b);
		return tool_fail("%s", f.err.text);
	}
	catalog_tell_left(&f.left, "this form has no place for");
	return tool_print(&b);
}

static int export(struct call *c)
{
	struct doc_arena a = {0};
	int ret = run_export(c, &a);

	doc_arena_fini(&a);
	return ret;
}

const struct cmd cmd_pricing_export = {
	.name = "pricing export",
	.args = "[FILE...]",
	.summary = "price files in another form, to stdout",
	.about = "Without FILE: yours and the shipped ones. What the form has "
		 "no "
		 "place for is counted on\nstderr. litellm has one price a "
		 "model: the one in force now.",
	.opts = export_opts,
	.max_args = FILES_MAX,
	.run = export,
};
