#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guard/file.h"
#include "report.h"
#include "tool.h"

static void csv(struct report *r, struct lg_buf *out)
{
	report_put_csv(r, out);
}

static void json(struct report *r, struct lg_buf *out)
{
	struct json j;

	json_init(&j);
	report_put_json(r, &j);
	lg_buf_put(out, j.b.p, j.b.len);
	out->overflow |= j.b.overflow;
	lg_buf_fini(&j.b);
}

static const struct format {
	const char *end;
	void (*put)(struct report *r, struct lg_buf *out);
	int (*write)(struct report *r, const char *path, char why[256]);
} formats[] = {
	{".csv", csv, NULL},
	{".json", json, NULL},
	{".html", report_put_html, NULL},
	{".htm", report_put_html, NULL},
	{".xlsx", NULL, report_write_xlsx},
	{".pdf", NULL, report_write_pdf},
};

static const struct format *format_of(const char *path)
{
	struct lg_slice s = lg_slice_str(path);

	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (lg_slice_iends(s, lg_slice_str(formats[i].end)))
			return &formats[i];
	return NULL;
}

static int save_text(struct report *r, const struct format *f, const char *path)
{
	struct lg_buf out;
	int err;

	lg_buf_init(&out, (size_t)1 << 30);
	f->put(r, &out);
	err = out.overflow ? -ENOMEM : lg_file_replace(path, out.p, out.len);
	lg_buf_fini(&out);
	if (err)
		return tool_fail("%s: %s", path, strerror(-err));
	return EXIT_OK;
}

/* The libraries write by name: beside it, then renamed over it. */
static int save_file(struct report *r, const struct format *f, const char *path)
{
	char part[1024], why[256] = "";

	if (snprintf(part, sizeof(part), "%s.%d.part", path, (int)getpid()) >=
	    (int)sizeof(part))
		return tool_fail("%s: the name is too long", path);
	if (f->write(r, part, why)) {
		unlink(part);
		return tool_fail("%s: %s", path, why);
	}
	chmod(part, 0600);
	if (!rename(part, path))
		return EXIT_OK;
	snprintf(why, sizeof(why), "%s", strerror(errno));
	unlink(part);
	return tool_fail("%s: %s", path, why);
}

int report_export(struct report *r, const char *path)
{
	const struct format *f = format_of(path);
	struct stat st;

	if (!f)
		return tool_usage(r->a->c->cmd,
				  "--export %s: must end in .csv, .json, "
				  ".html, .xlsx or .pdf",
				  path);
	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		return tool_fail("%s: no file", path);
	return f->put ? save_text(r, f, path) : save_file(r, f, path);
}
