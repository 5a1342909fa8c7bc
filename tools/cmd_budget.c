#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "budget_change.h"
#include "cmds.h"
#include "guard/engine.h"
#include "guard/rule.h"
#include "guard/world.h"
#include "json.h"
#include "table.h"
#include "tool.h"
#include "when.h"

enum {
	O_LIMIT,
	O_PERIOD,
	O_HOURLY,
	O_DAILY,
	O_WEEKLY,
	O_MONTHLY,
	O_YEARLY,
	O_TOTAL,
	O_SCOPE,
	O_PROJECT,
	O_MODEL,
	O_USER,
	O_MODE,
	O_HARD,
	O_HARD_LIMIT,
	O_SOFT,
	O_FALLBACK,
	O_EACH,
	O_WARN_AT,
	O_ALERT_AT,
	O_UNTIL,
	O_JSON,
};
static const struct opt set_opts[] = {
	[O_LIMIT] = {"limit", 'l', OPT_MONEY, "USD", "limit of each window"},
	[O_PERIOD] = {"period", 'p', OPT_TEXT,
		      "run|hourly|daily|weekly|monthly|yearly|total",
		      "how long a window is"},
	[O_HOURLY] = {"hourly", 0, OPT_MONEY, "USD",
		      "--period hourly --limit USD"},
	[O_DAILY] = {"daily", 0, OPT_MONEY, "USD",
		     "--period daily --limit USD"},
	[O_WEEKLY] = {"weekly", 0, OPT_MONEY, "USD", "likewise"},
	[O_MONTHLY] = {"monthly", 0, OPT_MONEY, "USD", "likewise"},
	[O_YEARLY] = {"yearly", 0, OPT_MONEY, "USD", "likewise"},
	[O_TOTAL] = {"total", 0, OPT_MONEY, "USD", "likewise"},
	[O_SCOPE] =
		{"scope", 's', OPT_TEXT, "SCOPE",
		 "what it counts: global, project:x, \"user:a & model:b*\""},
	[O_PROJECT] = {"project", 0, OPT_TEXT, "NAME",
		       "the scope has project:NAME"},
	[O_MODEL] = {"model", 0, OPT_TEXT, "NAME",
		     "the scope has model:NAME (* and ? allowed)"},
	[O_USER] = {"user", 0, OPT_TEXT, "NAME", "the scope has user:NAME"},
	[O_MODE] = {"mode", 'm', OPT_TEXT, "strict|adaptive",
		    "hold the worst case, or what is likely"},
	[O_HARD] = {"hard", 0, OPT_FLAG, NULL, "block beyond the limit"},
	[O_HARD_LIMIT] = {"hard-limit", 0, OPT_FLAG, NULL, "the same"},
	[O_SOFT] = {"soft", 0, OPT_FLAG, NULL, "only warn"},
	[O_FALLBACK] = {"fallback", 0, OPT_TEXT, "MODELS",
			"beyond the limit ask these instead, in order (a,b), "
			"then block"},
	[O_EACH] = {"each", 0, OPT_FLAG, NULL,
		    "one counter for each value of a scope like user:*"},
	[O_WARN_AT] = {"warn-at", 'w', OPT_TEXT, "RATIOS",
		       "warn at these, like 0.75,0.9,1.0"},
	[O_ALERT_AT] = {"alert-at", 0, OPT_TEXT, "RATIOS", "the same"},
	[O_UNTIL] = {"until", 'u', OPT_TEXT, "DATE",
		     "the change ends here: 2026-12-31, or RFC 3339"},
	[O_JSON] = OPT_JSON,
	OPT_END,
};

enum { R_JSON };
static const struct opt plain_opts[] = {[R_JSON] = OPT_JSON, OPT_END};

enum { U_UNTIL, U_JSON };
static const struct opt raise_opts[] = {
	[U_UNTIL] = {"until", 'u', OPT_TEXT, "DATE",
		     "when it ends: 2026-12-31 (00:00 UTC), or RFC 3339"},
	[U_JSON] = OPT_JSON,
	OPT_END,
};

