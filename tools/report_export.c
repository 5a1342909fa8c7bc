#include <errno.h>
#include <string.h>

#include "outfile.h"
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

static int put_text(struct report *r, const struct format *f, struct outfile *o)
{
	struct lg_buf out;
	int err;

	lg_buf_init(&out, (size_t)1 << 30);
	f->put(r, &out);
	err = out.overflow ? -ENOMEM : outfile_write(o, out.p, out.len);
	lg_buf_fini(&out);
	return err;
}

int report_export(struct report *r, const char *path)
{
	const struct format *f = format_of(path);
	char why[256] = "";
	struct outfile o;
	int err;

	if (!f)
		return tool_usage(r->a->c->cmd,
				  "--export %s: must end in .csv, .json, "
				  ".html, .xlsx or .pdf",
				  path);
	err = outfile_open(&o, path);
	if (err)
		return tool_fail("%s: %s", path, strerror(-err));
	if (f->put)
		err = put_text(r, f, &o);
	else if (o.is_direct)
		err = -ESPIPE;
	else if (f->write(r, o.temp, why)) /* the libraries write by name */
		err = -EIO;
	err = outfile_close(&o, err);
	if (!err)
		return EXIT_OK;
	return tool_fail("%s: %s", path, *why ? why : strerror(-err));
}
