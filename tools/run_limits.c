#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "config/config.h"
#include "guard/env.h"
#include "run.h"
#include "tool.h"

static const struct variable {
	int option;
	const char *variable;
	bool is_cap; /* an outer run's lower amount stays */
} variables[] = {
	{RO_MAX, "LLMGUARD_MAX_USD", true},
	{RO_WARN, "LLMGUARD_WARN_USD", false},
	{RO_MAX_TRAIN, "LLMGUARD_MAX_TRAIN_USD", true},
	{RO_MAX_INFER, "LLMGUARD_MAX_INFER_USD", true},
	{RO_WARN_TRAIN, "LLMGUARD_WARN_TRAIN_USD", false},
	{RO_WARN_INFER, "LLMGUARD_WARN_INFER_USD", false},
	{RO_PROJECT, "LLMGUARD_PROJECT", false},
	{RO_TAGS, "LLMGUARD_TAGS", false},
	{RO_USER, "LLMGUARD_USER", false},
	{RO_CONVERSATION, "LLMGUARD_CONVERSATION", false},
	{RO_PHASE, "LLMGUARD_PHASE", false},
	{RO_EXPERIMENT, "LLMGUARD_EXPERIMENT", false},
	{RO_EXPERIMENT_MAX, "LLMGUARD_EXPERIMENT_MAX_USD", true},
	{RO_ON_BREACH, "LLMGUARD_ON_BREACH", false},
	{RO_CONFIG, "LLMGUARD_CONFIG", false},
	{RO_PRICE_VERSION, "LLMGUARD_PRICE_VERSION", false},
};

static bool is_lower(const char *a, const char *b)
{
	int64_t x, y;

	return a && *a && !lg_money_parse(lg_slice_str(a), &x) &&
	       !lg_money_parse(lg_slice_str(b), &y) && x < y;
}

/* The command may go elsewhere: a file is named from the root. */
static void set_variable(const struct variable *to, const char *text)
{
	char *real = to->option == RO_CONFIG ? realpath(text, NULL) : NULL;

	setenv(to->variable, real ? real : text, 1);
	free(real);
}

/* What another run inside of this one may not take back. */
static bool stays(const struct run *r, const struct variable *to,
		  const char *text)
{
	const char *old = getenv(to->variable);

	if (!r->nested)
		return false;
	if (to->option == RO_ON_BREACH) {
		tool_warn("inside another run: --on-breach is the outer's");
		return true;
	}
	if (!old || !*old)
		return false;
	if (to->is_cap && is_lower(old, text)) {
		tool_warn("inside another run: its $%s stays", old);
		return true;
	}
	if (to->option == RO_EXPERIMENT) {
		tool_warn("inside another run: its %s stays", old);
		return true;
	}
	return false;
}

static void set_variables(const struct run *r)
{
	size_t i;

	for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const struct opt_value *v = &r->c->v[variables[i].option];

		if (v->set && !stays(r, &variables[i], v->text))
			set_variable(&variables[i], v->text);
	}
	if (r->c->v[RO_IGNORE].set && r->nested)
		tool_warn("inside another run: its budgets hold");
	else if (r->c->v[RO_IGNORE].set)
		setenv("LLMGUARD_IGNORE_BUDGET", "1", 1);
}

/* A run inside a run is part of it: it cannot escape the outer budget. */
static void set_id(struct run *r)
{
	const char *outer = getenv("LLMGUARD_RUN_ID");
	uint64_t rnd = 0;

	r->nested = outer && *outer;
	if (r->nested) {
		lg_slice_copy(lg_slice_str(outer), r->id, sizeof(r->id));
		return;
	}
	if (getrandom(&rnd, sizeof(rnd), 0) != sizeof(rnd))
		rnd = (uint64_t)lg_clock_boot_ns();
	if (!r->c->v[RO_RESUME].set)
		snprintf(r->id, sizeof(r->id), "run-%llx-%d-%08llx",
			 (unsigned long long)lg_clock_real_ms() / 1000,
			 getpid(), (unsigned long long)rnd & 0xffffffff);
	setenv("LLMGUARD_RUN_ID", r->id, 1);
}

static int64_t limit_of(const char *variable)
{
	const char *text = getenv(variable);
	int64_t pusd;

	if (!text || !*text)
		return RUN_NO_LIMIT;
	if (lg_money_parse(lg_slice_str(text), &pusd) || pusd < 0 ||
	    pusd > LG_MONEY_LIMIT_MAX)
		return 0; /* as the guard takes it */
	return pusd;
}

static void read_back(struct run *r)
{
	const char *breach = getenv("LLMGUARD_ON_BREACH");
	const char *name = getenv("LLMGUARD_EXPERIMENT");
	const char *project = getenv("LLMGUARD_PROJECT");
	struct lg_env env;

	r->limits = (struct run_limits){
		.max = limit_of("LLMGUARD_MAX_USD"),
		.warn = limit_of("LLMGUARD_WARN_USD"),
		.train = limit_of("LLMGUARD_MAX_TRAIN_USD"),
		.infer = limit_of("LLMGUARD_MAX_INFER_USD"),
		.warn_train = limit_of("LLMGUARD_WARN_TRAIN_USD"),
		.warn_infer = limit_of("LLMGUARD_WARN_INFER_USD"),
		.experiment = limit_of("LLMGUARD_EXPERIMENT_MAX_USD"),
	};
	lg_slice_copy(lg_slice_str(name), r->experiment, sizeof(r->experiment));
	lg_slice_copy(lg_slice_str(project), r->project, sizeof(r->project));
	if (breach && !strcmp(breach, "stop"))
		r->on_breach = BREACH_STOP;
	else if (breach && !strcmp(breach, "continue"))
		r->on_breach = BREACH_CONTINUE;
	lg_env_read(&env);
	r->ignored = lg_env_ignores(&env);
}

