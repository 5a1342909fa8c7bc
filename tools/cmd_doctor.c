#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/slice.h"
#include "budget/dark.h"
#include "guard/crash.h"
#include "guard/engine.h"
#include "guard/file.h"
#include "guard/program.h"
#include "guard/self.h"
#include "cmds.h"
#include "cover.h"
#include "darks.h"
#include "json.h"
#include "table.h"
#include "tool.h"
#include "tracer_show.h"

enum { O_ALL, O_RESET, O_JSON };
static const struct opt opts[] = {
	[O_ALL] = {"all", 'a', OPT_FLAG, NULL,
		   "every process that you may look at"},
	[O_RESET] = {"reset", 0, OPT_FLAG, NULL,
		     "forget crashes (of COMMAND, or all) and dark traffic"},
	[O_JSON] = OPT_JSON,
	OPT_END,
};

/* -- the guard of this user ----------------------------------------------
 */

/* Looked at once, and only looked at. NULL: there is none. */
static struct lg_engine *engine(void)
{
	static struct lg_engine *e;
	static bool asked;
	struct lg_env env;

	if (asked)
		return e;
	asked = true;
	lg_env_read(&env);
	if (lg_engine_open(&env, &e))
		e = NULL;
	return e;
}

static struct lg_region *region(void)
{
	return engine() ? lg_engine_region(engine()) : NULL;
}

/* As /proc/PID/exe has it. */
static const char *real_name(const struct cover *cv)
{
	static char real[PATH_MAX];

	return !cv->is_pid && realpath(cv->path, real) ? real : cv->path;
}

/* The breaker goes by the script, or by the program where there is none. */
static void look_crash(struct cover *cv)
{
	char real[PATH_MAX];
	struct lg_crash c;

	if (!realpath(cv->script[0] ? cv->script : cv->path, real))
		return;
	lg_crash_look(lg_engine_state_dir(engine()), real, &c);
	if (c.until_ms)
		cover_add_cond(cv, "crash_loop",
			       "Report it with the core, then `llmguard "
			       "doctor --reset` lets the guard in again.",
			       "crashed %u times at its start (SIG%s): "
			       "`llmguard run` leaves the guard out until %s",
			       c.count, sigabbrev_np(c.signal),
			       tool_time(engine(), c.until_ms));
	else if (c.last_ms)
		cover_add_cond(cv, "crashed", "",
			       "crashed at its start (SIG%s) at %s%s",
			       sigabbrev_np(c.signal),
			       tool_time(engine(), c.last_ms),
			       c.innocent ? ", without the guard too" : "");
}

/* programs: of the settings; a script is also known by its own name. */
static void look_lists(struct cover *cv)
{
	const char *name = cv->script[0] ? cv->script : cv->path;
	const char *base = strrchr(name, '/');
	struct lg_self self = {0};

	lg_slice_copy(lg_slice_str(real_name(cv)), self.exe, sizeof(self.exe));
	lg_slice_copy(lg_slice_str(cv->is_pid ? cv->comm
				   : base     ? base + 1
					      : name),
		      self.comm, sizeof(self.comm));
	if (lg_program_is_denied(lg_engine_image(engine()), &self))
		cover_add_cond(cv, "denied",
			       "Change programs: in llmguard.yaml.",
			       "programs: in the settings leaves it alone");
}

/* Whatever else is so: then it is not guarded. */
static void overrule(struct cover *cv)
{
	static const char *const id[] = {"switched_off", "denied",
					 "crash_loop"};

	for (unsigned i = 0; i < cv->nconds; i++)
		for (size_t k = 0; k < sizeof(id) / sizeof(id[0]); k++)
			if (!strcmp(cv->cond[i].id, id[k])) {
				cv->verdict = COVER_NO;
				snprintf(cv->why, sizeof(cv->why), "%s %s",
					 cv->path, cv->cond[i].text);
			}
}

