#include "bpf/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "bpf/able.h"
#include "bpf/enforce.h"
#include "bpf/loader.h"
#include "bpf/options.h"
#include "bpf/target.h"
#include "bpf/tell.h"
#include "tools/json.h"
#include "tools/table.h"
#include "tools/tool.h"

#define TEXT 4096

struct check {
	char why[TEXT + 256]; /* "": it works */
	struct enforce_rung_state rungs[ENFORCE_RUNGS];
	struct json programs, files;
	struct table program_rows, file_rows;
	unsigned nprograms, nfiles, traced;
};

static void on_target(void *arg, uint32_t tgid, bool on, const char *reason)
{
	struct check *c = arg;
	char pid[16];

	if (!on && (!reason || !*reason))
		return; /* taken away again */
	snprintf(pid, sizeof(pid), "%u", tgid);
	table_cell(&c->program_rows, pid);
	table_cell(&c->program_rows, on ? "yes" : "no");
	table_cell(&c->program_rows, reason ? reason : "");
	json_open(&c->programs, NULL, '{');
	json_u64(&c->programs, "pid", tgid);
	json_bool(&c->programs, "traced", on);
	json_text(&c->programs, "reason", reason ? reason : "");
	json_close(&c->programs, '}');
	c->nprograms++;
	c->traced += on;
}

static void on_object(void *arg, const char *path, const char *what,
		      unsigned nprobes)
{
	struct check *c = arg;

	table_u64(&c->file_rows, nprobes);
	table_cell(&c->file_rows, what);
	table_cell(&c->file_rows, path);
	json_open(&c->files, NULL, '{');
	json_text(&c->files, "path", path);
	json_text(&c->files, "what", what);
	json_u64(&c->files, "probes", nprobes);
	json_close(&c->files, '}');
	c->nfiles++;
}

static void look_targets(struct check *c, struct loader *l,
			 const struct options *o)
{
	struct target_options to = o->target;
	struct targets *t;
	int err;

	if (o->pids_only && !to.npids)
		return;
	to.on_target = on_target;
	to.on_object = on_object;
	to.arg = c;
	err = targets_new(l, &to, &t);
	if (err) {
		snprintf(c->why, sizeof(c->why), "cannot look for programs: %s",
			 strerror(-err));
		return;
	}
	targets_scan(t);
	targets_del(t);
}

static void look(struct check *c, const struct options *o)
{
	struct loader_options lo = {
		.ring_bytes = o->ring_bytes,
		.call_max = o->call_max,
		.follow = !o->target.no_children,
		.verbose = o->verbose,
	};
	struct loader *l;
	char said[TEXT] = "";
	int err;

	if (able_check(c->why, sizeof(c->why)))
		return;
	err = loader_open(&lo, &l, said, sizeof(said));
	if (err) {
		able_explain(err, said, c->why, sizeof(c->why));
		return;
	}
	enforce_probe(c->rungs);
	look_targets(c, l, o);
	loader_close(l);
}

static const char *release(void)
{
	static struct utsname u;

	return uname(&u) ? "" : u.release;
}

static int print_json(struct check *c)
{
	struct json j;

	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "kind", "check");
	json_text(&j, "kernel", release());
	json_bool(&j, "works", !c->why[0]);
	json_text(&j, "why_not", c->why);
	json_open(&j, "rungs", '[');
	for (unsigned i = 0; !c->why[0] && i < ENFORCE_RUNGS; i++) {
		json_open(&j, NULL, '{');
		json_text(&j, "name", c->rungs[i].name);
		json_bool(&j, "works", c->rungs[i].works);
		json_text(&j, "why_not", c->rungs[i].why_not);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_number(&j, "programs", c->programs.b.p);
	json_number(&j, "files", c->files.b.p);
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

static int print_text(struct check *c)
{
	struct lg_buf out;
	unsigned i;

	lg_buf_init(&out, (size_t)1 << 24);
	lg_buf_puts(&out, "Tracing works here, Linux ");
	lg_buf_puts(&out, release());
	lg_buf_puts(&out, ". What a hard budget can do:\n");
	for (i = 0; i < ENFORCE_RUNGS; i++) {
		lg_buf_puts(&out, "  ");
		lg_buf_puts(&out, c->rungs[i].name);
		lg_buf_puts(&out, c->rungs[i].works ? ": works" : ": no, ");
		lg_buf_puts(&out, c->rungs[i].why_not);
		lg_buf_puts(&out, "\n");
	}
	if (c->nprograms) {
		lg_buf_puts(&out, "\n");
		table_print(&c->program_rows, &out);
	}
	if (c->nfiles) {
		lg_buf_puts(&out, "\n");
		table_print(&c->file_rows, &out);
	}
	return tool_print(&out);
}

int check_run(const struct options *o)
{
	static struct check c;
	bool asked = !o->pids_only || o->target.npids;
	int ret;

	json_init(&c.programs);
	json_init(&c.files);
	json_open(&c.programs, NULL, '[');
	json_open(&c.files, NULL, '[');
	table_init(&c.program_rows, "PID\rTRACED\tWHY");
	table_init(&c.file_rows, "PROBES\rWHAT\tFILE");
	look(&c, o);
	json_close(&c.programs, ']');
	json_close(&c.files, ']');
	lg_buf_putc(&c.programs.b, 0);
	lg_buf_putc(&c.files.b, 0);
	if (o->json)
		ret = print_json(&c);
	else if (c.why[0])
		ret = tool_fail("%s", c.why);
	else
		ret = print_text(&c);
	return !ret && (c.why[0] || (asked && !c.traced)) ? EXIT_FAILED : ret;
}