static void set_limit(const char *variable, int64_t pusd)
{
	char text[LG_MONEY_TEXT];

	if (pusd == RUN_NO_LIMIT)
		return;
	lg_money_print(pusd, text);
	setenv(variable, text, 1);
}

/* The limits of the run that goes on; options may say others. */
static int take_over(struct run *r, const struct run_record *rec)
{
	int64_t max = rec->limits.max;

	if (r->c->v[RO_ADD].set) {
		int64_t more = 0;

		lg_money_parse(lg_slice_str(r->c->v[RO_ADD].text), &more);
		if (max == RUN_NO_LIMIT)
			return tool_usage(r->c->cmd,
					  "--add-usd: run %s has no limit",
					  r->id);
		max = lg_money_add(max, more);
		if (max > LG_MONEY_LIMIT_MAX)
			return tool_usage(r->c->cmd, "--add-usd: more than "
						     "$9000000 together");
	}
	set_limit("LLMGUARD_MAX_USD", max);
	set_limit("LLMGUARD_WARN_USD", rec->limits.warn);
	set_limit("LLMGUARD_MAX_TRAIN_USD", rec->limits.train);
	set_limit("LLMGUARD_MAX_INFER_USD", rec->limits.infer);
	set_limit("LLMGUARD_WARN_TRAIN_USD", rec->limits.warn_train);
	set_limit("LLMGUARD_WARN_INFER_USD", rec->limits.warn_infer);
	set_limit("LLMGUARD_EXPERIMENT_MAX_USD", rec->limits.experiment);
	if (rec->experiment[0])
		setenv("LLMGUARD_EXPERIMENT", rec->experiment, 1);
	if (rec->project[0])
		setenv("LLMGUARD_PROJECT", rec->project, 1);
	if (rec->on_breach[0])
		setenv("LLMGUARD_ON_BREACH", rec->on_breach, 1);
	r->begun_ms = rec->begun_ms;
	r->resumed = true;
	return -1;
}

static int find_state(char *out, size_t cap)
{
	const char *dir = getenv("LLMGUARD_STATE_DIR");

	if (dir && *dir)
		return snprintf(out, cap, "%s", dir) < (int)cap ? 0
								: -ENAMETOOLONG;
	return lg_config_state_dir(out, cap);
}

static int resume(struct run *r)
{
	const char *id = r->c->v[RO_RESUME].text;
	struct run_record rec;
	char state[256];
	int err;

	if (r->nested)
		return tool_usage(r->c->cmd, "--resume: inside another run");
	if (r->c->v[RO_MAX].set && r->c->v[RO_ADD].set)
		return tool_usage(r->c->cmd, "--max-usd and --add-usd exclude "
					     "each other");
	if (!*id || strlen(id) >= sizeof(r->id))
		return tool_usage(r->c->cmd, "--resume %s: no id of a run", id);
	strcpy(r->id, id);
	err = find_state(state, sizeof(state));
	if (!err)
		err = run_record_read(state, id, &rec);
	if (err == -ENOENT)
		return tool_fail("%s: no such run in %s", id, state);
	if (err)
		return tool_fail("the record of run %s cannot be read: %s", id,
				 strerror(-err));
	if (run_record_is_live(&rec))
		return tool_fail("run %s is still going on (process %llu)", id,
				 (unsigned long long)rec.pid);
	return take_over(r, &rec);
}

static int check(const struct run *r)
{
	const struct opt_value *v = r->c->v;
	const char *name = v[RO_EXPERIMENT].set ? v[RO_EXPERIMENT].text
						: getenv("LLMGUARD_EXPERIMENT");
	bool has = (name && *name) || v[RO_RESUME].set;

	if (v[RO_ADD].set && !v[RO_RESUME].set)
		return tool_usage(r->c->cmd, "--add-usd needs --resume RUN_ID");
	if (v[RO_EXPERIMENT].set && !lg_env_is_experiment(name))
		return tool_usage(r->c->cmd,
				  "--experiment %s: allowed: letters, digits "
				  "and . _ - + @ / =, at most 63",
				  name);
	if (!has &&
	    (v[RO_EXPERIMENT_MAX].set || v[RO_HALT].set || v[RO_RESTART].set))
		return tool_usage(
			r->c->cmd,
			"--experiment-max-usd, --halt-experiment and "
			"--restart-experiment need --experiment NAME");
	if (v[RO_CALLS_PER_EXAMPLE].set && !v[RO_CALLS_PER_EXAMPLE].n)
		return tool_usage(r->c->cmd, "--calls-per-example 0: at least "
					     "1");
	if (v[RO_EXAMPLES].set && !v[RO_CALLS_PER_EXAMPLE].set)
		return tool_usage(r->c->cmd, "--examples needs "
					     "--calls-per-example N");
	return -1;
}

int run_limits_set(struct run *r)
{
	int ret = check(r);

	if (ret >= 0)
		return ret;
	r->begun_ms = r->started_ms = lg_clock_real_ms();
	r->nested = getenv("LLMGUARD_RUN_ID") && *getenv("LLMGUARD_RUN_ID");
	if (r->c->v[RO_RESUME].set)
		ret = resume(r);
	if (ret >= 0)
		return ret;
	set_id(r);
	set_variables(r);
	read_back(r);
	return -1;
}
