#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "doc.h"
#include "guard/engine.h"
#include "guard/file.h"
#include "guard/phase.h"
#include "json.h"
#include "run.h"
#include "base/money.h"
#include "tool.h"

/* $STATE/runs/experiment-NAME.halt; -ENOENT without an experiment. */
static int path_of(const struct run *r, char *out, size_t cap)
{
	char name[80];

	if (!r->experiment[0])
		return -ENOENT;
	snprintf(name, sizeof(name), "experiment-%s", r->experiment);
	return lg_run_path(lg_engine_state_dir(r->e), name, ".halt", out, cap);
}

struct halt {
	char run[64], reason[200];
	int64_t limit_pusd; /* of the experiment then */
};

static bool read_halt(const struct run *r, struct halt *out)
{
	struct doc_arena a = {NULL, 0};
	struct doc *d = NULL;
	struct doc_error why;
	struct lg_slice text;
	const struct doc *v;
	char path[400];
	bool there;

	memset(out, 0, sizeof(*out));
	out->limit_pusd = RUN_NO_LIMIT;
	if (path_of(r, path, sizeof(path)) || access(path, F_OK))
		return false;
	there = !doc_read(&a, path, &text, &why) &&
		!doc_parse_json(&a, path, text, &d, &why);
	if (there) {
		lg_slice_copy(doc_text(doc_get(d, "run_id")), out->run,
			      sizeof(out->run));
		lg_slice_copy(doc_text(doc_get(d, "reason")), out->reason,
			      sizeof(out->reason));
		v = doc_get(d, "experiment_max_usd");
		if (!v || v->kind != DOC_NUMBER ||
		    lg_money_parse(v->text, &out->limit_pusd))
			out->limit_pusd = RUN_NO_LIMIT;
	}
	doc_arena_fini(&a);
	return true; /* a file that cannot be read halts too */
}

static void describe(const struct run *r, const struct halt *h, char text[256])
{
	snprintf(text, 256, "experiment %.63s was halted by run %.63s: %.90s",
		 r->experiment, h->run[0] ? h->run : "?",
		 h->reason[0] ? h->reason : "?");
}

bool run_halt_is(const struct run *r, char text[256])
{
	struct halt h;

	if (r->nested || r->ignored || !read_halt(r, &h) ||
	    !strcmp(h.run, r->id))
		return false;
	describe(r, &h, text);
	return true;
}

static void audit(const struct run *r, const char *what)
{
	char note[101];

	snprintf(note, sizeof(note), "experiment %.63s %s", r->experiment,
		 what);
	tool_audit(r->e, note);
}

int run_halt_check(struct run *r)
{
	struct halt h;
	char path[400];
	bool raised;

	if (r->nested || r->ignored || !read_halt(r, &h))
		return -1;
	raised = h.limit_pusd != RUN_NO_LIMIT &&
		 r->limits.experiment > h.limit_pusd;
	if (raised || r->c->v[RO_RESTART].set || r->c->v[RO_ADD].set) {
		if (!path_of(r, path, sizeof(path)) && unlink(path) &&
		    errno != ENOENT)
			return tool_fail("%s: %s", path, strerror(errno));
		audit(r, "restarted");
		return -1;
	}
	describe(r, &h, r->reason);
	tool_warn("%s\n  --restart-experiment starts all the same, a higher "
		  "--experiment-max-usd too",
		  r->reason);
	return EXIT_OVER;
}

void run_halt_write(struct run *r)
{
	char path[400];
	struct json j;
	int err = path_of(r, path, sizeof(path));

	if (err || r->halted)
		return;
	r->halted = true;
	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "experiment", r->experiment);
	json_text(&j, "run_id", r->id);
	json_text(&j, "reason", r->breach);
	json_usd(&j, "experiment_max_usd", r->limits.experiment);
	json_time(&j, "ts", lg_clock_real_ms());
	json_close(&j, '}');
	json_line(&j);
	err = j.b.overflow ? -ENOMEM : lg_file_replace(path, j.b.p, j.b.len);
	lg_buf_fini(&j.b);
	audit(r, "halted");
	if (err)
		tool_warn("experiment %s cannot be halted: %s: %s",
			  r->experiment, path, strerror(-err));
}
