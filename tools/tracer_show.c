#include "tracer_show.h"

#include <string.h>

#include "table.h"

/* Names of files are anybody's. */
static void put_clean(struct lg_buf *out, const char *text)
{
	table_put(out, text);
}

static void put_files(const struct tracer_answer *a, struct lg_buf *out)
{
	for (unsigned i = 0; i < a->nfiles; i++) {
		lg_buf_puts(out, i ? ", " : ": ");
		lg_buf_put_u64(out, a->file[i].probes);
		lg_buf_puts(out, a->file[i].probes == 1 ? " probe in "
							: " probes in ");
		put_clean(out, a->file[i].path);
	}
	lg_buf_puts(out, "\n");
}

static void put_rungs(const struct tracer_answer *a, struct lg_buf *out)
{
	unsigned i, n = 0;

	for (i = 0; i < a->nrungs; i++) {
		if (!a->rung[i].works)
			continue;
		lg_buf_puts(out, n++ ? ", " : "rungs    ");
		put_clean(out, a->rung[i].name);
	}
	lg_buf_puts(out, n ? " work here (llmguard trace --on-hard)\n" : "");
	for (i = 0; i < a->nrungs; i++) {
		if (a->rung[i].works)
			continue;
		lg_buf_puts(out, "         ");
		put_clean(out, a->rung[i].name);
		lg_buf_puts(out, " does not: ");
		put_clean(out, a->rung[i].why_not);
		lg_buf_puts(out, "\n");
	}
}

void tracer_show_text(const struct tracer_answer *a, int pid,
		      struct lg_buf *out)
{
	lg_buf_puts(out, "tracer   ");
	if (!a->traced) {
		lg_buf_puts(out, a->works ? "could not watch it: "
					  : "does not work here: ");
		put_clean(out, a->why_not);
		lg_buf_puts(out, "\n");
	} else {
		lg_buf_puts(out, "could watch it by `llmguard trace ");
		lg_buf_put_i64(out, pid);
		lg_buf_puts(out, "`");
		put_files(a, out);
	}
	put_rungs(a, out);
}

void tracer_show_json(const struct tracer_answer *a, struct json *j)
{
	unsigned i;

	json_open(j, "tracer", '{');
	json_bool(j, "installed", a->installed);
	json_bool(j, "works", a->works);
	json_bool(j, "traced", a->traced);
	json_text(j, "why_not", a->why_not);
	json_open(j, "rungs", '[');
	for (i = 0; i < a->nrungs; i++) {
		json_open(j, NULL, '{');
		json_text(j, "name", a->rung[i].name);
		json_bool(j, "works", a->rung[i].works);
		json_text(j, "why_not", a->rung[i].why_not);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_open(j, "files", '[');
	for (i = 0; i < a->nfiles; i++) {
		json_open(j, NULL, '{');
		json_text(j, "path", a->file[i].path);
		json_text(j, "what", a->file[i].what);
		json_u64(j, "probes", a->file[i].probes);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}
