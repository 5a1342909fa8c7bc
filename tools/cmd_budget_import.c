#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "budget_change.h"
#include "cmds.h"
#include "doc.h"
#include "guard/engine.h"
#include "tool.h"

/*
 * The seed form: nested maps of limits.
 *   global: {daily: 5, monthly: 100, hard_limit: true, alert_at: [0.5, 0.9]}
 *   projects: {x: {monthly: 20, fallback: gpt-4o-mini}}
 *   models: {"gpt-4*": {limit_usd: 1, period: weekly}}
 *   users: {ann: 3}
 */
static const struct opt opts[] = {OPT_END};

#define BUDGETS_MAX 1024u
#define TEXT_MAX 256

static const char *const periods[] = {"hourly",	 "daily",  "weekly",
				      "monthly", "yearly", "total"};
#define PERIODS (sizeof(periods) / sizeof(periods[0]))

static const struct {
	const char *key, *scope;
} kinds[] = {
	{"projects", "project"},   {"models", "model"}, {"users", "user"},
	{"providers", "provider"}, {"tags", "tag"},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct import {
	struct doc_arena arena;
	struct doc_error err;
	const char *file;
	struct lg_budget_text b[BUDGETS_MAX];
	unsigned n;
};

/* What all limits of one map share. */
struct common {
	int hard;
	const char *fallback, *warn_at, *mode, *period;
	struct lg_slice limit;
	const struct doc *limit_at;
};

static int fail(struct import *im, const struct doc *v, const char *what)
{
	return doc_fail(&im->err, im->file, v, what);
}

static const char *text(struct import *im, const char *a, const char *b,
			struct lg_slice c)
{
	char t[TEXT_MAX * 2];

	snprintf(t, sizeof(t), "%s%s%.*s", a, b, (int)c.len, c.p);
	return doc_copy(&im->arena, lg_slice_str(t)).p;
}

/* "$5" and "5" alike. */
static struct lg_slice amount(const struct doc *v)
{
	struct lg_slice s = doc_text(v);

	if (s.len && *s.p == '$')
		s = (struct lg_slice){s.p + 1, s.len - 1};
	return s;
}

static int read_amount(struct import *im, const struct doc *v,
		       struct lg_slice *out)
{
	int64_t pusd;

	*out = amount(v);
	if (lg_money_parse(*out, &pusd) || pusd < 0 ||
	    pusd > LG_MONEY_LIMIT_MAX)
		return fail(im, v, "must be US dollars, 0 to 9000000");
	return 0;
}

/* 50 and 0.5 alike: "0.5" */
static int put_ratio(struct import *im, const struct doc *v, struct lg_buf *b)
{
	char t[LG_MONEY_TEXT];
	int64_t n;

	if (lg_money_parse(doc_text(v), &n) || n <= 0)
		return fail(im, v, "must be a ratio like 0.8, or percent");
	if (n > 10 * LG_PUSD_PER_USD)
		n /= 100;
	if (b->len)
		lg_buf_putc(b, ',');
	lg_buf_put(b, t, lg_money_print(n, t));
	return 0;
}

static int read_ratios(struct import *im, const struct doc *v, const char **out)
{
	char t[TEXT_MAX];
	struct lg_buf b;
	int err = 0;

	lg_buf_init_fixed(&b, t, sizeof(t) - 1);
	if (v->kind == DOC_LIST)
		for (const struct doc *k = v->child; k && !err; k = k->next)
			err = put_ratio(im, k, &b);
	else
		err = put_ratio(im, v, &b);
	*out = doc_copy(&im->arena, lg_buf_slice(&b)).p;
	return err;
}

static int is_key(const struct doc *v, const char *a, const char *b,
		  const char *c)
{
	return lg_slice_eq(v->key, lg_slice_str(a)) ||
	       (b && lg_slice_eq(v->key, lg_slice_str(b))) ||
	       (c && lg_slice_eq(v->key, lg_slice_str(c)));
}

/* "daily", "daily_usd", "daily_limit", "daily_limit_usd": its index or -1. */
static int period_of(const struct doc *v)
{
	for (size_t i = 0; i < PERIODS; i++) {
		struct lg_slice p = lg_slice_str(periods[i]), rest;

		if (!lg_slice_starts(v->key, p))
			continue;
		rest = (struct lg_slice){v->key.p + p.len, v->key.len - p.len};
		if (!rest.len || lg_slice_eq(rest, LG_SLICE("_usd")) ||
		    lg_slice_eq(rest, LG_SLICE("_limit")) ||
		    lg_slice_eq(rest, LG_SLICE("_limit_usd")))
			return (int)i;
	}
	return -1;
}

static int read_common(struct import *im, const struct doc *v, struct common *c)
{
	if (period_of(v) >= 0)
		return 0;
	if (is_key(v, "hard_limit", "hard", "enforce")) {
		if (v->kind != DOC_BOOL)
			return fail(im, v, "must be true or false");
		c->hard = doc_is(v, "true");
	} else if (is_key(v, "fallback", "fallback_model", NULL)) {
		c->fallback = doc_text(v).p;
	} else if (is_key(v, "alert_at", "warn_at", "alert_thresholds")) {
		return read_ratios(im, v, &c->warn_at);
	} else if (is_key(v, "mode", NULL, NULL)) {
		c->mode = doc_text(v).p;
	} else if (is_key(v, "period", NULL, NULL)) {
		c->period = doc_text(v).p;
	} else if (is_key(v, "limit", "limit_usd", NULL)) {
		c->limit_at = v;
		return read_amount(im, v, &c->limit);
	} else {
		return fail(im, v,
			    "unknown key; allowed: hourly daily weekly monthly "
			    "yearly total limit_usd period hard_limit "
			    "fallback alert_at mode");
	}
	return 0;
}

static int add(struct import *im, const struct doc *at, const char *name,
	       const char *scope, const struct common *c, const char *period,
	       struct lg_slice limit)
{
	if (im->n == BUDGETS_MAX)
		return fail(im, at, "more than 1024 budgets");
	im->b[im->n++] = (struct lg_budget_text){
		.name = text(im, name, "-", lg_slice_str(period)),
		.scope = scope,
		.period = period,
		.limit_usd = doc_copy(&im->arena, limit).p,
		.hard = c->hard,
		.each = -1,
		.warn_at = c->warn_at,
		.mode = c->mode,
		.fallback = c->fallback,
	};
	return 0;
}

/* One map of limits, or one amount: of a month. */
static int read_limits(struct import *im, const struct doc *map,
		       const char *name, const char *scope)
{
	struct common c = {.hard = -1};
	struct lg_slice limit;
	unsigned before = im->n;
	int err = 0, p;

	if (map->kind != DOC_MAP) {
		err = read_amount(im, map, &limit);
		return err ? err
			   : add(im, map, name, scope, &c, "monthly", limit);
	}
	for (const struct doc *v = map->child; v && !err; v = v->next)
		err = read_common(im, v, &c);
	for (const struct doc *v = map->child; v && !err; v = v->next) {
		p = period_of(v);
		if (p < 0 || v->kind == DOC_NULL)
			continue;
		err = read_amount(im, v, &limit);
		if (!err)
			err = add(im, v, name, scope, &c, periods[p], limit);
	}
	if (!err && c.limit_at)
		err = add(im, c.limit_at, name, scope, &c,
			  c.period ? c.period : "monthly", c.limit);
	if (!err && im->n == before)
		err = fail(im, map, "has no limit: daily, monthly, ...");
	return err;
}

static int read_kind(struct import *im, const struct doc *v)
{
	const struct doc *k;
	size_t i = 0;
	int err = 0;

	while (i < KINDS && !lg_slice_eq(v->key, lg_slice_str(kinds[i].key)))
		i++;
	if (i == KINDS)
		return fail(im, v,
			    "unknown key; allowed: global projects models "
			    "users providers tags");
	if (v->kind == DOC_NULL)
		return 0;
	if (v->kind != DOC_MAP)
		return fail(im, v, "must be a map of names");
	for (k = v->child; k && !err; k = k->next)
		err = read_limits(im, k, text(im, kinds[i].scope, "-", k->key),
				  text(im, kinds[i].scope, ":", k->key));
	return err;
}

static int read_file(struct import *im)
{
	struct lg_slice body;
	struct doc *root, *in;
	int err = doc_read(&im->arena, im->file, &body, &im->err);

	if (!err)
		err = doc_parse_yaml(&im->arena, im->file, body, &root,
				     &im->err);
	if (err)
		return err;
	if (!root || root->kind != DOC_MAP)
		return fail(im, root,
			    "must be a map: global, projects, "
			    "models");
	in = doc_get(root, "budgets");
	if (in && in->kind == DOC_MAP)
		root = in;
	for (const struct doc *v = root->child; v && !err; v = v->next)
		err = lg_slice_eq(v->key, LG_SLICE("global"))
			      ? read_limits(im, v, "global", "global")
			      : read_kind(im, v);
	return err;
}

static int make(struct import *im, struct change *ch)
{
	static struct before was[BUDGETS_MAX];
	struct lg_config_error err;
	unsigned i;
	int ret;

	for (i = 0; i < im->n; i++) {
		change_look(ch, im->b[i].name, &was[i]);
		if (lg_config_budget_line(
			    &im->b[i], LG_CONFIG_SET, lg_clock_real_ms(),
			    "llmguard budget import", &ch->line, &err))
			return tool_fail("%s: %s: %s", im->file, im->b[i].name,
					 err.text);
	}
	ret = change_rehearse(ch);
	if (ret < 0)
		ret = change_apply(ch);
	if (ret >= 0)
		return ret;
	for (i = 0; i < im->n; i++) {
		change_audit(ch, "budget import", im->b[i].name, &was[i]);
		printf("%s: $%s %s of %s\n", im->b[i].name, im->b[i].limit_usd,
		       im->b[i].period, im->b[i].scope);
	}
	return EXIT_OK;
}

static int run(struct call *c)
{
	static struct import im;
	struct change ch;
	int ret;

	im.file = c->argv[0];
	if (read_file(&im)) {
		doc_arena_fini(&im.arena);
		return tool_fail("%s", im.err.text);
	}
	ret = change_begin(&ch);
	if (ret < 0) {
		ret = make(&im, &ch);
		change_end(&ch);
	}
	doc_arena_fini(&im.arena);
	return ret;
}

const struct cmd cmd_budget_import = {
	.name = "budget import",
	.args = "FILE",
	.summary = "budgets from nested maps of limits",
	.about = "FILE (YAML or JSON, - is stdin) has global, projects, "
		 "models, users, providers, tags:\n\n"
		 "  global: {daily: 5, monthly: 100, hard_limit: true}\n"
		 "  projects:\n"
		 "    x: {monthly: 20, fallback: gpt-4o-mini, alert_at: [0.5, "
		 "0.9]}\n"
		 "  models:\n"
		 "    \"gpt-4*\": {weekly: 1}\n\n"
		 "Each limit becomes a budget like project-x-monthly, set live "
		 "as `budget set` would;\nan amount alone is of a month. All "
		 "of the file is taken, or nothing.",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
