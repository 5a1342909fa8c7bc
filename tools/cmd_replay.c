#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/money.h"
#include "cmds.h"
#include "config/config.h"
#include "guard/engine.h"
#include "json.h"
#include "price/catalog.h"
#include "replay.h"
#include "table.h"
#include "tool.h"
#include "when.h"

enum { O_CONFIG, O_SINCE, O_CALLS, O_JSON };
static const struct opt opts[] = {
	[O_CONFIG] = {"config", 'c', OPT_TEXT, "FILE",
		      "the budgets to decide by"},
	[O_SINCE] = {"since", 's', OPT_TEXT, "DAY",
		     "decide calls from this day or instant on; earlier ones "
		     "count as spent"},
	[O_CALLS] = {"calls", 'n', OPT_COUNT, "N",
		     "list so many calls at most (default 20)"},
	[O_JSON] = OPT_JSON,
	OPT_END,
};

#define CALLS_SHOWN 20

struct command {
	struct call *c;
	struct replay r;
	struct lg_world world;
	struct lg_buf image;
};

/* Was it let go as it was asked for? */
static bool is_listed(const struct replay_call *c)
{
	return !c->unseen && c->did != LG_VERDICT_ALLOW &&
	       c->did != LG_VERDICT_WARN;
}

static struct lg_slice budget_of(const struct replay *r,
				 const struct replay_call *c)
{
	return c->rule < 0 ? (struct lg_slice){"", 0}
			   : r->w->rules[c->rule].name;
}

static const char *reason_of(const struct replay_call *c)
{
	if (c->rule < 0)
		return "unknown_model";
	return c->soft ? "soft_limit" : "over_budget";
}

/* What is true of the answer and not plain from it. */
static const char *const notes[] = {
	"a call holds what it was estimated at when it was made",
	"strict budgets would hold the worst case, which rows do not keep: "
	"they may refuse earlier",
	"calls that were refused then have no usage: where they are let go "
	"now, they count by their estimate",
};
enum { NOTE_HOLDS, NOTE_STRICT, NOTE_RELEASED, NOTES };

static bool is_due(const struct replay *r, unsigned note)
{
	if (note == NOTE_RELEASED)
		return r->sum.released;
	if (note == NOTE_HOLDS)
		return r->sum.blocked || r->sum.eased;
	for (unsigned i = 0; i < r->w->nrules; i++)
		if (r->w->rules[i].b->mode == LG_MODE_STRICT &&
		    r->w->rules[i].b->hard)
			return true;
	return false;
}

/* -- JSON ------------------------------------------------------------------ */

static int64_t shown_time(int64_t ms)
{
	return ms ? ms : INT64_MIN;
}

static void put_count(struct json *j, const char *key, uint64_t n,
		      const char *usd_key, int64_t usd)
{
	json_open(j, key, '{');
	json_u64(j, "calls", n);
	json_usd(j, usd_key, usd);
	json_close(j, '}');
}

static void put_budget(struct json *j, const struct replay *r, unsigned i)
{
	const struct lg_rule *rule = &r->w->rules[i];
	const struct replay_budget *b = &r->budgets[i];

	json_open(j, NULL, '{');
	json_slice(j, "name", rule->name);
	json_slice(j, "scope", rule->scope);
	json_text(j, "period", lg_period_name((enum lg_period)rule->b->period));
	json_usd(j, "limit_usd", rule->b->limit_pusd);
	json_bool(j, "hard", rule->b->hard);
	json_text(j, "mode",
		  rule->b->mode == LG_MODE_STRICT ? "strict" : "adaptive");
	json_u64(j, "calls", b->calls);
	put_count(j, "blocked", b->blocked, "usd", b->blocked_pusd);
	put_count(j, "degraded", b->eased, "usd", b->eased_pusd);
	json_u64(j, "let_go_over_limit", b->over);
	json_time(j, "first_breach", shown_time(b->first_ms));
	json_time(j, "first_soft", shown_time(b->soft_ms));
	json_u64(j, "counters", b->windows);
	json_u64(j, "counters_breached", b->full);
	json_usd(j, "most_spent_usd", b->most_pusd);
	json_time(j, "most_spent_window", shown_time(b->most_ms));
	json_u64(j, "calls_of_other", b->others);
	json_close(j, '}');
}

