#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "budget/region.h"
#include "cmds.h"
#include "config/config.h"
#include "guard/engine.h"
#include "guard/rule.h"
#include "guard/world.h"
#include "table.h"
#include "tool.h"
#include "json.h"

enum {
	O_LIMIT,
	O_PERIOD,
	O_SCOPE,
	O_MODE,
	O_HARD,
	O_SOFT,
	O_EACH,
	O_WARN_AT,
	O_UNTIL,
	O_JSON,
};
static const struct opt set_opts[] = {
	[O_LIMIT] = {"limit", 'l', OPT_MONEY, "USD", "limit of each window"},
	[O_PERIOD] = {"period", 'p', OPT_TEXT,
		      "run|hourly|daily|weekly|monthly|yearly|total",
		      "how long a window is"},
	[O_SCOPE] =
		{"scope", 's', OPT_TEXT, "SCOPE",
		 "what it counts: global, project:x, \"user:a & model:b*\""},
	[O_MODE] = {"mode", 'm', OPT_TEXT, "strict|adaptive",
		    "hold the worst case, or what is likely"},
	[O_HARD] = {"hard", 0, OPT_FLAG, NULL, "block beyond the limit"},
	[O_SOFT] = {"soft", 0, OPT_FLAG, NULL, "only warn"},
	[O_EACH] = {"each", 0, OPT_FLAG, NULL,
		    "one counter for each value of a scope like user:*"},
	[O_WARN_AT] = {"warn-at", 'w', OPT_TEXT, "RATIOS",
		       "warn at these, like 0.75,0.9,1.0"},
	[O_UNTIL] = {"until", 'u', OPT_TEXT, "DATE",
		     "the change ends here: 2026-12-31, or RFC 3339"},
	[O_JSON] = OPT_JSON,
	OPT_END,
};

enum { R_JSON };
static const struct opt plain_opts[] = {[R_JSON] = OPT_JSON, OPT_END};

struct change {
	struct lg_engine *e;
	char path[512];
	struct lg_buf line;
	const char *name;
};

static int read_file(const char *path, struct lg_buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	char buf[4096];
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	while (!err && (n = read(fd, buf, sizeof(buf))) > 0)
		err = lg_buf_put(out, buf, (size_t)n);
	close(fd);
	return err;
}

static int write_file(const char *path, int flags, struct lg_slice s)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags,
		      0600);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = write(fd, s.p, s.len);
	err = n < 0 ? -errno : (size_t)n == s.len ? 0 : -EIO;
	if (!err && fsync(fd))
		err = -errno;
	close(fd);
	return err;
}

/* Lines of a file of live changes that would be passed over. */
static int count_skipped(struct change *ch, const char *live,
			 struct lg_config_error *err)
{
	const char *config = lg_engine_config_path(ch->e);
	struct lg_config_paths paths = {
		.config = *config ? config : NULL,
		.live = live,
		.pricing_dir = lg_engine_pricing_dir(ch->e),
	};
	struct lg_buf img;
	int ret;

	memset(err, 0, sizeof(*err));
	lg_buf_init(&img, (size_t)1 << 28);
	ret = lg_config_compile(&paths, &img, err);
	lg_buf_fini(&img);
	return ret ? ret : (int)err->skipped;
}

/* "<file>: <line>: what": the file is a copy that is gone by now. */
static const char *without_place(const char *warning)
{
	const char *what = strstr(warning, "value ");

	return what ? what : warning;
}

/*
 * Would the line be taken? Tried on a copy of the file, so that nothing that
 * a reader would pass over gets into it.
 */
static int rehearse(struct change *ch)
{
	struct lg_config_error before, after;
	struct lg_buf all;
	char tmp[600];
	int err, n, m;

	lg_buf_init(&all, (size_t)1 << 26);
	snprintf(tmp, sizeof(tmp), "%s.%d", ch->path, getpid());
	n = count_skipped(ch, ch->path, &before);
	if (n < 0) {
		lg_buf_fini(&all);
		return tool_fail("%s", before.text);
	}
	err = read_file(ch->path, &all);
	if (!err && all.len && all.p[all.len - 1] != '\n')
		err = lg_buf_putc(&all, '\n');
	if (!err)
		err = lg_buf_put(&all, ch->line.p, ch->line.len);
	if (!err)
		err = write_file(tmp, O_TRUNC, lg_buf_slice(&all));
	lg_buf_fini(&all);
	m = err ? 0 : count_skipped(ch, tmp, &after);
	unlink(tmp);
	if (err)
		return tool_fail("%s: %s", tmp, strerror(-err));
	if (m < 0)
		return tool_fail("%s", after.text);
	if (m > n)
		return tool_fail("%s", without_place(after.warning));
	return -1;
}