#define TEXT_MAX 1024

static void rule_json(struct json *j, const struct lg_rule *r)
{
	unsigned i;

	json_open(j, NULL, '{');
	json_slice(j, "name", r->name);
	json_slice(j, "scope", r->scope);
	json_text(j, "period", lg_period_name((enum lg_period)r->b->period));
	json_usd(j, "limit_usd", r->b->limit_pusd);
	json_bool(j, "hard", r->b->hard);
	json_text(j, "mode",
		  r->b->mode == LG_MODE_STRICT ? "strict" : "adaptive");
	json_bool(j, "each", r->b->each);
	json_open(j, "warn_at", '[');
	for (i = 0; i < r->b->warns && i < LG_WARN_MAX; i++)
		json_ppm(j, NULL, r->b->warn_ppm[i]);
	json_close(j, ']');
	json_text(j, "source", change_source(r));
	json_time(j, "since", r->b->since_ms);
	json_time(j, "until", r->b->until_ms);
	if (r->b->raised_pusd) {
		json_usd(j, "raised_usd", r->b->raised_pusd);
		json_time(j, "raised_until", r->b->raised_until_ms);
	}
	json_close(j, '}');
}

static void rule_text(struct lg_engine *e, const struct lg_rule *r)
{
	printf("%.*s: %s %s of %.*s, %s, from %s", (int)r->name.len, r->name.p,
	       tool_usd(r->b->limit_pusd),
	       lg_period_name((enum lg_period)r->b->period), (int)r->scope.len,
	       r->scope.p, r->b->hard ? "hard" : "soft", change_source(r));
	if (r->b->raised_pusd)
		printf("; %s of it until %s", tool_usd(r->b->raised_pusd),
		       tool_time(e, r->b->raised_until_ms));
	putchar('\n');
}

/* Say what is in force now under this name. */
static int tell(struct change *ch, const char *name, bool as_json)
{
	struct lg_world *w = lg_engine_pin(ch->e);
	const struct lg_rule *r = change_find(w, name);
	struct json j;
	int ret = EXIT_OK;

	if (as_json) {
		json_init(&j);
		if (r)
			rule_json(&j, r);
		else
			json_null(&j, NULL);
		json_line(&j);
		ret = tool_print(&j.b);
	} else if (r) {
		rule_text(ch->e, r);
	} else {
		printf("%s: no such budget any more\n", name);
	}
	lg_engine_unpin(ch->e, w);
	return ret;
}

/* Try the change, make it, note it, and say what is in force now. */
static int carry_out(struct change *ch, const char *what, const char *name,
		     const struct before *was, bool as_json)
{
	int ret = change_rehearse(ch);

	if (ret < 0)
		ret = change_apply(ch);
	if (ret >= 0)
		return ret;
	change_audit(ch, what, name, was);
	return tell(ch, name, as_json);
}

/* -- set --------------------------------------------------------------------
 */

static const struct {
	unsigned opt;
	const char *period;
} periods[] = {
	{O_HOURLY, "hourly"},	{O_DAILY, "daily"},   {O_WEEKLY, "weekly"},
	{O_MONTHLY, "monthly"}, {O_YEARLY, "yearly"}, {O_TOTAL, "total"},
};
#define PERIODS (sizeof(periods) / sizeof(periods[0]))

static const struct {
	unsigned opt;
	const char *key;
} parts[] = {
	{O_PROJECT, "project:"},
	{O_MODEL, "model:"},
	{O_USER, "user:"},
};

/* --scope, --project and the others together, all of which must match. */
static const char *scope_of(const struct call *c, char out[TEXT_MAX])
{
	const char *text = c->v[O_SCOPE].text;
	size_t i, at = 0;

	*out = 0;
	if (text)
		at = (size_t)snprintf(out, TEXT_MAX, "%s", text);
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (c->v[parts[i].opt].set && at < TEXT_MAX)
			at += (size_t)snprintf(out + at, TEXT_MAX - at,
					       "%s%s%s", at ? " & " : "",
					       parts[i].key,
					       c->v[parts[i].opt].text);
	return at ? out : NULL;
}