static void put_call(struct json *j, const struct replay *r,
		     const struct replay_call *c)
{
	json_open(j, NULL, '{');
	json_text(j, "id", c->id);
	json_time(j, "ts", c->ts_ms);
	json_text(j, "model", c->plan.model);
	json_text(j, "process", c->comm);
	json_text(j, "user", c->user);
	json_text(j, "was", lg_verdict_name((enum lg_verdict)c->was));
	json_text(j, "verdict", lg_verdict_name((enum lg_verdict)c->did));
	json_slice(j, "budget", budget_of(r, c));
	json_text(j, "reason", reason_of(c));
	json_usd(j, "cost_usd", c->released ? 0 : c->plan.cost_pusd);
	json_usd(j, "would_cost_usd", c->would_pusd);
	json_close(j, '}');
}

static void put_totals(struct json *j, const struct replay *r)
{
	const struct replay_sum *t = &r->sum;

	json_open(j, "totals", '{');
	json_u64(j, "calls", t->calls);
	json_usd(j, "recorded_usd", t->was_pusd);
	json_usd(j, "replayed_usd", t->would_pusd);
	json_usd(j, "not_spent_usd",
		 lg_money_add(t->blocked_pusd, t->eased_pusd));
	put_count(j, "blocked", t->blocked, "usd", t->blocked_pusd);
	put_count(j, "degraded", t->eased, "usd", t->eased_pusd);
	put_count(j, "released", t->released, "estimate_usd", t->released_pusd);
	put_count(j, "refused_again", t->refused_again, "estimate_usd",
		  t->again_pusd);
	json_u64(j, "unknown_model", t->unknown);
	json_open(j, "verdicts", '{');
	for (unsigned v = 0; v < sizeof(t->by) / sizeof(t->by[0]); v++)
		if (t->by[v])
			json_u64(j, lg_verdict_name((enum lg_verdict)v),
				 t->by[v]);
	json_close(j, '}');
	json_close(j, '}');
}

static int show_json(struct command *m)
{
	const struct replay *r = &m->r;
	const struct opt_value *max = &m->c->v[O_CALLS];
	uint64_t left = max->set ? max->n : UINT64_MAX;
	struct json j;

	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "config", m->c->v[O_CONFIG].text);
	json_text(&j, "timezone", lg_zone_name(r->w->zone));
	json_time(&j, "from",
		  r->sum.from_ms == INT64_MAX ? INT64_MIN : r->sum.from_ms);
	json_time(&j, "to", r->sum.to_ms);
	put_totals(&j, r);
	json_open(&j, "budgets", '[');
	for (unsigned i = 0; i < r->w->nrules; i++)
		put_budget(&j, r, i);
	json_close(&j, ']');
	json_open(&j, "calls", '[');
	for (size_t i = 0; i < r->ncalls && left; i++)
		if (is_listed(&r->calls[i])) {
			put_call(&j, r, &r->calls[i]);
			left--;
		}
	json_close(&j, ']');
	json_open(&j, "notes", '[');
	for (unsigned i = 0; i < NOTES; i++)
		if (is_due(r, i))
			json_text(&j, NULL, notes[i]);
	json_close(&j, ']');
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

/* -- for people ------------------------------------------------------------ */

static void cell_time(struct table *t, const struct replay *r, int64_t ms)
{
	table_cell(t, ms ? tool_time(r->e, ms) : "");
}

static void cell_text(struct table *t, struct lg_slice s)
{
	char text[160];

	lg_slice_copy(s, text, sizeof(text));
	table_cell(t, text);
}

