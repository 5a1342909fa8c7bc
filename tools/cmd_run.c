#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "cmds.h"
#include "cover.h"
#include "guard/engine.h"
#include "preload.h"
#include "run_prices.h"
#include "spend.h"
#include "tool.h"
#include "view.h"

enum {
	O_MAX,
	O_WARN,
	O_MAX_TRAIN,
	O_MAX_INFER,
	O_PROJECT,
	O_TAGS,
	O_USER,
	O_CONVERSATION,
	O_PHASE,
	O_EXPERIMENT,
	O_MODEL,
	O_CONFIG,
	O_PRICE_VERSION,
	O_QUIET,
};
static const struct opt opts[] = {
	[O_MAX] = {"max-usd", 'm', OPT_MONEY, "USD",
		   "block calls beyond this amount"},
	[O_WARN] = {"warn-usd", 'w', OPT_MONEY, "USD", "warn at this amount"},
	[O_MAX_TRAIN] = {"max-train-usd", 0, OPT_MONEY, "USD",
			 "the same for phase train"},
	[O_MAX_INFER] = {"max-infer-usd", 0, OPT_MONEY, "USD",
			 "the same for phase infer"},
	[O_PROJECT] = {"project", 'p', OPT_TEXT, "NAME",
		       "project that rows name"},
	[O_TAGS] = {"tags", 't', OPT_TEXT, "A,B", "tags that rows carry"},
	[O_USER] = {"user", 'u', OPT_TEXT, "NAME", "user that rows name"},
	[O_CONVERSATION] = {"conversation", 'c', OPT_TEXT, "ID",
			    "conversation that rows name"},
	[O_PHASE] = {"phase", 0, OPT_TEXT, "infer|train", "phase of its calls"},
	[O_EXPERIMENT] = {"experiment", 'e', OPT_TEXT, "NAME",
			  "experiment that rows name"},
	[O_MODEL] = {"model", 0, OPT_TEXT, "A,B",
		     "models that it will use: their prices are seen to"},
	[O_CONFIG] = {"config", 0, OPT_TEXT, "FILE",
		      "settings and budgets from this file"},
	[O_PRICE_VERSION] = {"price-version", 0, OPT_TEXT, "VERSION",
			     "charge by this version of the price lists"},
	[O_QUIET] = {"quiet", 'q', OPT_FLAG, NULL, "no summary at the end"},
	OPT_END,
};

static const struct variable {
	int option;
	const char *variable;
	bool is_cap; /* an outer run's lower amount stays */
} variables[] = {
	{O_MAX, "LLMGUARD_MAX_USD", true},
	{O_WARN, "LLMGUARD_WARN_USD", false},
	{O_MAX_TRAIN, "LLMGUARD_MAX_TRAIN_USD", true},
	{O_MAX_INFER, "LLMGUARD_MAX_INFER_USD", true},
	{O_PROJECT, "LLMGUARD_PROJECT", false},
	{O_TAGS, "LLMGUARD_TAGS", false},
	{O_USER, "LLMGUARD_USER", false},
	{O_CONVERSATION, "LLMGUARD_CONVERSATION", false},
	{O_PHASE, "LLMGUARD_PHASE", false},
	{O_EXPERIMENT, "LLMGUARD_EXPERIMENT", false},
	{O_CONFIG, "LLMGUARD_CONFIG", false},
	{O_PRICE_VERSION, "LLMGUARD_PRICE_VERSION", false},
};

static volatile sig_atomic_t child;

static void forward(int sig)
{
	int saved = errno;

	if (child > 0)
		kill((pid_t)child, sig);
	errno = saved;
}