/* "project-x-daily", where nobody gave a name. */
static void name_it(const struct call *c, const char *period, bool alone,
		    char out[TEXT_MAX])
{
	size_t i, at = 0;

	*out = 0;
	if (c->argc && alone) {
		snprintf(out, TEXT_MAX, "%s", c->argv[0]);
		return;
	}
	if (c->argc)
		at = (size_t)snprintf(out, TEXT_MAX, "%s-", c->argv[0]);
	for (i = 0; !c->argc && i < sizeof(parts) / sizeof(parts[0]); i++)
		if (c->v[parts[i].opt].set && at < TEXT_MAX)
			at += (size_t)snprintf(
				out + at, TEXT_MAX - at, "%.*s-%s-",
				(int)strlen(parts[i].key) - 1, parts[i].key,
				c->v[parts[i].opt].text);
	if (at < TEXT_MAX)
		snprintf(out + at, TEXT_MAX - at, "%s", period);
}

static int set_one(struct change *ch, struct call *c, const char *name,
		   const char *period, const char *limit)
{
	char scope[TEXT_MAX];
	struct lg_budget_text b = {
		.name = name,
		.scope = scope_of(c, scope),
		.period = period,
		.limit_usd = limit,
		.mode = c->v[O_MODE].text,
		.hard = c->v[O_HARD].set || c->v[O_HARD_LIMIT].set ? 1
			: c->v[O_SOFT].set			   ? 0
								   : -1,
		.each = c->v[O_EACH].set ? 1 : -1,
		.warn_at = c->v[O_ALERT_AT].set ? c->v[O_ALERT_AT].text
						: c->v[O_WARN_AT].text,
		.until = c->v[O_UNTIL].text,
		.fallback = c->v[O_FALLBACK].text,
		.source = LG_SOURCE_LIVE,
	};
	struct lg_config_error err;
	struct before was;

	change_look(ch, name, &was);
	if (!(limit && period) && !was.there)
		return tool_usage(c->cmd,
				  "%s is new: it needs --limit and --period",
				  name);
	ch->line.len = 0;
	if (lg_config_budget_line(&b, LG_CONFIG_SET, lg_clock_real_ms(),
				  "llmguard budget set", &ch->line, &err))
		return tool_usage(c->cmd, "%s", err.text);
	return carry_out(ch, "budget set", name, &was, c->v[O_JSON].set);
}

static int check_set(struct call *c, unsigned given)
{
	bool hard = c->v[O_HARD].set || c->v[O_HARD_LIMIT].set;
	int64_t end;

	if (hard && c->v[O_SOFT].set)
		return tool_usage(c->cmd, "--hard and --soft exclude each "
					  "other");
	if (given && (c->v[O_LIMIT].set || c->v[O_PERIOD].set))
		return tool_usage(c->cmd, "--limit and --period, or --daily "
					  "and the like");
	if (!given && !c->argc)
		return tool_usage(c->cmd, "needs a NAME, or --daily and the "
					  "like");
	if (c->v[O_UNTIL].set &&
	    !when_parse(lg_slice_str(c->v[O_UNTIL].text), NULL, false, &end) &&
	    end <= lg_clock_real_ms())
		return tool_usage(c->cmd,
				  "--until %s: is over; budget rm takes a "
				  "change back",
				  c->v[O_UNTIL].text);
	return -1;
}

