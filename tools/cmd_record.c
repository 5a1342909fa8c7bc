#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/money.h"
#include "cmds.h"
#include "guard/adjust.h"
#include "guard/engine.h"
#include "guard/world.h"
#include "json.h"
#include "ledger/row.h"
#include "recorded.h"
#include "tool.h"

#define CALLS_MAX 100000

enum {
	O_MODEL,
	O_PROVIDER,
	O_TIER,
	O_INPUT,
	O_CACHED,
	O_OUTPUT,
	O_CACHE_HIT,
	O_CALLS,
	O_RUN,
	O_PHASE,
	O_PROJECT,
	O_USER,
	O_TAGS,
	O_CONVERSATION,
	O_EXPERIMENT,
	O_TYPE,
	O_JSON,
};
static const struct opt opts[] = {
	[O_MODEL] = {"model", 'm', OPT_TEXT, "NAME", "model; needed"},
	[O_PROVIDER] = {"provider", 0, OPT_TEXT, "NAME",
			"whose; default: the first that has it"},
	[O_TIER] = {"tier", 0, OPT_TEXT, "NAME", "service tier"},
	[O_INPUT] = {"input-tokens", 'i', OPT_COUNT, "N", "all input"},
	[O_CACHED] = {"cached-tokens", 0, OPT_COUNT, "N",
		      "of it from the provider's cache"},
	[O_OUTPUT] = {"output-tokens", 'o', OPT_COUNT, "N", "all output"},
	[O_CACHE_HIT] = {"cache-hit", 0, OPT_TEXT, "local|gateway|none",
			 "out of which cache the answer came (local); none: "
			 "it is paid"},
	[O_CALLS] = {"calls", 'n', OPT_COUNT, "N", "so many such calls (1)"},
	[O_RUN] = {"run-id", 'r', OPT_TEXT, "ID", "its run (LLMGUARD_RUN_ID)"},
	[O_PHASE] = {"phase", 0, OPT_TEXT, "infer|train",
		     "its phase (as the run's calls)"},
	[O_PROJECT] = {"project", 'p', OPT_TEXT, "NAME",
		       "as in the environment, if not given"},
	[O_USER] = {"user", 'u', OPT_TEXT, "NAME", "likewise"},
	[O_TAGS] = {"tags", 't', OPT_TEXT, "A,B", "likewise"},
	[O_CONVERSATION] = {"conversation", 'c', OPT_TEXT, "ID", "likewise"},
	[O_EXPERIMENT] = {"experiment", 'e', OPT_TEXT, "NAME", "likewise"},
	[O_TYPE] = {"type", 0, OPT_TEXT,
		    "generate|embed|image|audio|rerank|batch|train|other",
		    "what it was (generate)"},
	[O_JSON] = OPT_JSON,
	OPT_END,
};

static const char *said(const struct call *c, unsigned option, const char *env)
{
	const char *v = c->v[option].set ? c->v[option].text
			: env		 ? getenv(env)
					 : NULL;

	return v ? v : "";
}

static enum lg_cache_hit cache_of(const struct call *c)
{
	const char *text = c->v[O_CACHE_HIT].text;

	if (!text || !strcmp(text, "local"))
		return LG_CACHE_LOCAL;
	return strcmp(text, "gateway") ? LG_CACHE_NONE : LG_CACHE_GATEWAY;
}

static void fill(struct lg_engine *e, const struct call *c, struct lg_row *row)
{
	const struct opt_value *v = c->v;
	const struct recorded r = {
		.model = v[O_MODEL].text,
		.provider = said(c, O_PROVIDER, NULL),
		.tier = said(c, O_TIER, NULL),
		.type = said(c, O_TYPE, NULL),
		.run_id = said(c, O_RUN, "LLMGUARD_RUN_ID"),
		.project = said(c, O_PROJECT, "LLMGUARD_PROJECT"),
		.user = said(c, O_USER, "LLMGUARD_USER"),
		.tags = said(c, O_TAGS, "LLMGUARD_TAGS"),
		.conversation =
			said(c, O_CONVERSATION, "LLMGUARD_CONVERSATION"),
		.experiment = said(c, O_EXPERIMENT, "LLMGUARD_EXPERIMENT"),
		.phase = said(c, O_PHASE, NULL),
		.env_phase = said(c, O_PHASE, "LLMGUARD_PHASE"),
		.hit = cache_of(c),
		.input_tokens = v[O_INPUT].n,
		.cached_tokens = v[O_CACHED].n,
		.output_tokens = v[O_OUTPUT].n,
		.cached = v[O_CACHED].set,
	};

	recorded_fill(e, &r, row);
	row->pid = getppid();
}

