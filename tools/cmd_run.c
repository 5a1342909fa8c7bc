#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmds.h"
#include "cover.h"
#include "guard/engine.h"
#include "preload.h"
#include "run.h"
#include "run_prices.h"
#include "tool.h"

static int set_preload(void)
{
	const char *old = getenv("LD_PRELOAD");
	char lib[1024], all[8192];

	if (preload_find(lib, sizeof(lib)))
		return tool_fail("libllmguard.so is neither beside this "
				 "program nor in " LG_PREFIX "/lib");
	if (strpbrk(lib, " :"))
		return tool_fail("%s: LD_PRELOAD takes no path with a blank "
				 "or a colon",
				 lib);
	setenv("LLMGUARD_UNDER_RUN", "1", 1);
	if (old && strstr(old, "libllmguard.so"))
		return -1;
	if (snprintf(all, sizeof(all), "%s%s%s", lib, old && *old ? ":" : "",
		     old ? old : "") >= (int)sizeof(all))
		return tool_fail("LD_PRELOAD is too long");
	setenv("LD_PRELOAD", all, 1);
	return -1;
}

static void warn_if_uncovered(const struct call *c)
{
	static struct cover cv;

	if (cover_command(c->argc, c->argv, &cv))
		return;
	if (cv.verdict == COVER_NO || cv.verdict == COVER_PARTLY)
		tool_warn("warning: %s", cv.why);
}

static void warn_if_off(struct lg_engine *e)
{
	const char *off = getenv("LLMGUARD_DISABLE");

	if (off && *off && strcmp(off, "0"))
		tool_warn("LLMGUARD_DISABLE is set: nothing of this run is "
			  "seen or blocked");
	else if (lg_engine_is_off(e))
		tool_warn("the guard is switched off (llmguard enable, or "
			  "guard: in the config): nothing is blocked");
	else if (lg_engine_ignores(e))
		tool_warn("LLMGUARD_IGNORE_BUDGET is set: nothing is blocked");
}

static int end_as(int status)
{
	struct rlimit none = {0, 0};
	int sig;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	sig = WTERMSIG(status);
	setrlimit(RLIMIT_CORE, &none);
	signal(sig, SIG_DFL);
	fflush(NULL);
	raise(sig);
	return 128 + sig;
}

/* Does this run pay for training? */
static bool trains(const struct call *c)
{
	const char *phase = getenv("LLMGUARD_PHASE");

	return c->v[RO_MAX_TRAIN].set || (phase && !strcmp(phase, "train"));
}

/* The ledger cannot be written: the region knows what was refused. */
static bool has_refused(const struct run *r)
{
	bool yes = false;
	unsigned i;

	if (r->nested || r->resumed || r->watch.refused)
		return r->watch.refused;
	for (i = 0; i < r->watch.ncells; i++)
		yes |= r->watch.cell[i].blocked &&
		       strcmp(r->watch.cell[i].name, "experiment");
	if (yes)
		tool_warn("calls of this run were refused; their rows wait to "
			  "be written to the ledger");
	return yes;
}

/* Cancelled by somebody, failed by itself, or well done. */
static void judge(struct run *r, bool refused)
{
	int sig = WIFSIGNALED(r->status) ? WTERMSIG(r->status) : 0;
	bool well = WIFEXITED(r->status) && !WEXITSTATUS(r->status);

	if (r->end == RUN_CANCELLED || well)
		return;
	if (r->signalled || sig == SIGINT || sig == SIGTERM || sig == SIGHUP) {
		r->end = RUN_CANCELLED;
		snprintf(r->reason, sizeof(r->reason), "signal SIG%s",
			 sigabbrev_np(r->signalled ? r->signalled : sig));
		return;
	}
	r->end = refused ? RUN_CANCELLED : RUN_FAILED;
	if (refused)
		snprintf(r->reason, sizeof(r->reason), "%s",
			 r->breached ? r->breach : "calls were refused");
}

/* All that is left to do once the command has ended. Its exit code. */
static int finish(struct run *r)
{
	bool guard = r->end == RUN_CANCELLED, refused;
	int err;

	lg_engine_refresh(r->e);
	if (lg_engine_region(r->e) && !lg_engine_is_readonly(r->e))
		lg_engine_sweep(r->e);
	run_watch_look(r);
	r->ended_ms = lg_clock_real_ms();
	refused = has_refused(r) || r->watch.cut;
	if (r->breached && r->c->v[RO_HALT].set && !r->ignored)
		run_halt_write(r);
	judge(r, refused);
	if (r->artifacts[0]) {
		run_tally(r);
		run_artifacts_write(r, false);
	} else {
		err = run_tally(r);
		if (err)
			tool_warn("ledger: %s", strerror(-err));
	}
	run_record_write(r, run_end_name(r->end));
	run_record_clean(lg_engine_state_dir(r->e));
	run_report(r);
	return guard || refused ? EXIT_OVER : -1;
}

/* It is not started: what there is to say of that. */
static int refuse(struct run *r, int ret)
{
	if (ret != EXIT_OVER)
		return ret;
	r->end = RUN_CANCELLED;
	r->ended_ms = lg_clock_real_ms();
	if (r->resumed)
		run_tally(r);
	run_artifacts_write(r, false);
	if (!r->resumed) /* else what was added would be added again */
		run_record_write(r, run_end_name(r->end));
	if (r->c->v[RO_JSON].set)
		run_report(r);
	return ret;
}