static bool ends_torn(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char last = '\n';

	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && st.st_size &&
	    pread(fd, &last, 1, st.st_size - 1) != 1)
		last = '\n';
	close(fd);
	return last != '\n';
}

static int apply(struct change *ch, const char *note)
{
	struct lg_buf out;
	int err;

	lg_buf_init(&out, 1 << 20);
	if (ends_torn(ch->path))
		lg_buf_putc(&out, '\n');
	lg_buf_put(&out, ch->line.p, ch->line.len);
	err = write_file(ch->path, O_APPEND, lg_buf_slice(&out));
	lg_buf_fini(&out);
	if (err)
		return tool_fail("%s: %s", ch->path, strerror(-err));
	err = tool_audit(ch->e, note);
	if (err)
		tool_warn("the change is made, but the ledger has no row of "
			  "it: %s",
			  strerror(-err));
	if (lg_engine_region(ch->e) && !lg_engine_is_readonly(ch->e))
		lg_region_bump(lg_engine_region(ch->e));
	return -1;
}

static int begin(struct change *ch, const char *name)
{
	int ret = tool_open(&ch->e);

	if (ret >= 0)
		return ret;
	ch->name = name;
	lg_buf_init(&ch->line, 1 << 16);
	if (snprintf(ch->path, sizeof(ch->path), "%s/budgets.jsonl",
		     lg_engine_state_dir(ch->e)) >= (int)sizeof(ch->path))
		return tool_fail("the state folder's path is too long");
	return -1;
}

static void end(struct change *ch)
{
	lg_buf_fini(&ch->line);
	lg_engine_close(ch->e);
}

static const struct lg_rule *find(const struct lg_world *w, const char *name)
{
	unsigned i;

	for (i = 0; i < w->nrules; i++)
		if (lg_slice_eq(w->rules[i].name, lg_slice_str(name)))
			return &w->rules[i];
	return NULL;
}

static const char *const sources[] = {"config", "live", "env"};

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
	json_text(j, "source", sources[r->b->source % 3]);
	json_time(j, "since", r->b->since_ms);
	json_time(j, "until", r->b->until_ms);
	json_close(j, '}');
}

/* Say what is in force now under this name. */
static int tell(struct change *ch, bool as_json)
{
	const struct lg_rule *r;
	struct lg_world *w;
	struct json j;
	int ret = EXIT_OK;

	lg_engine_refresh(ch->e);
	w = lg_engine_pin(ch->e);
	r = find(w, ch->name);
	if (as_json) {
		json_init(&j);
		if (r)
			rule_json(&j, r);
		else
			json_null(&j, NULL);
		json_line(&j);
		ret = tool_print(&j.b);
	} else if (r) {
		printf("%s: %s %s of %.*s, %s, from %s\n", ch->name,
		       tool_usd(r->b->limit_pusd),
		       lg_period_name((enum lg_period)r->b->period),
		       (int)r->scope.len, r->scope.p,
		       r->b->hard ? "hard" : "soft", sources[r->b->source % 3]);
	} else {
		printf("%s: no such budget any more\n", ch->name);
	}
	lg_engine_unpin(ch->e, w);
	return ret;
}

static bool is_defined(struct change *ch)
{
	struct lg_world *w = lg_engine_pin(ch->e);
	bool yes = find(w, ch->name);

	lg_engine_unpin(ch->e, w);
	return yes;
}

