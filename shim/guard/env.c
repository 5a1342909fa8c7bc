#include "guard/env.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/money.h"
#include "config/config.h"

struct env_key {
	const char *name;
	size_t at;
};

#define KEY(name, field)                                                       \
	{                                                                      \
		"LLMGUARD_" name, offsetof(struct lg_env, field)               \
	}

static const struct env_key keys[] = {
	KEY("CONFIG", config),
	KEY("STATE_DIR", state_dir),
	KEY("REGION", region),
	KEY("PROJECT", project),
	KEY("USER", user),
	KEY("TAGS", tags),
	KEY("CONVERSATION", conversation),
	KEY("PHASE", phase),
	KEY("RUN_ID", run_id),
	KEY("EXPERIMENT", experiment),
	KEY("MAX_USD", max_usd),
	KEY("WARN_USD", warn_usd),
	KEY("MAX_TRAIN_USD", max_train_usd),
	KEY("MAX_INFER_USD", max_infer_usd),
	KEY("WARN_TRAIN_USD", warn_train_usd),
	KEY("WARN_INFER_USD", warn_infer_usd),
	KEY("MONTHLY_USD", monthly_usd),
	KEY("EXPERIMENT_MAX_USD", experiment_max_usd),
	KEY("ON_BREACH", on_breach),
	KEY("IGNORE_BUDGET", ignore_budget),
	KEY("FAIL", fail),
	KEY("PRICING_DIR", pricing_dir),
	KEY("PRICE_VERSION", price_version),
	KEY("LOG_LEVEL", log_level),
	KEY("LOG_FORMAT", log_format),
};

static const char *get_own(void *arg, const char *name)
{
	(void)arg;
	return getenv(name);
}

void lg_env_read(struct lg_env *env)
{
	lg_env_read_from(env, get_own, NULL);
}

void lg_env_read_from(struct lg_env *env,
		      const char *(*get)(void *arg, const char *name),
		      void *arg)
{
	const char *run = get(arg, "LLMGUARD_UNDER_RUN");

	memset(env, 0, sizeof(*env));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *v = get(arg, keys[i].name);

		if (v && *v)
			*(const char **)(void *)((char *)env + keys[i].at) = v;
	}
	env->under_run = run && *run && strcmp(run, "0") != 0;
}

bool lg_env_ignores(const struct lg_env *env)
{
	return env->ignore_budget && strcmp(env->ignore_budget, "0") != 0;
}

struct env_budget {
	size_t at;
	const char *key, *name, *scope, *period, *warn_at;
	int hard;
};

#define AMOUNT(field, key) offsetof(struct lg_env, field), "LLMGUARD_" key

static const struct env_budget budgets[] = {
	{AMOUNT(max_usd, "MAX_USD"), "run", "global", "run", NULL, 1},
	{AMOUNT(warn_usd, "WARN_USD"), "run-warn", "global", "run", "1.0", 0},
	{AMOUNT(max_train_usd, "MAX_TRAIN_USD"), "run-train", "phase:train",
	 "run", NULL, 1},
	{AMOUNT(max_infer_usd, "MAX_INFER_USD"), "run-infer", "phase:infer",
	 "run", NULL, 1},
	{AMOUNT(warn_train_usd, "WARN_TRAIN_USD"), "run-train-warn",
	 "phase:train", "run", "1.0", 0},
	{AMOUNT(warn_infer_usd, "WARN_INFER_USD"), "run-infer-warn",
	 "phase:infer", "run", "1.0", 0},
	{AMOUNT(monthly_usd, "MONTHLY_USD"), "monthly", "global", "monthly",
	 NULL, 1},
	{AMOUNT(experiment_max_usd, "EXPERIMENT_MAX_USD"), "experiment", NULL,
	 "total", NULL, 1},
};
#define BUDGETS (sizeof(budgets) / sizeof(budgets[0]))

static bool is_amount(const char *text)
{
	int64_t pusd;

	return !lg_money_parse(lg_slice_str(text), &pusd) && pusd >= 0 &&
	       pusd <= LG_MONEY_LIMIT_MAX;
}

static const char *value(const struct lg_env *env, size_t at)
{
	return *(const char *const *)(const void *)((const char *)env + at);
}

/* What the limit is, NULL when the budget is not there. */
static const char *amount(const struct lg_env *env, const struct env_budget *b)
{
	const char *text = value(env, b->at);
	bool closed = env->fail && !strcmp(env->fail, "closed");

	if (!text || is_amount(text))
		return text;
	return env->under_run || closed ? "0" : NULL;
}

bool lg_env_is_experiment(const char *name)
{
	size_t n = 0;

	for (; name && name[n]; n++) {
		unsigned c = (unsigned char)name[n];
		bool word = (c | 32) - 'a' < 26u || c - '0' < 10u;

		if (n == 63 || (!word && !memchr("._-+@/=", (int)c, 7)))
			return false;
	}
	return n;
}

/* Which of them only warn: those of the run where it is to go on. */
static int is_hard(const struct lg_env *env, const struct env_budget *b)
{
	return b->hard && !(env->on_breach && strcmp(b->name, "monthly") &&
			    !strcmp(env->on_breach, "continue"));
}