/* A run that goes on needs something to go on with. */
static int check_left(struct run *r)
{
	unsigned i;

	for (i = 0; r->resumed && !r->ignored && i < r->watch.ncells; i++) {
		const struct run_cell *c = &r->watch.cell[i];

		if (strcmp(c->name, "run") || c->spent_pusd < c->limit_pusd ||
		    r->on_breach == BREACH_CONTINUE)
			continue;
		snprintf(r->reason, sizeof(r->reason),
			 "not started: nothing is left of %s",
			 tool_usd(c->limit_pusd));
		return tool_fail("run %s: nothing is left of %s (%s spent); "
				 "give it more with --add-usd",
				 r->id, tool_usd(c->limit_pusd),
				 tool_usd(c->spent_pusd)) == EXIT_FAILED
			       ? EXIT_OVER
			       : EXIT_FAILED;
	}
	return -1;
}

/* Everything before the command. -1, or an exit code. */
static int prepare(struct run *r)
{
	int ret;

	warn_if_off(r->e);
	if (!r->nested)
		run_prices(r->e, r->c->v[RO_MODEL].text, trains(r->c));
	/* the cells are seeded from the ledger before they are looked at */
	lg_engine_touch(r->e);
	tool_ledger_end(r->e, 0, &r->pos);
	run_watch_begin(r);
	run_watch_cells(r);
	ret = run_artifacts_begin(r);
	if (ret < 0)
		ret = run_halt_check(r);
	if (ret < 0)
		ret = check_left(r);
	if (ret < 0)
		ret = run_estimate(r);
	return ret;
}

/* Whoever raises a limit stands in the ledger. */
static void audit(const struct run *r)
{
	const char *more = r->c->v[RO_ADD].set	 ? r->c->v[RO_ADD].text
			   : r->c->v[RO_MAX].set ? r->c->v[RO_MAX].text
						 : "";
	char note[101];

	if (!r->resumed)
		return;
	snprintf(note, sizeof(note), "run %.63s resumed%s%.22s", r->id,
		 r->c->v[RO_ADD].set   ? " add_usd "
		 : r->c->v[RO_MAX].set ? " max_usd "
				       : "",
		 more);
	tool_audit(r->e, note);
}

static int go(struct run *r)
{
	int ret = prepare(r);

	if (ret >= 0)
		return refuse(r, ret);
	audit(r);
	run_record_write(r, NULL);
	run_artifacts_write(r, true);
	run_crash_before(r);
	ret = run_child_start(r);
	if (ret)
		return tool_fail("%s: %s", r->c->argv[0], strerror(-ret));
	run_child_wait(r);
	run_crash_after(r);
	ret = finish(r);
	return ret;
}

static int run(struct call *c)
{
	static struct run r;
	int ret;

	r.c = c;
	warn_if_uncovered(c);
	r.preload_was = getenv("LD_PRELOAD");
	r.preload_was = r.preload_was ? strdup(r.preload_was) : NULL;
	ret = set_preload();
	if (ret < 0)
		ret = run_limits_set(&r);
	if (ret < 0)
		ret = tool_open(&r.e);
	if (ret >= 0)
		return ret;
	ret = go(&r);
	run_tally_fini(&r.tally);
	free(r.estimate.line);
	free(r.preload_was);
	lg_engine_close(r.e);
	return ret >= 0 ? ret : end_as(r.status);
}

const struct cmd cmd_run = {
	.name = "run",
	.args = "[--] COMMAND [ARGS]",
	.summary = "run a command under the guard",
	.about =
		"The command and all its children are one run: one budget, one "
		"id in the ledger.\nExits as the command does, or 3 when the "
		"guard refused one of its calls, ended it or\ndid not let it "
		"start. A run inside a run is part of it and cannot raise its "
		"limits.\n\nWith --calls, --examples, --train-calls or "
		"--estimate an estimate is made before it\nstarts; where it "
		"exceeds a limit the start is asked for (elsewhere than on a "
		"terminal:\nrefused) unless --yes is given. Without a FILE "
		"the calls of the last 31 days of this\nexperiment, project or "
		"--model say what one costs.\n\nWhat is left of a run's limits "
		"can be spent by --resume RUN_ID. Runs of one\n--experiment "
		"share --experiment-max-usd.\n\nModels named by "
		"--model, "
		"by models:, budgets and fallbacks of the config, or by one "
		"of\nLLMGUARD_MODEL, OPENAI_MODEL, OPENAI_MODEL_NAME, "
		"ANTHROPIC_MODEL,\nANTHROPIC_SMALL_FAST_MODEL, GEMINI_MODEL, "
		"GOOGLE_MODEL, MISTRAL_MODEL,\nDEEPSEEK_MODEL, GROQ_MODEL, "
		"XAI_MODEL, COHERE_MODEL, OPENROUTER_MODEL need a price:\non "
		"a terminal one that has none is asked for before the command "
		"starts (inference\nand, for a run that trains, training) and "
		"kept in your price file. Elsewhere, or\nwith "
		"LLMGUARD_PRICING_NONINTERACTIVE=1, stderr says what "
		"unknown_model does.\n\n"
		"  llmguard run --max-usd 5 -- ./agent.py",
	.opts = run_opts,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};
