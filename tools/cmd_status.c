#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "budget/hold.h"
#include "client/client.h"
#include "cmds.h"
#include "control_file.h"
#include "crashes.h"
#include "darks.h"
#include "guard/engine.h"
#include "guard/rule.h"
#include "guard/world.h"
#include "learned.h"
#include "pace.h"
#include "spend.h"
#include "table.h"
#include "tool.h"
#include "tracers.h"
#include "view.h"

enum { O_WATCH, O_INTERVAL, O_CHECK, O_ALL, O_MODELS, O_JSON };
static const struct opt opts[] = {
	[O_WATCH] = {"watch", 'w', OPT_FLAG, NULL, "show it again and again"},
	[O_INTERVAL] = {"interval", 'i', OPT_COUNT, "SECONDS",
			"how often with --watch (2)"},
	[O_CHECK] = {"check", 0, OPT_FLAG, NULL,
		     "exit 3 when a hard budget is exceeded"},
	[O_ALL] = {"all", 'a', OPT_FLAG, NULL, "budgets of all past runs too"},
	[O_MODELS] = {"models", 'm', OPT_FLAG, NULL,
		      "what was learned of each model's answers"},
	[O_JSON] = OPT_JSON,
	OPT_END,
};

/* Of `budget status`: those and two more. */
enum { O_PROJECT = O_JSON + 1, O_MODEL };
static const struct opt pace_opts[] = {
	[O_WATCH] = {"watch", 'w', OPT_FLAG, NULL, "show it again and again"},
	[O_INTERVAL] = {"interval", 'i', OPT_COUNT, "SECONDS",
			"how often with --watch (2)"},
	[O_CHECK] = {"check", 0, OPT_FLAG, NULL,
		     "exit 3 when a hard budget is exceeded"},
	[O_ALL] = {"all", 'a', OPT_FLAG, NULL, "budgets of all past runs too"},
	[O_MODELS] = {"models", 'm', OPT_FLAG, NULL,
		      "what was learned of each model's answers"},
	[O_JSON] = OPT_JSON,
	[O_PROJECT] = {"project", 'p', OPT_TEXT, "NAME",
		       "budgets whose scope has this project"},
	[O_MODEL] = {"model", 0, OPT_TEXT, "NAME",
		     "budgets whose scope has this model"},
	OPT_END,
};

static const char *const fails[] = {"open", "closed"};

#define HALTED_SHOWN 16

/* Everything that one picture shows. */
struct picture {
	struct lg_engine *e;
	llmguard *g;	     /* over the engine: what any program may ask */
	struct lg_region *r; /* NULL: none */
	struct llmguard_info info;
	llmguard_budgets *list;
	struct views *views;	   /* the list's own */
	const struct spend *month; /* what the handle read */
	unsigned nhalted; /* programs that a budget's `stop` has stopped */
	int32_t halted[HALTED_SHOWN];
	bool pace; /* `budget status` */
};

static bool is_halted(const struct lg_hold_view *h, const char *draft)
{
	const struct lg_row *row = (const void *)draft;

	return h->alive && !h->foreign &&
	       lg_row_is_sound(draft, h->draft_len) &&
	       row->verdict == LG_VERDICT_STOP;
}

static void find_halted(struct picture *p)
{
	static _Alignas(16) char draft[LG_DRAFT_MAX];
	struct lg_hold_view h;
	unsigned i;

	p->nhalted = 0;
	for (i = 0; p->r && i < lg_hold_slots(p->r); i++)
		if (!lg_hold_view(p->r, i, &h, draft) && is_halted(&h, draft) &&
		    p->nhalted < HALTED_SHOWN)
			p->halted[p->nhalted++] = h.pid;
}

/* Of `budget status NAME` the others are left out; -ENOENT: none is left. */
static int keep_named(struct views *vs, const char *name)
{
	unsigned i, n = 0;

	vs->exceeded = false;
	for (i = 0; i < vs->n; i++) {
		const struct view *v = &vs->v[i];

		if (strcmp(v->cell.name, name))
			continue;
		vs->exceeded |= v->cell.hard && v->state == VIEW_EXCEEDED;
		vs->v[n++] = *v;
	}
	vs->n = n;
	vs->hidden = 0;
	return n ? 0 : -ENOENT;
}

