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
	KEY("MONTHLY_USD", monthly_usd),
	KEY("IGNORE_BUDGET", ignore_budget),
	KEY("FAIL", fail),
	KEY("PRICING_DIR", pricing_dir),
};

void lg_env_read(struct lg_env *env)
{
	const char *run = getenv("LLMGUARD_UNDER_RUN");

	memset(env, 0, sizeof(*env));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *v = getenv(keys[i].name);

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
	{AMOUNT(monthly_usd, "MONTHLY_USD"), "monthly", "global", "monthly",
	 NULL, 1},
};
#define BUDGETS (sizeof(budgets) / sizeof(budgets[0]))

static bool is_amount(const char *text)
{
	int64_t pusd;

	return !lg_money_parse(lg_slice_str(text), &pusd) && pusd >= 0 &&
	       pusd <= LG_MONEY_LIMIT_MAX;
}

/* What the limit is, NULL when the budget is not there. */
static const char *amount(const struct lg_env *env, const struct env_budget *b)
{
	const char *text =
		*(const char *const *)(const void *)((const char *)env + b->at);
	struct lg_log_kv kv[2];
	bool closed = env->fail && !strcmp(env->fail, "closed");

	if (!text || is_amount(text))
		return text;
	kv[0] = (struct lg_log_kv){"variable", lg_slice_str(b->key), 0};
	kv[1] = (struct lg_log_kv){"value", lg_slice_str(text), 0};
	lg_log(LG_LOG_ERROR, "bad_amount", kv, 2);
	return env->under_run || closed ? "0" : NULL;
}

int lg_env_budgets(const struct lg_env *env, bool all, struct lg_buf *out)
{
	struct lg_budget_text text[BUDGETS];
	struct lg_config_error err;
	unsigned n = 0;

	for (size_t i = 0; i < BUDGETS; i++) {
		const char *limit = all ? "0" : amount(env, &budgets[i]);

		if (!limit)
			continue;
		text[n++] = (struct lg_budget_text){
			.name = budgets[i].name,
			.scope = budgets[i].scope,
			.period = budgets[i].period,
			.limit_usd = limit,
			.hard = budgets[i].hard,
			.warn_at = budgets[i].warn_at,
			.source = LG_SOURCE_ENV,
		};
	}
	return n ? lg_config_compile_budgets(text, n, out, &err) : 0;
}