/* What is wrong with settings and region concerns every program. */
static void look_guard(struct cover *cv)
{
	if (!cover_guard()->preload[0])
		cover_add_cond(cv, "preload_absent",
			       "Install libllmguard.so beside llmguard, or in "
			       "../lib of it.",
			       "libllmguard.so was not found");
	if (!engine())
		cover_add_cond(cv, "no_guard",
			       "Set HOME or LLMGUARD_STATE_DIR.",
			       "this user has no state folder");
	else if (!region())
		cover_add_cond(cv, "no_region",
			       "Look at the file's owner and mode, or name "
			       "another one in LLMGUARD_REGION.",
			       "the shared region %s cannot be used: budgets "
			       "are not counted",
			       lg_engine_region_path(engine()));
	else if (lg_engine_is_off(engine()))
		cover_add_cond(cv, "switched_off", "llmguard enable",
			       "the guard is switched off for all programs");
	if (engine()) {
		look_lists(cv);
		look_crash(cv);
	}
	if (engine() && lg_engine_trouble(engine())[0])
		cover_add_cond(cv, "config_error",
			       "Correct it; `llmguard config check` reads it "
			       "as programs do.",
			       "the settings are not in force: %s",
			       lg_engine_trouble(engine()));
	overrule(cv);
}

/* -- one program ---------------------------------------------------------
 */

