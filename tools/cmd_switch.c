#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "budget/hold.h"
#include "budget/region.h"
#include "cmds.h"
#include "config/config.h"
#include "control_file.h"
#include "guard/engine.h"
#include "guard/event.h"
#include "guard/file.h"
#include "json.h"
#include "ledger/row.h"
#include "room.h"
#include "tool.h"

enum { E_JSON };
static const struct opt enable_opts[] = {[E_JSON] = OPT_JSON, OPT_END};

enum { P_ALL, P_SCOPE, P_STOP, P_JSON };
static const struct opt pause_opts[] = {
	[P_ALL] = {"all", 'a', OPT_FLAG, NULL, "every program's calls"},
	[P_SCOPE] = {"scope", 's', OPT_TEXT, "SCOPE",
		     "calls of this scope, as of a budget: project:x"},
	[P_STOP] = {"stop", 0, OPT_FLAG, NULL,
		    "stop the process itself (SIGSTOP)"},
	[P_JSON] = OPT_JSON,
	OPT_END,
};

enum { R_ALL, R_SCOPE, R_FORCE, R_JSON };
static const struct opt resume_opts[] = {
	[R_ALL] = {"all", 'a', OPT_FLAG, NULL, "whatever is paused or stopped"},
	[R_SCOPE] = {"scope", 's', OPT_TEXT, "SCOPE", "calls of this scope"},
	[R_FORCE] = {"force", 'f', OPT_FLAG, NULL,
		     "also where the budget still has no room"},
	[R_JSON] = OPT_JSON,
	OPT_END,
};

/* -- whom -------------------------------------------------------------------
 */

/* A process of this user's. -1: yes; else the exit code. */
static int read_pid(const struct call *c, struct lg_control *o)
{
	struct stat st;
	char path[40];
	uint64_t n;

	if (lg_slice_u64(lg_slice_str(c->argv[0]), &n) || !n || n > INT32_MAX)
		return tool_usage(c->cmd, "%s: must be a process id",
				  c->argv[0]);
	o->pid = (int32_t)n;
	o->start = lg_control_start(o->pid);
	snprintf(path, sizeof(path), "/proc/%d", o->pid);
	if (!o->start || stat(path, &st))
		return tool_fail("%d: no such process", o->pid);
	if (geteuid() && st.st_uid != geteuid())
		return tool_fail("%d: another user's process", o->pid);
	return -1;
}

/* As a budget would have it. -1: yes; else the exit code. */
static int read_scope(const struct call *c, const char *scope,
		      struct lg_control *o)
{
	struct lg_budget_text b = {.name = "pause",
				   .scope = scope,
				   .period = "total",
				   .limit_usd = "0",
				   .hard = 1,
				   .each = -1};
	struct lg_config_error err;
	struct lg_buf out;
	int bad;

	lg_buf_init(&out, 1 << 20);
	bad = lg_config_compile_budgets(&b, 1, &out, &err);
	lg_buf_fini(&out);
	if (bad)
		return tool_usage(c->cmd, "%s", err.text);
	if (strlen(scope) >= 512 || strchr(scope, '\n'))
		return tool_usage(c->cmd, "--scope: too long");
	if (!*scope)
		return tool_usage(c->cmd, "--scope \"\": allowed: global, or "
					  "key:value; all calls: --all");
	o->scope = lg_slice_trim(lg_slice_str(scope));
	if (lg_slice_eq(o->scope, LG_SLICE("global")))
		o->scope.len = 0;
	return -1;
}

/* Exactly one of --all, --scope, PID. -1: yes; else the exit code. */
static int read_whom(const struct call *c, bool all, const char *scope,
		     struct lg_control *o)
{
	if (all + !!scope + c->argc != 1)
		return tool_usage(c->cmd, "needs one of --all, --scope, PID");
	if (c->argc)
		return read_pid(c, o);
	return scope ? read_scope(c, scope, o) : -1;
}

/* -- telling -----------------------------------------------------------------
 */