static int look(struct picture *p, bool all)
{
	static struct llmguard_budgets none;
	struct llmguard_totals month;
	int err;

	llmguard_refresh(p->g);
	lg_engine_checkpoint(p->e, false);
	p->r = lg_engine_region(p->e);
	if (llmguard_totals_read(p->g, LLMGUARD_THIS_MONTH, NULL, &month,
				 sizeof(month)))
		tool_warn("%s", llmguard_message(p->g));
	p->month = &p->g->spend;
	llmguard_info(p->g, &p->info, sizeof(p->info));
	find_halted(p);
	err = llmguard_budgets_read(p->g, all ? LLMGUARD_ALL_RUNS : 0,
				    &p->list);
	p->views = p->list ? &p->list->views : &none.views;
	return err == LLMGUARD_EREGION ? 0 : err;
}

static const char *fail_of(const struct picture *p)
{
	return fails[!!(p->info.flags & LLMGUARD_INFO_CLOSED)];
}

static bool is_disabled(const struct picture *p)
{
	return p->info.flags & LLMGUARD_INFO_DISABLED;
}

static void put_budget(struct json *j, const struct picture *p,
		       const struct view *v)
{
	struct pace pace;

	json_open(j, NULL, '{');
	view_json_members(j, v);
	if (p->pace) {
		pace_of(v, lg_clock_real_ms(), &pace);
		pace_json(j, &pace);
	}
	json_close(j, '}');
}