static void copies_json(struct json *j, const struct cover *cv)
{
	json_open(j, "copies", '[');
	for (unsigned i = 0; i < cv->ncopies; i++) {
		const struct tls_copy *t = &cv->copy[i];

		json_open(j, NULL, '{');
		json_text(j, "tls", tls_name(t->kind));
		json_text(j, "version", t->version);
		json_text(j, "path", t->path);
		json_text(j, "form", tls_form_name(t->form));
		json_text(j, "reach", tls_reach_name(t->reach));
		json_text(j, "why", t->why);
		json_text(j, "remedy", t->remedy);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void conds_json(struct json *j, const struct cover *cv)
{
	json_open(j, "conditions", '[');
	for (unsigned i = 0; i < cv->nconds; i++) {
		json_open(j, NULL, '{');
		json_text(j, "id", cv->cond[i].id);
		json_text(j, "text", cv->cond[i].text);
		json_text(j, "remedy", cv->cond[i].remedy);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void program_json(struct json *j, const struct cover *cv, int pid,
			 const struct tracer_answer *tracer)
{
	const struct tls_copy *main = cover_main_copy(cv);

	json_open(j, NULL, '{');
	if (cv->is_pid) {
		json_i64(j, "pid", pid);
		json_text(j, "comm", cv->comm);
		json_u64(j, "uid", cv->uid);
	}
	json_text(j, "program", cv->path);
	json_text(j, "script", cv->script);
	json_text(j, "tls", main ? tls_name(main->kind) : "");
	json_text(j, "library", main ? main->path : "");
	json_text(j, "covered", cover_verdict_name(cv->verdict));
	if (cv->is_pid)
		json_bool(j, "preloaded", cv->guarded);
	json_text(j, "why", cv->why);
	json_text(j, "remedy", cover_remedy(cv));
	copies_json(j, cv);
	conds_json(j, cv);
	darks_json(j, region(), real_name(cv));
	json_text(j, "preload", cover_guard()->preload);
	if (tracer)
		tracer_show_json(tracer, j);
	json_close(j, '}');
	json_line(j);
}

static void copies_text(const struct cover *cv, struct lg_buf *out)
{
	struct table t;

	table_init(&t, "TLS\tVERSION\tFORM\tSEEN BY\tWHERE");
	for (unsigned i = 0; i < cv->ncopies; i++) {
		const struct tls_copy *k = &cv->copy[i];

		table_cell(&t, tls_name(k->kind));
		table_cell(&t, k->version);
		table_cell(&t, tls_form_name(k->form));
		table_cell(&t, k->reach == REACH_NONE
				       ? "nothing"
				       : tls_reach_name(k->reach));
		table_cell(&t, k->path);
	}
	if (cv->ncopies)
		table_print(&t, out);
	else
		lg_buf_fini(&t.text);
}

static void line(struct lg_buf *out, const char *title, const char *text)
{
	char shown[1300];

	if (!text[0])
		return;
	lg_slice_copy(lg_slice_str(text), shown, sizeof(shown));
	lg_buf_puts(out, title);
	lg_buf_puts(out, shown);
	lg_buf_puts(out, "\n");
}

static void program_text(const struct cover *cv, int pid,
			 const struct tracer_answer *tracer, struct lg_buf *out)
{
	const char *lib = cover_guard()->preload;

	line(out, "script   ", cv->script);
	line(out, "program  ", cv->path);
	lg_buf_puts(out, "covered  ");
	lg_buf_puts(out, cover_verdict_name(cv->verdict));
	line(out, ": ", cv->why);
	line(out, "to do    ", cover_remedy(cv));
	line(out, "preload  ", *lib ? lib : "libllmguard.so was not found");
	if (tracer)
		tracer_show_text(tracer, pid, out);
	copies_text(cv, out);
	darks_text(out, region(), real_name(cv));
	for (unsigned i = 0; i < cv->nconds; i++) {
		if (strstr(cv->why, cv->cond[i].text))
			continue;
		line(out, "note     ", cv->cond[i].text);
		if (strcmp(cv->cond[i].remedy, cover_remedy(cv)) != 0)
			line(out, "         ", cv->cond[i].remedy);
	}
}

static int look_at(struct call *c, struct cover *cv, int *pid)
{
	uint64_t n;

	if (c->argc > 1 || lg_slice_u64(lg_slice_str(c->argv[0]), &n) ||
	    n >= INT32_MAX)
		return cover_command(c->argc, c->argv, cv);
	*pid = (int)n;
	return cover_pid(*pid, cv);
}

static const char *reason(int err)
{
	switch (err) {
	case -ENOEXEC:
		return "neither a program nor a script with #!";
	case -EACCES:
	case -EPERM:
		return "may not be looked at; ask as its user, or as root";
	case -ELOOP:
		return "its #! lines lead in a circle";
	default:
		return strerror(-err);
	}
}

static int one(struct call *c)
{
	static struct tracer_answer answer;
	static struct cover cv;
	const struct tracer_answer *tracer = NULL;
	struct lg_buf out;
	struct json j;
	int pid = 0, err = look_at(c, &cv, &pid), ret;

	if (err)
		return tool_fail("%s: %s", c->argv[0], reason(err));
	look_guard(&cv);
	if (cv.is_pid) {
		tracer_ask(pid, &answer);
		tracer = &answer;
	}
	if (c->v[O_JSON].set) {
		json_init(&j);
		program_json(&j, &cv, pid, tracer);
		ret = tool_print(&j.b);
	} else {
		lg_buf_init(&out, (size_t)1 << 20);
		program_text(&cv, pid, tracer, &out);
		ret = tool_print(&out);
	}
	if (ret)
		return ret;
	return cv.verdict == COVER_NO || !cover_guard()->preload[0]
		       ? EXIT_FAILED
		       : EXIT_OK;
}

/* -- all of them ---------------------------------------------------------
 */

static void row(struct table *t, const struct cover *cv, int pid)
{
	const struct tls_copy *k = cover_main_copy(cv);

	table_u64(t, (uint64_t)pid);
	table_cell(t, cv->comm);
	table_cell(t, cover_verdict_name(cv->verdict));
	table_cell(t, cv->guarded ? "loaded" : "no");
	table_cell(t, k ? tls_name(k->kind) : "");
	table_cell(t, k ? tls_reach_name(k->reach) : "");
	table_cell(t, cv->verdict == COVER_YES ? "" : cover_remedy(cv));
}

static void left_out(unsigned denied)
{
	if (denied)
		tool_warn("%u processes may not be looked at; as root they "
			  "can be",
			  denied);
}

static int all(struct call *c)
{
	static struct cover cv;
	DIR *d = opendir("/proc");
	struct dirent *entry;
	struct table t;
	struct lg_buf out;
	struct json j;
	unsigned denied = 0;
	int err;

	if (!d)
		return tool_fail("/proc: %s", strerror(errno));
	json_init(&j);
	table_init(&t, "PID\rPROGRAM\tCOVERED\tPRELOAD\tTLS\tSEEN BY\tTO DO");
	while ((entry = readdir(d))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		err = cover_pid(atoi(entry->d_name), &cv);
		denied += err == -EACCES || err == -EPERM;
		if (err)
			continue; /* a kernel thread, or gone by now */
		if (c->v[O_JSON].set)
			program_json(&j, &cv, atoi(entry->d_name), NULL);
		else
			row(&t, &cv, atoi(entry->d_name));
	}
	closedir(d);
	left_out(denied);
	if (c->v[O_JSON].set) {
		lg_buf_fini(&t.text);
		return tool_print(&j.b);
	}
	lg_buf_fini(&j.b);
	lg_buf_init(&out, (size_t)1 << 24);
	table_print(&t, &out);
	return tool_print(&out);
}

/* -- forget -------------------------------------------------------------
 */

/* Lines of other programs stay. */
static int forget_crashes(const char *path, const char *program)
{
	struct lg_slice rest, one;
	struct lg_buf keep;
	size_t size, n = program ? strlen(program) : 0;
	void *p;
	int err = lg_file_read(path, LG_CRASH_MAX, &p, &size);

	if (err == -ENOENT || err == -EPROTO)
		return 0;
	if (err)
		return err;
	lg_buf_init(&keep, LG_CRASH_MAX);
	for (rest = (struct lg_slice){p, size}; rest.len;) {
		rest = lg_slice_cut(rest, '\n', &one);
		if (!program || (one.len > n && one.p[one.len - n - 1] == ' ' &&
				 !memcmp(one.p + one.len - n, program, n)))
			continue;
		lg_buf_put(&keep, one.p, one.len);
		lg_buf_putc(&keep, '\n');
	}
	lg_mem_free(p, size);
	err = keep.len	     ? lg_file_replace(path, keep.p, keep.len)
	      : unlink(path) ? -errno
			     : 0;
	lg_buf_fini(&keep);
	return err;
}

static int reset(struct call *c)
{
	static struct cover cv;
	char path[512], real[PATH_MAX];
	const char *program = NULL;
	int err;

	if (!engine())
		return tool_fail("this user has no state folder");
	if (c->argc) {
		err = cover_command(c->argc, c->argv, &cv);
		if (err)
			return tool_fail("%s: %s", c->argv[0], reason(err));
		program = realpath(cv.script[0] ? cv.script : cv.path, real);
	}
	snprintf(path, sizeof(path), "%s" LG_CRASH_FILE,
		 lg_engine_state_dir(engine()));
	err = forget_crashes(path, program);
	if (err)
		return tool_fail("%s: %s", path, strerror(-err));
	if (!c->argc && region())
		lg_dark_reset(region());
	return EXIT_OK;
}

static int run(struct call *c)
{
	if (c->v[O_RESET].set)
		return reset(c);
	if (c->v[O_ALL].set)
		return c->argc ? tool_usage(c->cmd, "--all takes no program")
			       : all(c);
	if (!c->argc)
		return tool_usage(c->cmd, "COMMAND, PID or --all is missing");
	return one(c);
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.args = "COMMAND [ARGS] | PID",
	.summary = "does the guard see this program's TLS, and if not, why",
	.about =
		"Looks at the program's file and at the libraries that the "
		"loader would bring in, or\nat a running process: which TLS "
		"libraries it carries, how the guard reaches each,\nand what "
		"in its surroundings keeps the guard out. Nothing is run; "
		"scripts are\nfollowed to their interpreter. docs/doctor.md "
		"lists all that it can say.\n\nExits 1 when the program is not "
		"covered.",
	.opts = opts,
	.min_args = 0,
	.max_args = -1,
	.run = run,
};
