#include "report_plan.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doc.h"

#define CONFIG_MAX ((size_t)4 << 20)

static void take_formats(struct report_plan *p, const struct doc *v)
{
	const struct doc *one = v && v->kind == DOC_LIST ? v->child : v;

	for (; one && p->nformats < REPORT_FORMATS_MAX; one = one->next) {
		snprintf(p->format[p->nformats++], sizeof(p->format[0]), "%s",
			 doc_text(one).p);
		if (v->kind != DOC_LIST)
			break;
	}
}

static void take_by(struct report_plan *p, const struct doc *v)
{
	const struct doc *one = v->kind == DOC_LIST ? v->child : v;
	size_t n = 0;

	for (; one && n < sizeof(p->by); one = one->next) {
		n += (size_t)snprintf(p->by + n, sizeof(p->by) - n, "%s%s",
				      n ? "," : "", doc_text(one).p);
		if (v->kind != DOC_LIST)
			break;
	}
}

/* Relative to the config's folder; "~/" is the home. */
static void take_dir(struct report_plan *p, const char *config,
		     struct lg_slice dir)
{
	const char *slash = strrchr(config, '/'), *home = getenv("HOME");

	if (dir.p[0] == '/')
		snprintf(p->dir, sizeof(p->dir), "%s", dir.p);
	else if (lg_slice_starts(dir, LG_SLICE("~/")) && home && *home)
		snprintf(p->dir, sizeof(p->dir), "%s/%s", home, dir.p + 2);
	else
		snprintf(p->dir, sizeof(p->dir), "%.*s/%s",
			 slash ? (int)(slash - config) : 1,
			 slash ? config : ".", dir.p);
}

static void take(struct report_plan *p, const char *config, struct doc *v)
{
	const struct doc *by = doc_get(v, "by");
	struct lg_slice dir = doc_text(doc_get(v, "dir"));
	struct lg_slice name = doc_text(doc_get(v, "name"));
	const struct doc *chart = doc_get(v, "chart");

	take_formats(p, doc_get(v, "formats"));
	if (by && (by->kind == DOC_STRING || by->n))
		p->by[0] = 0;
	if (by && (by->kind == DOC_STRING || by->n))
		take_by(p, by);
	if (dir.len)
		take_dir(p, config, dir);
	if (name.len)
		snprintf(p->name, sizeof(p->name), "%s", name.p);
	if (chart)
		p->chart = doc_is(chart, "true");
}

void report_plan_read(struct report_plan *p, const char *config,
		      const char *state)
{
	struct doc_arena a = {0};
	struct doc_error err;
	struct lg_slice text;
	struct doc *root, *v;

	*p = (struct report_plan){.by = "model,project,tag,day",
				  .name = "llmguard-{month}",
				  .chart = true};
	snprintf(p->dir, sizeof(p->dir), "%s/reports", state);
	if (!*config || doc_read(&a, config, &text, &err) ||
	    text.len > CONFIG_MAX || !memmem(text.p, text.len, "reports", 7)) {
		doc_arena_fini(&a);
		return;
	}
	if (!doc_parse_yaml(&a, config, text, &root, &err)) {
		v = doc_get(root, "reports");
		if (v && v->kind == DOC_MAP)
			take(p, config, v);
	}
	doc_arena_fini(&a);
}

static const char *user_name(void)
{
	const struct passwd *pw = getpwuid(geteuid());

	return pw && *pw->pw_name && !strchr(pw->pw_name, '/') ? pw->pw_name
							       : "user";
}

int report_plan_path(const struct report_plan *p, unsigned format,
		     const char *month, char *out, unsigned long cap)
{
	struct lg_slice rest = lg_slice_str(p->name), word;
	struct lg_buf b;

	lg_buf_init_fixed(&b, out, cap - 1);
	lg_buf_puts(&b, p->dir);
	lg_buf_putc(&b, '/');
	while (rest.len) {
		bool more = memchr(rest.p, '{', rest.len) != NULL;

		rest = lg_slice_cut(rest, '{', &word);
		lg_buf_put(&b, word.p, word.len);
		if (!more)
			break;
		rest = lg_slice_cut(rest, '}', &word);
		lg_buf_puts(&b, lg_slice_eq(word, LG_SLICE("user"))
					? user_name()
					: month);
	}
	lg_buf_putc(&b, '.');
	lg_buf_puts(&b, p->format[format]);
	if (b.overflow)
		return -ENAMETOOLONG;
	out[b.len] = 0;
	return 0;
}