static int set(struct call *c)
{
	struct lg_budget_text b = {
		.name = c->argv[0],
		.scope = c->v[O_SCOPE].text,
		.period = c->v[O_PERIOD].text,
		.limit_usd = c->v[O_LIMIT].text,
		.mode = c->v[O_MODE].text,
		.hard = c->v[O_HARD].set   ? 1
			: c->v[O_SOFT].set ? 0
					   : -1,
		.each = c->v[O_EACH].set ? 1 : -1,
		.warn_at = c->v[O_WARN_AT].text,
		.until = c->v[O_UNTIL].text,
		.source = LG_SOURCE_LIVE,
	};
	struct lg_config_error err;
	struct change ch;
	char note[101];
	int ret;

	if (c->v[O_HARD].set && c->v[O_SOFT].set)
		return tool_usage(c->cmd, "--hard and --soft exclude each "
					  "other");
	ret = begin(&ch, b.name);
	if (ret >= 0)
		return ret;
	if (!(b.limit_usd && b.period) && !is_defined(&ch)) {
		ret = tool_usage(c->cmd,
				 "%s is new: it needs --limit and "
				 "--period",
				 b.name);
		goto out;
	}
	ret = EXIT_FAILED;
	if (lg_config_budget_line(&b, LG_CONFIG_SET, lg_clock_real_ms(),
				  "llmguard budget set", &ch.line, &err)) {
		tool_usage(c->cmd, "%s", err.text);
		ret = EXIT_USAGE;
		goto out;
	}
	snprintf(note, sizeof(note), "budget set %s%s%s%s%s", b.name,
		 b.limit_usd ? " limit_usd=" : "",
		 b.limit_usd ? b.limit_usd : "", b.period ? " period=" : "",
		 b.period ? b.period : "");
	ret = rehearse(&ch);
	if (ret < 0)
		ret = apply(&ch, note);
	if (ret < 0)
		ret = tell(&ch, c->v[O_JSON].set);
out:
	end(&ch);
	return ret;
}

static int rm(struct call *c)
{
	struct lg_budget_text b = {
		.name = c->argv[0],
		.hard = -1,
		.each = -1,
	};
	struct lg_config_error err;
	const struct lg_rule *r;
	struct lg_world *w;
	struct change ch;
	char note[101];
	bool live;
	int ret = begin(&ch, b.name);

	if (ret >= 0)
		return ret;
	w = lg_engine_pin(ch.e);
	r = find(w, b.name);
	live = r && r->b->source == LG_SOURCE_LIVE;
	lg_engine_unpin(ch.e, w);
	if (!live) {
		ret = tool_fail(r ? "%s: comes from the config or the "
				    "environment; nothing to take back"
				  : "%s: no such budget",
				b.name);
		goto out;
	}
	if (lg_config_budget_line(&b, LG_CONFIG_RM, lg_clock_real_ms(),
				  "llmguard budget rm", &ch.line, &err)) {
		ret = tool_fail("%s", err.text);
		goto out;
	}
	snprintf(note, sizeof(note), "budget rm %s", b.name);
	ret = apply(&ch, note);
	if (ret < 0)
		ret = tell(&ch, c->v[R_JSON].set);
out:
	end(&ch);
	return ret;
}

static void rule_cells(struct table *t, struct lg_engine *e,
		       const struct lg_rule *r)
{
	char text[256];

	lg_slice_copy(r->name, text, sizeof(text));
	table_cell(t, text);
	lg_slice_copy(r->scope, text, sizeof(text));
	table_cell(t, text);
	table_cell(t, lg_period_name((enum lg_period)r->b->period));
	table_cell(t, tool_usd(r->b->limit_pusd));
	table_cell(t, r->b->hard ? "hard" : "soft");
	table_cell(t, r->b->mode == LG_MODE_STRICT ? "strict" : "adaptive");
	table_cell(t, r->b->each ? "yes" : "");
	table_cell(t, sources[r->b->source % 3]);
	table_cell(t, r->b->until_ms ? tool_time(e, r->b->until_ms) : "");
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
	table_init(&t, "BUDGET\tSCOPE\tPERIOD\tLIMIT\rKIND\tMODE\tEACH\tSOURCE"
		       "\tUNTIL");
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
	.args = "NAME",
	.summary = "make a budget, or change one while programs run",
	.about = "What is not given stays as the config file or an earlier "
		 "change has it; a new\nbudget needs --limit and --period. "
		 "Running programs see it at their next\nrequest. The change "
		 "lasts until `budget rm`, --until, or a newer config file.\n\n"
		 "  llmguard budget set month --limit 80\n"
		 "  llmguard budget set gpt4o --scope 'model:gpt-4o*' "
		 "--period daily --limit 5 --hard",
	.opts = set_opts,
	.min_args = 1,
	.max_args = 1,
	.run = set,
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
	.summary = "take back what `budget set` did",
	.about = "A budget of the config file is then as the file has it.",
	.opts = plain_opts,
	.min_args = 1,
	.max_args = 1,
	.run = rm,
};