/* The terminal itself sends INT and QUIT to the child. */
static void catch_signals(void)
{
	static const int passed[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
	struct sigaction sa = {.sa_handler = forward, .sa_flags = SA_RESTART};
	size_t i;

	for (i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		sigaction(passed[i], &sa, NULL);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
}

static bool is_lower(const char *a, const char *b)
{
	int64_t x, y;

	return a && *a && !lg_money_parse(lg_slice_str(a), &x) &&
	       !lg_money_parse(lg_slice_str(b), &y) && x < y;
}

/* The command may go elsewhere: a file is named from the root. */
static void set_variable(const struct variable *to, const char *text)
{
	char *real = to->option == O_CONFIG ? realpath(text, NULL) : NULL;

	setenv(to->variable, real ? real : text, 1);
	free(real);
}

static void set_variables(const struct call *c, bool nested)
{
	size_t i;

	for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const struct opt_value *v = &c->v[variables[i].option];
		const char *old = getenv(variables[i].variable);

		if (!v->set)
			continue;
		if (nested && variables[i].is_cap && is_lower(old, v->text)) {
			tool_warn("inside another run: its $%s stays", old);
			continue;
		}
		set_variable(&variables[i], v->text);
	}
}

/* A run inside a run is part of it: it cannot escape the outer budget. */
static const char *run_id(bool *nested)
{
	static char id[64];
	const char *outer = getenv("LLMGUARD_RUN_ID");
	uint64_t r = 0;

	*nested = outer && *outer;
	if (*nested)
		return outer;
	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		r = (uint64_t)lg_clock_boot_ns();
	snprintf(id, sizeof(id), "run-%llx-%d-%08llx",
		 (unsigned long long)lg_clock_real_ms() / 1000, getpid(),
		 (unsigned long long)r & 0xffffffff);
	setenv("LLMGUARD_RUN_ID", id, 1);
	return id;
}

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

static void warn_if_uncovered(const char *command)
{
	struct cover cv;

	if (cover_command(command, &cv))
		return;
	if (cv.verdict == COVER_NO)
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

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127 << 8;
	return status;
}

static int start(struct call *c)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		execvp(c->argv[0], c->argv);
		tool_warn("%s: %s", c->argv[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	child = pid;
	catch_signals();
	return 0;
}

static void summary(const struct spend *s)
{
	const char *max = getenv("LLMGUARD_MAX_USD");

	fprintf(stderr, "llmguard: %llu call%s, %s",
		(unsigned long long)(s->calls - s->blocked),
		s->calls - s->blocked == 1 ? "" : "s", tool_usd(s->cost_pusd));
	if (max && *max)
		fprintf(stderr, " of $%s", max);
	if (s->by[SPEND_UNKNOWN].calls)
		fprintf(stderr, ", %llu at an unknown price",
			(unsigned long long)s->by[SPEND_UNKNOWN].calls);
	if (s->blocked)
		fprintf(stderr, "; %llu refused (%s not spent): %s",
			(unsigned long long)s->blocked,
			tool_usd(s->refused_pusd), s->reason);
	fputc('\n', stderr);
}

/* The ledger cannot be written: the region knows what was refused. */
static bool has_refused(struct lg_engine *e, const char *run_id)
{
	struct views vs;
	bool yes = false;
	unsigned i;

	if (views_read(e, true, &vs))
		return false;
	for (i = 0; i < vs.n; i++)
		yes |= vs.v[i].cell.period == LG_PERIOD_RUN &&
		       !strcmp(vs.v[i].cell.value, run_id) &&
		       vs.v[i].cell.blocked;
	views_fini(&vs);
	if (yes)
		tool_warn("calls of this run were refused; their rows wait to "
			  "be written to the ledger");
	return yes;
}

/* Was something of this run refused? */
static bool report(struct call *c, struct lg_engine *e, struct spend *s,
		   bool nested)
{
	int err;

	lg_engine_refresh(e);
	if (lg_engine_region(e) && !lg_engine_is_readonly(e))
		lg_engine_sweep(e);
	err = spend_read(s, e);
	if (err)
		tool_warn("ledger: %s", strerror(-err));
	else if (!c->v[O_QUIET].set)
		summary(s);
	return s->blocked || s->cut || (!nested && has_refused(e, s->run_id));
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

	return c->v[O_MAX_TRAIN].set || (phase && !strcmp(phase, "train"));
}

static int run(struct call *c)
{
	struct spend s = {.since_ms = lg_clock_real_ms()};
	struct lg_engine *e;
	int ret, status;
	bool nested;

	warn_if_uncovered(c->argv[0]);
	ret = set_preload();
	if (ret >= 0)
		return ret;
	s.run_id = run_id(&nested);
	set_variables(c, nested);
	ret = tool_open(&e);
	if (ret >= 0)
		return ret;
	warn_if_off(e);
	if (!nested)
		run_prices(e, c->v[O_MODEL].text, trains(c));
	tool_ledger_end(e, 0, &s.pos);
	ret = start(c);
	if (ret) {
		lg_engine_close(e);
		return tool_fail("%s: %s", c->argv[0], strerror(-ret));
	}
	status = wait_for((pid_t)child);
	child = 0;
	ret = report(c, e, &s, nested) ? EXIT_OVER : -1;
	spend_fini(&s);
	lg_engine_close(e);
	return ret >= 0 ? ret : end_as(status);
}

const struct cmd cmd_run = {
	.name = "run",
	.args = "[--] COMMAND [ARGS]",
	.summary = "run a command under the guard",
	.about =
		"The command and all its children are one run: one budget, one "
		"id in the ledger.\nExits as the command does, or 3 when the "
		"guard refused one of its calls. A run\ninside a run is part "
		"of it and cannot raise its limits.\n\nModels named by "
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
	.opts = opts,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};
