#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "cmds.h"
#include "cover.h"
#include "json.h"
#include "preload.h"
#include "tool.h"

enum { O_JSON };
static const struct opt opts[] = {[O_JSON] = OPT_JSON, OPT_END};

static const char *const verdicts[] = {"yes", "maybe", "no"};

static int print_json(const struct cover *cv, const char *lib)
{
	struct json j;

	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "program", cv->path);
	json_text(&j, "script", cv->script);
	json_text(&j, "tls", cv->tls);
	json_text(&j, "library", cv->library);
	json_text(&j, "covered", verdicts[cv->verdict]);
	if (cv->is_pid)
		json_bool(&j, "preloaded", cv->guarded);
	json_text(&j, "why", cv->why);
	json_text(&j, "preload", lib);
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

static void print_text(const struct cover *cv, const char *lib)
{
	if (cv->script[0])
		printf("script   %s\n", cv->script);
	printf("program  %s\n", cv->path);
	printf("TLS      %s%s%s\n", cv->tls[0] ? cv->tls : "none seen",
	       cv->library[0] ? ", " : "", cv->library);
	printf("covered  %s: %s\n", verdicts[cv->verdict], cv->why);
	printf("preload  %s\n", *lib ? lib : "libllmguard.so was not found");
}

static int run(struct call *c)
{
	struct cover cv;
	char lib[1024];
	uint64_t pid;
	int err;

	if (preload_find(lib, sizeof(lib)))
		strcpy(lib, "");
	if (!lg_slice_u64(lg_slice_str(c->argv[0]), &pid) && pid < INT32_MAX)
		err = cover_pid((int)pid, &cv);
	else
		err = cover_command(c->argv[0], &cv);
	if (err)
		return tool_fail("%s: %s", c->argv[0],
				 err == -ENOEXEC ? "neither a program nor a "
						   "script with #!"
						 : strerror(-err));
	if (c->v[O_JSON].set) {
		err = print_json(&cv, lib);
		if (err)
			return err;
	} else {
		print_text(&cv, lib);
	}
	return cv.verdict == COVER_NO || !*lib ? EXIT_FAILED : EXIT_OK;
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.args = "COMMAND|PID",
	.summary = "does the guard see this program's TLS, and if not, why",
	.about = "Looks at the program's file, or at a running process. Exits "
		 "1 when it is not\ncovered.",
	.opts = opts,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};