static void print_budgets(const struct replay *r, struct lg_buf *out)
{
	struct table t;

	table_init(&t, "BUDGET\tPERIOD\tLIMIT\rCALLS\rBLOCKED\rDEGRADED\rNOT "
		       "SPENT\rOVER\rFIRST BREACH\tFULLEST\r");
	for (unsigned i = 0; i < r->w->nrules; i++) {
		const struct lg_img_budget *b = r->w->rules[i].b;
		const struct replay_budget *s = &r->budgets[i];

		cell_text(&t, r->w->rules[i].name);
		table_cell(&t, lg_period_name((enum lg_period)b->period));
		table_cell(&t, tool_usd(b->limit_pusd));
		table_u64(&t, s->calls);
		table_u64(&t, s->blocked);
		table_u64(&t, s->eased);
		table_cell(&t, tool_usd(lg_money_add(s->blocked_pusd,
						     s->eased_pusd)));
		table_u64(&t, s->over);
		cell_time(&t, r, s->first_ms);
		table_cell(&t, tool_usd(s->most_pusd));
	}
	table_print(&t, out);
}

static void print_calls(const struct replay *r, uint64_t max,
			struct lg_buf *out)
{
	uint64_t n = 0;
	struct table t;

	for (size_t i = 0; i < r->ncalls; i++)
		n += is_listed(&r->calls[i]);
	if (!n || !max)
		return;
	lg_buf_puts(out, "\n");
	table_init(&t, "TIME\tMODEL\tPROCESS\tWAS\tNOW\tBUDGET\tCOST\rWOULD "
		       "COST\r");
	for (size_t i = 0, shown = 0; i < r->ncalls && shown < max; i++) {
		const struct replay_call *c = &r->calls[i];

		if (!is_listed(c))
			continue;
		shown++;
		cell_time(&t, r, c->ts_ms);
		table_cell(&t, c->plan.model);
		table_cell(&t, c->comm);
		table_cell(&t, lg_verdict_name((enum lg_verdict)c->was));
		table_cell(&t, lg_verdict_name((enum lg_verdict)c->did));
		if (c->rule < 0)
			table_cell(&t, reason_of(c));
		else
			cell_text(&t, budget_of(r, c));
		table_cell(&t, tool_usd(c->released ? 0 : c->plan.cost_pusd));
		table_cell(&t, tool_usd(c->would_pusd));
	}
	table_print(&t, out);
	if (n > max) {
		lg_buf_puts(out, "and ");
		lg_buf_put_u64(out, n - max);
		lg_buf_puts(out, " more (--calls N, or --json)\n");
	}
}

static void print_sums(const struct replay *r, struct lg_buf *out)
{
	const struct replay_sum *t = &r->sum;
	char line[400];

	snprintf(line, sizeof(line),
		 "\n%llu calls cost %s; they would have cost %s: %llu blocked "
		 "(%s), %llu degraded (%s)\n",
		 (unsigned long long)t->calls, tool_usd(t->was_pusd),
		 tool_usd(t->would_pusd), (unsigned long long)t->blocked,
		 tool_usd(t->blocked_pusd), (unsigned long long)t->eased,
		 tool_usd(t->eased_pusd));
	lg_buf_puts(out, line);
	snprintf(line, sizeof(line),
		 "%llu calls that were refused would be let go (about %s), "
		 "%llu refused again\n",
		 (unsigned long long)t->released, tool_usd(t->released_pusd),
		 (unsigned long long)t->refused_again);
	if (t->released || t->refused_again)
		lg_buf_puts(out, line);
	for (unsigned i = 0; i < NOTES; i++) {
		if (!is_due(r, i))
			continue;
		lg_buf_puts(out, "note: ");
		lg_buf_puts(out, notes[i]);
		lg_buf_puts(out, "\n");
	}
}

static int show_text(struct command *m)
{
	const struct opt_value *max = &m->c->v[O_CALLS];
	struct lg_buf out;

	lg_buf_init(&out, (size_t)1 << 28);
	if (!m->r.w->nrules)
		lg_buf_puts(&out, "This file has no budget.\n");
	else
		print_budgets(&m->r, &out);
	print_calls(&m->r, max->set ? max->n : CALLS_SHOWN, &out);
	print_sums(&m->r, &out);
	return tool_print(&out);
}

/* -- the command ----------------------------------------------------------- */