/* Whoever looks after the money hears that it is not looked after. */
static void tell_event(struct lg_engine *e, const char *note,
		       const struct lg_control *o, const char *is)
{
	struct lg_event ev;

	lg_event_init(&ev, LG_EVENT_CONTROL,
		      !strcmp(is, "off")
			      ? o->pid ? LG_EVENT_WARNING : LG_EVENT_CRITICAL
			      : LG_EVENT_INFO);
	ev.id = lg_event_id(LG_EVENT_CONTROL, (uint64_t)lg_clock_real_ms(),
			    (uint64_t)getpid(), lg_slice_str(note));
	ev.since_ms = lg_clock_real_ms();
	ev.message = note;
	ev.scope = o->scope;
	lg_event_tell(e, lg_engine_is_readonly(e) ? NULL : lg_engine_region(e),
		      &ev);
}

static void audit(struct lg_engine *e, const char *what,
		  const struct lg_control *o, const char *was, const char *is)
{
	char note[101];
	int err;

	snprintf(note, sizeof(note), "%s %.60s: %s -> %s", what,
		 control_whom(o), was, is);
	err = tool_audit(e, note);
	if (err)
		tool_warn("the ledger has no row of it: %s", strerror(-err));
	tell_event(e, note, o, is);
}

static int tell(struct lg_engine *e, bool as_json, const char *text)
{
	struct json j;

	if (!as_json) {
		printf("%s\n", text);
		return EXIT_OK;
	}
	json_init(&j);
	json_open(&j, NULL, '{');
	json_bool(&j, "disabled",
		  lg_engine_region(e) &&
			  lg_region_is_disabled(lg_engine_region(e)));
	control_json(&j, e);
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

/* -- enable, disable ---------------------------------------------------------
 */

static bool is_off(const struct lg_control *o, void *arg)
{
	const struct lg_control *one = arg;

	return o->kind == LG_CONTROL_OFF && (!one->pid || one->pid == o->pid);
}

static int turn_pid(struct call *c, struct lg_engine *e, struct lg_control *o,
		    bool off)
{
	struct control_file f;
	char text[700];
	int err = control_open(&f, e, CONTROL_CHANGE);
	bool was = !err && control_has(&f, o);

	if (!err && off)
		control_add(&f, o);
	else if (!err)
		control_drop(&f, is_off, o);
	if (!err)
		err = control_save(&f, e);
	control_close(&f);
	if (err)
		return tool_fail("%s: %s", f.path, strerror(-err));
	audit(e, c->cmd->name, o, was ? "off" : "on", off ? "off" : "on");
	snprintf(text, sizeof(text), "%s: %s", control_whom(o),
		 off ? "its calls pass and are only recorded"
		     : "guarded again");
	return tell(e, c->v[E_JSON].set, text);
}

static int turn_all(struct call *c, struct lg_engine *e, bool off)
{
	struct lg_region *r = lg_engine_region(e);
	struct lg_control all = {.kind = LG_CONTROL_OFF};
	struct control_file f;
	bool was;

	if (!r || lg_engine_is_readonly(e))
		return tool_fail("%s: cannot be written",
				 lg_engine_region_path(e));
	was = lg_region_is_disabled(r);
	lg_region_set_disabled(r, off);
	if (!off && !control_open(&f, e, CONTROL_CHANGE)) {
		control_drop(&f, is_off, &all);
		control_save(&f, e);
		control_close(&f);
	}
	lg_region_bump(r);
	audit(e, c->cmd->name, &all, was ? "off" : "on", off ? "off" : "on");
	return tell(e, c->v[E_JSON].set,
		    off ? "The guard lets everything pass, in all running "
			  "programs too."
			: "The guard is on.");
}

static int turn(struct call *c, bool off)
{
	struct lg_control o = {.kind = LG_CONTROL_OFF};
	struct lg_engine *e;
	int ret = c->argc ? read_pid(c, &o) : -1;

	if (ret < 0)
		ret = tool_open(&e);
	if (ret >= 0)
		return ret;
	ret = c->argc ? turn_pid(c, e, &o, off) : turn_all(c, e, off);
	lg_engine_close(e);
	return ret;
}

static int enable(struct call *c)
{
	return turn(c, false);
}

static int disable(struct call *c)
{
	return turn(c, true);
}

/* -- pause, resume ------------------------------------------------------------
 */

static int stop(struct control_file *f, struct lg_control *o)
{
	o->kind = LG_CONTROL_STOPPED;
	if (o->pid == getpid() || o->pid == getppid())
		return -EINVAL;
	/* noted first: nobody stays stopped without it being known */
	control_add(f, o);
	return 0;
}

static int pause_calls(struct call *c)
{
	struct lg_control o = {.kind = LG_CONTROL_PAUSE};
	struct lg_engine *e;
	struct control_file f;
	bool was, halt = c->v[P_STOP].set;
	char text[700];
	int ret, err;

	if (halt && !c->argc)
		return tool_usage(c->cmd, "--stop needs a PID");
	ret = read_whom(c, c->v[P_ALL].set, c->v[P_SCOPE].text, &o);
	if (ret < 0)
		ret = tool_open(&e);
	if (ret >= 0)
		return ret;
	err = control_open(&f, e, CONTROL_CHANGE);
	if (!err && halt)
		err = stop(&f, &o);
	was = !err && control_has(&f, &o);
	if (!err && !halt)
		control_add(&f, &o);
	if (!err)
		err = control_save(&f, e);
	if (!err && halt && kill(o.pid, SIGSTOP))
		err = -errno;
	control_close(&f);
	if (err) {
		ret = tool_fail("%s: %s", control_whom(&o), strerror(-err));
	} else {
		audit(e, halt ? "pause --stop" : "pause", &o,
		      was ? "paused" : "running", halt ? "stopped" : "paused");
		snprintf(text, sizeof(text), "%s: %s", control_whom(&o),
			 halt ? "stopped; llmguard resume PID"
			      : "refused from now on; llmguard resume");
		ret = tell(e, c->v[P_JSON].set, text);
	}
	lg_engine_close(e);
	return ret;
}

static bool is_stopped(int32_t pid)
{
	char path[40], text[256];
	const char *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (lg_file_peek(path, text, sizeof(text)) <= 0)
		return false;
	end = strrchr(text, ')');
	return end && end[1] == ' ' && end[2] == 'T';
}

struct going_on {
	struct lg_control whom; /* pid, scope, or all */
	bool all, force;
	struct lg_engine *engine; /* NULL: budgets are not asked yet */
	unsigned continued, kept;
};

static void go_on(struct going_on *g, int32_t pid)
{
	if (is_stopped(pid) && !kill(pid, SIGCONT))
		g->continued++;
}

/* A call that was stopped because it does not fit would go out now. */
static bool may_go(struct going_on *g, const struct lg_control *o)
{
	char spent[LG_MONEY_TEXT], limit[LG_MONEY_TEXT];
	struct lg_exhaust why;

	if (g->force || !o->by_budget || room_has(g->engine, o->pid, &why))
		return true;
	spent[lg_money_print(why.spent_pusd, spent)] = '\0';
	limit[lg_money_print(why.limit_pusd, limit)] = '\0';
	tool_warn("%s: budget %s still has no room, $%s of $%s is spent; raise "
		  "it (llmguard budget set %s --limit USD), or --force",
		  control_whom(o), why.budget, spent, limit, why.budget);
	g->kept++;
	return false;
}

static bool goes_on(const struct lg_control *o, void *arg)
{
	struct going_on *g = arg;
	bool it;

	if (o->kind == LG_CONTROL_OFF)
		return false;
	it = g->all ||
	     (g->whom.pid ? o->pid == g->whom.pid
			  : !o->pid && lg_slice_eq(o->scope, g->whom.scope));
	if (!it || (o->kind == LG_CONTROL_STOPPED) != !!g->engine ||
	    (g->engine && !may_go(g, o)))
		return false;
	if (o->kind == LG_CONTROL_STOPPED)
		go_on(g, o->pid);
	return true;
}

/* First what was paused; who was stopped is asked about without it. */
static int drop_orders(struct lg_engine *e, struct going_on *g, unsigned *n)
{
	int err = 0;

	for (unsigned turn = 0; turn < 2 && !err; turn++) {
		struct control_file f;

		g->engine = turn ? e : NULL;
		err = control_open(&f, e, CONTROL_CHANGE);
		if (!err) {
			*n += control_drop(&f, goes_on, g);
			err = control_save(&f, e);
		}
		if (err)
			tool_warn("%s: %s", f.path, strerror(-err));
		control_close(&f);
	}
	return err;
}

/* Those that a budget's action `stop` has stopped. */
static void continue_halted(struct lg_engine *e, struct going_on *g)
{
	static _Alignas(16) char draft[LG_DRAFT_MAX];
	const struct lg_row *row = (const void *)draft;
	struct lg_region *r = lg_engine_region(e);
	struct lg_hold_view h;
	unsigned i;

	for (i = 0; r && i < lg_hold_slots(r); i++)
		if (!lg_hold_view(r, i, &h, draft) && h.alive && !h.foreign &&
		    lg_row_is_sound(draft, h.draft_len) &&
		    row->verdict == LG_VERDICT_STOP && row->pid == h.pid &&
		    (g->all || h.pid == g->whom.pid))
			go_on(g, h.pid);
}

static int resume(struct call *c)
{
	struct going_on g = {.all = c->v[R_ALL].set,
			     .force = c->v[R_FORCE].set};
	struct lg_engine *e;
	unsigned n = 0;
	char text[700];
	int ret, err;

	if (!c->argc && !c->v[R_SCOPE].set)
		g.all = true;
	ret = read_whom(c, g.all, c->v[R_SCOPE].text, &g.whom);
	if (ret < 0)
		ret = tool_open(&e);
	if (ret >= 0)
		return ret;
	err = drop_orders(e, &g, &n);
	continue_halted(e, &g);
	if (g.whom.pid && !g.kept)
		go_on(&g, g.whom.pid);
	if (err || (g.kept && !n && !g.continued)) {
		ret = EXIT_FAILED;
	} else if (!n && !g.continued) {
		ret = tool_fail("%s: not paused", control_whom(&g.whom));
	} else {
		audit(e, "resume", &g.whom, "paused", "running");
		snprintf(text, sizeof(text), "%s: goes on",
			 control_whom(&g.whom));
		ret = tell(e, c->v[R_JSON].set, text);
	}
	lg_engine_close(e);
	return ret;
}

const struct cmd cmd_enable = {
	.name = "enable",
	.args = "[PID]",
	.summary = "switch the guard on again",
	.about = "For all programs, or for this process alone.",
	.opts = enable_opts,
	.max_args = 1,
	.run = enable,
};

const struct cmd cmd_disable = {
	.name = "disable",
	.args = "[PID]",
	.summary = "let everything pass, in running programs too",
	.about = "Calls are still recorded; nothing is blocked until `llmguard "
		 "enable`. With PID\nonly this process is let alone, as long "
		 "as it lives. Seen at its next request.",
	.opts = enable_opts,
	.max_args = 1,
	.run = disable,
};

const struct cmd cmd_pause = {
	.name = "pause",
	.args = "[PID]",
	.summary = "refuse new calls until `resume`",
	.about = "Of all programs (--all), of a scope, or of one process: "
		 "running programs see it\nat their next request, which is "
		 "answered 429 with the reason `paused`, free models\nand "
		 "LLMGUARD_IGNORE_BUDGET included. Calls under way end as "
		 "they are. --stop stops\nthe process itself, as the action "
		 "`stop` of a budget does. `status` lists it all.\n\n"
		 "  llmguard pause --scope project:x",
	.opts = pause_opts,
	.max_args = 1,
	.run = pause_calls,
};

const struct cmd cmd_resume = {
	.name = "resume",
	.args = "[PID]",
	.summary = "go on after `pause`, or after a budget's `stop`",
	.about =
		"Everything, or --scope, or PID: a process that was stopped "
		"continues, too. One that\nllmguard-trace has stopped before a "
		"call that does not fit goes on by itself once\nits budget has "
		"room; while it has none, only --force continues it, and that "
		"call\ngoes out.",
	.opts = resume_opts,
	.max_args = 1,
	.run = resume,
};
