#include "catalog_apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "catalog_merge.h"
#include "catalog_names.h"
#include "catalog_write.h"
#include "config/config.h"
#include "json.h"
#include "tool.h"

int catalog_write_yaml(const char *path, const struct doc *root)
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

static void tell(const struct catalog_merge *m, const char *file,
		 const struct catalog_target *t)
{
	struct json j;

	if (!t->json) {
		printf("%u prices written to %s, %llu unchanged, %llu kept "
		       "because they were entered by hand\n",
		       m->n, file, (unsigned long long)m->unchanged,
		       (unsigned long long)m->kept);
		return;
	}
	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "origin", t->origin);
	json_text(&j, "file", file);
	json_u64(&j, "written", m->n);
	json_u64(&j, "unchanged", m->unchanged);
	json_u64(&j, "kept", m->kept);
	json_close(&j, '}');
	json_line(&j);
	tool_print(&j.b);
}

static int print_entries(struct catalog_from *f, const struct catalog_merge *m)
{
	struct doc *root = catalog_new(f);

	for (unsigned i = 0; i < m->n; i++)
		doc_add(f->a, doc_get(root, "prices"), NULL, m->entry[i]);
	return catalog_write_yaml("-", root);
}

int catalog_apply(struct lg_engine *e, struct catalog_from *f,
		  const struct doc *fresh, const struct catalog_target *t)
{
	struct catalog_merge m;
	char file[4096];
	int ret = EXIT_OK;

	if (catalog_user_file(e, t->file, file, sizeof(file)))
		return tool_fail("the price file's path is too long");
	if (catalog_merge(e, f, file, fresh, t->model, &m))
		return tool_fail("%s; nothing was changed", f->err.text);
	if (!m.n && !m.unchanged && !m.kept)
		return tool_fail("%s: no price%s%s; nothing was changed",
				 t->origin, t->model ? " of " : "",
				 t->model ? t->model : "");
	for (unsigned i = 0; i < m.n && t->names; i++)
		catalog_inherit_names(e, f->a, m.entry[i]);
	if (m.repeated)
		tool_warn("%s: %llu models are listed more than once; the "
			  "first counts",
			  t->origin, (unsigned long long)m.repeated);
	if (t->dry)
		return print_entries(f, &m);
	if (m.n)
		ret = catalog_enter(e, f->a, file, m.entry, m.n,
				    f->source ? f->source : "manual");
	if (ret == EXIT_OK)
		tell(&m, file, t);
	return ret;
}