static int set(struct call *c)
{
	char name[TEXT_MAX];
	struct change ch;
	unsigned given = 0;
	size_t i;
	int ret;

	for (i = 0; i < PERIODS; i++)
		given += c->v[periods[i].opt].set;
	ret = check_set(c, given);
	if (ret < 0)
		ret = change_begin(&ch);
	if (ret >= 0)
		return ret;
	if (!given)
		ret = set_one(&ch, c, c->argv[0], c->v[O_PERIOD].text,
			      c->v[O_LIMIT].text);
	for (i = 0; i < PERIODS && ret <= EXIT_OK; i++) {
		if (!c->v[periods[i].opt].set)
			continue;
		name_it(c, periods[i].period, given == 1, name);
		ret = set_one(&ch, c, name, periods[i].period,
			      c->v[periods[i].opt].text);
	}
	change_end(&ch);
	return ret;
}

/* -- raise, rm ---------------------------------------------------------------
 */

static int make(struct change *ch, struct call *c, enum lg_config_op op,
		const struct lg_budget_text *b, const struct before *was)
{
	struct lg_config_error err;
	bool as_json = c->v[op == LG_CONFIG_RM ? R_JSON : U_JSON].set;

	if (lg_config_budget_line(b, op, lg_clock_real_ms(),
				  op == LG_CONFIG_RM ? "llmguard budget rm"
						     : "llmguard budget raise",
				  &ch->line, &err))
		return tool_usage(c->cmd, "%s", err.text);
	return carry_out(ch, c->cmd->name, b->name, was, as_json);
}

static int is_ahead(struct change *ch, struct call *c, const char *name)
{
	struct before now;

	(void)c;
	change_look(ch, name, &now);
	if (!now.there)
		return tool_fail("%s: no such budget", name);
	if (now.b.source == LG_SOURCE_ENV)
		return tool_fail("%s: comes from the environment; change it "
				 "there",
				 name);
	return -1;
}

static int raise_limit(struct call *c)
{
	struct lg_budget_text b = {
		.name = c->argv[0],
		.limit_usd = c->argv[1],
		.until = c->v[U_UNTIL].text,
		.hard = -1,
		.each = -1,
	};
	struct before was, now;
	int64_t end;
	struct change ch;
	int ret;

	if (!c->v[U_UNTIL].set)
		return tool_usage(c->cmd,
				  "--until: when does it end? (for "
				  "good: budget set %s --limit)",
				  b.name);
	if (when_parse(lg_slice_str(b.until), NULL, false, &end) ||
	    end <= lg_clock_real_ms())
		return tool_usage(c->cmd,
				  "--until %s: must be a date or "
				  "RFC 3339 time ahead",
				  b.until);
	ret = change_begin(&ch);
	if (ret >= 0)
		return ret;
	change_look(&ch, b.name, &was);
	ret = is_ahead(&ch, c, b.name);
	if (ret < 0)
		ret = make(&ch, c, LG_CONFIG_RAISE, &b, &was);
	change_look(&ch, b.name, &now);
	if (!ret && now.b.raised_pusd == was.b.raised_pusd)
		ret = tool_fail("%s: raised by nothing: no limit is above "
				"$9,000,000",
				b.name);
	change_end(&ch);
	return ret;
}

static int rm(struct call *c)
{
	struct lg_budget_text b = {
		.name = c->argv[0],
		.hard = -1,
		.each = -1,
	};
	struct before was;
	struct change ch;
	int ret = change_begin(&ch);

	if (ret >= 0)
		return ret;
	change_look(&ch, b.name, &was);
	if (was.there && (was.b.source == LG_SOURCE_LIVE || was.b.raised_pusd))
		ret = make(&ch, c, LG_CONFIG_RM, &b, &was);
	else
		ret = tool_fail(was.there ? "%s: comes from the config or the "
					    "environment; nothing to take back"
					  : "%s: no such budget",
				b.name);
	change_end(&ch);
	return ret;
}

/* -- list -------------------------------------------------------------------
 */