/* An experiment's is shared by its runs, if its name can be a scope. */
static void place(const struct lg_env *env, const struct env_budget *b,
		  char scope[96], struct lg_budget_text *out)
{
	static const char key[] = "experiment:";

	out->scope = b->scope;
	if (b->scope)
		return;
	if (lg_env_is_experiment(env->experiment)) {
		memcpy(scope, key, sizeof(key));
		strcpy(scope + sizeof(key) - 1, env->experiment);
		out->scope = scope;
		return;
	}
	out->scope = "global";
	out->period = "run";
}

int lg_env_budgets(const struct lg_env *env, bool all, struct lg_buf *out)
{
	struct lg_budget_text text[BUDGETS];
	char scope[96];
	struct lg_config_error err;
	unsigned n = 0;

	for (size_t i = 0; i < BUDGETS; i++) {
		const char *limit = all ? "0" : amount(env, &budgets[i]);

		if (!limit)
			continue;
		text[n] = (struct lg_budget_text){
			.name = budgets[i].name,
			.period = budgets[i].period,
			.limit_usd = limit,
			.hard = is_hard(env, &budgets[i]),
			.warn_at = budgets[i].warn_at,
			.source = LG_SOURCE_ENV,
		};
		place(env, &budgets[i], scope, &text[n++]);
	}
	return n ? lg_config_compile_budgets(text, n, out, &err) : 0;
}

static const struct {
	const char *key;
	size_t at;
	const char *words[5];
	const char *allowed;
} choices[] = {
	{"LLMGUARD_FAIL",
	 offsetof(struct lg_env, fail),
	 {"open", "closed"},
	 "open, closed"},
	{"LLMGUARD_PHASE",
	 offsetof(struct lg_env, phase),
	 {"infer", "train"},
	 "infer, train"},
	{"LLMGUARD_ON_BREACH",
	 offsetof(struct lg_env, on_breach),
	 {"stop", "block", "continue"},
	 "stop, block, continue"},
	{"LLMGUARD_LOG_LEVEL",
	 offsetof(struct lg_env, log_level),
	 {"error", "warn", "info", "debug"},
	 "error, warn, info, debug"},
	{"LLMGUARD_LOG_FORMAT",
	 offsetof(struct lg_env, log_format),
	 {"text", "json"},
	 "text, json"},
};
#define CHOICES (sizeof(choices) / sizeof(choices[0]))

/* Programs of one run have many working directories. */
static const struct {
	const char *key;
	size_t at;
} paths[] = {
	{"LLMGUARD_CONFIG", offsetof(struct lg_env, config)},
	{"LLMGUARD_STATE_DIR", offsetof(struct lg_env, state_dir)},
	{"LLMGUARD_REGION", offsetof(struct lg_env, region)},
	{"LLMGUARD_PRICING_DIR", offsetof(struct lg_env, pricing_dir)},
};
#define PATHS (sizeof(paths) / sizeof(paths[0]))

static bool is_choice(const char *text, const char *const *words)
{
	while (*words &&
	       !lg_slice_ieq(lg_slice_str(text), lg_slice_str(*words)))
		words++;
	return *words;
}

_Static_assert(BUDGETS + CHOICES + PATHS + 1 <= LG_ENV_BAD_MAX, "room for all");

unsigned lg_env_check(const struct lg_env *env, struct lg_env_bad *out)
{
	const char *v;
	unsigned n = 0;

	for (size_t i = 0; i < BUDGETS; i++) {
		v = value(env, budgets[i].at);
		if (v && !is_amount(v))
			out[n++] = (struct lg_env_bad){
				budgets[i].key, v,
				"an amount of USD from 0 to 9000000"};
	}
	for (size_t i = 0; i < CHOICES; i++) {
		v = value(env, choices[i].at);
		if (v && !is_choice(v, choices[i].words))
			out[n++] = (struct lg_env_bad){choices[i].key, v,
						       choices[i].allowed};
	}
	if (env->experiment_max_usd && !lg_env_is_experiment(env->experiment))
		out[n++] = (struct lg_env_bad){
			"LLMGUARD_EXPERIMENT",
			env->experiment ? env->experiment : "",
			"letters, digits and . _ - + @ / =, at most 63: each "
			"run has LLMGUARD_EXPERIMENT_MAX_USD for itself"};
	for (size_t i = 0; i < PATHS; i++) {
		v = value(env, paths[i].at);
		if (v && v[0] != '/')
			out[n++] = (struct lg_env_bad){paths[i].key, v,
						       "an absolute path"};
	}
	return n;
}

void lg_env_log_bad(const struct lg_env *env)
{
	struct lg_env_bad bad[LG_ENV_BAD_MAX];
	unsigned n = lg_env_check(env, bad);

	for (unsigned i = 0; i < n; i++) {
		struct lg_log_kv kv[3] = {
			{"variable", lg_slice_str(bad[i].variable), 0},
			{"value", lg_slice_str(bad[i].value), 0},
			{"allowed", lg_slice_str(bad[i].allowed), 0},
		};

		lg_log(LG_LOG_ERROR, "bad_variable", kv, 3);
	}
}
