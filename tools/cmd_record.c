#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "cmds.h"
#include "guard/adjust.h"
#include "guard/engine.h"
#include "guard/phase.h"
#include "guard/self.h"
#include "guard/world.h"
#include "json.h"
#include "ledger/row.h"
#include "price_find.h"
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

#define PUT(field, text)                                                       \
	lg_slice_copy(lg_slice_str(text), row->field, sizeof(row->field))

static void put_tags(struct lg_row *row, const char *tags)
{
	char *p;

	PUT(tags, tags);
	for (p = row->tags; *p; p++)
		if (*p == ',')
			*p = '\x1f';
}

static void put_phase(struct lg_engine *e, const struct call *c,
		      struct lg_row *row)
{
	const char *env = said(c, O_PHASE, NULL);
	struct lg_world *w;

	PUT(phase, env);
	if (!row->phase[0])
		lg_phase_read(lg_engine_state_dir(e), row->run_id, row->phase);
	env = getenv("LLMGUARD_PHASE");
	if (!row->phase[0] && env && lg_phase_is(lg_slice_str(env)))
		strcpy(row->phase,
		       *env == 't' || *env == 'T' ? "train" : "infer");
	w = lg_engine_pin(e);
	lg_phase_of_model(w, row);
	lg_engine_unpin(e, w);
	if (!row->phase[0])
		strcpy(row->phase,
		       strcmp(row->request_type, "train") ? "infer" : "train");
}

static void put_who(struct lg_engine *e, const struct call *c,
		    struct lg_row *row)
{
	struct lg_self self;

	lg_self_read(&self);
	row->uid = self.uid;
	row->pid = getppid();
	PUT(exe, self.exe);
	PUT(comm, self.comm);
	PUT(run_id, said(c, O_RUN, "LLMGUARD_RUN_ID"));
	PUT(project, said(c, O_PROJECT, "LLMGUARD_PROJECT"));
	PUT(user, said(c, O_USER, "LLMGUARD_USER"));
	if (!row->user[0])
		PUT(user, self.login);
	PUT(conversation, said(c, O_CONVERSATION, "LLMGUARD_CONVERSATION"));
	PUT(experiment, said(c, O_EXPERIMENT, "LLMGUARD_EXPERIMENT"));
	put_tags(row, said(c, O_TAGS, "LLMGUARD_TAGS"));
	PUT(request_type, c->v[O_TYPE].set ? c->v[O_TYPE].text : "generate");
	put_phase(e, c, row);
}

static enum lg_cache_hit cache_of(const struct call *c)
{
	const char *text = c->v[O_CACHE_HIT].text;

	if (!text || !strcmp(text, "local"))
		return LG_CACHE_LOCAL;
	return strcmp(text, "gateway") ? LG_CACHE_NONE : LG_CACHE_GATEWAY;
}

/* What it used, and what that costs: nothing, out of a cache that is free. */
static void put_money(struct lg_engine *e, const struct call *c,
		      struct lg_row *row)
{
	const struct opt_value *v = c->v;
	struct price_find q = {
		.provider = lg_slice_str(v[O_PROVIDER].text),
		.model = lg_slice_str(v[O_MODEL].text),
		.tier = lg_slice_str(v[O_TIER].text),
	};
	enum lg_cache_hit hit = cache_of(c);
	struct lg_usage u = {.n = {0}, .flags = LG_USAGE_PRESENT};
	struct lg_price p;
	struct lg_cost cost;
	bool known =
		price_find(lg_engine_catalog(e), &q, &p) && price_is_found(&p);

	lg_usage_set(&u, LG_BUCKET_INPUT, v[O_INPUT].n - v[O_CACHED].n);
	if (v[O_CACHED].set)
		lg_usage_set(&u, LG_BUCKET_CACHE_READ, v[O_CACHED].n);
	lg_usage_set(&u, LG_BUCKET_OUTPUT, v[O_OUTPUT].n);
	lg_row_set_usage(row, &u);
	row->cache_hit = hit == LG_CACHE_NONE ? row->cache_hit : (uint8_t)hit;
	row->usage_state = LG_USAGE_EXACT;
	row->price_state = known ? LG_PRICED_EXACT : LG_PRICED_UNKNOWN;
	if (known && p.estimate)
		row->price_state = LG_PRICED_ESTIMATED;
	PUT(provider, v[O_PROVIDER].text ? v[O_PROVIDER].text : "");
	if (!known)
		return;
	if (p.entry) {
		lg_slice_copy(lg_img_text(p.img, p.entry->provider),
			      row->provider, sizeof(row->provider));
		lg_slice_copy(lg_img_text(p.img, p.entry->price_version),
			      row->price_version, sizeof(row->price_version));
	}
	lg_price_cost(&p, &u, &cost);
	row->economic_pusd = cost.economic_pusd;
	if (hit != LG_CACHE_NONE)
		return;
	row->cost_pusd = cost.total_pusd;
	row->input_cost_pusd = cost.input_pusd;
	row->output_cost_pusd = cost.output_pusd;
}

static void fill(struct lg_engine *e, const struct call *c, struct lg_row *row)
{
	lg_row_init(row);
	row->ts_ms = lg_clock_real_ms();
	PUT(model_requested, c->v[O_MODEL].text);
	PUT(model, c->v[O_MODEL].text);
	PUT(tier, c->v[O_TIER].text ? c->v[O_TIER].text : "");
	PUT(reason, "recorded");
	put_who(e, c, row);
	put_money(e, c, row);
}

static int check(const struct call *c)
{
	const struct opt_value *v = c->v;

	if (!v[O_MODEL].set || !*v[O_MODEL].text)
		return tool_usage(c->cmd, "needs --model NAME");
	if (v[O_CACHED].n > v[O_INPUT].n)
		return tool_usage(c->cmd, "--cached-tokens: more than "
					  "--input-tokens");
	if (v[O_INPUT].n > UINT32_MAX || v[O_OUTPUT].n > UINT32_MAX)
		return tool_usage(c->cmd, "more than 4294967295 tokens");
	if (v[O_CALLS].set && (!v[O_CALLS].n || v[O_CALLS].n > CALLS_MAX))
		return tool_usage(c->cmd, "--calls: 1 to %d", CALLS_MAX);
	return -1;
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
	int ret = check(c), err = 0;

	if (ret < 0)
		ret = tool_open(&e);
	if (ret >= 0)
		return ret;
	fill(e, c, &row);
	if (row.price_state == LG_PRICED_UNKNOWN)
		tool_warn("no price is known for %s: it counts nothing, until "
			  "llmguard reprice",
			  row.model);
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
		"nothing is refused any more.\n\n"
		"  llmguard record --model gpt-4o --input-tokens 900 "
		"--output-tokens 120",
	.opts = opts,
	.run = run,
};