static int compile(struct command *m)
{
	const char *file = m->c->v[O_CONFIG].text;
	struct lg_config_paths paths = {
		.config = file,
		.pricing_dir = lg_engine_pricing_dir(m->r.e),
	};
	struct lg_config_error why = {0};
	int err;

	if (access(file, R_OK))
		return tool_fail("%s: %s", file, strerror(errno));
	err = lg_config_compile(&paths, &m->image, &why);
	if (!err && lg_image_check(m->image.p, m->image.len))
		err = -EPROTO;
	if (err && why.text[0])
		return tool_fail("%s", why.text);
	return err ? tool_fail("%s: %s", file, strerror(-err)) : -1;
}

/* The world that programs under this file would live in, without a region. */
static int build_world(struct command *m)
{
	struct lg_world *w = &m->world;
	const struct lg_img_budget *b;
	struct lg_slice name;

	w->img = (struct lg_image *)(void *)m->image.p;
	w->seq = 1;
	w->set = w->img->settings;
	w->price_version = lg_img_text(w->img, w->set.price_version);
	w->catalog.img[w->catalog.n++] = w->img;
	w->catalog.img[w->catalog.n++] =
		(const struct lg_image *)(const void *)lg_catalog_image;
	name = lg_img_text(w->img, w->set.timezone);
	if (lg_zone_open(name.len ? name.p : NULL, &w->zone) &&
	    lg_zone_open("UTC", &w->zone))
		return tool_fail("no time zone");
	w->rules = calloc(w->img->budgets.n + 1, sizeof(*w->rules));
	if (!w->rules)
		return tool_fail("out of memory");
	b = LG_IMG_ARRAY(w->img, w->img->budgets, struct lg_img_budget);
	for (; w->nrules < w->img->budgets.n; w->nrules++)
		lg_rule_init(&w->rules[w->nrules], w->img, &b[w->nrules],
			     lg_zone_name(w->zone), w->set.week_start);
	m->r.w = w;
	return -1;
}

static int work(struct command *m)
{
	const struct opt_value *since = &m->c->v[O_SINCE];
	int err;

	m->r.since_ms = INT64_MIN;
	if (since->set && when_parse(lg_slice_str(since->text), m->world.zone,
				     false, &m->r.since_ms))
		return tool_usage(m->c->cmd,
				  "--since %s: not a day (2026-11-22) or an "
				  "instant (2026-11-22T14:30:00Z)",
				  since->text);
	err = replay_load(&m->r);
	if (!err)
		err = replay_run(&m->r);
	if (err)
		return tool_fail("ledger: %s", strerror(-err));
	return m->c->v[O_JSON].set ? show_json(m) : show_text(m);
}

static int run(struct call *c)
{
	struct command m = {.c = c};
	int ret;

	if (!c->v[O_CONFIG].set)
		return tool_usage(c->cmd, "--config FILE is needed: whose "
					  "budgets?");
	ret = tool_open(&m.r.e);
	if (ret >= 0)
		return ret;
	lg_buf_init(&m.image, (size_t)1 << 28);
	ret = compile(&m);
	if (ret < 0)
		ret = build_world(&m);
	if (ret < 0)
		ret = work(&m);
	replay_fini(&m.r);
	free(m.world.rules);
	if (m.world.zone)
		lg_zone_close(m.world.zone);
	lg_buf_fini(&m.image);
	lg_engine_close(m.r.e);
	return ret;
}

const struct cmd cmd_replay = {
	.name = "replay",
	.args = "--config FILE",
	.summary = "what another budget file would have done",
	.about =
		"Decides the calls of the ledger again by the budgets of FILE, "
		"in the order of their\nstarts, and shows which would have "
		"been blocked or degraded, when each budget was\nreached "
		"first, and what would not have been spent. Nothing is "
		"changed.\n\nA call holds its estimate until its end and then "
		"costs what it did cost, with all\ncorrections. An action is "
		"carried out by what was used: a fallback costs the same\n"
		"usage by the prices of its model, a clamped call what was "
		"left, a local one\nnothing. Only FILE decides: live changes "
		"and budgets of the environment do not.\nCalls under "
		"LLMGUARD_IGNORE_BUDGET are counted and never refused.\n\n"
		"  llmguard replay --config tighter.yaml --since 2026-11-01",
	.opts = opts,
	.run = run,
};