static int print_json(struct picture *p, bool models)
{
	const struct llmguard_info *info = &p->info;
	struct json j;
	unsigned i;

	json_init(&j);
	json_open(&j, NULL, '{');
	if (info->region) {
		json_text(&j, "region", info->region);
		json_text(&j, "region_uuid", info->region_uuid);
	} else {
		json_null(&j, "region");
		json_null(&j, "region_uuid");
	}
	json_u64(&j, "generation", info->generation);
	json_text(&j, "state_dir", info->state_dir);
	json_text(&j, "config", info->config);
	json_text(&j, "trouble", info->trouble);
	json_text(&j, "fail", fail_of(p));
	json_bool(&j, "disabled", is_disabled(p));
	control_json(&j, p->e);
	json_open(&j, "halted", '[');
	for (i = 0; i < p->nhalted; i++)
		json_u64(&j, NULL, (uint64_t)p->halted[i]);
	json_close(&j, ']');
	json_u64(&j, "holds", info->holds);
	json_u64(&j, "dead_holds", info->dead_holds);
	json_u64(&j, "staged_rows", info->staged_rows);
	json_u64(&j, "lost_rows", info->lost_rows);
	json_u64(&j, "dark_connections", darks_count(p->r, NULL));
	darks_json(&j, p->r, NULL);
	crashes_json(&j, p->e);
	tracers_json(&j, p->e);
	json_open(&j, "budgets", '[');
	for (i = 0; i < p->views->n; i++)
		put_budget(&j, p, &p->views->v[i]);
	json_close(&j, ']');
	if (models)
		learned_json(&j, p->r);
	spend_json(&j, p->month);
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

static const char *percent(int64_t ppm)
{
	static char buf[32];

	if (ppm < 0)
		return "-";
	snprintf(buf, sizeof(buf), "%lld.%lld%%", (long long)(ppm / 10000),
		 (long long)(ppm / 1000 % 10));
	return buf;
}

static const char *state_text(const struct view *v)
{
	if (v->cell.refusing)
		return "refusing";
	return view_state_name(v->state);
}

static void print_budgets(struct picture *p, struct lg_buf *out)
{
	struct table t;
	unsigned i;

	if (!p->views->n) {
		lg_buf_puts(out, "No budget: calls are recorded, none is "
				 "blocked.\n");
		return;
	}
	table_init(&t, "BUDGET\tSCOPE\tPERIOD\tSPENT\rHELD\rLIMIT\rUSED\rSTATE"
		       "\tRESETS");
	for (i = 0; i < p->views->n; i++) {
		const struct view *v = &p->views->v[i];

		table_cell(&t, v->cell.name);
		table_cell(&t,
			   v->cell.value[0] ? v->cell.value : v->cell.scope);
		table_cell(&t, lg_period_name(v->cell.period));
		table_cell(&t, tool_usd(v->spent_pusd));
		table_cell(&t, tool_usd(v->cell.held_pusd));
		table_cell(&t, tool_usd(v->cell.limit_pusd));
		table_cell(&t, percent(v->ratio_ppm));
		table_cell(&t, state_text(v));
		table_cell(&t, tool_time(p->e, v->cell.window_end_ms));
	}
	table_print(&t, out);
	if (p->views->hidden) {
		lg_buf_puts(out, "(");
		lg_buf_put_u64(out, p->views->hidden);
		lg_buf_puts(out, " budgets of other runs: --all)\n");
	}
}

static void print_raised(const struct picture *p, struct lg_buf *out)
{
	for (unsigned i = 0; i < p->views->n; i++) {
		const struct view *v = &p->views->v[i];

		if (!v->raised_pusd)
			continue;
		lg_buf_puts(out, v->cell.name);
		lg_buf_puts(out, ": raised by ");
		lg_buf_puts(out, tool_usd(v->raised_pusd));
		lg_buf_puts(out, " until ");
		lg_buf_puts(out, tool_time(p->e, v->raised_until_ms));
		lg_buf_puts(out, "\n");
	}
}

static void print_bounds(const struct picture *p, struct lg_buf *out)
{
	unsigned i;

	print_raised(p, out);
	for (i = 0; i < p->views->n; i++) {
		const struct view *v = &p->views->v[i];

		if (!v->cell.hard || v->cell.strict || !v->cell.held_pusd)
			continue;
		lg_buf_puts(out, v->cell.name);
		lg_buf_puts(out, ": calls under way could overshoot by ");
		lg_buf_puts(out, v->overshoot_pusd == INT64_MIN
					 ? "an unknown amount"
					 : tool_usd(v->overshoot_pusd));
		lg_buf_puts(out, "\n");
	}
	for (i = 0; i < p->views->n; i++)
		if (p->views->v[i].note) {
			lg_buf_puts(out, p->views->v[i].cell.name);
			lg_buf_puts(out, ": ");
			lg_buf_puts(out, p->views->v[i].note);
			lg_buf_puts(out, "\n");
		}
}

static void print_coverage(const struct picture *p, struct lg_buf *out)
{
	const struct spend *s = p->month;
	unsigned i;

	lg_buf_puts(out, "\nThis month: ");
	lg_buf_put_u64(out, s->calls);
	lg_buf_puts(out, s->calls == 1 ? " call, " : " calls, ");
	lg_buf_puts(out, tool_usd(s->cost_pusd));
	if (s->blocked) {
		lg_buf_puts(out, "; ");
		lg_buf_put_u64(out, s->blocked);
		lg_buf_puts(out, " refused (");
		lg_buf_puts(out, tool_usd(s->refused_pusd));
		lg_buf_puts(out, " not spent)");
	}
	if (s->unguarded) {
		lg_buf_puts(out, "; ");
		lg_buf_put_u64(out, s->unguarded);
		lg_buf_puts(out, " passed that some budget could not count "
				 "(llmguard alerts)");
	}
	lg_buf_puts(out, "\nCoverage:");
	for (i = SPEND_CLASSES; i-- > 0;) {
		lg_buf_puts(out, i == SPEND_EXACT ? " " : ", ");
		lg_buf_puts(out, spend_class_name((enum spend_class)i));
		lg_buf_puts(out, " ");
		lg_buf_put_u64(out, s->by[i].calls);
		lg_buf_puts(out, " (");
		lg_buf_puts(out, tool_usd(s->by[i].pusd));
		lg_buf_puts(out, ")");
	}
	lg_buf_puts(out, "\n");
	if (s->stats.torn) {
		lg_buf_put_u64(out, s->stats.torn);
		lg_buf_puts(out, " torn lines in the ledger were passed "
				 "over\n");
	}
}

static void print_region(const struct picture *p, struct lg_buf *out)
{
	const struct llmguard_info *info = &p->info;

	if (!info->region) {
		lg_buf_puts(out, "Region: none; budgets are not counted\n");
		return;
	}
	lg_buf_puts(out, "Region: ");
	lg_buf_puts(out, info->region);
	lg_buf_puts(out, ", generation ");
	lg_buf_put_u64(out, info->generation);
	lg_buf_puts(out, ", fail ");
	lg_buf_puts(out, fail_of(p));
	lg_buf_puts(out, "; ");
	lg_buf_put_u64(out, info->holds);
	lg_buf_puts(out, " calls under way");
	if (info->dead_holds) {
		lg_buf_puts(out, ", ");
		lg_buf_put_u64(out, info->dead_holds);
		lg_buf_puts(out, " left by dead programs");
	}
	if (info->staged_rows) {
		lg_buf_puts(out, ", ");
		lg_buf_put_u64(out, info->staged_rows);
		lg_buf_puts(out, " rows wait to be written");
	}
	if (info->lost_rows) {
		lg_buf_puts(out, ", ");
		lg_buf_put_u64(out, info->lost_rows);
		lg_buf_puts(out, " rows lost: no disk and no room to wait");
	}
	lg_buf_puts(out, "\n");
	if (is_disabled(p))
		lg_buf_puts(out, "The guard is switched off: llmguard "
				 "enable\n");
	control_text(out, p->e);
	for (unsigned i = 0; i < p->nhalted; i++) {
		lg_buf_puts(out, "Stopped by a budget: pid ");
		lg_buf_put_u64(out, (uint64_t)p->halted[i]);
		lg_buf_puts(out, "; llmguard resume PID\n");
	}
}

static int print_text(struct picture *p, bool clear, bool models)
{
	struct lg_buf out;

	lg_buf_init(&out, (size_t)1 << 26);
	if (clear)
		lg_buf_puts(&out, "\033[H\033[2J");
	if (models) {
		learned_table(p->e, p->r, &out);
		return tool_print(&out);
	}
	if (p->pace) {
		pace_table(p->views, &out);
		print_bounds(p, &out);
		return tool_print(&out);
	}
	print_budgets(p, &out);
	print_bounds(p, &out);
	print_coverage(p, &out);
	darks_text(&out, p->r, NULL);
	crashes_text(&out, p->e);
	tracers_text(&out, p->e);
	print_region(p, &out);
	return tool_print(&out);
}

#define KNOWN_MAX 400

static void tell(struct lg_buf *b, struct lg_slice name, struct lg_slice scope)
{
	if (b->overflow)
		return;
	lg_buf_puts(b, b->len ? ", " : "budgets: ");
	lg_buf_put(b, name.p, name.len);
	lg_buf_puts(b, " (");
	lg_buf_put(b, scope.p, scope.len);
	lg_buf_putc(b, ')');
}

static bool is_seen(const struct views *vs, unsigned n, struct lg_slice name)
{
	for (unsigned i = 0; i < n; i++)
		if (lg_slice_eq(name, lg_slice_str(vs->v[i].cell.name)))
			return true;
	return false;
}

/* Those that there are, for who asked for another one: "a (global), b ...". */
static void tell_known(struct lg_engine *e, const struct views *vs,
		       char out[KNOWN_MAX])
{
	struct lg_world *w;
	struct lg_buf b;

	lg_buf_init_fixed(&b, out, KNOWN_MAX - 5);
	for (unsigned i = 0; i < vs->n; i++)
		if (!is_seen(vs, i, lg_slice_str(vs->v[i].cell.name)))
			tell(&b, lg_slice_str(vs->v[i].cell.name),
			     lg_slice_str(vs->v[i].cell.scope));
	w = lg_engine_pin(e);
	for (unsigned i = 0; i < w->nrules; i++)
		if (!is_seen(vs, vs->n, w->rules[i].name))
			tell(&b, w->rules[i].name, w->rules[i].scope);
	lg_engine_unpin(e, w);
	snprintf(out + b.len, KNOWN_MAX - b.len, "%s",
		 b.overflow ? "..."
		 : b.len    ? ""
			    : "there are no budgets");
}

/* The budgets that were asked for. -1; else the exit code: there are none. */
static int choose(struct picture *p, struct call *c)
{
	struct views *vs = p->views;
	const struct opt_value *project = &c->v[O_PROJECT];
	const struct opt_value *model = &c->v[O_MODEL];
	bool asked = p->pace && (project->set || model->set);
	char known[KNOWN_MAX];

	tell_known(p->e, vs, known);
	if (c->argc && keep_named(vs, c->argv[0]))
		return tool_fail("%s: no such budget; %s", c->argv[0], known);
	if (asked)
		pace_filter(vs, project->text, model->text);
	if (!asked || vs->n)
		return -1;
	return tool_fail("%s%s%s%s: no budget counts it; %s",
			 project->set ? "project:" : "",
			 project->set ? project->text : "",
			 !model->set	? ""
			 : project->set ? " & model:"
					: "model:",
			 model->set ? model->text : "", known);
}

static int print(struct picture *p, struct call *c)
{
	bool clear = c->v[O_WATCH].set && isatty(STDOUT_FILENO);
	bool models = c->v[O_MODELS].set;
	int ret;

	ret = choose(p, c);
	if (ret >= 0)
		return ret;
	ret = c->v[O_JSON].set ? print_json(p, models)
			       : print_text(p, clear, models);
	if (!ret && c->v[O_CHECK].set && p->views->exceeded)
		ret = EXIT_OVER;
	return ret;
}

static int show(struct picture *p, struct call *c)
{
	int err = look(p, c->v[O_ALL].set), ret;

	ret = err ? tool_fail("%s", llmguard_message(p->g)) : print(p, c);
	llmguard_budgets_free(p->list);
	return ret;
}

static int run(struct call *c)
{
	uint64_t every = c->v[O_INTERVAL].set ? c->v[O_INTERVAL].n : 2;
	struct picture p = {.pace = c->cmd->opts == pace_opts};
	int ret = tool_open(&p.e);

	if (ret >= 0)
		return ret;
	if (client_wrap(p.e, &p.g)) {
		lg_engine_close(p.e);
		return tool_fail("not enough memory");
	}
	ret = show(&p, c);
	while (c->v[O_WATCH].set && (ret == EXIT_OK || ret == EXIT_OVER)) {
		struct timespec nap = {(time_t)(every ? every : 1), 0};

		nanosleep(&nap, NULL);
		ret = show(&p, c);
	}
	llmguard_close(p.g);
	lg_engine_close(p.e);
	return ret;
}

#define ABOUT                                                                  \
	"What each budget has spent, what calls under way hold of it, "        \
	"and how much of\nthis month's money is exact. Holds of dead "         \
	"programs are finished and rows that\nwaited are written first."

const struct cmd cmd_status = {
	.name = "status",
	.args = "",
	.summary = "budgets, calls under way, coverage",
	.about = ABOUT,
	.reads = true,
	.opts = opts,
	.run = run,
};

#define PACE_ABOUT                                                             \
	"What each budget has spent and has left, what a day of its window "   \
	"cost so far, and\nwhat the window will have cost at its end if it "   \
	"goes on like that. A pattern\n(model:gpt-4o*) has the models that "   \
	"it "                                                                  \
	"matches. `llmguard forecast` looks closer.\nWhere no budget counts "  \
	"the "                                                                 \
	"project or model it exits 1 and says which there are."

const struct cmd cmd_budget_status = {
	.name = "budget status",
	.args = "[NAME]",
	.summary = "spent, remaining, projection of each budget",
	.about = PACE_ABOUT,
	.reads = true,
	.opts = pace_opts,
	.max_args = 1,
	.run = run,
};