static void rule_cells(struct table *t, struct lg_engine *e,
		       const struct lg_rule *r)
{
	int64_t until =
		r->b->raised_until_ms ? r->b->raised_until_ms : r->b->until_ms;
	char text[256];

	lg_slice_copy(r->name, text, sizeof(text));
	table_cell(t, text);
	lg_slice_copy(r->scope, text, sizeof(text));
	table_cell(t, text);
	table_cell(t, lg_period_name((enum lg_period)r->b->period));
	table_cell(t, tool_usd(r->b->limit_pusd));
	table_cell(t, r->b->raised_pusd ? tool_usd(r->b->raised_pusd) : "");
	table_cell(t, r->b->hard ? "hard" : "soft");
	table_cell(t, r->b->mode == LG_MODE_STRICT ? "strict" : "adaptive");
	table_cell(t, r->b->each ? "yes" : "");
	table_cell(t, change_source(r));
	table_cell(t, until ? tool_time(e, until) : "");
}

static int list(struct call *c)
{
	struct lg_engine *e;
	struct lg_world *w;
	struct lg_buf out;
	struct table t;
	struct json j;
	unsigned i;
	int ret = tool_open(&e);

	if (ret >= 0)
		return ret;
	json_init(&j);
	lg_buf_init(&out, (size_t)1 << 26);
	table_init(&t, "BUDGET\tSCOPE\tPERIOD\tLIMIT\rRAISED\rKIND\tMODE\tEACH"
		       "\tSOURCE\tUNTIL");
	w = lg_engine_pin(e);
	for (i = 0; i < w->nrules; i++) {
		rule_cells(&t, e, &w->rules[i]);
		rule_json(&j, &w->rules[i]);
		json_line(&j);
	}
	if (!w->nrules)
		tool_warn("no budget is set; see: llmguard budget set --help");
	lg_engine_unpin(e, w);
	table_print(&t, &out);
	ret = tool_print(c->v[R_JSON].set ? &j.b : &out);
	lg_buf_fini(&out);
	lg_buf_fini(&j.b);
	lg_engine_close(e);
	return ret;
}

const struct cmd cmd_budget_set = {
	.name = "budget set",
	.args = "[NAME]",
	.summary = "make a budget, or change one while programs run",
	.about = "What is not given stays as the config file or an earlier "
		 "change has it; a new\nbudget needs --limit and --period, or "
		 "--daily and the like. Several of these make\nseveral "
		 "budgets: NAME-daily, NAME-monthly. Without NAME they are "
		 "called by what\nthey count: project-x-daily. Running "
		 "programs see the change at their next\nrequest. It "
		 "lasts until `budget rm`, --until, or a newer config file.\n\n"
		 "  llmguard budget set month --limit 80\n"
		 "  llmguard budget set --project x --daily 5 --monthly 80 "
		 "--hard-limit\n"
		 "  llmguard budget set gpt4o --model 'gpt-4o*' "
		 "--daily 5 --fallback gpt-4o-mini",
	.opts = set_opts,
	.min_args = 0,
	.max_args = 1,
	.run = set,
};

const struct cmd cmd_budget_raise = {
	.name = "budget raise",
	.args = "NAME USD",
	.summary = "more for a while",
	.about = "Adds USD to the budget's limit, whatever that is, and takes "
		 "it back by itself at\n--until. Raises add up; `budget rm` "
		 "and `budget set NAME --limit` end them at\nonce.\n\n"
		 "  llmguard budget raise month 10 --until 2026-12-01",
	.opts = raise_opts,
	.min_args = 2,
	.max_args = 2,
	.run = raise_limit,
};

const struct cmd cmd_budget_list = {
	.name = "budget list",
	.args = "",
	.summary = "the budgets that are defined",
	.about = "With --json one budget a line.",
	.opts = plain_opts,
	.run = list,
};

const struct cmd cmd_budget_rm = {
	.name = "budget rm",
	.args = "NAME",
	.summary = "take back what `budget set` and `budget raise` did",
	.about = "A budget of the config file is then as the file has it.",
	.opts = plain_opts,
	.min_args = 1,
	.max_args = 1,
	.run = rm,
};