static int check_training(const struct call *c)
{
	const struct opt_value *v = c->v;

	if (!v[O_TYPE].set || strcmp(v[O_TYPE].text, "train"))
		return -1;
	if (v[O_OUTPUT].n || v[O_CACHED].n)
		return tool_usage(c->cmd, "--type train: what was trained is "
					  "--input-tokens alone");
	return -1;
}

static int check(const struct call *c)
{
	const struct opt_value *v = c->v;

	if (!v[O_MODEL].set || !*v[O_MODEL].text)
		return tool_usage(c->cmd, "needs --model NAME");
	if (strlen(v[O_MODEL].text) >= sizeof(((struct lg_row *)0)->model))
		return tool_usage(c->cmd, "--model: longer than 127 bytes");
	if (v[O_CACHED].n > v[O_INPUT].n)
		return tool_usage(c->cmd,
				  "--cached-tokens %s: more than "
				  "--input-tokens",
				  v[O_CACHED].text);
	for (unsigned i = O_INPUT; i <= O_OUTPUT; i++)
		if (v[i].n > UINT32_MAX)
			return tool_usage(c->cmd,
					  "--%s %s: more than %u tokens",
					  opts[i].name, v[i].text, UINT32_MAX);
	if (v[O_CALLS].set && (!v[O_CALLS].n || v[O_CALLS].n > CALLS_MAX))
		return tool_usage(c->cmd, "--calls %s: 1 to %d",
				  v[O_CALLS].text, CALLS_MAX);
	return check_training(c);
}

/* It was made; nobody is asked any more. */
static void tell_dear(struct lg_engine *e, const struct lg_row *row)
{
	struct lg_world *w = lg_engine_pin(e);
	int64_t most = w->set.expensive_pusd;

	lg_engine_unpin(e, w);
	if (most && row->cost_pusd > most)
		tool_warn("%s: %s is more than %s (expensive_threshold)",
			  row->model, tool_usd(row->cost_pusd), tool_usd(most));
}

static int tell(const struct call *c, const struct lg_row *row, uint64_t n)
{
	struct json j;

	if (!c->v[O_JSON].set) {
		printf("%llu call%s of %s: actual %s, economic %s each\n",
		       (unsigned long long)n, n == 1 ? "" : "s", row->model,
		       tool_usd(row->cost_pusd), tool_usd(row->economic_pusd));
		return EXIT_OK;
	}
	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "id", row->id);
	json_u64(&j, "calls", n);
	json_text(&j, "run_id", row->run_id);
	json_text(&j, "model", row->model);
	json_text(&j, "phase", row->phase);
	json_usd(&j, "cost_usd", row->cost_pusd);
	json_usd(&j, "economic_usd", row->economic_pusd);
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

static int run(struct call *c)
{
	uint64_t n = c->v[O_CALLS].set ? c->v[O_CALLS].n : 1, i;
	static struct lg_row row;
	struct lg_engine *e;
	const char *doubt;
	int ret = check(c), err = 0;

	if (ret < 0)
		ret = tool_open(&e);
	if (ret >= 0)
		return ret;
	fill(e, c, &row);
	tell_dear(e, &row);
	doubt = recorded_doubt(e, &row);
	if (doubt)
		tool_warn("%s: %s", row.model, doubt);
	for (i = 0; i < n && !err; i++) {
		lg_row_new_id(row.ts_ms, row.id);
		err = lg_row_post(e, &row);
	}
	if (err)
		ret = tool_fail("the row cannot be written: %s",
				strerror(-err));
	else
		ret = tell(c, &row, n);
	lg_engine_close(e);
	return ret;
}

const struct cmd cmd_record = {
	.name = "record",
	.args = "",
	.summary = "a call that did not cross the wire",
	.about =
		"For programs with a cache of their own, and for calls that "
		"the guard could not see:\nwrites a row of the ledger. Out of "
		"a "
		"cache (--cache-hit local, the default) it costs\nnothing, and "
		"economically what the call would have cost; with none it is "
		"paid and\ncounts against every budget that matches it, though "
		"nothing is refused any more.\nA model without a price counts "
		"as unknown_model in the config says: at the dearest\nof its "
		"provider (ceiling, block), or nothing (allow); reprice "
		"corrects that later.\n\n"
		"With --type train --input-tokens are the trained tokens (all "
		"epochs), at the model's\nprice of training; without one the "
		"price is unknown, and it counts nothing.\n\n"
		"  llmguard record --model gpt-4o --input-tokens 900 "
		"--output-tokens 120",
	.opts = opts,
	.run = run,
};
